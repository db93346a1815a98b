import { assertEquals } from "@std/assert";
import { Hunger } from "../../server/hunger.ts";
import { PROBE_BYTES, RECEIPT_BYTES } from "../../core/limits.ts";
import { FakeClock } from "../support/fake_clock.ts";

Deno.test("the share of the time that was waited is told ten times a second, and not of idle times", async () => {
  const clock = new FakeClock();
  const hunger = new Hunger(clock);
  const spend = async (workMs: number, waitMs: number) => {
    await clock.pass(workMs);
    const from = clock.now();
    await clock.pass(waitMs);
    return hunger.waited(from, 0);
  };
  assertEquals([await spend(8, 32), await spend(8, 32), await spend(4, 36)], [undefined, undefined, 83]);
  assertEquals([await spend(36, 4), await spend(40, 0), await spend(40, 0)], [undefined, undefined, 3]);
  assertEquals([await spend(0, 15_000), await spend(80, 20)], [undefined, 20]);
});

Deno.test("of the first bytes it is told whenever a client may wait for that, however soon or late", async () => {
  const clock = new FakeClock();
  const hunger = new Hunger(clock);
  const told: number[] = [];
  for (let received = 0; received < 2 * PROBE_BYTES; received += RECEIPT_BYTES / 2) {
    if (received === RECEIPT_BYTES) await clock.pass(60_000);
    if (hunger.waited(clock.now(), received) !== undefined) told.push(received);
  }
  const all = Array.from({ length: PROBE_BYTES / RECEIPT_BYTES }, (_, i) => (i + 1) * RECEIPT_BYTES);
  assertEquals(told, all);
});
