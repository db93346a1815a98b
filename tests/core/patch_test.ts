import { assert, assertEquals } from "@std/assert";
import { decodePieces, encodePrints, patchOf, pieceAverage, placesOf, sketch } from "../../core/patch.ts";
import type { PatchPart } from "../../core/wire.ts";
import { CONTENTS, random } from "../support/contents.ts";

const AVERAGE = 32 << 10;

function patched(old: Uint8Array, fresh: Uint8Array): PatchPart[] | undefined {
  const pieces = sketch(old, AVERAGE);
  const travelled = decodePieces(pieces.map(({ length }) => length), encodePrints(pieces));
  return patchOf(fresh, sketch(fresh, AVERAGE), placesOf(travelled, 1_000_000));
}

function apply(parts: PatchPart[], old: Uint8Array): number[] {
  return parts.flatMap((part) =>
    "bytes" in part
      ? [...part.bytes]
      : [...old.subarray(part.offset - 1_000_000, part.offset - 1_000_000 + part.length)]
  );
}

function cost(parts: PatchPart[]): number {
  return parts.reduce((sum, part) => sum + ("bytes" in part ? part.bytes.length : 8), 0);
}

Deno.test("a patch makes the new chunk of the old one, and costs about a piece an edit", () => {
  const old = CONTENTS.random(AVERAGE + 777, random(1)), r = random(2);
  for (let edits = 0; edits < 6; edits++) {
    const fresh = old.slice();
    for (let i = 0; i < edits; i++) fresh[r(fresh.length)]! ^= 1;
    const parts = patched(old, fresh)!;
    assertEquals(apply(parts, old), [...fresh]);
    assert(cost(parts) <= 20 + 5 * pieceAverage(AVERAGE) * edits, `${edits} edits: ${cost(parts)} bytes`);
  }
  const longer = new Uint8Array([...old.subarray(0, 9000), 1, 2, 3, ...old.subarray(9000)]);
  assertEquals(apply(patched(old, longer)!, old), [...longer]);
  assert(cost(patched(old, longer)!) < 5 * pieceAverage(AVERAGE));
});

Deno.test("there is no patch where it would hardly be smaller", () => {
  const old = CONTENTS.random(AVERAGE, random(1));
  assertEquals(patched(old, CONTENTS.random(AVERAGE, random(2))), undefined);
  assertEquals(patched(new Uint8Array(), old), undefined);
  const fresh = old.slice();
  for (let at = 0; at < fresh.length; at += 300) fresh[at]! ^= 1;
  assertEquals(patched(old, fresh), undefined);
});

Deno.test("the pieces of a chunk that is long or short are the whole of it", () => {
  for (const length of [0, 1, 600, 5000, 4 * AVERAGE]) {
    const pieces = sketch(CONTENTS.words(length, random(3)), AVERAGE);
    assertEquals(pieces.reduce((sum, piece) => sum + piece.length, 0), length);
  }
});
