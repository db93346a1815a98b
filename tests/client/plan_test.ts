// What a plan says of what is to be lost.

import { assertEquals } from "@std/assert";
import { SourceAttributes } from "../../client/attributes.ts";
import { Planner } from "../../client/plan.ts";
import { noAccounts } from "../../core/accounts.ts";
import { parsePath as p } from "../../core/path.ts";
import { ROOT_ID } from "../../core/schema.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import { plain } from "../support/entries.ts";
import { MemoryFs } from "../support/memory_fs.ts";

Deno.test("what is gone with the directory that it was in is counted, and removed, with that alone", () => {
  using index = new TreeIndex(":memory:");
  const fs = new MemoryFs(() => 1n);
  const dir = index.put(ROOT_ID, "dir", { kind: "dir", ...plain(0o755, 1n) }, undefined);
  const link = { kind: "symlink", target: "x", ...plain(0o777, 1n) } as const;
  const [first] = ["a", "b"].map((name) => index.put(dir, name, link, undefined));
  const planner = new Planner({
    index,
    fs,
    attributes: new SourceAttributes(fs, index, { xattrs: false, accounts: noAccounts }),
    seenOf: () => {
      throw new Error("nothing is there");
    },
    problem: () => {},
    followRenames: true,
    guardContent: false,
  });
  // As a scan may find them one after the other, while they go.
  const gone = [{ what: "gone", id: first!, path: p("dir/a") }, { what: "gone", id: dir, path: p("dir") }] as const;
  assertEquals([...planner.round(gone)], []);
  const settled = planner.settle(0);
  assertEquals([settled.harm.deleted, [...settled.harm.paths]], [3, ["dir"]]);
  const steps = [...planner.end(settled, 0, true)].map((planned) => planned.do === "step" && planned.step);
  assertEquals(steps, [{ op: "remove", path: p("dir") }]);
});
