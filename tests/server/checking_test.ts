// What was copied is checked, whoever does it and whenever it comes out.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProblemError } from "../../core/errors.ts";
import type { WritableFile } from "../../core/fs.ts";
import { parsePath } from "../../core/path.ts";
import { digestOf } from "../../core/recipe.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import { Checking } from "../../server/checking.ts";
import { Holdings } from "../../server/holdings.ts";
import { Leftovers } from "../../server/leftovers.ts";
import { CONTENTS, random } from "../support/contents.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { InlineHasher } from "../support/hasher.ts";
import { MemoryFs } from "../support/memory_fs.ts";

const NEW = parsePath("new"), OLD = parsePath("old");
const CHUNK = 1000, COUNT = 10;

/** A new file that lies in the mirror, and who checks it. */
function scene(hasher: InlineHasher | undefined) {
  const fs = new MemoryFs(new FakeClock().nowNs);
  const bytes = CONTENTS.random(CHUNK * COUNT, random(1));
  fs.writeFile(NEW, bytes);
  const holdings = new Holdings(fs, new TreeIndex(":memory:"), new Leftovers(fs, new FakeClock()));
  const file = { handle: 3 } as unknown as WritableFile;
  const checking = new Checking(holdings, { file, at: NEW, begin: { size: bytes.length } }, () => hasher);
  const check = (i: number, isWrong = false) => {
    const offset = i * CHUNK, digest = isWrong ? "00".repeat(32) : digestOf(bytes.subarray(offset, offset + CHUNK));
    checking.check({ from: OLD, offset, lengths: [CHUNK], digests: [digest] });
  };
  return { fs, bytes, holdings, checking, check };
}

const hasherOf = (bytes: () => Uint8Array, mayTake?: () => boolean) =>
  new InlineHasher((_, offset, length) => bytes().subarray(offset, offset + length), mayTake);

for (const who of ["this thread", "a second thread", "now one, now the other", "a thread that fails"]) {
  Deno.test(`checked by ${who}: what is as it should be passes, what is not is a problem in the end, and read anew`, () => {
    for (let wrong = -1; wrong < COUNT; wrong++) {
      let turn = 0, bytes = new Uint8Array();
      const hasher = who === "this thread"
        ? undefined
        : hasherOf(() => bytes, () => who !== "now one, now the other" || turn++ % 3 > 0);
      const world = scene(hasher);
      bytes = world.bytes as Uint8Array<ArrayBuffer>;
      if (hasher) hasher.fails = who === "a thread that fails";
      using checking = world.checking;
      const all = () => {
        for (let i = 0; i < COUNT; i++) world.check(i, i === wrong);
        checking.finish();
      };
      if (wrong < 0) all();
      else assertThrows(all, ProblemError);
      assertEquals([...world.holdings.wrong], wrong < 0 ? [] : [OLD]);
      if (who === "a second thread" && wrong < 0) assert(hasher!.hashed > 0);
    }
  });
}

Deno.test("when a file is given up, nothing reads it any more, and the thread ends", () => {
  let bytes = new Uint8Array();
  const hasher = hasherOf(() => bytes), world = scene(hasher);
  bytes = world.bytes as Uint8Array<ArrayBuffer>;
  world.check(0);
  world.check(1, true);
  assertEquals(hasher.open, 2);
  world.checking[Symbol.dispose]();
  assertEquals([hasher.open, hasher.isDisposed], [0, true]);
});

Deno.test("nobody is asked for a thread that could read nothing", () => {
  const { holdings } = scene(undefined);
  let asked = 0;
  const file = {} as unknown as WritableFile;
  new Checking(holdings, { file, at: NEW, begin: { size: 1 } }, () => (asked++, undefined));
  assertEquals(asked, 0);
});
