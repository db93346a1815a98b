// What one connection may make a server keep, by a client that knows the protocol and keeps to nothing else.

import { assertEquals } from "@std/assert";
import { MAX_STEPS } from "../../core/limits.ts";
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

/** Sends a message `count` times as the one that pushes. @returns Why that is the end; `TAKEN` if it was all taken. */
async function push(world: World, message: Message, count = 1): Promise<string> {
  const one = frameOf(message), all = new Uint8Array(one.length * count);
  for (let i = 0; i < count; i++) all.set(one, i * one.length);
  world.startServer();
  const [, end] = await converse(world, [frameOf(HELLO), all, frameOf(HELLO)]);
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
