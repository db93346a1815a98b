import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../core/errors.ts";
import { MAX_AVERAGE, MIN_AVERAGE } from "../../core/limits.ts";
import { contentOf, decodeRecipe, digestOf, encodeRecipe, sizeOf } from "../../core/recipe.ts";
import type { Recipe } from "../../core/types.ts";

// A failure prints seed and path; `fc.assert(..., { seed, path })` repeats it.
const RUNS = { numRuns: 300 };

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes.toHex());
const recipes: fc.Arbitrary<Recipe> = fc.integer({ min: Math.log2(MIN_AVERAGE), max: Math.log2(MAX_AVERAGE) }).chain((
  log,
) =>
  fc.array(fc.tuple(fc.integer({ min: 1, max: 4 * 2 ** log }), digest), { maxLength: 20 }).map((chunks) => ({
    average: 2 ** log,
    lengths: chunks.map(([length]) => length),
    digests: chunks.map(([, digest]) => digest),
  }))
);

/** An encoding with the given bytes for the length of its only chunk. */
function withLength(log: number, ...length: number[]): Uint8Array {
  return Uint8Array.of(log, ...length, ...new Uint8Array(32));
}

Deno.test("digestOf() is SHA-256 in lower-case hex", () => {
  assertEquals(digestOf(new Uint8Array()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const abc = new TextEncoder().encode("xabcx").subarray(1, 4);
  assertEquals(digestOf(abc), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

Deno.test("encodeRecipe() writes the documented bytes", () => {
  assertEquals([...encodeRecipe({ average: 2048, lengths: [], digests: [] })], [11]);
  const recipe = {
    average: 262144,
    lengths: [1, 127, 128, 16383, 16384, 1 << 20],
    digests: ["ab", "cd", "ef", "01", "23", "45"].map((byte) => byte.repeat(32)),
  };
  const of = (byte: number) => Array<number>(32).fill(byte);
  assertEquals(
    [...encodeRecipe(recipe)],
    // deno-fmt-ignore
    [18, 1, ...of(0xab), 0x7f, ...of(0xcd), 0x80, 1, ...of(0xef), 0xff, 0x7f, ...of(0x01), 0x80, 0x80, 1, ...of(0x23),
      0x80, 0x80, 0x40, ...of(0x45)],
  );
});

Deno.test("decodeRecipe() reads what encodeRecipe() wrote, wherever it lies in a buffer", () => {
  fc.assert(
    fc.property(recipes, fc.nat(9), (recipe, before) => {
      const encoded = encodeRecipe(recipe);
      const buffer = new Uint8Array(before + encoded.length + 5).fill(0xff);
      buffer.set(encoded, before);
      assertEquals(decodeRecipe(buffer.subarray(before, before + encoded.length)), recipe);
    }),
    RUNS,
  );
});

Deno.test("decodeRecipe() of anything throws ProtocolError or gives a recipe that encodes to the same bytes", () => {
  const tail = fc.uint8Array({ maxLength: 120 });
  const likely = fc.tuple(fc.integer({ min: 11, max: 18 }), tail).map(([log, rest]) => Uint8Array.of(log, ...rest));
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(tail, likely), (bytes) => {
      let recipe: Recipe;
      try {
        recipe = decodeRecipe(bytes);
      } catch (error) {
        assert(error instanceof ProtocolError, String(error));
        return;
      }
      accepted++;
      assertEquals([...encodeRecipe(recipe)], [...bytes]);
    }),
    { numRuns: 2000 },
  );
  assert(accepted > 0);
});

Deno.test("decodeRecipe() refuses a recipe cut anywhere but between chunks", () => {
  fc.assert(
    fc.property(recipes, (recipe) => {
      const encoded = encodeRecipe(recipe);
      let between = 0;
      for (let end = 0; end < encoded.length; end++) {
        try {
          const { lengths } = decodeRecipe(encoded.subarray(0, end));
          assertEquals(lengths, recipe.lengths.slice(0, between++), `${end} of ${encoded.length} bytes`);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
        }
      }
      assertEquals(between, recipe.lengths.length);
    }),
    { numRuns: 100 },
  );
});

Deno.test("decodeRecipe() refuses what no file has", () => {
  const refused: [string, Uint8Array, string][] = [
    ["nothing", new Uint8Array(), "it is empty"],
    ["average of 1 KiB", Uint8Array.of(10), "its average is 2 ** 10"],
    ["average of 512 KiB", Uint8Array.of(19), "its average is 2 ** 19"],
    ["average beyond all numbers", Uint8Array.of(255), "its average is 2 ** 255"],
    ["empty chunk", withLength(11, 0), "a chunk is empty"],
    ["chunk one byte too long", withLength(11, 0x81, 0x40), "more than 8192 bytes"],
    ["1 MiB + 1 at the largest average", withLength(18, 0x81, 0x80, 0x40), "more than 1048576 bytes"],
    ["length in too many bytes", withLength(11, 0x81, 0x00), "not minimal"],
    ["zero in two bytes", withLength(11, 0x80, 0x00), "not minimal"],
    ["length without end", new Uint8Array(64).fill(0x80).fill(11, 0, 1), "too long"],
    ["length of 2 ** 63", withLength(11, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01), "a"],
    ["length cut short", Uint8Array.of(11, 0x80), "cut short"],
    ["digest cut short", withLength(11, 1).subarray(0, 33), "cut short"],
    ["a byte behind the last chunk", Uint8Array.of(...withLength(11, 1), 1), "cut short"],
  ];
  for (const [name, bytes, reason] of refused) assertThrows(() => decodeRecipe(bytes), ProtocolError, reason, name);
  assertEquals(decodeRecipe(withLength(11, 0x80, 0x40)).lengths, [8192]);
  assertEquals(decodeRecipe(withLength(18, 0x80, 0x80, 0x40)).lengths, [1 << 20]);
});

Deno.test("contentOf() differs as soon as average, a length, a digest or the order does", () => {
  const [a, b] = ["aa".repeat(32), "bb".repeat(32)];
  const base: Recipe = { average: 2048, lengths: [700, 800], digests: [a, b] };
  const others: Recipe[] = [
    { ...base, average: 4096 },
    { ...base, lengths: [701, 800] },
    { ...base, lengths: [800, 700] },
    { ...base, digests: [b, a] },
    { average: 2048, lengths: [700], digests: [a] },
    { average: 2048, lengths: [], digests: [] },
  ];
  const contents = new Set([base, ...others].map(contentOf));
  assertEquals(contents.size, 1 + others.length);
  assertEquals(contentOf(base), digestOf(encodeRecipe({ ...base })));
});

Deno.test("sizeOf() is the sum of the lengths", () => {
  assertEquals(sizeOf({ average: 2048, lengths: [], digests: [] }), 0);
  const many = Array<number>(40_000).fill(1 << 20);
  assertEquals(sizeOf({ average: 262144, lengths: many, digests: [] }), 40_000 * 2 ** 20);
});
