// A Link over a MessagePort: between the main thread, which holds the socket, and the Worker, where the engine runs.

import { DisconnectedError } from "./errors.ts";
import { Inbox, type Link, Window } from "./link.ts";

/** What goes through the port: bytes, how many bytes the other side has taken, or undefined for the end. */
type Parcel = Uint8Array | number | undefined;

/** Makes one end of a link of a port, whose other end must be made one too. */
export function portLink(port: MessagePort): Link {
  const window = new Window();
  const inbox = new Inbox((bytes) => port.postMessage(bytes));
  const end = () => {
    inbox.end();
    window.fail(new DisconnectedError("The connection is closed"));
    // What was posted before still arrives: closing comes after it.
    port.close();
  };
  port.onmessage = ({ data }: MessageEvent<Parcel>) => {
    if (data === undefined) end();
    else if (typeof data === "number") window.release(data);
    else inbox.push(data);
  };
  return {
    send: (bytes) => {
      if (inbox.ended) return Promise.reject(new DisconnectedError("The connection is closed"));
      const length = bytes.length;
      port.postMessage(bytes, [bytes.buffer]);
      return window.add(length);
    },
    receive: () => inbox.take(),
    close: () => {
      if (inbox.ended) return;
      port.postMessage(undefined);
      end();
    },
  };
}
