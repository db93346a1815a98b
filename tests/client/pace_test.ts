import { assert, assertEquals } from "@std/assert";
import { Pace } from "../../client/pace.ts";
import { Remote } from "../../client/remote.ts";
import { Writer } from "../../core/codec.ts";
import { pipe } from "../../core/link.ts";
import { parsePath } from "../../core/path.ts";
import { throttled } from "../../core/throttle.ts";
import type { ServerMessage } from "../../core/wire.ts";
import { writeMessage } from "../../core/wire_writer.ts";
import { CONTENTS, random } from "../support/contents.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { World } from "../support/world.ts";

const SIZE = 8 << 20;

/** What a client sends of a file over a line of so many bytes a second. */
async function sentOver(rate: number | undefined, content: Uint8Array): Promise<number> {
  using world = new World(rate === undefined ? {} : { rate });
  world.source.writeFile(parsePath("f"), content);
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
  const synced = world.clientEvents.at(-1);
  return synced?.event === "synced" ? synced.sent : NaN;
}

Deno.test("text travels packed over a slow line, in full over a fast one", async () => {
  const text = CONTENTS.words(SIZE, random(1));
  assert(await sentOver(2_000_000, text) < SIZE * 0.6);
  assert(await sentOver(1_000_000_000, text) > SIZE);
  assert(await sentOver(undefined, text) > SIZE);
});

Deno.test("what does not shrink costs nothing over a slow line", async () => {
  const sent = await sentOver(2_000_000, CONTENTS.random(SIZE, random(1)));
  assert(sent > SIZE && sent < SIZE * 1.01);
});

Deno.test("a line on which everything takes minutes is no server that does not answer", async () => {
  const sent = await sentOver(20_000, CONTENTS.random(SIZE / 2, random(1)));
  assert(sent < SIZE * 0.51);
});

Deno.test("the rate of a line is measured to within a tenth, through a buffer, and once it changes anew", async () => {
  const clock = new FakeClock();
  const pace = new Pace(clock);
  for (const rate of [1_000_000, 20_000_000, 300_000]) {
    const [near, far] = pipe(Infinity);
    const line = throttled(near, rate, clock);
    for (let i = 0; i < 200; i++) await clock.until(pace.note(100_000, line.send(new Uint8Array(100_000))));
    assert(Math.abs(pace.rate / rate - 1) < 0.1, `${rate}: ${pace.rate}`);
    line.close();
    far.close();
  }
});

Deno.test("whoever has nothing to send for a while does not take the line for slow", async () => {
  const clock = new FakeClock();
  const pace = new Pace(clock);
  for (let i = 0; i < 10; i++) {
    await clock.until(pace.note(1 << 20, clock.sleep(1)));
    await clock.pass(5000);
  }
  assertEquals(pace.rate, Infinity);
});

Deno.test("whoever is slow to make what is sent does not take the line for slow", async () => {
  const clock = new FakeClock();
  const pace = new Pace(clock);
  for (let i = 0; i < 50; i++) {
    await clock.until(pace.note(1 << 20, clock.sleep(5)));
    await clock.pass(100);
  }
  assertEquals(pace.rate, Infinity);
});

Deno.test("a line that has become fast is found out", async () => {
  const clock = new FakeClock();
  const pace = new Pace(clock);
  for (let i = 0; i < 9; i++) await clock.until(pace.note(1 << 20, clock.sleep(1000)));
  assert(pace.rate < 2e6);
  for (let i = 0; i < 40; i++) await pace.note(1 << 20, Promise.resolve());
  assert(pace.rate > 100e6);
});

Deno.test("what is sent is packed only for a server that waits for it", async () => {
  const text = CONTENTS.words(100_000, random(1));
  for (const share of [undefined, 10, 90]) {
    const clock = new FakeClock();
    const [near, far] = pipe(Infinity);
    const out = new Writer();
    const tell = async (message: ServerMessage) => {
      writeMessage(out, message);
      await far.send(out.take());
      await clock.idle();
    };
    const remote = new Remote({ ...near, send: (bytes) => clock.sleep(1000).then(() => near.send(bytes)) }, clock);
    const hello = remote.hello({ source: "", sourceId: "", dryRun: false });
    await clock.pass(1000);
    await tell({
      type: "welcome",
      features: ["zstd"],
      mirror: "",
      mirrorId: "00000000",
      root: "00".repeat(32),
      lastId: "",
      lastSource: "",
      holdsContent: false,
      average: 0,
    });
    await hello;
    if (share !== undefined) await tell({ type: "hunger", share });
    for (let i = 0; i < 60; i++) {
      const sent = remote.send({ type: "literal", bytes: text });
      if (sent) await clock.until(sent);
    }
    const packed = remote.sent < 60 * text.length * 0.8;
    assertEquals(packed, share === 90, `${share} %: ${remote.sent}`);
    remote.close();
    far.close();
  }
});
