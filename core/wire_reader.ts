// The protocol's messages (core/wire.ts) out of their bytes: what comes is checked, all of it, before anybody sees it. Pure; no I/O.

import { Reader } from "./codec.ts";
import { PathError, ProtocolError } from "./errors.ts";
import { HELD_REASONS, RELEASES } from "./events.ts";
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
import type { Attributes, Entry } from "./types.ts";
import {
  type AccountName,
  CLIENT_TYPES,
  type ClientMessage,
  IDS,
  KINDS,
  type PatchPart,
  PROTOCOL,
  SERVER_BASE,
  SERVER_TYPES,
  type ServerMessage,
} from "./wire.ts";

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
      return { type, index: read.uint(), count: read.uint() };
    case "sketch":
      return { type, path: readPath(read), index: read.uint(), count: read.uint() };
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
    case "received":
      return { type, bytes: read.uint(), share: read.u8() };
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
