// Where a client may reach.

import { type Defence, defence } from "./defence.ts";

const PATH = "core/path.ts";
const WIRE = "core/wire_reader.ts";
const SESSION = "server/session.ts";

export const PATHS: readonly Defence[] = [
  defence(
    "attributes that are not mirrored",
    "core/xattrs.ts",
    "if (!isMirroredXattr(name) || name.includes",
    "if (name.includes",
    "fuzz/fuzz",
    "core/xattrs",
  ),
  defence(
    "attributes that never came",
    SESSION,
    'if (digest !== "" && !this.#deps.mirror.index.xattrs(digest)) {',
    "if (false) {",
    "server/session",
  ),
  defence(
    "paths as they come",
    WIRE,
    "return parsePath(read.text(MAX_PATH_BYTES));\n}\n\nfunction readName",
    "return read.text(MAX_PATH_BYTES) as RelPath;\n}\n\nfunction readName",
    "core/wire",
  ),
  defence("names with a slash", WIRE, 'if (name === "" || name.includes("/")) throw', "if (false) throw", "core/wire"),
  defence("mode bits that are none", WIRE, "read.uint(0o7777)", "read.uint()", "core/wire"),
  defence(
    "dots in paths",
    PATH,
    'if (name === "." || name === "..") return',
    "if (false) return",
    "core/path",
    "e2e/path_attack",
  ),
  defence(
    "empty names",
    PATH,
    'if (name === "") return "a name',
    'if (false) return "a name',
    "core/path",
    "e2e/path_attack",
  ),
  defence(
    "NUL in names",
    PATH,
    'if (name.includes("\\0")) return',
    "if (false) return",
    "core/path",
    "e2e/path_attack",
  ),
  defence(
    "our own folder",
    PATH,
    "if (isPrivateName(names[0]!)) throw",
    "if (false) throw",
    "core/path",
    "e2e/path_attack",
  ),
  defence(
    "our own folder in another case",
    PATH,
    "(name.toLowerCase() === PRIVATE || name.toUpperCase() === PRIVATE.toUpperCase())",
    "name === PRIVATE",
    "core/path",
  ),
  defence(
    "two strings for one path",
    PATH,
    "if (!text.isWellFormed() && fromBytes(toBytes(text)) !== text) {",
    "if (false) {",
    "core/path",
    "fuzz/fuzz",
  ),
  defence(
    "paths of any depth",
    PATH,
    "if (names.length > MAX_PATH_DEPTH) throw",
    "if (false) throw",
    "core/path",
    "e2e/path_attack",
  ),
  defence(
    "files through symbolic links",
    "core/posix_dirs.ts",
    "C.RESOLVE_BENEATH | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS,",
    "0,",
    "contract/posix_fs",
    "attack/symlink_race",
    "e2e/path_attack",
  ),
  defence(
    "a root through symbolic links",
    "core/posix_dirs.ts",
    "const resolve = C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS;",
    "const resolve = 0;",
    "contract/posix_fs",
    "attack/symlink_race",
    "e2e/path_attack",
  ),
  defence(
    "setuid for whoever owns the file",
    "server/metadata.ts",
    "mode &= ~SETUID;",
    "mode &= ~0;",
    "server/metadata",
  ),
  defence(
    "devices, streams and separators of Windows",
    "core/windows_path.ts",
    "    if (fault) throw",
    "    if (false) throw",
    "core/windows_path",
  ),
];
