import { assert, assertEquals, assertThrows } from "@std/assert";
import { averageFor, Cutter, FINEST_AVERAGE, isOneChunk, type ReadAt } from "../../core/chunker.ts";
import { MAX_AVERAGE, MAX_FILE_BYTES, MIN_AVERAGE } from "../../core/limits.ts";
import { contentOf, digestOf, digestOfChunk } from "../../core/recipe.ts";
import type { Recipe } from "../../core/types.ts";
import golden from "../golden/chunker.json" with { type: "json" };
import { CONTENTS, nextData, random } from "../support/contents.ts";
import { cutByDefinition } from "../support/reference_cutter.ts";

const AVERAGES = [128, 256, 512, 1024, 2048, 4096, 16384, 65536];
const cutter = new Cutter();

function reader(bytes: Uint8Array): ReadAt {
  return (offset, into) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  };
}

/** Lengths of the chunks, which are checked to be those of `bytes`. */
function cut(bytes: Uint8Array, average: number, from = 0): number[] {
  const lengths: number[] = [];
  let at = from;
  cutter.start(reader(bytes), { size: bytes.length, average, from });
  for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
    const { offset, bytes: found } = chunk;
    assertEquals(offset, at);
    assertEquals(digestOf(found), digestOf(bytes.subarray(at, at += found.length)), `chunk at ${offset}`);
    lengths.push(found.length);
  }
  assertEquals(at, bytes.length);
  return lengths;
}

function recipeOf(bytes: Uint8Array, average: number): Recipe {
  const lengths = cut(bytes, average);
  let at = 0;
  return { average, lengths, digests: lengths.map((length) => digestOf(bytes.subarray(at, at += length))) };
}

function endsOf(lengths: number[]): number[] {
  let sum = 0;
  return lengths.map((length) => sum += length);
}

Deno.test("Cutter follows the definition for every content, average and length", () => {
  for (const [name, make] of Object.entries(CONTENTS)) {
    for (const average of AVERAGES) {
      const sizes = [0, 1, 32, 100, average, 4 * average, 4 * average + 4, 5 * average + 7, 40 * average + 13];
      for (const n of sizes.slice(0, average > 16384 ? 8 : 9)) {
        const bytes = make(n - n % 4, random(n + average));
        assertEquals(cut(bytes, average), cutByDefinition(bytes, average), `${name}, average ${average}, ${n} bytes`);
      }
    }
  }
});

Deno.test("Cutter cuts alike wherever its own reads end", () => {
  const bytes = CONTENTS.words(3_500_001, random(1));
  assertEquals(cut(bytes, 4096), cutByDefinition(bytes, 4096));
});

Deno.test("Cutter cuts alike where it is told of holes, and reads nothing in the midst of large ones", () => {
  for (let seed = 0; seed < 40; seed++) {
    const r = random(seed), average = AVERAGES[r(6)]!, longest = 4 * average;
    const bytes = new Uint8Array(longest * (1 + r(60)) + r(2) * r(longest));
    for (let i = r(5); i > 0; i--) {
      const data = CONTENTS.random(1 + r(r(2) * longest + 40), r).subarray(0, bytes.length);
      bytes.set(data, r(bytes.length - data.length + 1));
    }
    const expected = cut(bytes, average);
    const lengths: number[] = [];
    let holes = 0, at = 0;
    cutter.start(reader(bytes), { size: bytes.length, average, dataFrom: nextData(bytes) });
    for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
      assertEquals(chunk.offset, at);
      at += chunk.bytes.length;
      assertEquals(digestOfChunk(chunk), digestOf(bytes.subarray(chunk.offset, at)), `seed ${seed}`);
      lengths.push(chunk.bytes.length);
      if (chunk.isHole) holes += chunk.bytes.length;
    }
    assertEquals(lengths, expected, `seed ${seed}`);
    if (bytes.every((byte) => byte === 0) && bytes.length > 8 * longest) {
      assert(holes > bytes.length / 2, `seed ${seed}`);
    }
  }
  let read = 0;
  const size = 20e9, average = averageFor(size);
  cutter.start((_, into) => {
    read += into.fill(0).length;
    return into.length;
  }, { size, average, dataFrom: () => size });
  let sum = 0;
  for (let chunk = cutter.next(); chunk; chunk = cutter.next()) sum += chunk.bytes.length;
  assertEquals(sum, size);
  assert(read < 8 << 20, `${read} bytes read`);
});

