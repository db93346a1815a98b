// The protocol: which messages there are, and their bytes. Pure; no I/O.
//
// A connection starts as an HTTP/1.1 upgrade and is then two streams of frames: a 32-bit big-endian length, a type byte,
// a body (the length counts type and body). The client sends steps as it plans them, with the content of files in
// between, and `commit` where the mirror shall make them visible; it does not wait for an answer before it goes on. The
// server answers `list`, `ask`, `commit`, `prove` and `ping` in the order in which they came.

import { Reader, Writer } from "./codec.ts";
import { PathError, ProtocolError } from "./errors.ts";
import { type Held, HELD_REASONS, type Release, RELEASES } from "./events.ts";
import {
  MAX_ASKED,
  MAX_AVERAGE,
  MAX_FILE_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_NAME_BYTES,
  MAX_PACK_BYTES,
  MAX_PATH_BYTES,
  MAX_PIECES,
  MAX_STEPS,
  MAX_TARGET_BYTES,
  MIN_AVERAGE,
  PRINT_BYTES,
} from "./limits.ts";
import { parsePath, type RelPath } from "./path.ts";
import type { Attributes, Digest, DirEntry, Entry, Problem, SymlinkEntry } from "./types.ts";

/** Counts up with every change that an older peer would misread (the chunker's cuts are no part of it). */
export const PROTOCOL = 4;
/** A feature: the mirror remembers which root its content came from (`rooted`, `welcome.lastRoot`). */
export const ROOTS = "roots";
/** A sample holds no longer paths than this (UTF-16 code units, of up to three bytes): they fit into a text. */
const MAX_SAMPLE_LENGTH = 1000;

/** An entry of a directory of the mirror; `hash` is a directory's Merkle hash. */
export interface ListedEntry {
  readonly name: string;
  readonly entry: Entry;
  readonly hash?: Digest;
}

/** The name that goes with the number of a user or group. */
export interface AccountName {
  readonly id: number;
  readonly name: string;
}

/** A stretch of a chunk: bytes of the base, or new ones. */
export type PatchPart = { readonly offset: number; readonly length: number } | { readonly bytes: Uint8Array };

/** What the client sends. */
export type ClientMessage =
  | { type: "hello"; protocol: number; features: string[]; source: string; sourceId: string; dryRun: boolean }
  | { type: "list"; path: RelPath }
  /** Which of these chunks does the mirror hold? */
  | { type: "ask"; digests: Digest[] }
  /** Names of users and groups whose numbers will follow. */
  | { type: "names"; users: AccountName[]; groups: AccountName[] }
  /** Extended attributes, encoded (core/xattrs.ts), whose digest will follow. */
  | { type: "xattrs"; bytes: Uint8Array }
  | { type: "mkdir"; path: RelPath; entry: DirEntry }
  /** A small file in full, cut into chunks of these lengths. `sparse`: where it is zeros it may be holes. */
  | {
    type: "whole";
    path: RelPath;
    attributes: Attributes;
    sparse: boolean;
    average: number;
    content: Digest;
    lengths: readonly number[];
    bytes: Uint8Array;
  }
  /** Begins a file; `keep` refers to the file that the mirror holds at `base`. Its `content` comes with `fileEnd`. */
  | {
    type: "file";
    path: RelPath;
    attributes: Attributes;
    sparse: boolean;
    size: number;
    average: number;
    base: RelPath;
  }
  /** The next chunk, in full. */
  | { type: "literal"; bytes: Uint8Array }
  /** The next `count` chunks are those of the base from number `index` on. */
  | { type: "keep"; index: number; count: number }
  /** From here on, `keep` refers to the file that the mirror holds at `path`. */
  | { type: "base"; path: RelPath }
  /** Of what pieces are `count` chunks of the file's first base, from number `index` on? */
  | { type: "sketch"; index: number; count: number }
  /** The next chunk, put together from ranges of the file's first base and new bytes. */
  | { type: "patch"; digest: Digest; parts: readonly PatchPart[] }
  /** The next chunk is one that the mirror said it holds. */
  | { type: "known"; digest: Digest; length: number }
  | { type: "fileEnd"; content: Digest }
  /** The file begun is not to be: it changed while it was read. */
  | { type: "fileAbort" }
  | { type: "symlink"; path: RelPath; entry: SymlinkEntry }
  | { type: "link"; path: RelPath; to: RelPath }
  | { type: "meta"; path: RelPath; attributes: Attributes }
  | { type: "move"; from: RelPath; to: RelPath }
  | { type: "park"; path: RelPath; slot: number; stays: boolean }
  | { type: "unpark"; slot: number; below: RelPath; to: RelPath }
  | { type: "remove"; path: RelPath }
  | { type: "drop"; slot: number }
  | { type: "commit" }
  /** The mirror is in step with this source, or as near as it gets, and nothing is held: it is this source's now. */
  | { type: "adopt" }
  /** What comes from now on comes from this root (client/source_root.ts); only to a server that knows `ROOTS`. */
  | { type: "rooted"; root: string }
  /** Deletions are held (the brake); so that people on the server's side learn of it. */
  | { type: "held" } & Omit<Held, "source">
  /** Nothing is held any more. */
  | { type: "released"; how: Release }
  /** Whole frames of so many bytes together, packed (core/pack.ts); there is no pack in a pack. */
  | { type: "packed"; size: number; bytes: Uint8Array }
  /** What is the mirror's root hash? */
  | { type: "prove" }
  | { type: "ping" };

