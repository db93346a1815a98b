// Contents to cut, from a seed: what files are like, and what is hard for a chunker.

/** The next number of a seeded generator: an integer in `0..below - 1`. */
export type Random = (below: number) => number;

/** A small seeded generator, so that a failure names its seed. */
export function random(seed: number): Random {
  return (below) => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, seed | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return Math.floor(((t ^ t >>> 14) >>> 0) / 4294967296 * below);
  };
}

const WORDS = "the if return const for mirror chunk value 0 1 == => () {} \n\t  , ; await".split(" ");

/** Makes `n` bytes. The golden cuts depend on every one of these. */
export const CONTENTS = {
  random: randomBytes,
  words: (n: number, r: Random) => {
    let text = "";
    while (text.length < n) text += WORDS[r(WORDS.length)] + " ";
    return new TextEncoder().encode(text.slice(0, n));
  },
  zeros: (n: number) => new Uint8Array(n),
  periodic: (n: number, r: Random) => {
    const unit = randomBytes(1 + r(5000), r);
    return Uint8Array.from({ length: n }, (_, i) => unit[i % unit.length]!);
  },
  holes: (n: number, r: Random) => {
    const bytes = new Uint8Array(n);
    for (let i = 0; i < 6; i++) bytes.set(randomBytes(r(n / 8), r), r(n * 7 / 8));
    return bytes;
  },
  /** Keys are rare: most cuts are forced. */
  specks: (n: number, r: Random) => specks(new Uint8Array(n), r),
  tiles: (n: number, r: Random) => {
    const unit = randomBytes(16 + r(200), r);
    return specks(Uint8Array.from({ length: n }, (_, i) => unit[i % unit.length]!), r);
  },
  counters: (n: number) => new Uint8Array(Uint32Array.from({ length: n / 4 }, (_, i) => i).buffer),
} as const satisfies Record<string, (n: number, r: Random) => Uint8Array>;

/** Where bytes are other than zero again, from an offset on; the end where there are none. */
export function nextData(bytes: Uint8Array): (offset: number) => number {
  return (offset) => {
    while (offset < bytes.length && bytes[offset] === 0) offset++;
    return offset;
  };
}

function randomBytes(n: number, r: Random): Uint8Array {
  return Uint8Array.from({ length: n }, () => r(256));
}

function specks(bytes: Uint8Array, r: Random): Uint8Array {
  for (let at = 0; at + 80 < bytes.length; at += 80 + r(1 + r(4000))) bytes.set(randomBytes(20 + r(60), r), at);
  return bytes;
}
