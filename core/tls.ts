// What both sides must know of TLS in the runtime.

import { FatalError } from "./errors.ts";

/** The first Deno whose node:tls keeps to TLS 1.3 where it is told so, and checks who holds a certificate's key in all modes. */
const SINCE = [2, 9] as const;

/** Whether this runtime is one that all promises are made for; older ones serve the tests of standalone binaries. */
export function isCurrentRuntime(version: string = Deno.version.deno): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > SINCE[0] || major === SINCE[0] && minor >= SINCE[1];
}

/** @throws {FatalError} If this runtime cannot do TLS as it is promised. Nothing weaker is used instead. */
export function requireTls(version: string = Deno.version.deno): void {
  if (isCurrentRuntime(version)) return;
  throw new FatalError(
    `TLS needs Deno ${SINCE.join(".")} or later, and this is ${version}: use localhost and an ssh tunnel instead`,
  );
}
