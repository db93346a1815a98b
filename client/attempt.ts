// One attempt at something that a socket does, or fails to do: it is settled once, and listens to nothing afterwards.

import type { Socket } from "node:net";
import { DisconnectedError } from "../core/errors.ts";

/** How an attempt ends. */
export interface Attempt<T> {
  /** @param result Makes the result at once, with nobody listening to the socket any more: no byte may be missed between the two. */
  readonly succeed: (result: () => T) => void;
  /** Destroys the socket. */
  readonly fail: (error: Error) => void;
}

/**
 * Waits until `begin`, which is to listen to the socket, has one of its ends come about.
 *
 * @param socket Destroyed when the attempt fails, or `signal` is aborted.
 * @throws {DisconnectedError} If it is stopped; what `fail` is given.
 */
export function attempt<T>(socket: Socket, signal: AbortSignal, begin: (ends: Attempt<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      signal.removeEventListener("abort", abort);
      socket.setTimeout(0);
      socket.removeAllListeners();
    };
    const fail = (error: Error) => {
      settle();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const abort = () => fail(new DisconnectedError("stopped"));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    const succeed = (result: () => T) => {
      settle();
      resolve(result());
    };
    begin({ succeed, fail });
  });
}
