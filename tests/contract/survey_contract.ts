// What every FileTree's survey() must do: core/fs.ts as tests.

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { FileSystem } from "../../core/fs.ts";
import { parsePath as p, PRIVATE, type RelPath, ROOT } from "../../core/path.ts";
import type { Register } from "./file_system_contract.ts";

const NAMES = ["dir", "file", "long name, longer than what is read without a decoder", "näme"];
const TIME = 1_000_000_000_000_000_000n;

/** Makes a file in `dir` of each name but the first, which becomes a directory. */
function fill(fs: FileSystem, dir: string): RelPath {
  fs.mkdir(p(dir), 0o755);
  const [sub, ...files] = NAMES;
  fs.mkdir(p(`${dir}/${sub}`), 0o755);
  for (const name of files) write(fs, `${dir}/${name}`);
  return p(dir);
}

function write(fs: FileSystem, path: string): void {
  using file = fs.createFile(p(path), 0o644);
  file.write(Uint8Array.of(1));
  file.setMeta({ mtimeNs: TIME });
}

export function surveyTests(test: Register): void {
  test("survey() gives what list() gives, at first", (fs) => {
    const dir = fill(fs, "d");
    const order = (a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1;
    const { isKnown, entries } = fs.survey(dir, undefined);
    assertEquals(isKnown, false);
    assertEquals(entries.map(({ name }) => name).sort(), NAMES);
    assertEquals(entries.sort(order), fs.list(dir).sort(order));
    assertEquals(fs.survey(dir, "00".repeat(32)).entries.length, NAMES.length);
    assertEquals(fs.survey(p("d/dir"), undefined).entries, []);
  });

  test("survey() gives only the directories where it finds the print that is known", (fs) => {
    const dir = fill(fs, "d");
    const { print } = fs.survey(dir, undefined);
    fs.survey(ROOT, undefined);
    const again = fs.survey(dir, print);
    assert(again.isKnown);
    assertEquals(again.print, print);
    assertEquals(again.entries, [{ name: "dir", stat: fs.lstat(p("d/dir"))! }]);
  });

  test("survey() prints all that can happen to an entry", (fs) => {
    const dir = fill(fs, "d");
    const { modes } = fs.features;
    const changes: Record<string, () => void> = {
      create: () => write(fs, "d/new"),
      rename: () => fs.rename(p("d/new"), p("d/newer")),
      exchange: () => {
        fs.rename(p("d/newer"), p("d/aside"));
        fs.rename(p("d/file"), p("d/newer"));
        fs.rename(p("d/aside"), p("d/file"));
      },
      time: () => fs.setMeta(p("d/file"), { mtimeNs: TIME + 1_000_000n }),
      content: () => {
        using file = fs.appendTo(p("d/file"), 0o644);
        file.write(Uint8Array.of(1));
        file.setMeta({ mtimeNs: TIME });
      },
      ...(modes ? { mode: () => fs.setMeta(p("d/file"), { mode: 0o600, mtimeNs: TIME }) } : {}),
      "another kind": () => {
        fs.unlink(p("d/newer"));
        fs.mkdir(p("d/newer"), 0o755);
      },
      remove: () => fs.rmdir(p("d/newer")),
      "of a directory": () => fs.setMeta(p("d/dir"), { mtimeNs: TIME + 1_000_000n }),
    };
    const prints = new Set([fs.survey(dir, undefined).print]);
    for (const [name, change] of Object.entries(changes)) {
      const [last] = [...prints].slice(-1);
      change();
      const { print, isKnown } = fs.survey(dir, last);
      assertEquals(isKnown, false, name);
      assertNotEquals(print, last, name);
      prints.add(print);
    }
  });

  test("survey() leaves dirsync's own folder out at the root, and only there", (fs) => {
    const { print } = fs.survey(ROOT, undefined);
    fs.mkdir(PRIVATE as RelPath, 0o755);
    assertEquals(fs.survey(ROOT, undefined), { print, isKnown: false, entries: [] });
    fs.mkdir(p("d"), 0o755);
    fs.mkdir(p(`d/${PRIVATE}`), 0o755);
    assertEquals(fs.survey(p("d"), undefined).entries.map(({ name }) => name), [PRIVATE]);
  });

  test("survey() takes directories of any size", (fs) => {
    fs.mkdir(p("d"), 0o755);
    for (let i = 0; i < 3000; i++) fs.mkdir(p(`d/${i} ${"x".repeat(100)}`), 0o755);
    const { print, entries } = fs.survey(p("d"), undefined);
    assertEquals(new Set(entries.map(({ name }) => name)).size, 3000);
    for (const { name, stat } of entries.slice(-10)) assertEquals(stat, fs.lstat(p(`d/${name}`)));
    assertEquals(fs.survey(p("d"), print).entries.length, 3000);
  });

  test("survey() refuses what is not a directory", (fs) => {
    write(fs, "file");
    assertThrows(() => fs.survey(p("gone"), undefined), Deno.errors.NotFound);
    assertThrows(() => fs.survey(p("file"), undefined), Deno.errors.NotADirectory);
  });
}
