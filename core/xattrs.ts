// Extended attributes as bytes, so that a digest names a set of them: for each attribute, sorted by name, its name and its
// value with their lengths in front. Those of access control lists hold numbers of users and groups, which travel as the
// source has them and are changed to the mirror's own when they are set there.

import { Reader, Writer } from "./codec.ts";
import { ProblemError, ProtocolError } from "./errors.ts";
import type { Xattrs } from "./fs.ts";
import { MAX_NAME_BYTES, MAX_XATTR_BYTES, MAX_XATTRS_BYTES } from "./limits.ts";

/** The attribute that is the access list of a file or directory; it says what the mode says, and more. */
export const ACCESS_LIST = "system.posix_acl_access";
const DEFAULT_LIST = "system.posix_acl_default";

/** Whether an attribute of this name is mirrored: those of users, and access control lists. */
export function isMirroredXattr(name: string): boolean {
  return name.startsWith("user.") && name.length > 5 || name === ACCESS_LIST || name === DEFAULT_LIST;
}

/** The bytes of a set of attributes; none for an empty set. @throws {ProblemError} If they are too many. */
export function encodeXattrs(xattrs: Xattrs): Uint8Array<ArrayBuffer> {
  const out = new Writer(256);
  for (const name of [...xattrs.keys()].sort()) {
    const value = xattrs.get(name)!;
    out.text(name);
    out.uint(value.length);
    out.raw(value);
  }
  if (out.length > MAX_XATTRS_BYTES) throw new ProblemError("its extended attributes are too large");
  return out.take();
}

/** The set of attributes with these bytes. @throws {ProtocolError} If `encodeXattrs` would not have made them. */
export function decodeXattrs(bytes: Uint8Array): Xattrs {
  if (bytes.length > MAX_XATTRS_BYTES) throw new ProtocolError("Extended attributes are too large");
  const read = new Reader(bytes);
  const xattrs = new Map<string, Uint8Array>();
  let last = "";
  while (read.left > 0) {
    const name = read.text(MAX_NAME_BYTES);
    if (!isMirroredXattr(name) || name.includes("\0")) {
      throw new ProtocolError(`The extended attribute ${JSON.stringify(name)} is not mirrored`);
    }
    if (name <= last) throw new ProtocolError("Extended attributes are not in order");
    last = name;
    xattrs.set(name, read.raw(read.uint(MAX_XATTR_BYTES)).slice());
  }
  return xattrs;
}

/** Numbers of the users and groups that the access control lists among these attributes name. */
export function accountsIn(xattrs: Xattrs): { users: number[]; groups: number[] } {
  const users: number[] = [], groups: number[] = [];
  mapAccounts(xattrs, (uid) => (users.push(uid), uid), (gid) => (groups.push(gid), gid));
  return { users, groups };
}

// The kernel's form of an access control list (linux/posix_acl_xattr.h), little-endian: a 32-bit version, then for each line
// a 16-bit tag, 16 permission bits and the 32-bit number of the user or group that it is for.
const LIST_VERSION = 2;
const TAG_USER = 0x02;
const TAG_GROUP = 0x08;

/** The same attributes with other numbers for the users and groups in access control lists. */
export function mapAccounts(xattrs: Xattrs, user: (uid: number) => number, group: (gid: number) => number): Xattrs {
  const mapped = new Map(xattrs);
  for (const name of [ACCESS_LIST, DEFAULT_LIST]) {
    const list = xattrs.get(name);
    if (!list || list.length < 4 || list.length % 8 !== 4) continue;
    const copy = list.slice();
    const view = new DataView(copy.buffer);
    if (view.getUint32(0, true) !== LIST_VERSION) continue;
    for (let at = 4; at < copy.length; at += 8) {
      const tag = view.getUint16(at, true), id = view.getUint32(at + 4, true);
      if (tag === TAG_USER) view.setUint32(at + 4, user(id), true);
      else if (tag === TAG_GROUP) view.setUint32(at + 4, group(id), true);
    }
    mapped.set(name, copy);
  }
  return mapped;
}
