// A Link over a MessagePort: between the main thread, which holds the socket, and the Worker, where the engine runs.

import { DisconnectedError } from "./errors.ts";
import { BUFFER_BYTES, LINK_WINDOW_BYTES } from "./limits.ts";
import { Inbox, type Link, Window } from "./link.ts";

/** What goes through the port: bytes, how many bytes the other side has taken, or null for the end (undefined arrives as null). */
type Parcel = Uint8Array | number | null;

/** The other side is told of what was taken in sums of so many bytes: a message for each would cost as much as the bytes. */
const TELL_BYTES = LINK_WINDOW_BYTES / 16;

/** Makes one end of a link of a port, whose other end must be made one too. */
export function portLink(port: MessagePort): Link {
  const window = new Window();
  let taken = 0;
  const inbox = new Inbox((bytes) => {
    taken += bytes;
    if (taken < TELL_BYTES) return;
    port.postMessage(taken);
    taken = 0;
  });
  let saidEnd = false;
  // A port that is closed at once may take what was posted last with it: each side says that it is at the end, and who said it
  // first closes the port when the other has answered.
  const end = () => {
    inbox.end();
    window.fail(new DisconnectedError("The connection is closed"));
    if (saidEnd) return;
    saidEnd = true;
    port.postMessage(null);
  };
  port.onmessage = ({ data }: MessageEvent<Parcel>) => {
    if (data === null) {
      const answered = saidEnd;
      end();
      if (answered) port.close();
    } else if (typeof data === "number") window.release(data + BUFFER_BYTES);
    else inbox.push(data);
  };
  return {
    send: (bytes) => {
      if (saidEnd) return Promise.reject(new DisconnectedError("The connection is closed"));
      const length = bytes.length;
      port.postMessage(bytes, [bytes.buffer]);
      return window.add(length + BUFFER_BYTES);
    },
    receive: () => inbox.take(),
    close: end,
  };
}