/** What the server sends. */
export type ServerMessage =
  /**
   * `holdsContent`: whether it is worth asking for chunks; `average`: the size of chunks it would like, 0 = no wish;
   * `lastId` and `lastSource`: id and name of the source that the mirror was last in step with, "" if none was;
   * `lastRoot`: the root that what it holds came from, "" if none is known; only to a client that knows `ROOTS`.
   */
  | {
    type: "welcome";
    features: string[];
    mirror: string;
    mirrorId: string;
    root: Digest;
    holdsContent: boolean;
    average: number;
    lastId: string;
    lastSource: string;
    lastRoot?: string;
  }
  | { type: "refuse"; message: string; retry: boolean }
  /** Still at work on an answer; may come at any time, and says only that. */
  | { type: "wait" }
  /** How much of its time the server waits for what is sent, percent; may come at any time. */
  | { type: "hunger"; share: number }
  /** A part of a directory; with `more`, another part follows. A directory that is not there has no entries. */
  | { type: "listing"; dir: DirEntry; more: boolean; entries: ListedEntry[] }
  /** One bit for each digest asked for, the first in the lowest bit of the first byte. */
  | { type: "holds"; bits: Uint8Array }
  /** The pieces (core/patch.ts): lengths in order, and the fingerprint of each; none where there is no such base any more. */
  | { type: "sketched"; lengths: readonly number[]; prints: Uint8Array }
  /** The steps since the last commit are durable, but for those that failed. */
  | { type: "committed"; problems: Problem[] }
  | { type: "proof"; root: Digest }
  | { type: "pong" };

/** Any message. */
export type Message = ClientMessage | ServerMessage;

const CLIENT_TYPES = [
  "hello",
  "list",
  "ask",
  "mkdir",
  "file",
  "literal",
  "keep",
  "known",
  "fileEnd",
  "fileAbort",
  "symlink",
  "meta",
  "move",
  "park",
  "unpark",
  "remove",
  "drop",
  "commit",
  "prove",
  "ping",
  "whole",
  "link",
  "names",
  "xattrs",
  "base",
  "sketch",
  "patch",
  "adopt",
  "held",
  "released",
  "packed",
  "rooted",
] as const satisfies readonly ClientMessage["type"][]; // deno-fmt-ignore-line
const SERVER_TYPES = [
  "welcome",
  "refuse",
  "listing",
  "holds",
  "committed",
  "proof",
  "pong",
  "wait",
  "sketched",
  "hunger",
] as const satisfies readonly ServerMessage["type"][];
/** The type byte of server messages starts here. */
const SERVER_BASE = 64;
const CODES = new Map<string, number>([
  ...CLIENT_TYPES.map((type, i) => [type, i + 1] as const),
  ...SERVER_TYPES.map((type, i) => [type, SERVER_BASE + i] as const),
]);

