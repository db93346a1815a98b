// Seeded randomness, so that a failure can be repeated by its seed.

/** A generator of whole numbers below a bound. */
export type Random = (below: number) => number;

/** The generator of a seed (mulberry32, by Tommy Ettinger). */
export function seeded(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, state | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return Math.floor(((t ^ t >>> 14) >>> 0) / 4294967296 * below);
  };
}

/** One of several. */
export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)]!;
}

/** How many seeds a test of many goes through: `few`, or what the environment variable SEEDS says. */
export function seedCount(few: number): number {
  return Number(Deno.env.get("SEEDS") ?? few);
}
