import { assert, assertEquals } from "@std/assert";
import { Ahead } from "../../core/ahead.ts";
import { averageFor, Cutter, type ReadAt } from "../../core/chunker.ts";
import { digestOf, digestOfZeros } from "../../core/recipe.ts";
import { recut } from "../../core/recut.ts";
import type { Recipe } from "../../core/types.ts";
import { CONTENTS, nextData, type Random, random } from "../support/contents.ts";
import { InlineHasher } from "../support/hasher.ts";
import { seedCount } from "../support/seed.ts";

const cutter = new Cutter();

function reader(bytes: Uint8Array, read?: (bytes: number) => void): ReadAt {
  return (offset, into) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    read?.(part.length);
    return part.length;
  };
}

function cut(bytes: Uint8Array, average: number): Recipe {
  const lengths: number[] = [], digests: string[] = [];
  cutter.start(reader(bytes), { size: bytes.length, average });
  for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
    lengths.push(chunk.bytes.length);
    digests.push(digestOf(chunk.bytes));
  }
  return { average, lengths, digests };
}

/** The recipe that recut() gives, whose pieces are checked to be what they say. */
function cutAgain(bytes: Uint8Array, old: Recipe, tellsHoles = false): { recipe: Recipe; fresh: number } {
  const lengths: number[] = [], digests: string[] = [];
  let at = 0, fresh = 0;
  const dataFrom = tellsHoles ? nextData(bytes) : undefined;
  for (const piece of recut(cutter, reader(bytes), { size: bytes.length, old, dataFrom })) {
    const content = bytes.subarray(at, at + piece.length);
    if (piece.bytes) {
      assertEquals(digestOf(piece.bytes), digestOf(content));
      fresh++;
    } else assertEquals([old.digests[piece.old!], old.lengths[piece.old!]], [piece.digest, piece.length]);
    lengths.push(piece.length);
    digests.push(piece.digest);
    at += piece.length;
  }
  return { recipe: { average: old.average, lengths, digests }, fresh };
}

const EDITS: Record<string, (bytes: Uint8Array, r: Random) => Uint8Array> = {
  none: (bytes) => bytes,
  change: (bytes, r) => (bytes = bytes.slice(), bytes[r(bytes.length)]! ^= 1 + r(255), bytes),
  insert: (bytes, r) => splice(bytes, r(bytes.length + 1), 0, CONTENTS.random(1 + r(300), r)),
  remove: (bytes, r) => splice(bytes, r(bytes.length), 1 + r(5000), new Uint8Array()),
  blank: (bytes, r) => bytes.slice().fill(0, r(bytes.length), r(bytes.length)),
  append: (bytes, r) => splice(bytes, bytes.length, 0, CONTENTS.words(1 + r(9000), r)),
  head: (bytes, r) => bytes.slice(r(Math.min(bytes.length, 20_000))),
  tail: (bytes, r) => bytes.slice(0, bytes.length - r(Math.min(bytes.length, 20_000))),
  move: (bytes, r) => {
    const from = r(bytes.length), length = r(30_000), part = bytes.slice(from, from + length);
    const rest = splice(bytes, from, part.length, new Uint8Array());
    return splice(rest, r(rest.length + 1), 0, part);
  },
  scatter: (bytes, r) => {
    const edited = bytes.slice();
    for (let i = 0; i < 60; i++) edited[r(bytes.length)]! ^= 1 + r(255);
    return edited;
  },
};

function splice(bytes: Uint8Array, at: number, remove: number, put: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + remove));
  const made = new Uint8Array(at + put.length + rest.length);
  made.set(bytes.subarray(0, at));
  made.set(put, at);
  made.set(rest, at + put.length);
  return made;
}

Deno.test("recut() gives exactly what a fresh cut gives, edit after edit", () => {
  for (let seed = 1; seed <= seedCount(2); seed++) {
    for (const [name, make] of Object.entries(CONTENTS)) {
      for (const average of [2048, 8192]) {
        const r = random(seed * 1000 + average);
        let bytes: Uint8Array = make(30 * average + r(9) * 4, r);
        let old = cut(bytes, average);
        for (let round = 0; round < 20; round++) {
          const edits = Object.keys(EDITS), edit = edits[r(edits.length)]!;
          bytes = EDITS[edit]!(bytes, r);
          if (bytes.length <= 4 * average) break;
          const { recipe } = cutAgain(bytes, old);
          old = cut(bytes, average);
          assertEquals(recipe, old, `SEED ${seed}: ${name}, average ${average}, round ${round}, ${edit}`);
        }
      }
    }
  }
});

