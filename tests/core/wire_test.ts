import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Writer } from "../../core/codec.ts";
import { DisconnectedError, ProtocolError } from "../../core/errors.ts";
import { FrameReader } from "../../core/frame_reader.ts";
import { HELD_REASONS, RELEASES } from "../../core/events.ts";
import { NO_ID } from "../../core/fs.ts";
import { MAX_MESSAGE_BYTES, MAX_PACK_BYTES } from "../../core/limits.ts";
import { pipe } from "../../core/link.ts";
import { parsePath, type RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/types.ts";
import { type Message, PROTOCOL, readClientMessage, readServerMessage, writeMessage } from "../../core/wire.ts";
import { plain } from "../support/entries.ts";

const SEED = Number(Deno.env.get("SEED") ?? 1);
const RUNS = { seed: SEED, numRuns: 300, verbose: true };

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

const clientMessage: fc.Arbitrary<Message> = fc.oneof(
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
  fc.record({ type: type("sketch"), index: size, count: size }),
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
  fc.record({ type: type("released"), how: fc.constantFrom(...RELEASES) }),
  ...(["fileAbort", "commit", "prove", "ping", "adopt"] as const).map((name) => fc.record({ type: type(name) })),
);
const serverMessage: fc.Arbitrary<Message> = fc.oneof(
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
  }),
  fc.record({ type: type("refuse"), message: text, retry: fc.boolean() }),
  fc.record({ type: type("listing"), dir, more: fc.boolean(), entries: fc.array(listed, { maxLength: 5 }) }),
  fc.record({ type: type("holds"), bits: bytes }),
  fc.record({ type: type("committed"), problems: fc.array(fc.record({ path, message: text }), { maxLength: 4 }) }),
  fc.record({ type: type("proof"), root: digest }),
  sketched,
  fc.record({ type: type("hunger"), share: fc.integer({ min: 0, max: 255 }) }),
  ...(["pong", "wait"] as const).map((name) => fc.record({ type: type(name) })),
);

function frameOf(message: Message): Uint8Array {
  const out = new Writer();
  writeMessage(out, message);
  return out.take().subarray(4);
}

const SIDES = [["client", clientMessage, readClientMessage], ["server", serverMessage, readServerMessage]] as const;

for (const [side, messages, read] of SIDES) {
  Deno.test(`${side} messages are read as they were written`, () => {
    fc.assert(fc.property(messages, (message) => assertEquals(read(frameOf(message)) as Message, message)), RUNS);
  });

  Deno.test(`${side} messages cut short, changed or made up are refused with a ProtocolError and nothing else`, () => {
    const refuses = (frame: Uint8Array) => {
      try {
        read(frame);
      } catch (error) {
        assert(error instanceof ProtocolError, `${error}`);
      }
    };
    fc.assert(
      fc.property(messages, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, at, flip) => {
        const frame = frameOf(message);
        for (let length = 0; length < frame.length; length++) refuses(frame.subarray(0, length));
        const changed = frame.slice();
        changed[at % changed.length]! ^= flip;
        refuses(changed);
      }),
      RUNS,
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refuses), { ...RUNS, numRuns: 3000 });
  });
}

const ATTACKS = [
  "../x",
  "a/../b",
  "/etc/passwd",
  "a//b",
  "a/./b",
  "a\0b",
  ".dirsync",
  ".dirsync/id",
  ".DIRSYNC/x",
  "a/",
];
for (const attack of ATTACKS) {
  Deno.test(`a message with the path ${JSON.stringify(attack)} is refused`, () => {
    const path = attack as RelPath;
    const entry = { kind: "dir", ...plain(0o755, 0n) } as const;
    for (
      const message of [
        { type: "mkdir", path, entry },
        { type: "remove", path },
        { type: "move", from: path, to: "x" as RelPath },
        { type: "move", from: "x" as RelPath, to: path },
        { type: "unpark", slot: 0, below: path, to: "x" as RelPath },
        { type: "list", path },
      ] satisfies Message[]
    ) assertThrows(() => readClientMessage(frameOf(message)), ProtocolError);
  });
}

Deno.test("FrameReader gives the same frames however the stream is split", async () => {
  const out = new Writer();
  const messages = fc.sample(clientMessage, { seed: SEED, numRuns: 40 });
  for (const message of messages) writeMessage(out, message);
  const stream = out.take();
  for (const step of [1, 2, 3, 5, 7, 64, 1000, stream.length]) {
    const [near, far] = pipe(1 << 30);
    for (let at = 0; at < stream.length; at += step) near.send(stream.slice(at, at + step));
    near.send(new Uint8Array());
    const reader = new FrameReader(far);
    const frames: Uint8Array[] = [];
    while (frames.length < messages.length) {
      for (let frame = reader.take(); frame; frame = reader.take()) frames.push(frame.slice());
      if (frames.length < messages.length) assert(await reader.fill());
    }
    assertEquals(frames, messages.map(frameOf), `in pieces of ${step}`);
  }
});

Deno.test("FrameReader refuses impossible lengths, and an end within a frame", async () => {
  for (const length of [0, MAX_MESSAGE_BYTES + 1, 0xffffffff]) {
    const [near, far] = pipe();
    const out = new Writer();
    out.u32(length);
    out.u8(1);
    near.send(out.take());
    const reader = new FrameReader(far);
    await reader.fill();
    assertThrows(() => reader.take(), ProtocolError);
  }
  const [near, far] = pipe();
  near.send(Uint8Array.of(0, 0, 0, 9, 1));
  const reader = new FrameReader(far);
  await reader.fill();
  assertEquals(reader.take(), undefined);
  const more = reader.fill();
  near.close();
  const error = await more.catch((error: unknown) => error);
  assert(error instanceof DisconnectedError);
});