/** Appends the frame of `message`. */
export function writeMessage(out: Writer, message: Message): void {
  const start = out.length;
  out.u32(0);
  out.u8(CODES.get(message.type)!);
  writeBody(out, message);
  out.patchU32(start, out.length - start - 4);
}

function writeBody(out: Writer, m: Message): void {
  switch (m.type) {
    case "hello":
      out.uint(m.protocol);
      writeTexts(out, m.features);
      out.text(m.source);
      out.text(m.sourceId);
      return out.u8(m.dryRun ? 1 : 0);
    case "list":
      return out.text(m.path);
    case "ask":
      out.uint(m.digests.length);
      return m.digests.forEach((digest) => out.digest(digest));
    case "names":
      writeAccountNames(out, m.users);
      return writeAccountNames(out, m.groups);
    case "xattrs":
      return out.raw(m.bytes);
    case "mkdir":
    case "symlink":
      out.text(m.path);
      return writeEntry(out, m.entry);
    case "link":
      out.text(m.path);
      return out.text(m.to);
    case "file":
      out.text(m.path);
      writeAttributes(out, m.attributes);
      out.u8(m.sparse ? 1 : 0);
      out.uint(m.size);
      out.u8(Math.log2(m.average));
      return out.text(m.base);
    case "whole":
      out.text(m.path);
      writeAttributes(out, m.attributes);
      out.u8(m.sparse ? 1 : 0);
      out.u8(Math.log2(m.average));
      out.digest(m.content);
      out.uint(m.lengths.length);
      for (const length of m.lengths) out.uint(length);
      return out.raw(m.bytes);
    case "literal":
      return out.raw(m.bytes);
    case "keep":
    case "sketch":
      out.uint(m.index);
      return out.uint(m.count);
    case "base":
      return out.text(m.path);
    case "patch":
      out.digest(m.digest);
      return writeParts(out, m.parts);
    case "known":
      out.digest(m.digest);
      return out.uint(m.length);
    case "fileEnd":
      return out.digest(m.content);
    case "packed":
      out.uint(m.size);
      return out.raw(m.bytes);
    case "meta":
      out.text(m.path);
      return writeAttributes(out, m.attributes);
    case "move":
      out.text(m.from);
      return out.text(m.to);
    case "park":
      out.text(m.path);
      out.uint(m.slot);
      return out.u8(m.stays ? 1 : 0);
    case "unpark":
      out.uint(m.slot);
      out.text(m.below);
      return out.text(m.to);
    case "remove":
      return out.text(m.path);
    case "drop":
      return out.uint(m.slot);
    case "welcome":
      writeTexts(out, m.features);
      out.text(m.mirror);
      out.text(m.mirrorId);
      out.digest(m.root);
      out.u8(m.holdsContent ? 1 : 0);
      out.uint(m.average);
      out.text(m.lastId);
      out.text(m.lastSource);
      return m.lastRoot === undefined ? undefined : out.text(m.lastRoot);
    case "refuse":
      out.text(m.message);
      return out.u8(m.retry ? 1 : 0);
    case "listing":
      writeEntry(out, m.dir);
      out.u8(m.more ? 1 : 0);
      out.uint(m.entries.length);
      return m.entries.forEach(({ name, entry, hash }) => {
        out.text(name);
        writeEntry(out, entry);
        if (hash !== undefined) out.digest(hash);
      });
    case "holds":
      return out.raw(m.bits);
    case "committed":
      out.uint(m.problems.length);
      return m.problems.forEach(({ path, message }) => {
        out.text(path);
        out.text(message.slice(0, 1000));
      });
    case "sketched":
      out.uint(m.lengths.length);
      for (const length of m.lengths) out.uint(length);
      return out.raw(m.prints);
    case "hunger":
      return out.u8(m.share);
    case "proof":
      return out.digest(m.root);
    case "held":
      out.u8(HELD_REASONS.indexOf(m.reason));
      for (const count of [m.deleted, m.emptied, m.replaced, m.entries]) out.uint(count);
      out.text(m.detail);
      return writeTexts(out, m.sample.filter((path) => path.length < MAX_SAMPLE_LENGTH));
    case "rooted":
      return out.text(m.root);
    case "released":
      return out.u8(RELEASES.indexOf(m.how));
    case "fileAbort":
    case "adopt":
    case "commit":
    case "prove":
    case "ping":
    case "pong":
    case "wait":
      return;
  }
}

