// Messages go out in their order, whatever is still to be answered, and no file waits for the answer about the one before.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Line, Outbox } from "../../client/outbox.ts";
import { DisconnectedError, ProtocolError } from "../../core/errors.ts";
import type { Link } from "../../core/link.ts";
import type { Sketched } from "../../core/patch.ts";
import { parsePath, ROOT } from "../../core/path.ts";
import type { Problem } from "../../core/types.ts";
import type { ClientMessage } from "../../core/wire.ts";
import { CONTENTS, random } from "../support/contents.ts";
import { farPipe } from "../support/far_pipe.ts";
import { World } from "../support/world.ts";

const AVERAGE = 16 << 10;
const LATENCY_MS = 200;

/** A world in which everything takes `LATENCY_MS` from one side to the other, with `count` files of `size` bytes in the source. */
async function farWorld(count: number, size: number): Promise<World> {
  const world: World = new World({ average: AVERAGE, join: (): [Link, Link] => farPipe(LATENCY_MS, world.clock) });
  for (let i = 0; i < count; i++) world.source.writeFile(nameOf(i), contentOf(i, size));
  await sync(world);
  return world;
}

const nameOf = (i: number) => parsePath(`f${i}`);
const contentOf = (i: number, size: number) => CONTENTS.random(size, random(i)) as Uint8Array<ArrayBuffer>;

/** @returns How long it took (ms), and the bytes that went out. */
async function sync(world: World): Promise<{ tookMs: number; sent: number }> {
  await world.clock.pass(5000);
  const started = world.clock.now();
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
  const synced = world.clientEvents.findLast((event) => event.event === "synced");
  return { tookMs: world.clock.now() - started, sent: synced?.event === "synced" ? synced.sent : 0 };
}

Deno.test("an edit in each of many files costs its bytes, and not a round trip for each", async () => {
  const count = 60, size = 10 * AVERAGE;
  using world = await farWorld(count, size);
  for (let i = 0; i < count; i++) {
    const edited = contentOf(i, size);
    edited[size / 2]! ^= 1;
    world.source.writeFile(nameOf(i), edited);
  }
  const { tookMs, sent } = await sync(world);
  assert(sent < count * 2500, `${sent} bytes`);
  assert(tookMs < 12 * LATENCY_MS, `${tookMs} ms`);
});

Deno.test("new files whose content may be in the mirror cost no round trip for each", async () => {
  const count = 60, size = 10 * AVERAGE;
  using world = await farWorld(count, size);
  world.forgetClient();
  for (let i = 0; i < count; i++) world.source.writeFile(parsePath(`again${i}`), contentOf(i, size).subarray(1000));
  const { tookMs, sent } = await sync(world);
  assert(sent < count * 4 * AVERAGE, `${sent} bytes`);
  assert(tookMs < 16 * LATENCY_MS, `${tookMs} ms`);
});

Deno.test("parts of one file come in their order, whether they have to wait for an answer or not", async () => {
  const mib = 1 << 20;
  using world = await farWorld(1, 6 * mib);
  const old = contentOf(0, 6 * mib), fresh = contentOf(1, 2 * mib);
  const parts = [old.subarray(0, mib), fresh, old.subarray(mib), fresh, old.subarray(0, 5 * mib), fresh];
  const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
  world.source.writeFile(parsePath("new"), whole);
  const { sent } = await sync(world);
  assertEquals(world.told("problem"), []);
  assert(sent < 2.3 * mib, `${sent} bytes: what came with the file itself does not travel again`);
});

/** A connection that only notes what is done with it, and is answered by the test. */
class NotedLine implements Line {
  readonly did: string[] = [];
  readonly problems = Promise.withResolvers<Problem[]>();
  error: Error | undefined;

  send(message: ClientMessage): undefined {
    if (this.error) throw this.error;
    this.did.push("bytes" in message ? `${message.type} ${message.bytes}` : message.type);
  }

  ask(): Promise<Uint8Array> {
    this.did.push("ask");
    return Promise.resolve(new Uint8Array());
  }

  sketch(): Promise<Sketched[]> {
    this.did.push("sketch");
    return Promise.resolve([]);
  }

  flush(): Promise<void> {
    this.did.push("flush");
    return Promise.resolve();
  }

  commit(): Promise<Problem[]> {
    this.did.push("commit");
    return this.problems.promise;
  }
}

/** Lets all that is ready go on. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("what comes behind a message that waits for its answer, waits too, as it was when it was sent", async () => {
  const line = new NotedLine(), outbox = new Outbox(line);
  outbox.send({ type: "ping" });
  const answer = Promise.withResolvers<number>();
  outbox.sendAfter(answer.promise, 10, function* (number) {
    yield { type: "keep", index: number, count: 1 };
  });
  const bytes = Uint8Array.of(1, 2);
  assertEquals(outbox.send({ type: "literal", bytes }), undefined);
  bytes.fill(9);
  const problems = outbox.commit();
  outbox.send({ type: "fileAbort" });
  outbox.ask([]);
  await settled();
  assertEquals(line.did, ["ping"], "a question about what is there after a commit comes behind it");
  answer.resolve(7);
  await settled();
  assertEquals(line.did, ["ping", "keep", "literal 1,2", "commit", "fileAbort", "flush", "ask"]);
  line.problems.resolve([]);
  assertEquals(await problems, []);
  outbox.send({ type: "ping" });
  assertEquals(line.did.at(-1), "ping");
});

Deno.test("whoever sends much waits until there is room for it", async () => {
  const line = new NotedLine(), outbox = new Outbox(line);
  const answer = Promise.withResolvers<void>();
  const waiting = outbox.sendAfter(answer.promise, 5 << 20, () => []);
  let over = false;
  waiting!.then(() => over = true);
  await settled();
  assert(!over);
  answer.resolve();
  await waiting;
});

Deno.test("a connection that breaks while something waits, ends the wait of all", async () => {
  const line = new NotedLine(), outbox = new Outbox(line);
  const answer = Promise.withResolvers<void>();
  const waiting = outbox.sendAfter(answer.promise, 5 << 20, () => []);
  const problems = outbox.commit(), asked = outbox.sketch(ROOT, 0, 1);
  line.error = new DisconnectedError("gone");
  answer.reject(line.error);
  await waiting;
  await assertRejects(() => problems, DisconnectedError);
  assertThrows(() => outbox.send({ type: "ping" }), DisconnectedError);
  await asked;
});

Deno.test("nothing is committed behind something that waited and could not be sent, though the connection is there", async () => {
  const line = new NotedLine(), outbox = new Outbox(line);
  outbox.sendAfter(Promise.reject(new ProtocolError("An answer has the wrong length")), 10, () => []);
  outbox.send({ type: "fileEnd", content: "00".repeat(32) });
  await settled();
  // The index has the file by now, and it would be told to be in the mirror.
  await assertRejects(() => outbox.commit(), ProtocolError);
  assertThrows(() => outbox.send({ type: "ping" }), ProtocolError);
  assertThrows(() => outbox.sendAfter(1, 0, () => []), ProtocolError);
  assertEquals(line.did, []);
});
