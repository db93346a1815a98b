import { assert, assertEquals, assertThrows } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import { ProtocolError } from "../../core/errors.ts";
import { parsePath } from "../../core/path.ts";
import { contentOf, digestOf } from "../../core/recipe.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import { Metadata } from "../../server/metadata.ts";
import { Owners } from "../../server/owners.ts";
import { PRIVATE_DIR, STAGE_DIR } from "../../server/places.ts";
import { Stage } from "../../server/stage.ts";
import { plain } from "../support/entries.ts";
import { FakeClock } from "../support/fake_clock.ts";
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

function scene() {
  const fs = new MemoryFs(new FakeClock().nowNs);
  for (const dir of [PRIVATE_DIR, STAGE_DIR]) fs.mkdir(dir, 0o700);
  const index = new TreeIndex(":memory:");
  const owners = new Owners(noAccounts);
  const metadata = new Metadata({ fs, owners, xattrsOf: (digest) => index.xattrs(digest), warn: () => {} });
  return {
    fs,
    index,
    stage: new Stage(fs, index, metadata, { fsync: true, name: "stage" }),
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
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