/** In turn: a length and, if it is not 0, the offset that it is copied from; a length and so many new bytes. */
function writeParts(out: Writer, parts: readonly PatchPart[]): void {
  let copied = false;
  for (const part of parts) {
    const isCopy = "offset" in part;
    if (isCopy === copied) out.uint(0);
    copied = isCopy;
    if (isCopy) {
      out.uint(part.length);
      out.uint(part.offset);
    } else {
      out.uint(part.bytes.length);
      out.raw(part.bytes);
    }
  }
}

function writeTexts(out: Writer, texts: readonly string[]): void {
  out.uint(texts.length);
  texts.forEach((text) => out.text(text));
}

function writeAccountNames(out: Writer, names: readonly AccountName[]): void {
  out.uint(names.length);
  for (const { id, name } of names) {
    out.uint(id);
    out.text(name);
  }
}

const KINDS = ["dir", "file", "symlink"] as const;
/** How many numbers there are for a user or group; the last one is NO_ID, which is written as 0. */
const IDS = 2 ** 32;

/** The canonical bytes of an entry, on the wire and under the Merkle hash. */
export function writeEntry(out: Writer, entry: Entry): void {
  out.u8(KINDS.indexOf(entry.kind));
  writeAttributes(out, entry);
  switch (entry.kind) {
    case "dir":
      return;
    case "file":
      out.uint(entry.size);
      out.u8(Math.log2(entry.average));
      return out.digest(entry.content);
    case "symlink":
      return out.text(entry.target);
  }
}

function writeAttributes(out: Writer, { mode, mtimeNs, uid, gid, xattrs, link }: Attributes): void {
  out.uint(mode);
  out.time(mtimeNs);
  out.uint((uid + 1) % IDS);
  out.uint((gid + 1) % IDS);
  out.uint(link);
  out.u8(xattrs === "" ? 0 : 1);
  if (xattrs !== "") out.digest(xattrs);
}

/**
 * Reads the message of one frame (without its length), as sent by a client.
 * @throws {ProtocolError} If it is not exactly one valid message.
 */
export function readClientMessage(frame: Uint8Array): ClientMessage {
  return readFrame(frame, (code, read) => {
    const type = CLIENT_TYPES[code - 1];
    if (type === undefined) throw new ProtocolError(`Unknown message type ${code}`);
    return readClientBody(type, read);
  });
}

/** Reads the message of one frame as sent by a server. @throws {ProtocolError} If it is not exactly one valid message. */
export function readServerMessage(frame: Uint8Array): ServerMessage {
  return readFrame(frame, (code, read) => {
    const type = SERVER_TYPES[code - SERVER_BASE];
    if (type === undefined) throw new ProtocolError(`Unknown message type ${code}`);
    return readServerBody(type, read);
  });
}

function readFrame<M>(frame: Uint8Array, readBody: (code: number, read: Reader) => M): M {
  const read = new Reader(frame);
  try {
    const message = readBody(read.u8(), read);
    read.end();
    return message;
  } catch (error) {
    if (error instanceof PathError) throw new ProtocolError(error.message, { cause: error });
    throw error;
  }
}

