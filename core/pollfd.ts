// What poll(2) is told: of each handle, what is waited for.

/** There is something to read; there is room to write. */
export const POLLIN = 1, POLLOUT = 4;
/** Bytes of a `struct pollfd`. */
const POLLFD = 8;

/** The structs for handles and what is waited for of them; the kernel writes to it while it waits. */
export function pollfds(...wanted: readonly (readonly [handle: number, events: number])[]): Uint8Array<ArrayBuffer> {
  const structs = new Uint8Array(wanted.length * POLLFD);
  const view = new DataView(structs.buffer);
  for (const [i, [handle, events]] of wanted.entries()) {
    view.setInt32(i * POLLFD, handle, true);
    view.setInt16(i * POLLFD + 4, events, true);
  }
  return structs;
}
