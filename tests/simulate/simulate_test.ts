// The simulation as a test: a thousand programs that are always the same, those that once found a fault, and that a program has
// one course only. `deno task simulate` runs as many others as there is time for.

import { assertEquals, assertNotEquals } from "@std/assert";
import { seedCount } from "../support/seed.ts";
import { FOUND } from "./found.ts";
import { programOf } from "./program.ts";
import { simulate } from "./simulation.ts";

const FIRST = Number(Deno.env.get("SEED") ?? 1);
const SEEDS = seedCount(1000);
const PARTS = 4;

for (let part = 0; part < PARTS; part++) {
  Deno.test(`simulation: whatever happens, the promises hold, part ${part + 1} of ${PARTS}`, async () => {
    for (let seed = FIRST + part; seed < FIRST + SEEDS; seed += PARTS) {
      assertEquals((await simulate(programOf(seed))).failure, undefined, `seed ${seed}`);
    }
  });
}

for (const [fault, program] of Object.entries(FOUND)) {
  Deno.test(`simulation: once found: ${fault}`, async () => {
    assertEquals((await simulate(program)).failure, undefined);
  });
}

Deno.test("simulation: a seed has one course, and another seed another", async () => {
  const traces = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const { trace } = await simulate(programOf(seed));
    assertEquals((await simulate(programOf(seed))).trace(), trace(), `seed ${seed}`);
    traces.add(trace());
  }
  assertNotEquals(traces.size, 1);
});
