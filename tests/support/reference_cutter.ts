// The definition of a boundary, slow and plain, to test the sieve against.

const TARGET = 0xb5;
const MASK64 = (1n << 64n) - 1n;

/** Chunk lengths of `bytes` by definition; `longest` bytes at most (default: as the cutter has it). */
export function cutByDefinition(bytes: Uint8Array, average: number, longest = 4 * average): number[] {
  if (bytes.length === 0) return [];
  if (bytes.length <= 4 * average) return [bytes.length];
  const reach = average / 2;
  const keys = keysOf(bytes, average < 1024);
  // A boundary lies behind a key that no earlier one within reach equals or undercuts, and no later one undercuts.
  const isBoundary = (at: number, key: number, i: number) => {
    for (let j = i - 1; j >= 0 && at - keys[j]![0] <= reach; j--) if (keys[j]![1] <= key) return false;
    for (let j = i + 1; j < keys.length && keys[j]![0] - at <= reach; j++) if (keys[j]![1] < key) return false;
    return true;
  };
  const boundaries = keys.filter(([at, key], i) => isBoundary(at, key, i)).map(([at]) => at);
  const lengths: number[] = [];
  let last = 0;
  for (;;) {
    const limit = last + longest;
    let cut = boundaries.find((at) => at > last) ?? Infinity;
    if (cut > limit && limit <= bytes.length) {
      const window = keys.filter(([at]) => at > limit - reach - 1 && at <= limit);
      cut = window.reduce((best, key) => key[1] < best[1] ? key : best, [limit, Infinity])[0];
    }
    if (cut >= bytes.length) break;
    lengths.push(cut - last);
    last = cut;
  }
  lengths.push(bytes.length - last);
  return lengths;
}

/** Offsets behind the bytes that have a key, with it. */
function keysOf(bytes: Uint8Array, dense: boolean): [number, number][] {
  const keys: [number, number][] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 31; i < bytes.length; i++) {
    const tree = treeHash(bytes, i);
    if (dense ? (tree & 15) !== (TARGET & 15) : tree !== TARGET) continue;
    keys.push([i + 1, (strongHash(view, i - 31) >>> 1) + (tree === TARGET ? 0 : 0x80000000)]);
  }
  return keys;
}

/** 8 bits of the 16 bytes that end at `i`. */
function treeHash(b: Uint8Array, i: number): number {
  const two = (i: number) => b[i]! + 3 * b[i - 1]! & 255;
  const four = (i: number) => two(i) ^ (5 * two(i - 2) & 255);
  const eight = (i: number) => four(i) + 3 * four(i - 4) & 255;
  return eight(i) ^ (5 * eight(i - 8) & 255);
}

/** 32 bits of the 32 bytes at `p`. */
function strongHash(view: DataView, p: number): number {
  const times = (k: number, c: bigint) => view.getBigUint64(p + 8 * k, true) * c & MASK64;
  const rotl = (x: bigint, n: bigint) => (x << n | x >> (64n - n)) & MASK64;
  const s = times(0, 0x9e3779b97f4a7c15n) ^ rotl(times(1, 0xc2b2ae3d27d4eb4fn), 23n);
  const t = times(2, 0x165667b19e3779f9n) ^ rotl(times(3, 0xd6e8feb86659fd93n), 23n);
  const h = (s + rotl(t, 41n) & MASK64) * 0xff51afd7ed558ccdn & MASK64;
  return Number(((h ^ h >> 32n) * 0xc4ceb9fe1a85ec53n & MASK64) >> 32n);
}
