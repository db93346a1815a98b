// What a plan says of what is to be lost, and of what it saw in the middle of something.

import { assertEquals } from "@std/assert";
import { SourceAttributes } from "../../client/attributes.ts";
import { Planner } from "../../client/plan.ts";
import { seenOf } from "../../client/session.ts";
import { noAccounts } from "../../core/accounts.ts";
import { parsePath as p } from "../../core/path.ts";
import { ROOT_ID } from "../../core/schema.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import { plain } from "../support/entries.ts";
import { MemoryFs } from "../support/memory_fs.ts";

/** A planner of `fs` against `index`. */
function plannerOf(fs: MemoryFs, index: TreeIndex): Planner {
  return new Planner({
    index,
    fs,
    attributes: new SourceAttributes(fs, index, { xattrs: false, accounts: noAccounts }),
    seenOf: (stat) => seenOf(stat, 1e15, 1n, false),
    problem: () => {},
    followRenames: true,
    guardContent: false,
  });
}

Deno.test("a directory that seems to have moved into itself is another by now: where it was is looked at again", () => {
  using index = new TreeIndex(":memory:");
  const fs = new MemoryFs(() => 1n);
  fs.mkdir(p("d"), 0o755);
  const seen = seenOf(fs.lstat(p("d"))!, 1e15, 1n, false);
  const dir = index.put(ROOT_ID, "d", { kind: "dir", ...plain(0o755, 1n) }, seen);
  // Between the scan's look at "d" and at what is in it.
  fs.rename(p("d"), p("tmp"));
  fs.mkdir(p("d"), 0o755);
  fs.rename(p("tmp"), p("d/sub"));
  const planner = plannerOf(fs, index);
  const planned = [...planner.round([{ what: "there", path: p("d/sub"), stat: fs.lstat(p("d/sub"))! }])];
  assertEquals(planned.map((each) => each.do === "step" && each.step.op), ["mkdir"]);
  assertEquals(index.get(dir)!.seen, undefined);
});

Deno.test("what is gone with the directory that it was in is counted, and removed, with that alone", () => {
  using index = new TreeIndex(":memory:");
  const fs = new MemoryFs(() => 1n);
  const dir = index.put(ROOT_ID, "dir", { kind: "dir", ...plain(0o755, 1n) }, undefined);
  const link = { kind: "symlink", target: "x", ...plain(0o777, 1n) } as const;
  const [first] = ["a", "b"].map((name) => index.put(dir, name, link, undefined));
  const planner = plannerOf(fs, index);
  // As a scan may find them one after the other, while they go.
  const gone = [{ what: "gone", id: first!, path: p("dir/a") }, { what: "gone", id: dir, path: p("dir") }] as const;
  assertEquals([...planner.round(gone)], []);
  const settled = planner.settle(0);
  assertEquals([settled.harm.deleted, [...settled.harm.paths]], [3, ["dir"]]);
  const steps = [...planner.end(settled, 0, true)].map((planned) => planned.do === "step" && planned.step);
  assertEquals(steps, [{ op: "remove", path: p("dir") }]);
});
