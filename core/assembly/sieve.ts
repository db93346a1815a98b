// Content-defined cuts by local minimum, for AssemblyScript with SIMD. Part of the protocol: all machines cut alike.
// After a change: deno run -A --no-lock core/assembly/build.ts
//
// A boundary lies behind byte i when the key of i is the smallest within W bytes on both sides. That is a property of the
// content in [i - W - 31, i + W] alone: no boundary depends on an earlier one, so they agree again right behind an edit, and
// those for 2W are a subset of those for W. Where no boundary comes for MAX bytes (zeros, short periods), the cut is at the
// first of the smallest keys in the last W of them, so that periodic content stays in step, or at MAX where there is no key.
//
// Keys are sparse. A tree hash of the last 16 bytes, 8 bits wide and computed for 16 positions at once, lets 1 position in 256
// through (1 in 16 when dense); only these get a key, which is a 31-bit multiplicative hash of the last 32 bytes.

/** Bytes that decide whether a position has a key, and which; that many must lie in memory before each fed block. */
const WINDOW: u32 = 32;

// No run of one repeated byte reaches this hash, so zeros and blanks have no keys at all (see the test of constant runs).
const TARGET: u8 = 0xb5;
const NOTHING: i64 = -1;
const RING: u32 = 262144; // power of two above the largest W: even a key at every position fits
const ENTRY: u32 = 16; // position i64, key u32, padding
const ring = memory.data(4194304, 16);

let reach: i64 = 0; // W
let max: i64 = 0; // longest chunk, more than 2W
let last: i64 = 0; // stream offset of the last cut
let dense: bool = false;
let position: i64 = 0; // stream offset of the next byte
let start: i64 = 0; // stream offset of the first byte
let pending: i64 = NOTHING; // smallest key so far, not yet W bytes behind us
let head: u32 = 0; // ring[head..tail): keys within W, rising
let tail: u32 = 0;
let output: usize = 0;

/** First free byte of memory, for the caller's buffers. */
export function heapBase(): usize {
  return __heap_base;
}

/**
 * Begins a stream at offset `from`; its first WINDOW - 1 bytes carry no keys. Cuts come behind `cut` only: that one is known
 * and lies at W + WINDOW bytes or more behind `from`, or at the start of the file.
 */
export function begin(from: f64, cut: f64, w: u32, longest: u32, isDense: bool): void {
  position = start = <i64>from;
  last = <i64>cut;
  reach = w;
  max = longest;
  dense = isDense;
  pending = NOTHING;
  head = tail = 0;
}

/** Scans n bytes at p (16 more must be readable), writes the offsets of certain cuts as f64 to out, returns how many. */
export function feed(p: usize, n: u32, out: usize): u32 {
  output = out;
  const target = i8x16.splat(TARGET), low = i8x16.splat(dense ? 15 : -1);
  const want = v128.and(target, low);
  const w = v128.load(p - 16), wide = dense;
  let a1 = w;
  let a2 = i8x16.add(w, times3(back1(w, w)));
  let a4 = v128.xor(a2, times5(back2(a2, a2)));
  let a8 = i8x16.add(a4, times3(back4(a4, a4)));
  let i: u32 = 0;
  for (; i + 32 <= n; i += 32) {
    const b1 = v128.load(p + i), c1 = v128.load(p + i, 16);
    const b2 = i8x16.add(b1, times3(back1(a1, b1))), c2 = i8x16.add(c1, times3(back1(b1, c1)));
    const b4 = v128.xor(b2, times5(back2(a2, b2))), c4 = v128.xor(c2, times5(back2(b2, c2)));
    const b8 = i8x16.add(b4, times3(back4(a4, b4))), c8 = i8x16.add(c4, times3(back4(b4, c4)));
    const b = v128.xor(b8, times5(back8(a8, b8))), c = v128.xor(c8, times5(back8(b8, c8)));
    a1 = c1, a2 = c2, a4 = c4, a8 = c8;
    if (wide) {
      const bits = <u32>i8x16.bitmask(i8x16.eq(v128.and(b, low), want)) | (<u32>i8x16.bitmask(i8x16.eq(v128.and(c, low), want)) << 16);
      if (bits) offer(p, i, bits, <u32>i8x16.bitmask(i8x16.eq(b, target)) | (<u32>i8x16.bitmask(i8x16.eq(c, target)) << 16));
    } else {
      const x = i8x16.eq(b, target), y = i8x16.eq(c, target);
      if (v128.any_true(v128.or(x, y))) offer(p, i, <u32>i8x16.bitmask(x) | (<u32>i8x16.bitmask(y) << 16), 0xffffffff);
    }
  }
  for (; i < n; i += 16) {
    const b1 = v128.load(p + i);
    const b2 = i8x16.add(b1, times3(back1(a1, b1)));
    const b4 = v128.xor(b2, times5(back2(a2, b2)));
    const b8 = i8x16.add(b4, times3(back4(a4, b4)));
    const b = v128.xor(b8, times5(back8(a8, b8)));
    a1 = b1, a2 = b2, a4 = b4, a8 = b8;
    const left = n - i, valid: u32 = left >= 16 ? 0xffff : (1 << left) - 1;
    const bits = <u32>i8x16.bitmask(i8x16.eq(v128.and(b, low), want)) & valid;
    if (bits) offer(p, i, bits, <u32>i8x16.bitmask(i8x16.eq(b, target)));
  }
  position += n;
  settle(position + 1);
  return <u32>((output - out) >> 3);
}

