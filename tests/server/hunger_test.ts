import { assertEquals } from "@std/assert";
import { Hunger } from "../../server/hunger.ts";
import { FakeClock } from "../support/fake_clock.ts";

Deno.test("the share of the time that was waited is told four times a second, and not of idle times", async () => {
  const clock = new FakeClock();
  const hunger = new Hunger(clock);
  const spend = async (workMs: number, waitMs: number) => {
    await clock.pass(workMs);
    const from = clock.now();
    await clock.pass(waitMs);
    return hunger.waited(from);
  };
  assertEquals([await spend(20, 80), await spend(20, 80), await spend(10, 90)], [undefined, undefined, 83]);
  assertEquals([await spend(90, 10), await spend(100, 0), await spend(100, 0)], [undefined, undefined, 3]);
  assertEquals([await spend(0, 15_000), await spend(200, 50)], [undefined, 20]);
});
