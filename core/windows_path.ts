// Paths of entries on Windows, and which names it cannot hold: those that mean something else to it (a separator, a stream, a
// device) or that it would change.

import { ProblemError } from "./errors.ts";
import { namesOf, type RelPath } from "./path.ts";

/** Longest path (UTF-16 units) that Windows takes without `\\?\`; for directories it is 12 less than for files. */
const MAX_PLAIN_PATH = 247;

/** Longest path that it takes at all, with what it puts before it itself. */
const MAX_PATH = 32_700;

/** Where a name that begins so, whatever its extension, leads: to no file. */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?= *(\.|$))/iu;

/**
 * The path of an entry below `root` on Windows.
 *
 * @throws {ProblemError} If a name in it cannot be one there; some of those would lead out of the root.
 */
export function windowsPath(root: string, path: RelPath): string {
  for (const name of namesOf(path)) {
    const fault = faultOf(name);
    if (fault) throw new ProblemError(`Windows does not allow the name ${JSON.stringify(name)}: ${fault}`);
  }
  const base = root.replaceAll("/", "\\");
  const full = path === "" ? base : (base.endsWith("\\") ? base : base + "\\") + path.replaceAll("/", "\\");
  if (full.length > MAX_PATH) {
    throw new ProblemError("its path is longer than the 32,767 characters that Windows allows");
  }
  if (full.length <= MAX_PLAIN_PATH || full.startsWith("\\\\?\\")) return full;
  return full.startsWith("\\\\") ? `\\\\?\\UNC${full.slice(1)}` : `\\\\?\\${full}`;
}

/** Why Windows cannot hold `name`, with the part that it stumbles over; undefined if it can. */
function faultOf(name: string): string | undefined {
  for (const char of name) {
    if (char < " ") return `it has the control character ${codePoint(char)}`;
    if ('<>:"|?*\\'.includes(char)) return `it has a ${char}`;
  }
  if (name.endsWith(".")) return "it ends with a dot";
  if (name.endsWith(" ")) return "it ends with a space";
  const [device] = DEVICE.exec(name) ?? [];
  return device && `${device.toUpperCase()} is a device there`;
}

function codePoint(char: string): string {
  return `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
}
