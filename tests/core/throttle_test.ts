import { assert, assertEquals, assertRejects } from "@std/assert";
import { DisconnectedError } from "../../core/errors.ts";
import { pipe } from "../../core/link.ts";
import { throttled } from "../../core/throttle.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** Receives all that comes, with the times (ms). */
async function receive(link: { receive(): Promise<Uint8Array | undefined> }, clock: FakeClock) {
  const got: { at: number; bytes: Uint8Array }[] = [];
  for (let bytes = await link.receive(); bytes; bytes = await link.receive()) got.push({ at: clock.now(), bytes });
  return got;
}

Deno.test("a throttled link keeps its rate to within 5 %, whatever the size of what is sent", async () => {
  for (const rate of [1000, 100_000, 10_000_000, 100_000_000]) {
    for (const size of [rate / 500, rate / 10, rate]) {
      const clock = new FakeClock();
      const [near, far] = pipe(Infinity);
      const link = throttled(near, rate, clock);
      const received = receive(far, clock);
      const started = clock.now(), seconds = 3;
      const sending = (async () => {
        for (let sent = 0; sent < rate * seconds; sent += size) await link.send(new Uint8Array(size));
      })();
      await clock.until(sending);
      await clock.pass(300);
      link.close();
      const got = await received;
      const took = (got.at(-1)!.at - started) / 1000;
      assert(took > seconds * 0.95 && took < seconds * 1.05, `${rate} B/s, ${size} B each: ${took} s`);
      // No second within it had more than its share and one burst.
      for (const { at } of got.filter((_, i) => i % 29 === 0)) {
        const within = got.filter((one) => one.at >= at && one.at < at + 1000);
        const bytes = within.reduce((sum, one) => sum + one.bytes.length, 0);
        assert(bytes <= rate * 1.2, `${rate} B/s, ${size} B each: ${bytes} B within a second`);
      }
    }
  }
});

Deno.test("a throttled link delivers everything in its order, and saves up no more than a burst", async () => {
  const clock = new FakeClock();
  const [near, far] = pipe(Infinity);
  const link = throttled(near, 1000, clock);
  const received = receive(far, clock);
  await clock.pass(3_600_000);
  const started = clock.now();
  const all = Array.from({ length: 20 }, (_, i) => link.send(new Uint8Array(100).fill(i)));
  await clock.until(Promise.all(all));
  assert(clock.now() - started >= 1500);
  // What was sent before the end still arrives.
  link.close();
  const bytes = (await received).flatMap((one) => [...one.bytes]);
  assertEquals(bytes, Array.from({ length: 2000 }, (_, i) => Math.floor(i / 100)));
});

Deno.test("a throttled link that is closed keeps nobody waiting", async () => {
  const clock = new FakeClock();
  const [near] = pipe();
  const link = throttled(near, 1000, clock);
  const sending = link.send(new Uint8Array(1000));
  await clock.idle();
  link.close();
  await assertRejects(async () => await sending, DisconnectedError);
  await assertRejects(async () => await link.send(new Uint8Array(1)), DisconnectedError);
});