Deno.test("Cutter knows the bytes before a read that begins right at a cut", () => {
  for (let seed = 0; seed < 60; seed++) {
    const bytes = new Uint8Array(20_000); // forced cuts at 8192 and at 16384, where the first read ends
    bytes.set(CONTENTS.random(64, random(seed)), 16384 - 31);
    assertEquals(cut(bytes, 2048), cutByDefinition(bytes, 2048), `seed ${seed}`);
  }
});

Deno.test("Cutter started at any boundary cuts the rest alike", () => {
  for (const [name, make] of Object.entries(CONTENTS)) {
    for (const average of [256, 2048]) {
      const bytes = make(40 * average, random(7));
      const lengths = cut(bytes, average);
      endsOf(lengths).forEach((end, i) =>
        assertEquals(cut(bytes, average, end), lengths.slice(i + 1), `${name}, average ${average}, from ${end}`)
      );
    }
  }
});

Deno.test("Cutter with a coarser average keeps a subset of the boundaries", () => {
  const bytes = CONTENTS.random(600_000, random(2));
  let finer: Set<number> | undefined;
  for (const average of AVERAGES) {
    const ends = endsOf(cut(bytes, average));
    if (finer) { for (const end of ends) assert(finer.has(end), `average ${average}, ${end}`); }
    finer = new Set(ends);
  }
});

Deno.test("Cutter changes few chunks when one byte changes", () => {
  const bytes = CONTENTS.random(400_000, random(3));
  const before = new Set(recipeOf(bytes, 2048).digests);
  for (const at of [0, 123_456, 399_999]) {
    const edited = bytes.slice();
    edited[at]! ^= 1;
    const fresh = recipeOf(edited, 2048).digests.filter((digest) => !before.has(digest));
    assert(fresh.length >= 1 && fresh.length <= 4, `${fresh.length} new chunks at ${at}`);
  }
});

Deno.test("Cutter makes one chunk of up to four times the average, and reads it once", () => {
  for (const average of [FINEST_AVERAGE, MIN_AVERAGE, MAX_AVERAGE]) {
    const bytes = CONTENTS.random(4 * average, random(4));
    assertEquals(cut(bytes, average), [4 * average]);
    const longer = CONTENTS.random(4 * average + 1, random(4));
    assertEquals(cut(longer, average), cutByDefinition(longer, average));
    assert(isOneChunk(4 * average, average) && !isOneChunk(4 * average + 1, average));
    const reads: [number, number][] = [];
    const readAt: ReadAt = (offset, into) => (reads.push([offset, into.length]), reader(bytes)(offset, into));
    cutter.start(readAt, { size: bytes.length, average });
    while (cutter.next());
    assertEquals(reads, [[0, 4 * average]]);
  }
});

Deno.test("Cutter makes no chunk longer than four averages, and forced ones exactly that long", () => {
  for (const average of [FINEST_AVERAGE, MIN_AVERAGE, MAX_AVERAGE]) {
    assertEquals(cut(new Uint8Array(9 * average), average), [4 * average, 4 * average, average]);
  }
});

Deno.test("Cutter reads nothing behind the size, and of an empty file nothing at all", () => {
  const grown = CONTENTS.random(500_000, random(5));
  for (const size of [0, 3000, 100_000]) {
    const ends: number[] = [];
    const readAt: ReadAt = (offset, into) => (ends.push(offset + into.length), reader(grown)(offset, into));
    cutter.start(readAt, { size, average: 2048 });
    const lengths: number[] = [];
    for (let chunk = cutter.next(); chunk; chunk = cutter.next()) lengths.push(chunk.bytes.length);
    assertEquals(lengths, cut(grown.slice(0, size), 2048));
    assertEquals(ends.at(-1) ?? 0, size);
  }
});

