// Extended attributes in the POSIX layer, by a path that stands for an open handle.

import type { Xattrs } from "./fs.ts";
import { E, errorOf } from "./libc.ts";
import { LARGE, LARGE_BYTES, type PosixDirs } from "./posix_dirs.ts";
import { isMirroredXattr } from "./xattrs.ts";

/** The attributes of what is at address `at`; none where the file system has no such thing. */
export function readXattrs(dirs: PosixDirs, at: number, path: string): Xattrs {
  const { call } = dirs.libc;
  const xattrs = new Map<string, Uint8Array>();
  for (const name of listNames(dirs, at, path)) {
    const length = call.getxattr(at, dirs.name(name), dirs.base + LARGE, LARGE_BYTES);
    if (length < 0) {
      const errno = dirs.libc.errno();
      // It has gone since it was listed.
      if (errno === E.ENODATA) continue;
      throw errorOf(errno, "getxattr", path);
    }
    xattrs.set(name, dirs.bytes.slice(LARGE, LARGE + length));
  }
  return xattrs;
}

/** Makes `xattrs` all the attributes of what is at address `at`. */
export function writeXattrs(dirs: PosixDirs, at: number, path: string, xattrs: Xattrs): void {
  const { call } = dirs.libc;
  const now = readXattrs(dirs, at, path);
  for (const name of now.keys()) {
    if (xattrs.has(name)) continue;
    if (call.removexattr(at, dirs.name(name)) < 0 && dirs.libc.errno() !== E.ENODATA) {
      throw dirs.error("removexattr", path);
    }
  }
  // An access list may take from us the right to write anything else.
  const lists = [...xattrs].filter(([name]) => !name.startsWith("user."));
  for (const [name, value] of [...[...xattrs].filter(([name]) => name.startsWith("user.")), ...lists]) {
    if (isEqual(now.get(name), value)) continue;
    if (value.length > LARGE_BYTES) throw errorOf(E.ERANGE, "setxattr", path);
    dirs.bytes.set(value, LARGE);
    dirs.check(call.setxattr(at, dirs.name(name), dirs.base + LARGE, value.length, 0), "setxattr", path);
  }
}

function listNames(dirs: PosixDirs, at: number, path: string): string[] {
  const length = dirs.libc.call.listxattr(at, dirs.base + LARGE, LARGE_BYTES);
  if (length < 0) {
    const errno = dirs.libc.errno();
    if (errno === E.EOPNOTSUPP) return [];
    throw errorOf(errno, "listxattr", path);
  }
  const names: string[] = [];
  for (let from = LARGE; from < LARGE + length;) {
    const end = dirs.bytes.indexOf(0, from);
    const name = dirs.read(from, end);
    if (isMirroredXattr(name)) names.push(name);
    from = end + 1;
  }
  return names;
}

function isEqual(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a?.length === b.length && a.every((byte, at) => byte === b[at]);
}
