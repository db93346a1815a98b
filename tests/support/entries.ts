// Attributes for entries in tests that are about something else.

import { NO_ID } from "../../core/fs.ts";
import type { Attributes } from "../../core/types.ts";

/** Of nobody, with nothing but a mode and a time. */
export function plain(mode: number, mtimeNs: bigint): Attributes {
  return { mode, mtimeNs, uid: NO_ID, gid: NO_ID, xattrs: "", link: 0 };
}