function readClientBody(type: ClientMessage["type"], read: Reader): ClientMessage {
  switch (type) {
    case "hello": {
      const protocol = read.uint();
      // What follows is another version's own affair.
      if (protocol !== PROTOCOL) {
        read.raw(read.left);
        return { type, protocol, features: [], source: "", sourceId: "", dryRun: false };
      }
      return {
        type,
        protocol,
        features: readTexts(read),
        source: read.text(),
        sourceId: read.text(),
        dryRun: readFlag(read),
      };
    }
    case "list":
      return { type, path: readPath(read) };
    case "ask":
      return { type, digests: Array.from({ length: read.count(MAX_ASKED) }, () => read.digest()) };
    case "names":
      return { type, users: readAccountNames(read), groups: readAccountNames(read) };
    case "xattrs":
      return { type, bytes: read.raw(read.left) };
    case "link":
      return { type, path: readPath(read), to: readPath(read) };
    case "mkdir": {
      const path = readPath(read);
      return { type, path, entry: readEntryOf(read, "dir") };
    }
    case "symlink": {
      const path = readPath(read);
      return { type, path, entry: readEntryOf(read, "symlink") };
    }
    case "file":
      return {
        type,
        path: readPath(read),
        attributes: readAttributes(read),
        sparse: readFlag(read),
        size: read.uint(MAX_FILE_BYTES),
        average: readAverage(read),
        base: readPath(read),
      };
    case "whole":
      return {
        type,
        path: readPath(read),
        attributes: readAttributes(read),
        sparse: readFlag(read),
        average: readAverage(read),
        content: read.digest(),
        lengths: Array.from({ length: read.count(MAX_ASKED) }, () => read.uint(MAX_AVERAGE * 4)),
        bytes: read.raw(read.left),
      };
    case "literal":
      return { type, bytes: read.raw(read.left) };
    case "keep":
    case "sketch":
      return { type, index: read.uint(), count: read.uint() };
    case "base":
      return { type, path: readPath(read) };
    case "patch":
      return { type, digest: read.digest(), parts: readParts(read) };
    case "known":
      return { type, digest: read.digest(), length: read.uint(MAX_AVERAGE * 4) };
    case "fileEnd":
      return { type, content: read.digest() };
    case "packed":
      return { type, size: read.uint(MAX_PACK_BYTES), bytes: read.raw(read.left) };
    case "meta":
      return { type, path: readPath(read), attributes: readAttributes(read) };
    case "move":
      return { type, from: readPath(read), to: readPath(read) };
    case "park":
      return { type, path: readPath(read), slot: read.uint(MAX_STEPS), stays: readFlag(read) };
    case "unpark":
      return { type, slot: read.uint(MAX_STEPS), below: readPath(read), to: readPath(read) };
    case "remove":
      return { type, path: readPath(read) };
    case "drop":
      return { type, slot: read.uint(MAX_STEPS) };
    case "held": {
      const reason = readOneOf(read, HELD_REASONS);
      const [deleted, emptied, replaced, entries] = [read.uint(), read.uint(), read.uint(), read.uint()];
      return {
        type,
        reason,
        deleted,
        emptied,
        replaced,
        entries,
        detail: read.text(),
        sample: readTexts(read),
      };
    }
    case "rooted":
      return { type, root: read.text() };
    case "released":
      return { type, how: readOneOf(read, RELEASES) };
    case "fileAbort":
    case "adopt":
    case "commit":
    case "prove":
    case "ping":
      return { type };
  }
}

function readServerBody(type: ServerMessage["type"], read: Reader): ServerMessage {
  switch (type) {
    case "welcome":
      return {
        type,
        features: readTexts(read),
        mirror: read.text(),
        mirrorId: readId(read),
        root: read.digest(),
        holdsContent: readFlag(read),
        average: read.uint(MAX_AVERAGE),
        lastId: read.text(),
        lastSource: read.text(),
        ...read.left > 0 ? { lastRoot: read.text() } : {},
      };
    case "refuse":
      return { type, message: read.text(), retry: readFlag(read) };
    case "listing": {
      const dir = readEntryOf(read, "dir"), more = readFlag(read);
      const entries = Array.from({ length: read.count(MAX_MESSAGE_BYTES) }, () => {
        const name = readName(read), entry = readEntry(read);
        return entry.kind === "dir" ? { name, entry, hash: read.digest() } : { name, entry };
      });
      return { type, dir, more, entries };
    }
    case "holds":
      return { type, bits: read.raw(read.left) };
    case "sketched": {
      const lengths = Array.from({ length: read.count(MAX_PIECES) }, () => read.uint(MAX_AVERAGE * 4));
      return { type, lengths, prints: read.raw(PRINT_BYTES * lengths.length) };
    }
    case "committed":
      return {
        type,
        problems: Array.from({ length: read.count(MAX_STEPS) }, () => ({ path: readPath(read), message: read.text() })),
      };
    case "hunger":
      return { type, share: read.u8() };
    case "proof":
      return { type, root: read.digest() };
    case "pong":
    case "wait":
      return { type };
  }
}

