import { assert, assertEquals } from "@std/assert";
import { journalOf } from "../../server/journal_form.ts";
import { plain } from "../support/entries.ts";

const ENTRY = { kind: "file", ...plain(0o644, 1n), size: 1, average: 2048, content: "ab".repeat(32) };

/** A journal by which a file comes from `at` to the path `d/f`. */
function journal(at: string): unknown {
  return { stamp: "2027-01-15T08-00-00.000Z", steps: [{ op: "file", path: "d/f", entry: ENTRY, at, ino: 5n }] };
}

Deno.test("a journal takes files from the stage, or from a directory in it, and from nowhere else", () => {
  for (const at of ["x-1", "x-1.11", "x-1/f", "x-1/any name.txt", "x-1/.dirsyncignore"]) {
    assert(journalOf(journal(`.dirsync/stage/${at}`)), at);
  }
  const wrong = [
    "",
    "..",
    "../f",
    "x/..",
    "x/../f",
    "x/.",
    "x/",
    "/x",
    "x//f",
    "x/y/f",
    "a b",
    ".x",
    "x.11/f",
    "x/a\0b",
    "x/\0",
  ];
  for (const at of wrong) assertEquals(journalOf(journal(`.dirsync/stage/${at}`)), undefined, at);
  for (
    const at of [
      "d/f",
      ".dirsync/left/x",
      ".dirsync/index.sqlite",
      ".dirsync/stage",
      "/.dirsync/stage/x",
      ".dirsync/stage2/x",
    ]
  ) {
    assertEquals(journalOf(journal(at)), undefined, at);
  }
});
