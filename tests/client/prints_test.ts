import { assertEquals } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import { IgnoreRules } from "../../core/ignore.ts";
import { parsePath as p, ROOT } from "../../core/path.ts";
import { ROOT_ID } from "../../core/schema.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import { SourceAttributes } from "../../client/attributes.ts";
import { Prints } from "../../client/prints.ts";
import { seenOf } from "../../client/session.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { MemoryFs } from "../support/memory_fs.ts";

Deno.test("prints are learnt of directories that are as the index says by then, and what was remembered for it is bounded", () => {
  const fs = new MemoryFs(new FakeClock().nowNs), rules = new IgnoreRules([]);
  using index = new TreeIndex(":memory:");
  const attributes = new SourceAttributes(fs, index, { xattrs: true, accounts: noAccounts });
  for (const dir of ["level", "other", "gone"]) {
    fs.mkdir(p(dir), 0o755);
    fs.symlink(p(`${dir}/link`), "target");
    if (dir === "gone") continue;
    const stat = fs.lstat(p(dir))!, link = fs.lstat(p(`${dir}/link`))!;
    const id = index.put(
      ROOT_ID,
      dir,
      { kind: "dir", ...attributes.of(p(dir), stat, undefined) },
      seenOf(stat, 1e15, 1n, true),
    );
    const entry = { kind: "symlink", ...attributes.of(p(`${dir}/link`), link, undefined), target: "target" } as const;
    index.put(id, "link", entry, dir === "level" ? seenOf(link, 1e15, 1n, true) : undefined);
  }
  const prints = new Prints();
  const surveys = ["level", "other", "gone"].map((dir) => ({
    dir: p(dir),
    survey: fs.survey(p(dir), undefined),
    rules,
  }));
  for (const surveyed of surveys) prints.note(surveyed);
  assertEquals(prints.isFull, false);
  // As if it had so many entries.
  const { survey } = surveys[1]!;
  prints.note({ dir: ROOT, rules, survey: { ...survey, entries: Array(50_000).fill(survey.entries[0]) } });
  assertEquals(prints.isFull, true);
  prints.learn(index, attributes);
  assertEquals(prints.isFull, false);
  assertEquals(index.print(index.dirAt(p("level"))!), surveys[0]!.survey.print);
  assertEquals(index.print(index.dirAt(p("other"))!), undefined);
  assertEquals(index.print(ROOT_ID), undefined);
  // All of it is forgotten.
  index.setPrint(index.dirAt(p("level"))!, "ab".repeat(32));
  prints.learn(index, attributes);
  assertEquals(index.print(index.dirAt(p("level"))!), "ab".repeat(32));
});
