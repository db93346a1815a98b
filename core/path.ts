// Paths below a root. A RelPath can only be made here, so one in hand is proof that it stays inside its root.
//
// In memory a path is a string of names joined by "/"; "" is the root itself. Names are bytes on Linux: those that are
// not UTF-8 are carried as lone surrogates U+DC80..U+DCFF, one a byte (Python's "surrogateescape"), so that every name has
// exactly one string and every string that `toBytes` makes is read back unchanged.

import { PathError } from "./errors.ts";
import { MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_PATH_DEPTH } from "./limits.ts";

/** Most paths are short and no name in them starts with a dot: these need no closer look. A code unit is at most 3 bytes. */
const SHORT_PATH = Math.floor(MAX_NAME_BYTES / 3);
const PLAIN_PATH = /^[^/\0.\ud800-\udfff][^/\0\ud800-\udfff]*(?:\/[^/\0.\ud800-\udfff][^/\0\ud800-\udfff]*)*$/;

declare const brand: unique symbol;

/** A path relative to a root: names joined by "/", without ".", "..", empty names, NUL; "" is the root. */
export type RelPath = string & { readonly [brand]: true };

/** The root itself. */
export const ROOT = "" as RelPath;

/** Name of the private folder at a mirror's root; never mirrored, never reachable from the wire. */
export const PRIVATE = ".dirsync";
/** The file with the mirror's id, by which a client on the same machine knows the place. */
export const ID_FILE = `${PRIVATE}/id` as RelPath;
/** The index of a mirror; SQLite puts more beside it. */
export const INDEX_FILE = `${PRIVATE}/index.sqlite` as RelPath;

/**
 * Checks a path that came from elsewhere.
 *
 * @throws {PathError} If it is absolute, leaves the root, is not canonical, is too long or lies in the private folder.
 */
export function parsePath(text: string): RelPath {
  if (text.length <= SHORT_PATH && PLAIN_PATH.test(text)) return text as RelPath;
  if (text === "") return ROOT;
  const names = text.split("/");
  if (names.length > MAX_PATH_DEPTH) throw new PathError(text, `it is more than ${MAX_PATH_DEPTH} names deep`);
  for (const name of names) {
    const fault = faultOf(name);
    if (fault) throw new PathError(text, fault);
  }
  // Two strings must not name the same bytes.
  if (!text.isWellFormed() && fromBytes(toBytes(text)) !== text) {
    throw new PathError(text, "it is not the string of its bytes");
  }
  if (isPrivateName(names[0]!)) throw new PathError(text, `"${PRIVATE}" belongs to dirsync`);
  if (text.length * 3 > MAX_PATH_BYTES && toBytes(text).length > MAX_PATH_BYTES) {
    throw new PathError(text, `it is longer than ${MAX_PATH_BYTES} bytes`);
  }
  return text as RelPath;
}

/** The path of `name` in the directory `dir`. For names from a directory listing, and for other RelPaths. */
export function joinPath(dir: RelPath, name: string): RelPath {
  return (dir === "" ? name : name === "" ? dir : `${dir}/${name}`) as RelPath;
}

/** The directory that holds `path`; the root's is the root. */
export function parentOf(path: RelPath): RelPath {
  return path.slice(0, Math.max(0, path.lastIndexOf("/"))) as RelPath;
}

/** The last name of `path`; "" for the root. */
export function nameOf(path: RelPath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The names of `path` from the top; none for the root. */
export function namesOf(path: RelPath): string[] {
  return path === "" ? [] : path.split("/");
}

/** Whether `path` is `dir` or lies below it. */
export function isWithin(path: RelPath, dir: RelPath): boolean {
  return dir === "" || path === dir || path.startsWith(dir + "/");
}

/** The canonical order: parents before their children, names by UTF-16 code units; the same on every machine. */
export function comparePaths(a: RelPath, b: RelPath): number {
  const x = a.replaceAll("/", "\0"), y = b.replaceAll("/", "\0");
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Whether this name, at the top of a tree, belongs to dirsync; on any file system, however it treats case. */
export function isPrivateName(name: string): boolean {
  return name.length === PRIVATE.length &&
    (name.toLowerCase() === PRIVATE || name.toUpperCase() === PRIVATE.toUpperCase());
}

/** Why `name` cannot be a name of a mirrored entry, or undefined. */
function faultOf(name: string): string | undefined {
  if (name === "") return "a name in it is empty";
  if (name === "." || name === "..") return `"${name}" is not a name`;
  if (name.includes("\0")) return "it contains NUL";
  if (name.length * 3 > MAX_NAME_BYTES && toBytes(name).length > MAX_NAME_BYTES) {
    return `a name in it is longer than ${MAX_NAME_BYTES} bytes`;
  }
  return undefined;
}

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes of a name or path, lone surrogates turned back into the bytes that they stand for. */
export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes: number[] = [];
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else bytes.push(...encoder.encode(char));
  }
  return Uint8Array.from(bytes);
}

/** The string of the bytes of a name or path; what is not UTF-8 becomes lone surrogates. */
export function fromBytes(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return fromOddBytes(bytes);
  }
}

/** The string of the bytes from `from` to `to`. Most names are short and ASCII, for which a decoder costs more than it does. */
export function textIn(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > 32) return fromBytes(bytes.subarray(from, to));
  let text = "";
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return fromBytes(bytes.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}

function fromOddBytes(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at]!), code = codePointAt(bytes, at, length);
    if (code === undefined) text += String.fromCharCode(0xdc00 + bytes[at++]!);
    else {
      text += String.fromCodePoint(code);
      at += length;
    }
  }
  return text;
}

/** The code point whose UTF-8 are the `length` bytes at `at`; undefined if they are nobody's, or in a longer form than they need be. */
function codePointAt(bytes: Uint8Array, at: number, length: number): number | undefined {
  if (length === 0 || at + length > bytes.length) return undefined;
  let code = length === 1 ? bytes[at]! : bytes[at]! & 0x7f >> length;
  for (let i = at + 1; i < at + length; i++) {
    if ((bytes[i]! & 0xc0) !== 0x80) return undefined;
    code = code << 6 | bytes[i]! & 0x3f;
  }
  const least = [0, 0, 0x80, 0x800, 0x10000][length]!;
  return code < least || code > 0x10ffff || code >= 0xd800 && code <= 0xdfff ? undefined : code;
}

/** Length of the UTF-8 sequence that starts with `lead`, 0 if none does. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}
