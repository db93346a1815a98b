// Which file-system layer this machine gets: Linux's own calls where they can be had, else Deno's.

import { type Accounts, noAccounts } from "./accounts.ts";
import type { FileSystem } from "./fs.ts";
import { type Libc, loadLibc } from "./libc.ts";
import { PortableFs } from "./portable_fs.ts";
import { PosixAccounts } from "./posix_accounts.ts";
import { PosixFs } from "./posix_fs.ts";

/** Set to "portable", this variable makes Linux do without its own calls: for tests, and where they should fail. */
const LAYER_VARIABLE = "DIRSYNC_FS";

/** Linux's own calls, where they can be had and are wanted. */
export function ownCalls(): Libc | undefined {
  return Deno.env.get(LAYER_VARIABLE) === "portable" ? undefined : loadLibc();
}

/** Opens the tree below `root` (absolute, its symbolic links resolved), to be written. */
export function openFs(root: string): FileSystem {
  const libc = ownCalls();
  return libc ? new PosixFs(root, libc) : new PortableFs(root);
}

/** Opens the tree below `root` to be read; what is mounted there can be unmounted meanwhile. */
export function openSource(root: string): FileSystem {
  const libc = ownCalls();
  return libc ? new PosixFs(root, libc, { reopen: true }) : new PortableFs(root);
}

/** What to tell people who want to know which layer they have. */
export function describeFs({ features: { layer, lacks } }: FileSystem): string {
  return `file-system layer: ${layer}${lacks.length > 0 ? `, which does not keep ${lacks.join(", ")}` : ""}`;
}

/** The users and groups of this machine. */
export function openAccounts(): Accounts {
  const libc = loadLibc();
  return libc ? new PosixAccounts(libc) : noAccounts;
}