Deno.test("recut() gives the same with a second thread, whether that has time, or fails, or not", () => {
  let hashed = 0;
  for (let seed = 1; seed <= seedCount(20); seed++) {
    const r = random(seed), average = 2048;
    let bytes: Uint8Array = CONTENTS.random(40 * average + r(100_000), r);
    let old = cut(bytes, average);
    for (let round = 0; round < 12; round++) {
      const edits = Object.keys(EDITS), edit = edits[r(edits.length)]!;
      bytes = EDITS[edit]!(bytes, r);
      if (bytes.length <= 4 * average) break;
      const hasher = new InlineHasher((_, offset, length) => bytes.subarray(offset, offset + length), () => r(4) > 0);
      hasher.fails = r(5) === 0;
      const recipe = { average, lengths: [] as number[], digests: [] as string[] };
      {
        using ahead = new Ahead(hasher, 7, old.lengths, bytes.length, 1 + r(8 * average));
        for (const { length, digest } of recut(cutter, reader(bytes), { size: bytes.length, old, ahead })) {
          recipe.lengths.push(length);
          recipe.digests.push(digest);
        }
      }
      assertEquals(hasher.open, 0, "nothing reads the file any more");
      hashed += hasher.hashed;
      old = cut(bytes, average);
      assertEquals(recipe, old, `SEED ${seed}: round ${round}, ${edit}`);
    }
  }
  assert(hashed > 1000, `${hashed} chunks were hashed ahead`);
});

Deno.test("recut() leaves half of an unchanged file to the second thread", () => {
  const bytes = CONTENTS.random(2_000_000, random(1)), old = cut(bytes, 4096);
  const hasher = new InlineHasher((_, offset, length) => bytes.subarray(offset, offset + length));
  using ahead = new Ahead(hasher, 7, old.lengths, bytes.length, 100_000);
  const pieces = [...recut(cutter, reader(bytes), { size: bytes.length, old, ahead })];
  assertEquals(pieces.map(({ digest }) => digest), old.digests);
  assert(Math.abs(hasher.hashed / old.digests.length - 0.5) < 0.1, `${hasher.hashed} of ${old.digests.length}`);
});

Deno.test("recut() of a file with holes does not read them, and gives what a fresh cut gives, edit after edit", () => {
  for (let seed = 0; seed < seedCount(30); seed++) {
    const r = random(seed), average = 2048;
    let bytes: Uint8Array = CONTENTS.holes(400_000 + r(400_000), r);
    let old = cut(bytes, average);
    for (const [name, edit] of Object.entries(EDITS)) {
      bytes = edit(bytes, r);
      if (bytes.length <= 4 * average) break;
      const expected = cut(bytes, average);
      assertEquals(cutAgain(bytes, old, true).recipe, expected, `seed ${seed}, ${name}`);
      old = expected;
    }
  }
  const size = 2 ** 30, average = averageFor(size);
  const old = { average, lengths: Array(size / (4 * average)).fill(4 * average), digests: [] as string[] };
  old.digests = old.lengths.map(digestOfZeros);
  let read = 0, kept = 0;
  const readAt: ReadAt = (_, into) => {
    read += into.fill(0).length;
    return into.length;
  };
  for (const piece of recut(cutter, readAt, { size, old, dataFrom: () => size })) if (piece.old !== undefined) kept++;
  assertEquals([read, kept], [0, old.lengths.length]);
});

Deno.test("recut() cuts afresh only around an edit", () => {
  const bytes = CONTENTS.random(2_000_000, random(1));
  const old = cut(bytes, 4096);
  assertEquals(cutAgain(bytes, old).fresh, 0);
  for (const edit of ["change", "insert", "remove", "append", "tail"]) {
    const { fresh } = cutAgain(EDITS[edit]!(bytes, random(2)), old);
    assert(fresh > 0 && fresh < 12, `${edit}: ${fresh} fresh chunks`);
  }
});

Deno.test("recut() gives up where guessing does not pay, and is right all the same", () => {
  const bytes = CONTENTS.random(4_000_000, random(3));
  const old = cut(bytes, 2048);
  const edited = bytes.slice();
  for (let at = 0; at < edited.length; at += 4000) edited[at]! ^= 1;
  let read = 0;
  const lengths: number[] = [];
  for (const piece of recut(cutter, reader(edited, (bytes) => read += bytes), { size: edited.length, old })) {
    lengths.push(piece.length);
  }
  assertEquals(lengths, cut(edited, 2048).lengths);
  assert(read < 1.5 * edited.length, `${read} bytes read of ${edited.length}`);
});

Deno.test("recut() takes a short read for the end of the file", () => {
  const bytes = CONTENTS.random(500_000, random(4));
  const old = cut(bytes, 2048);
  for (const left of [0, 10, 300_001]) {
    let sum = 0;
    for (const piece of recut(cutter, reader(bytes.subarray(0, left)), { size: bytes.length, old })) {
      sum += piece.length;
    }
    assertEquals(sum, left);
  }
});
