import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Writer } from "../../core/codec.ts";
import { DisconnectedError, ProtocolError } from "../../core/errors.ts";
import { FrameReader } from "../../core/frame_reader.ts";
import {
  MAX_ASKED,
  MAX_AVERAGE,
  MAX_MESSAGE_BYTES,
  MAX_NAME_BYTES,
  MAX_PACK_BYTES,
  MAX_PATH_DEPTH,
  MAX_STEPS,
  MAX_TEXT_BYTES,
} from "../../core/limits.ts";
import { pipe } from "../../core/link.ts";
import type { RelPath } from "../../core/path.ts";
import type { Message } from "../../core/wire.ts";
import { writeMessage } from "../../core/wire_writer.ts";
import { readClientMessage, readServerMessage } from "../../core/wire_reader.ts";
import { clientMessage, serverMessage } from "../support/arbitraries.ts";
import { plain } from "../support/entries.ts";
import { HELLO } from "../support/messages.ts";

const SEED = Number(Deno.env.get("SEED") ?? 1);
const RUNS = { seed: SEED, numRuns: 300, verbose: true };

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

const DIGEST = "ab".repeat(32);
const DIR = { kind: "dir", ...plain(0o755, 1n) } as const;

/** What no peer may say, beside the most that it may. */
const BEYOND: [what: string, make: (isBeyond: boolean) => Message][] = [
  ["mode bits", (is) => ({ type: "mkdir", path: "d" as RelPath, entry: { ...DIR, mode: is ? 0o10000 : 0o7777 } })],
  ["slots", (is) => ({ type: "drop", slot: MAX_STEPS + Number(is) })],
  ["digests", (is) => ({ type: "ask", digests: Array(MAX_ASKED + Number(is)).fill(DIGEST) })],
  ["bytes of a pack", (is) => ({ type: "packed", size: MAX_PACK_BYTES + Number(is), bytes: new Uint8Array(1) })],
  ["bytes of a chunk", (is) => ({ type: "known", digest: DIGEST, length: 4 * MAX_AVERAGE + Number(is) })],
  ["bytes of a name", (is) => ({ type: "remove", path: "n".repeat(MAX_NAME_BYTES + Number(is)) as RelPath })],
  ["depth", (is) => ({ type: "list", path: Array(MAX_PATH_DEPTH + Number(is)).fill("d").join("/") as RelPath })],
  ["texts", (is) => ({ ...HELLO, features: Array(64 + Number(is)).fill("x") })],
  ["bytes of a text", (is) => ({ ...HELLO, source: "x".repeat(MAX_TEXT_BYTES + Number(is)) })],
  [
    "accounts",
    (is) => ({ type: "names", users: Array(MAX_ASKED + Number(is)).fill({ id: 1, name: "a" }), groups: [] }),
  ],
  [
    "the size of chunks",
    (is) => ({
      type: "file",
      path: "f" as RelPath,
      attributes: plain(0o644, 1n),
      sparse: false,
      size: 1,
      average: MAX_AVERAGE * (is ? 2 : 1),
      base: "f" as RelPath,
    }),
  ],
  ["a flag", (is) => ({ type: "park", path: "p" as RelPath, slot: 1, stays: is ? 2 as never : true })],
];
for (const [what, make] of BEYOND) {
  Deno.test(`a client says no more than it may: ${what}`, () => {
    readClientMessage(frameOf(make(false)));
    const frame = frameOf(make(true));
    // A flag is written as 0 or 1, whatever it is.
    if (what === "a flag") frame[frame.length - 1] = 2;
    assertThrows(() => readClientMessage(frame), ProtocolError);
  });
}

Deno.test("no room is made for more than has come", () => {
  const asked = frameOf({ type: "ask", digests: [] });
  // The count is the last byte; two make it 8,191, of which not one follows.
  const many = Uint8Array.of(...asked.subarray(0, -1), 0xff, 0x3f);
  assertThrows(() => readClientMessage(many), ProtocolError, "A number is too large: 8191");
});

Deno.test("a mirror's id, which names files of the client's, is an id", () => {
  const welcome = (mirrorId: string): Message => ({
    type: "welcome",
    features: [],
    mirror: "m",
    mirrorId,
    root: DIGEST,
    holdsContent: false,
    average: 0,
    lastId: "",
    lastSource: "",
  });
  readServerMessage(frameOf(welcome("00000000-0000-4000-8000-00000000000e")));
  for (
    const id of ["", "../../../etc/cron", "a".repeat(65), "a/b/c/d/e/f", "abcdef0\0", "\\\\server\\share", "12345678."]
  ) {
    assertThrows(() => readServerMessage(frameOf(welcome(id))), ProtocolError, "impossible form", id);
  }
});

Deno.test("names in a listing are names of entries, one each", () => {
  const listing = (name: string): Message => ({
    type: "listing",
    dir: DIR,
    more: false,
    entries: [{ name, entry: DIR, hash: DIGEST }],
  });
  readServerMessage(frameOf(listing("name")));
  for (const name of ["", "a/b", "..", ".", "/etc", "a\0", ".dirsync"]) {
    assertThrows(() => readServerMessage(frameOf(listing(name))), ProtocolError, "", name);
  }
});

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
    await assertRejects(() => reader.fill(), ProtocolError);
  }
  const [near, far] = pipe();
  near.send(Uint8Array.of(0, 0, 0, 9, 1));
  const reader = new FrameReader(far);
  const more = reader.fill();
  near.close();
  const error = await more.catch((error: unknown) => error);
  assert(error instanceof DisconnectedError);
});
