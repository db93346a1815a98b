// Gives a plain socket of node:net to another thread of this process, by its handle. Deno 2.9 tells the handle; where it is not
// told, and with TLS, the socket stays where it is.

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Handover } from "./link.ts";
import { ownCalls } from "./open_fs.ts";

/** What is under a socket, as far as the runtime has it. */
interface Under {
  /** A copy of the handle. */
  readonly fdForIpc?: () => number;
  readonly readStop?: () => number;
  readStart: () => number;
}

/** Whether the runtime has read from a socket that was given away: then none is any more. */
let isMisread = false;

/** Whether `socket` can be given away, as long as nobody reads from it here. */
export function canHandOver(socket: Socket): boolean {
  const under = underOf(socket);
  if (isMisread || socket instanceof TLSSocket || !under?.fdForIpc || !under.readStop) return false;
  return ownCalls() !== undefined;
}

/** Gives `socket` away, of which nothing is waiting to be read. It is to be destroyed here too in the end. */
export function handOver(socket: Socket): Handover | undefined {
  const under = underOf(socket);
  if (!canHandOver(socket) || socket.readableLength > 0) return undefined;
  const handle = under!.fdForIpc!();
  if (handle < 0) return undefined;
  under!.readStop!();
  // Whatever a stream does to have something ready: it is for somebody else now.
  under!.readStart = () => 0;
  const { bytesRead } = socket;
  const closed = new Promise<void>((resolve) =>
    socket.on("close", () => {
      isMisread ||= socket.bytesRead !== bytesRead;
      resolve();
    })
  );
  return { handle, closed };
}

function underOf(socket: Socket): Under | undefined {
  return (socket as unknown as { readonly _handle?: Under })._handle;
}
