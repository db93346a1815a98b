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
function plannerOf(fs: MemoryFs, index: TreeIndex, isSameRoot = true): Planner {
  return new Planner({
    index,
    fs,
    attributes: new SourceAttributes(fs, index, { xattrs: false, accounts: noAccounts }),
    seenOf: (stat) => seenOf(stat, 1e15, 1n, false),
    problem: () => {},
    followRenames: true,
    isSameRoot: () => isSameRoot,
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

for (const isSameRoot of [true, false]) {
  Deno.test(`what is not where it was has moved${isSameRoot ? "" : ", unless the drive that it was on has gone since"}`, () => {
    using index = new TreeIndex(":memory:");
    const fs = new MemoryFs(() => 1n);
    fs.writeFile(p("first"), "content");
    const seen = seenOf(fs.lstat(p("first"))!, 1e15, 1n, false), CONTENT = "ab".repeat(32);
    const entry = { kind: "file", ...plain(0o644, 1n), size: 7, average: 2048, content: CONTENT } as const;
    const first = index.put(ROOT_ID, "first", entry, seen);
    fs.link(p("first"), p("second"));
    const stat = fs.lstat(p("second"))!;
    // What a look at "first" finds from now on is nothing.
    fs.unlink(p("first"));
    const planner = plannerOf(fs, index, isSameRoot);
    const planned = [...planner.round([{ what: "there", path: p("second"), stat }])];
    assertEquals(planned[0]!.do === "step" ? planned[0]!.step.op : planned[0]!.do, isSameRoot ? "move" : "content");
    assertEquals(index.pathOf(first), isSameRoot ? p("second") : p("first"));
  });
}

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
