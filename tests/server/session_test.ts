// What one connection may make a server keep, by a client that knows the protocol and keeps to nothing else.

import { assert, assertEquals } from "@std/assert";
import zlib from "node:zlib";
import { ANSWER_BYTES, HELLO_MS, MAX_STEPS, PEER_SILENCE_MS } from "../../core/limits.ts";
import { parsePath, type RelPath } from "../../core/path.ts";
import { contentOf, digestOf } from "../../core/recipe.ts";
import type { Message } from "../../core/wire.ts";
import { plain } from "../support/entries.ts";
import { converse, frameOf, HELLO } from "../support/messages.ts";
import { World } from "../support/world.ts";

const path = parsePath;
const BYTES = new TextEncoder().encode("content");

function whole(at: string): Message {
  const lengths = [BYTES.length];
  const content = contentOf({ average: 2048, lengths, digests: [digestOf(BYTES)] });
  return {
    type: "whole",
    path: path(at),
    attributes: plain(0o644, 1n),
    sparse: false,
    average: 2048,
    content,
    lengths,
    bytes: BYTES,
  };
}

const TAKEN = "refuse: A second hello";

/** The bytes of a pack. */
function packed(frames: Uint8Array): Uint8Array<ArrayBuffer> {
  return frameOf({ type: "packed", size: frames.length, bytes: zlib.zstdCompressSync(frames) });
}

/** The bytes of a message, `count` times. */
function repeated(message: Message, count: number): Uint8Array<ArrayBuffer> {
  const one = frameOf(message), all = new Uint8Array(one.length * count);
  for (let i = 0; i < count; i++) all.set(one, i * one.length);
  return all;
}

/** Sends a message `count` times as the one that pushes. @returns Why that is the end; `TAKEN` if it was all taken. */
async function push(world: World, message: Message, count = 1): Promise<string> {
  world.startServer();
  const [, end] = await converse(world, [frameOf(HELLO), repeated(message, count), frameOf(HELLO)]);
  return end!;
}

Deno.test("a commit has no more steps than it may", async () => {
  using world = new World();
  assertEquals(await push(world, { type: "drop", slot: 1 }, MAX_STEPS), TAKEN);
  assertEquals(await push(world, { type: "drop", slot: 1 }, MAX_STEPS + 1), "refuse: A commit has too many steps");
});

Deno.test("files that are turned away count as steps: what is to be told of them is kept too", async () => {
  using world = new World();
  world.grant = { name: "laptop", access: "full", quotaBytes: 1 };
  assertEquals(await push(world, whole("a"), MAX_STEPS + 1), "refuse: A commit has too many steps");
});

Deno.test("extended attributes that were not sent are nobody's", async () => {
  using world = new World();
  const attributes = { ...plain(0o755, 1n), xattrs: digestOf(BYTES) };
  const messages: Message[] = [
    { type: "mkdir", path: path("dir"), entry: { kind: "dir", ...attributes } },
    { type: "meta", path: "" as RelPath, attributes },
    { type: "file", path: path("f"), attributes, sparse: false, size: 1, average: 2048, base: path("f") },
  ];
  for (const message of messages) {
    assertEquals(await push(world, message), "refuse: Extended attributes are missing", message.type);
  }
});

Deno.test("a pack in a pack is none", async () => {
  using world = new World();
  world.startServer();
  const answers = await converse(world, [frameOf(HELLO), packed(packed(frameOf({ type: "ping" })))]);
  assertEquals(answers, ["welcome", "refuse: A pack holds a pack"]);
});

for (const inPack of [false, true]) {
  Deno.test(`questions whose answers nobody takes are not answered without end${inPack ? ", in a pack either" : ""}`, async () => {
    using world = new World();
    for (let i = 0; i < 300; i++) world.mirror.writeFile(path(`file ${i}`), `${i}`);
    world.startServer();
    const link = await world.dial();
    await link.send(frameOf({ ...HELLO, dryRun: true }));
    await world.clock.idle();
    const questions = repeated({ type: "list", path: path("") }, 5000);
    await link.send(inPack ? packed(questions) : questions);
    await world.clock.idle();
    // What waits for us came in pieces, of which the server held no more than one at a time.
    for (let waits = true, taken = 0; waits && taken < 8 * ANSWER_BYTES;) {
      const bytes = await Promise.race([link.receive(), world.clock.idle()]);
      waits = bytes !== undefined;
      taken += bytes?.length ?? 0;
      assert((bytes?.length ?? 0) < 2 * ANSWER_BYTES, `${bytes?.length} bytes at once`);
    }
    link.close();
    await world.clock.idle();
  });
}

Deno.test("a client that says nothing is not waited for, before its hello and after it", async () => {
  using world = new World();
  world.startServer();
  for (const [frames, ms] of [[[], HELLO_MS], [[frameOf(HELLO)], PEER_SILENCE_MS]] as const) {
    const link = await world.dial();
    for (const frame of frames) await link.send(frame);
    let isOver = false;
    const reading = (async () => {
      while (await link.receive());
      isOver = true;
    })();
    await world.clock.pass(ms - 1000);
    assertEquals(isOver, false);
    await world.clock.pass(2000);
    assertEquals(isOver, true, `${ms} ms`);
    await reading;
  }
});