/** Reads what `writeEntry` wrote. @throws {ProtocolError} If it is not valid. */
export function readEntry(read: Reader): Entry {
  const kind = KINDS[read.u8()];
  const attributes = readAttributes(read);
  switch (kind) {
    case "dir":
      if (attributes.link !== 0) throw new ProtocolError("A directory has only one name");
      return { kind, ...attributes };
    case "file":
      return {
        kind,
        ...attributes,
        size: read.uint(MAX_FILE_BYTES),
        average: readAverage(read),
        content: read.digest(),
      };
    case "symlink": {
      const target = read.text(MAX_TARGET_BYTES);
      if (target === "" || target.includes("\0")) throw new ProtocolError("A symbolic link has an impossible target");
      return { kind, ...attributes, target };
    }
  }
  throw new ProtocolError("Unknown kind of entry");
}

function readAttributes(read: Reader): Attributes {
  return {
    mode: readMode(read),
    mtimeNs: read.time(),
    uid: readId32(read),
    gid: readId32(read),
    link: read.uint(),
    xattrs: readFlag(read) ? read.digest() : "",
  };
}

function readParts(read: Reader): PatchPart[] {
  const parts: PatchPart[] = [];
  let total = 0;
  for (let copies = true, empty = false; read.left > 0; copies = !copies) {
    const length = read.uint(MAX_AVERAGE * 4 - total);
    if (length === 0 && (empty || read.left === 0)) throw new ProtocolError("A patch says nothing");
    empty = length === 0;
    total += length;
    if (empty) continue;
    parts.push(copies ? { length, offset: read.uint(MAX_FILE_BYTES) } : { bytes: read.raw(length) });
  }
  return parts;
}

function readId32(read: Reader): number {
  return (read.uint(IDS - 1) + IDS - 1) % IDS;
}

function readAccountNames(read: Reader): AccountName[] {
  return Array.from(
    { length: read.count(MAX_ASKED) },
    () => ({ id: read.uint(IDS - 2), name: read.text(MAX_NAME_BYTES) }),
  );
}

function readEntryOf<K extends Entry["kind"]>(read: Reader, kind: K): Entry & { kind: K } {
  const entry = readEntry(read);
  if (entry.kind !== kind) throw new ProtocolError(`Expected a ${kind}, got a ${entry.kind}`);
  return entry as Entry & { kind: K };
}

function readOneOf<T>(read: Reader, all: readonly T[]): T {
  const one = all[read.u8()];
  if (one === undefined) throw new ProtocolError("A number stands for nothing");
  return one;
}

function readTexts(read: Reader): string[] {
  return Array.from({ length: read.count(64) }, () => read.text());
}

function readPath(read: Reader): RelPath {
  return parsePath(read.text(MAX_PATH_BYTES));
}

function readName(read: Reader): string {
  const name = parsePath(read.text(MAX_PATH_BYTES));
  if (name === "" || name.includes("/")) throw new ProtocolError("Expected one name");
  return name;
}

function readId(read: Reader): string {
  const id = read.text();
  if (!/^[0-9a-f-]{8,64}$/.test(id)) throw new ProtocolError("An id has an impossible form");
  return id;
}

function readMode(read: Reader): number {
  return read.uint(0o7777);
}

function readFlag(read: Reader): boolean {
  const flag = read.u8();
  if (flag > 1) throw new ProtocolError("A flag is neither 0 nor 1");
  return flag === 1;
}

function readAverage(read: Reader): number {
  const average = 2 ** read.u8();
  if (average < MIN_AVERAGE || average > MAX_AVERAGE) {
    throw new ProtocolError(`Chunks of ${average} bytes are not possible`);
  }
  return average;
}
