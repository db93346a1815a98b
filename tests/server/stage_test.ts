import { assert, assertEquals, assertThrows } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import { ProtocolError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/fs.ts";
import { MAX_SKETCHED } from "../../core/limits.ts";
import { parsePath, type RelPath } from "../../core/path.ts";
import { contentOf, digestOf } from "../../core/recipe.ts";
import { ROOT_ID } from "../../core/schema.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import type { FileEntry, Recipe } from "../../core/types.ts";
import { Leftovers } from "../../server/leftovers.ts";
import { Metadata } from "../../server/metadata.ts";
import { Owners } from "../../server/owners.ts";
import { PRIVATE_DIR, STAGE_DIR } from "../../server/places.ts";
import { Stage } from "../../server/stage.ts";
import { CONTENTS, random } from "../support/contents.ts";
import { plain } from "../support/entries.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { InlineHasher } from "../support/hasher.ts";
import { MemoryFs } from "../support/memory_fs.ts";

const BYTES = new TextEncoder().encode("some content");
const RECIPE = { average: 2048, lengths: [BYTES.length], digests: [digestOf(BYTES)] };
const BEGIN = {
  type: "file",
  path: parsePath("f"),
  attributes: plain(0o640, 5n),
  sparse: false,
  size: 12,
  average: 2048,
  base: parsePath("f"),
} as const;

/** @param isShared Whether a second thread shares the work. */
function scene(wrap: (fs: MemoryFs) => FileSystem = (fs) => fs, isShared = false) {
  const fs = new MemoryFs(new FakeClock().nowNs);
  for (const dir of [PRIVATE_DIR, STAGE_DIR]) fs.mkdir(dir, 0o700);
  const index = new TreeIndex(":memory:");
  const owners = new Owners(noAccounts);
  const metadata = new Metadata({ fs, owners, xattrsOf: (digest) => index.xattrs(digest), warn: () => {} });
  return {
    fs,
    index,
    stage: new Stage(wrap(fs), index, metadata, {
      fsync: true,
      name: "stage",
      makeRoom: () => false,
      leftovers: new Leftovers(fs, new FakeClock()),
      secondThread: () => isShared ? new InlineHasher((...range) => fs.readHandle(...range)) : undefined,
    }),
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
}

/** Notes offset and length of every range that is to be cloned, and answers for the file system if there is an answer. */
function cloning(fs: MemoryFs, answer: boolean | undefined, clones: unknown[][]): FileSystem {
  return new Proxy<FileSystem>(fs, {
    get(object, key) {
      const value = Reflect.get(object, key, object);
      if (typeof value !== "function") return value;
      if (key !== "createFile") return value.bind(object);
      return (path: RelPath, mode: number) => {
        const file = object.createFile(path, mode);
        const clone = file.clone.bind(file);
        file.clone = (from, offset, length) => {
          clones.push([offset, length]);
          return answer ?? clone(from, offset, length);
        };
        return file;
      };
    },
  });
}

Deno.test("a file that is not what it was said to be is not staged, and leaves nothing", () => {
  using world = scene();
  const { stage, fs } = world;
  const wrong = "00".repeat(32);
  stage.begin(BEGIN);
  stage.literal(BYTES);
  assert("reason" in stage.end(wrong));
  assert("reason" in stage.whole({ ...BEGIN, type: "whole", content: wrong, lengths: [12], bytes: BYTES }));
  stage.begin(BEGIN);
  stage.literal(BYTES.subarray(0, 5));
  assert("reason" in stage.end(contentOf({ ...RECIPE, lengths: [5], digests: [digestOf(BYTES.subarray(0, 5))] })));
  assertEquals(fs.list(STAGE_DIR), []);
});

Deno.test("a file that is what it was said to be is staged with its mode and time", () => {
  using world = scene();
  const { stage, fs } = world;
  const staged = stage.whole({ ...BEGIN, type: "whole", content: contentOf(RECIPE), lengths: [12], bytes: BYTES });
  assert("at" in staged);
  const stat = fs.lstat(staged.at)!;
  assertEquals([stat.mode, stat.mtimeNs, stat.size], [0o640, 5n, 12]);
  assertEquals(staged.recipe, RECIPE);
});

Deno.test("chunks that the mirror does not have make one problem; the next file is staged", () => {
  using world = scene();
  const { stage } = world;
  stage.begin(BEGIN);
  stage.known(digestOf(BYTES), 12);
  stage.literal(BYTES);
  assert("reason" in stage.end(contentOf(RECIPE)));
  stage.begin(BEGIN);
  stage.keep(0, 1);
  assert("reason" in stage.end(contentOf(RECIPE)));
  assert("at" in stage.whole({ ...BEGIN, type: "whole", content: contentOf(RECIPE), lengths: [12], bytes: BYTES }));
});

/** A mirror with a file "f" of several chunks, which its index knows. */
function withBase(world: ReturnType<typeof scene>, content: Uint8Array): Recipe {
  const starts = Array.from({ length: Math.ceil(content.length / 4000) }, (_, i) => 4000 * i);
  const chunks = starts.map((at) => content.subarray(at, at + 4000));
  const recipe = { average: 2048, lengths: chunks.map(({ length }) => length), digests: chunks.map(digestOf) };
  const entry = { kind: "file", ...BEGIN.attributes, size: content.length, average: 2048, content: contentOf(recipe) };
  world.fs.writeFile(BEGIN.path, content);
  world.index.put(ROOT_ID, "f", entry as FileEntry, undefined, recipe);
  return recipe;
}

Deno.test("a file is put together of what the base has, ranges of it, and what is new", () => {
  using world = scene();
  const { stage, fs } = world;
  const old = CONTENTS.random(11_000, random(1)) as Uint8Array<ArrayBuffer>;
  const base = withBase(world, old);
  const made = new Uint8Array([...old.subarray(5000, 7000), ...BYTES, ...old.subarray(4000, 4100)]);
  const whole = new Uint8Array([...old.subarray(4000), ...made]);
  const digests = [base.digests[1]!, base.digests[2]!, digestOf(made)];
  const recipe = { average: 2048, lengths: [4000, 3000, made.length], digests };
  stage.begin({ ...BEGIN, size: whole.length });
  stage.keep(1, 2);
  const parts = [{ offset: 5000, length: 2000 }, { bytes: BYTES }, { offset: 4000, length: 100 }];
  stage.patch(digests[2]!, parts);
  const staged = stage.end(contentOf(recipe));
  assert("at" in staged, `${Object.values(staged)}`);
  assertEquals(fs.readFile(staged.at), whole);
  assertEquals(staged.recipe, recipe);
});

Deno.test("a base that is not what it was makes a problem, and is read anew", () => {
  for (const use of ["keep", "keep, checked by a second thread", "patch", "known"] as const) {
    using world = scene(undefined, use !== "keep");
    const { stage, fs } = world;
    const old = CONTENTS.random(41_000, random(1)) as Uint8Array<ArrayBuffer>;
    const base = withBase(world, old);
    fs.spoil(BEGIN.path, 5000);
    stage.begin({ ...BEGIN, size: 8000 });
    if (use.startsWith("keep")) stage.keep(0, 2);
    else if (use === "patch") stage.patch(base.digests[1]!, [{ offset: 4000, length: 4000 }]);
    else stage.known(base.digests[1]!, 4000);
    const staged = stage.end("00".repeat(32));
    assert("reason" in staged && staged.reason.includes("read anew"), use);
    assertEquals([...stage.wrong], [BEGIN.path]);
    assertEquals(fs.list(STAGE_DIR), []);
  }
});

Deno.test("whole blocks of a base are shared, where they can be, and are what they should be; else they are copied", () => {
  const old = CONTENTS.random(400_000, random(1)) as Uint8Array<ArrayBuffer>;
  for (const answer of [undefined, false]) {
    const clones: unknown[][] = [];
    using world = scene((fs) => cloning(fs, answer, clones));
    const { stage, fs } = world;
    const base = withBase(world, old);
    const count = base.lengths.length;
    // The end of the base comes behind what ends with it in a block, then behind what does not.
    const start = 4 * 4000, before = old.subarray(0, start % 4096);
    const digests = [digestOf(before), ...base.digests.slice(4), digestOf(BYTES), ...base.digests.slice(4)];
    const lengths = [before.length, ...base.lengths.slice(4), BYTES.length, ...base.lengths.slice(4)];
    const whole = new Uint8Array([...before, ...old.subarray(start), ...BYTES, ...old.subarray(start)]);
    stage.begin({ ...BEGIN, size: whole.length });
    stage.literal(before);
    stage.keep(4, count - 4);
    stage.literal(BYTES);
    stage.keep(4, count - 4);
    const staged = stage.end(contentOf({ average: 2048, lengths, digests }));
    assert("at" in staged, `${Object.values(staged)}`);
    assertEquals(fs.readFile(staged.at), whole);
    const from = Math.ceil(start / 4096) * 4096;
    assertEquals(clones, [[from, Math.floor(old.length / 4096) * 4096 - from]]);
    for (const at of [start, 200_000, old.length - 1]) {
      fs.spoil(BEGIN.path, at);
      stage.begin({ ...BEGIN, size: whole.length });
      stage.literal(before);
      stage.keep(4, count - 4);
      const failed = stage.end("00".repeat(32));
      assert("reason" in failed && failed.reason.includes("read anew"), `spoilt at ${at}`);
      fs.spoil(BEGIN.path, at);
    }
    // Where it was in vain it is not tried again.
    assertEquals(clones.length, answer === false ? 1 : 4);
  }
});

Deno.test("a patch or a sketch that reaches too far ends the session, one of no base does not", () => {
  using world = scene();
  const { stage } = world;
  stage.begin({ ...BEGIN, size: 8000 });
  assertEquals(stage.sketch(BEGIN.path, 0, 1), []);
  assert("reason" in stage.end("00".repeat(32)));
  withBase(world, CONTENTS.random(11_000, random(1)) as Uint8Array<ArrayBuffer>);
  const begin = () => (stage.abort(), stage.begin({ ...BEGIN, size: 8000 }));
  const digest = "00".repeat(32);
  for (const length of [0, 4 * 2048 + 1]) {
    begin();
    assertThrows(
      () => stage.patch(digestOf(new Uint8Array(length)), [{ bytes: new Uint8Array(length) }]),
      ProtocolError,
    );
  }
  for (const [offset, length] of [[11_000, 1], [10_999, 2], [2 ** 52, 1]] as const) {
    begin();
    assertThrows(() => stage.patch(digest, [{ offset, length }]), ProtocolError);
  }
  for (const [index, count] of [[0, 4], [3, 1], [0, 0], [2 ** 52, 2 ** 52]] as const) {
    begin();
    assertThrows(() => stage.sketch(BEGIN.path, index, count), ProtocolError);
    begin();
    assertThrows(() => stage.keep(index, count), ProtocolError);
  }
  stage.abort();
  assert(stage.sketch(BEGIN.path, 0, 1).length > 0, "no file has to be under way");
});

Deno.test("what the protocol does not allow ends the session", () => {
  using world = scene();
  const { stage } = world;
  assertThrows(() => stage.literal(BYTES), ProtocolError);
  assertThrows(() => stage.end(contentOf(RECIPE)), ProtocolError);
  stage.begin(BEGIN);
  assertThrows(() => stage.begin(BEGIN), ProtocolError);
  assertThrows(() => stage.literal(new Uint8Array(13)), ProtocolError);
  assertThrows(
    () => stage.whole({ ...BEGIN, type: "whole", content: contentOf(RECIPE), lengths: [13], bytes: BYTES }),
    ProtocolError,
  );
});

Deno.test("a sketch is of so many chunks at most", () => {
  using world = scene();
  const { stage } = world;
  withBase(world, CONTENTS.random(4000 * (MAX_SKETCHED + 1), random(1)) as Uint8Array<ArrayBuffer>);
  stage.begin({ ...BEGIN, size: 8000 });
  assert(stage.sketch(BEGIN.path, 0, MAX_SKETCHED).length >= MAX_SKETCHED);
  assertThrows(() => stage.sketch(BEGIN.path, 0, MAX_SKETCHED + 1), ProtocolError, "A sketch of too much");
});
