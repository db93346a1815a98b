import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Writer } from "../../core/codec.ts";
import { DisconnectedError, ProtocolError } from "../../core/errors.ts";
import { FrameReader } from "../../core/frame_reader.ts";
import { MAX_MESSAGE_BYTES } from "../../core/limits.ts";
import { pipe } from "../../core/link.ts";
import type { RelPath } from "../../core/path.ts";
import { type Message, readClientMessage, readServerMessage, writeMessage } from "../../core/wire.ts";
import { clientMessage, serverMessage } from "../support/arbitraries.ts";
import { plain } from "../support/entries.ts";

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
