// Who works in a mirror: one at a time, whether server or `dirsync restore`. A lock of the system, which ends with the process.

import { PRIVATE } from "../core/path.ts";

/** A hold on a mirror. */
export interface Hold extends Disposable {
  /** Whether nobody else has it. True where the system cannot tell. */
  readonly isOurs: boolean;
}

/** Takes hold of the mirror in `root` until it is disposed of. */
export function holdMirror(root: string): Hold {
  let file: Deno.FsFile | undefined, isOurs = true;
  try {
    file = Deno.openSync(`${root}/${PRIVATE}/lock`, { create: true, write: true, mode: 0o600 });
    // Deno has it since 2.7.
    isOurs = (file as { tryLockSync?: Deno.FsFile["tryLockSync"] }).tryLockSync?.(true) ?? true;
  } catch {
    // A file system without locks, or one that is only to be read.
  }
  return { isOurs, [Symbol.dispose]: () => file?.close() };
}
