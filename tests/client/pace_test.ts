import { assert, assertEquals } from "@std/assert";
import { Pace } from "../../client/pace.ts";
import { Probe } from "../../client/probe.ts";
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
  const slow = await sentOver(2_000_000, text);
  assert(slow < SIZE * 0.3);
  // But for what the line is measured with, if it had to be waited for.
  for (const rate of [1_000_000_000, undefined]) assert(await sentOver(rate, text) > 1.5 * slow);
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

Deno.test("a line that has become fast is found out by what it carries, and not by what its buffers take", async () => {
  const clock = new FakeClock();
  const pace = new Pace(clock);
  pace.measured(2e6);
  for (let i = 0; i < 40; i++) await pace.note(1 << 20, undefined);
  assertEquals(pace.rate, 2e6);
  let received = 0;
  for (const [rate, seen] of [[1e6, 2e6], [50e6, 50e6], [20e6, 50e6]] as const) {
    for (let i = 0; i < 30; i++) {
      await clock.pass(100);
      // What had waited somewhere comes at once.
      pace.told(received += rate / 10 * (i % 2) * 2);
    }
    assert(Math.abs(pace.rate / seen - 1) < 0.15, `${rate}: ${pace.rate}`);
  }
  await clock.pass(60_000);
  pace.told(received += 10e9);
  assert(pace.rate < 60e6, "of a pause nobody knows how much of it was used");
});

Deno.test("the first bytes tell how fast a line is, whatever its buffers hold; on a fast one nobody waits", async () => {
  for (const [rate, latencyMs] of [[1e6, 5], [12e6, 50], [1e9, 0]] as const) {
    const clock = new FakeClock();
    const probe = new Probe(clock);
    let free = 0, measured: number | undefined;
    const send = async (all: number, bytes: number) => {
      // The line takes one after the other; what the server tells comes back as late as what is sent to it.
      free = Math.max(clock.now(), free) + bytes * 1000 / rate;
      clock.sleep(free - clock.now() + 2 * latencyMs).then(() => measured = probe.told(all, true) ?? measured);
      await probe.sent(all);
    };
    for (let all = 256 << 10; all <= 4 << 20; all += 256 << 10) await clock.until(send(all, 256 << 10));
    await clock.pass(10_000);
    // What is far away is not filled with so little under way.
    assert(measured! <= rate * 1.05 && measured! > (latencyMs === 50 ? 0.3 : 0.8) * rate, `${rate}: ${measured}`);
  }
});

Deno.test("whoever waits for a server that has gone, waits no more", async () => {
  const probe = new Probe(new FakeClock());
  assertEquals(probe.sent(512 << 10), undefined);
  const waiting = probe.sent(1 << 20);
  probe.end();
  await waiting;
});

Deno.test("a server that is busy is no slow line", () => {
  const probe = new Probe(new FakeClock());
  probe.sent(4 << 20);
  for (let all = 0; all < 4 << 20; all += 256 << 10) assertEquals(probe.told(all, all % (1 << 20) === 0), undefined);
});

Deno.test("whoever makes less than the line takes, measures nothing", async () => {
  const clock = new FakeClock();
  const probe = new Probe(clock);
  for (let all = 0; all < 4 << 20; all += 256 << 10) {
    assertEquals(probe.sent(all), undefined);
    await clock.pass(100);
    assertEquals(probe.told(all, true), undefined);
  }
});

Deno.test("what is sent is packed only for a server that waits for it", async () => {
  const text = CONTENTS.words(100_000, random(1));
  for (const shares of [[10], [90], [90, 10]]) {
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
    for (let i = 0; i < 300; i++) {
      const sent = remote.send({ type: "literal", bytes: text });
      // Not any more, once it has to unpack what it gets.
      const share = i < 200 ? shares[0]! : shares.at(-1)!;
      await tell({ type: "received", bytes: remote.sent, share });
      if (sent) await clock.until(sent);
    }
    const packed = remote.sent < 300 * text.length * 0.5;
    assertEquals(packed, shares[0] === 90, `${shares} %: ${remote.sent}`);
    remote.close();
    far.close();
  }
});