/** Ends the stream: a pending boundary has no more rivals. The end of the file itself is not written. */
export function end(out: usize): u32 {
  output = out;
  if (pending != NOTHING && pending < position) cutAt(pending);
  return <u32>((output - out) >> 3);
}

@inline function back1(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30); }
@inline function back2(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29); }
@inline function back4(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27); }
@inline function back8(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23); }
@inline function times3(a: v128): v128 { return i8x16.add(i8x16.add(a, a), a); }
@inline function times5(a: v128): v128 { const b = i8x16.add(a, a); return i8x16.add(i8x16.add(b, b), a); }

// Gives each set position its key; positions that the sparse sieve would drop rank behind all others.
function offer(p: usize, i: u32, bits: u32, sparse: u32): void {
  while (bits) {
    const k: u32 = ctz(bits);
    bits &= bits - 1;
    const at = position + <i64>(i + k);
    if (at - start < <i64>(WINDOW - 1)) continue;
    weigh(at + 1, (hash(p + i + k - 31) >>> 1) | (sparse >>> k & 1 ? 0 : 0x80000000));
  }
}

@inline function hash(p: usize): u32 {
  const a = load<u64>(p) * 0x9e3779b97f4a7c15, b = load<u64>(p, 8) * 0xc2b2ae3d27d4eb4f;
  const c = load<u64>(p, 16) * 0x165667b19e3779f9, d = load<u64>(p, 24) * 0xd6e8feb86659fd93;
  const s = a ^ rotl(b, 23), t = c ^ rotl(d, 23);
  const h = (s + rotl(t, 41)) * 0xff51afd7ed558ccd;
  return <u32>(((h ^ (h >>> 32)) * 0xc4ceb9fe1a85ec53) >>> 32);
}

// Sliding minimum over the last W bytes: a key that beats all of them becomes the pending boundary (and unseats the one before).
function weigh(at: i64, key: u32): void {
  settle(at);
  expire(at);
  while (head != tail && load<u32>(entry(tail - 1), 8) > key) tail--;
  if (head == tail) {
    pending = at;
    head = tail = 0; // stay in the cache
  }
  store<i64>(entry(tail), at);
  store<u32>(entry(tail), key, 8);
  tail++;
}

// Makes the cuts that are certain once every key before `at` is known.
function settle(at: i64): void {
  if (pending != NOTHING && at - pending > reach) cutAt(pending);
  while (at - last > max) {
    const limit = last + max;
    // A pending boundary is the smallest key before the limit, so the cut is there whether or not it is unseated behind it.
    if (pending != NOTHING) cutAt(pending);
    else {
      expire(limit);
      cutAt(head != tail ? load<i64>(entry(head)) : limit);
    }
  }
}

@inline function expire(at: i64): void {
  while (head != tail && at - load<i64>(entry(head)) > reach) head++;
}

@inline function entry(i: u32): usize { return ring + (i & (RING - 1)) * ENTRY; }

function cutAt(at: i64): void {
  pending = NOTHING;
  if (at <= last) return;
  last = at;
  store<f64>(output, <f64>at);
  output += 8;
}
