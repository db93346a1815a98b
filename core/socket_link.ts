// A Link over a socket of node:net, as the `upgrade` event of node:http hands it out on both sides.

import type { Socket } from "node:net";
import { DisconnectedError } from "./errors.ts";
import { Inbox, type Link, Window } from "./link.ts";
import { canHandOver, handOver } from "./hand_over.ts";
import { BUFFER_BYTES, LINK_WINDOW_BYTES } from "./limits.ts";

/** Takes the socket over; `head` is what arrived behind the handshake already. */
export function socketLink(socket: Socket, head: Uint8Array): Link {
  const window = new Window();
  let waiting = 0;
  const inbox = new Inbox((bytes) => {
    waiting -= bytes + BUFFER_BYTES;
    if (waiting <= LINK_WINDOW_BYTES / 2 && socket.isPaused()) socket.resume();
  });
  const receive = (bytes: Uint8Array) => {
    waiting += bytes.length + BUFFER_BYTES;
    inbox.push(bytes);
    if (waiting > LINK_WINDOW_BYTES) socket.pause();
  };
  const end = (error: Error | undefined) => {
    inbox.end(error);
    window.fail(error ?? new DisconnectedError("The connection is closed"));
  };
  socket.setNoDelay(true);
  socket.on("error", (error: Error) => end(new DisconnectedError(error.message, { cause: error })));
  socket.on("close", () => end(undefined));
  socket.on("end", () => end(undefined));
  let begun = false;
  const begin = () => {
    if (begun) return;
    begun = true;
    if (head.length > 0) receive(owned(head));
    socket.on("data", (bytes: Uint8Array) => receive(owned(bytes)));
    socket.resume();
  };
  // Until it is known which thread reads it, nobody does.
  if (canHandOver(socket)) socket.pause();
  else begin();
  return {
    handOver: () => begun || head.length > 0 || inbox.ended ? undefined : handOver(socket),
    send: (bytes) => {
      begin();
      if (inbox.ended || socket.destroyed) return Promise.reject(new DisconnectedError("The connection is closed"));
      socket.write(bytes, () => window.release(bytes.length));
      return window.add(bytes.length);
    },
    receive: () => {
      begin();
      return inbox.take();
    },
    close: () => {
      end(undefined);
      socket.destroySoon();
    },
  };
}

/** The same bytes, in a buffer that is theirs alone: what is handed on may go to another thread. */
function owned(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes);
}