Deno.test("Cutter takes a short read for the end of the file", () => {
  const bytes = CONTENTS.random(500_000, random(6));
  for (const [size, left] of [[500_000, 300_001], [500_000, 0], [3000, 10], [3000, 0]] as const) {
    cutter.start(reader(bytes.subarray(0, left)), { size, average: 2048 });
    let total = 0;
    for (let chunk = cutter.next(); chunk; chunk = cutter.next()) total += chunk.bytes.length;
    assertEquals(total, left);
    assertEquals(cutter.next(), undefined);
  }
});

Deno.test("Cutter begins anew after a file that was left, or failed, half-way", () => {
  const bytes = CONTENTS.words(300_000, random(8));
  const lengths = cut(bytes, 2048);
  cutter.start(reader(bytes), { size: bytes.length, average: 65536 });
  cutter.next();
  assertEquals(cut(bytes, 2048), lengths);
  const failing: ReadAt = (offset, into) => {
    if (offset > 50_000) throw new Error("bad sector");
    return reader(bytes)(offset, into);
  };
  cutter.start(failing, { size: bytes.length, average: 2048 });
  assertThrows(
    () => {
      while (cutter.next());
    },
    Error,
    "bad sector",
  );
  assertEquals(cut(bytes, 2048), lengths);
});

Deno.test("Cutter refuses options out of range", () => {
  const start = (size: number, average: number, from = 0) => () => cutter.start(() => 0, { size, average, from });
  for (const average of [0, 64, 1000, 3000, 2 * MAX_AVERAGE, -2048, NaN, Infinity]) {
    assertThrows(start(1, average), RangeError);
  }
  for (const size of [-1, 0.5, NaN, Infinity, MAX_FILE_BYTES + 1]) assertThrows(start(size, 2048), RangeError);
  for (const from of [-1, 11, 0.5, NaN]) assertThrows(start(10, 2048, from), RangeError);
});

Deno.test("averageFor() follows the root of the size and does not flutter", () => {
  const sizes = [0, 10_240, 1 << 20, 10 << 20, 100 << 20, 2 ** 30, 2 ** 34, 2 ** 40, MAX_FILE_BYTES];
  const averages = [2048, 2048, 2048, 4096, 16384, 65536, 262144, 262144, 262144];
  assertEquals(sizes.map((size) => averageFor(size)), averages);
  assertEquals([averageFor(2 ** 30, 32768), averageFor(2 ** 30, 131072)], [32768, 131072], "kept");
  assertEquals([averageFor(2 ** 30, 16384), averageFor(1 << 20, 8192)], [65536, 2048], "left");
  for (const average of [2048, 16384, 262144]) {
    const least = (average / 2) ** 2; // smallest size of this class that is not so by the limits
    assertEquals(averageFor(least), average);
    assertEquals(averageFor(least / 4, average), average);
    assertEquals(averageFor(least * 16 - 1, average), average);
  }
});

/** What the golden file holds about one content. */
function goldenOf(content: keyof typeof CONTENTS, bytes: number, average: number) {
  const recipe = recipeOf(CONTENTS[content](bytes, random(bytes)), average);
  return {
    content,
    bytes,
    average,
    chunks: recipe.lengths.length,
    first: recipe.lengths.slice(0, 6),
    recipe: contentOf(recipe),
  };
}

Deno.test("golden cuts stay as they are, on every machine", () => {
  for (const entry of golden) {
    assertEquals(goldenOf(entry.content as keyof typeof CONTENTS, entry.bytes, entry.average), entry as unknown);
  }
});

// deno run -A tests/core/chunker_test.ts --golden: never without a new version of the protocol.
if (import.meta.main && Deno.args[0] === "--golden") {
  const all = [];
  for (const content of Object.keys(CONTENTS) as (keyof typeof CONTENTS)[]) {
    for (const average of [2048, 65536]) {
      all.push(goldenOf(content, average * 2, average));
      all.push(goldenOf(content, average * 2 + 4, average));
      all.push(goldenOf(content, Math.min(2_000_000, 40 * average), average));
    }
    all.push(goldenOf(content, 10_240, 256));
  }
  Deno.writeTextFileSync(new URL("../golden/chunker.json", import.meta.url), JSON.stringify(all));
}
