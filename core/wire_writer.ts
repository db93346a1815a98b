// The bytes of the protocol's messages (core/wire.ts): what is sent. Pure; no I/O.

import type { Writer } from "./codec.ts";
import { HELD_REASONS, RELEASES } from "./events.ts";
import type { Attributes, Entry } from "./types.ts";
import {
  type AccountName,
  CLIENT_TYPES,
  IDS,
  KINDS,
  MAX_SAMPLE_LENGTH,
  type Message,
  type PatchPart,
  SERVER_BASE,
  SERVER_TYPES,
} from "./wire.ts";

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
    case "sketch":
      out.text(m.path);
      out.uint(m.index);
      return out.uint(m.count);
    case "keep":
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
    case "received":
      out.uint(m.bytes);
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
