// Messages of every kind, made up.

import fc from "fast-check";
import { HELD_REASONS, RELEASES } from "../../core/events.ts";
import { NO_ID } from "../../core/fs.ts";
import { MAX_PACK_BYTES } from "../../core/limits.ts";
import { parsePath } from "../../core/path.ts";
import type { Entry } from "../../core/types.ts";
import { type Message, PROTOCOL } from "../../core/wire.ts";

const name = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" })
  .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== ".." && text.toLowerCase() !== ".dirsync");
const path = fc.array(name, { maxLength: 4 }).map((names) => parsePath(names.join("/")));
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes.toHex());
const mode = fc.integer({ min: 0, max: 0o7777 });
const mtimeNs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const average = fc.integer({ min: 11, max: 18 }).map((log) => 2 ** log);
const slot = fc.integer({ min: 0, max: 65536 });
const bytes = fc.uint8Array({ maxLength: 300 });
const size = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const id = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constant(NO_ID));
const attributeParts = { mode, mtimeNs, uid: id, gid: id, xattrs: fc.oneof(fc.constant("" as const), digest) };
const attributes = fc.record({ ...attributeParts, link: size });
const accountNames = fc.array(fc.record({ id: fc.integer({ min: 0, max: 2 ** 32 - 2 }), name }), { maxLength: 4 });
const dir = fc.record({ kind: fc.constant("dir" as const), ...attributeParts, link: fc.constant(0) });
const symlink = fc.record({
  kind: fc.constant("symlink" as const),
  ...attributeParts,
  link: size,
  target: fc.string({ minLength: 1 }).filter((text) => !text.includes("\0") && text.isWellFormed()),
});
const file = fc.record({
  kind: fc.constant("file" as const),
  ...attributeParts,
  link: size,
  size,
  average,
  content: digest,
});
const listed = fc.oneof(
  fc.record({ name, entry: fc.oneof<fc.Arbitrary<Entry>[]>(file, symlink) }),
  fc.record({ name, entry: dir as fc.Arbitrary<Entry>, hash: digest }),
);
const text = fc.string({ maxLength: 50, unit: "grapheme" });
const type = <T extends string>(type: T) => fc.constant(type);

const patchPart = fc.oneof(
  fc.record({ offset: size, length: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }) }),
);
const sketched = fc.array(fc.integer({ min: 0, max: 1 << 20 }), { maxLength: 20 }).chain((lengths) =>
  fc.record({
    type: type("sketched"),
    lengths: fc.constant(lengths),
    prints: fc.uint8Array({ minLength: 8 * lengths.length, maxLength: 8 * lengths.length }),
  })
);

/** Any message of a client. */
export const clientMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: type("hello"),
    protocol: fc.constant(PROTOCOL),
    features: fc.array(text, { maxLength: 3 }),
    source: text,
    sourceId: text,
    dryRun: fc.boolean(),
  }),
  fc.record({ type: type("list"), path }),
  fc.record({ type: type("ask"), digests: fc.array(digest, { maxLength: 20 }) }),
  fc.record({ type: type("mkdir"), path, entry: dir }),
  fc.record({ type: type("symlink"), path, entry: symlink }),
  fc.record({ type: type("file"), path, attributes, sparse: fc.boolean(), size, average, base: path }),
  fc.record({
    type: type("whole"),
    path,
    attributes,
    sparse: fc.boolean(),
    average,
    content: digest,
    lengths: fc.array(fc.integer({ min: 0, max: 8192 }), { maxLength: 5 }),
    bytes,
  }),
  fc.record({ type: type("literal"), bytes }),
  fc.record({ type: type("keep"), index: size, count: size }),
  fc.record({ type: type("sketch"), path, index: size, count: size }),
  fc.record({ type: type("base"), path }),
  fc.record({ type: type("packed"), size: fc.integer({ min: 0, max: MAX_PACK_BYTES }), bytes }),
  fc.record({ type: type("patch"), digest, parts: fc.array(patchPart, { maxLength: 6 }) }),
  fc.record({ type: type("known"), digest, length: fc.integer({ min: 0, max: 1 << 20 }) }),
  fc.record({ type: type("fileEnd"), content: digest }),
  fc.record({ type: type("meta"), path, attributes }),
  fc.record({ type: type("link"), path, to: path }),
  fc.record({ type: type("names"), users: accountNames, groups: accountNames }),
  fc.record({ type: type("xattrs"), bytes }),
  fc.record({ type: type("move"), from: path, to: path }),
  fc.record({ type: type("park"), path, slot, stays: fc.boolean() }),
  fc.record({ type: type("unpark"), slot, below: path, to: path }),
  fc.record({ type: type("remove"), path }),
  fc.record({ type: type("drop"), slot }),
  fc.record({
    type: type("held"),
    reason: fc.constantFrom(...HELD_REASONS),
    detail: text,
    deleted: size,
    emptied: size,
    replaced: size,
    entries: size,
    sample: fc.array(path, { maxLength: 5 }),
  }),
  fc.record({ type: type("rooted"), root: text }),
  fc.record({ type: type("released"), how: fc.constantFrom(...RELEASES) }),
  ...(["fileAbort", "commit", "prove", "ping", "adopt"] as const).map((name) => fc.record({ type: type(name) })),
);
/** Any message of a server. */
export const serverMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: type("welcome"),
    features: fc.array(text, { maxLength: 3 }),
    mirror: text,
    mirrorId: fc.uuid(),
    root: digest,
    holdsContent: fc.boolean(),
    average: fc.integer({ min: 0, max: 256 << 10 }),
    lastId: text,
    lastSource: text,
    lastRoot: text,
  }, {
    requiredKeys: ["type", "features", "mirror", "mirrorId", "root", "holdsContent", "average", "lastId", "lastSource"],
  }),
  fc.record({ type: type("refuse"), message: text, retry: fc.boolean() }),
  fc.record({ type: type("listing"), dir, more: fc.boolean(), entries: fc.array(listed, { maxLength: 5 }) }),
  fc.record({ type: type("holds"), bits: bytes }),
  fc.record({ type: type("committed"), problems: fc.array(fc.record({ path, message: text }), { maxLength: 4 }) }),
  fc.record({ type: type("proof"), root: digest }),
  sketched,
  fc.record({ type: type("received"), bytes: size, share: fc.integer({ min: 0, max: 255 }) }),
  ...(["pong", "wait"] as const).map((name) => fc.record({ type: type(name) })),
);
