import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { spawnSync } from "node:child_process";
import { ProblemError } from "../../core/errors.ts";
import { IgnoreRules, MAX_IGNORE_BYTES } from "../../core/ignore.ts";
import { joinPath, parentOf, parsePath, type RelPath, ROOT } from "../../core/path.ts";

/** Rules from `[directory, text of its file]`, from the root downwards. */
function rulesOf(files: [string, string][], excludes: string[] = []): IgnoreRules {
  return files.reduce((rules, [dir, text]) => rules.withFile(parsePath(dir), text), new IgnoreRules(excludes));
}

/** Asserts which of these are ignored; a path that ends in "/" is a directory. */
function assertIgnores(rules: IgnoreRules, expected: Record<string, boolean>): void {
  const found = Object.keys(expected).map((text) => {
    const isDir = text.endsWith("/");
    return [text, rules.ignores(parsePath(isDir ? text.slice(0, -1) : text), isDir)];
  });
  assertEquals(Object.fromEntries(found), expected);
}

Deno.test("IgnoreRules without patterns ignores the private folder at the root only", () => {
  for (const rules of [new IgnoreRules(), rulesOf([["", "# nothing\n\n   \n!\n/\n"], ["a", ""]])]) {
    assertIgnores(rules, { "a": false, "a/": false, "x/.dirsync/": false, ".dirsyncignore": false });
    assert(rules.ignores(".dirsync" as RelPath, true));
    assert(rules.ignores(".DirSync/journal" as RelPath, false));
    assert(!rules.ignores(ROOT, true));
  }
});

Deno.test("IgnoreRules knows gitignore's patterns", () => {
  // deno-fmt-ignore
  const text = [
    "*.o", "/top", "dir/", "a/b", "**/deep/*.log", "all/**", "x[0-9]", "!keep.o", "\\#hash", "\\!bang", "space\\ ", "trail  ", "q?",
    "Case", "back\\\\slash", "[[:upper:]]1",
  ];
  // deno-fmt-ignore
  assertIgnores(rulesOf([["", text.join("\n")]]), {
    "m.o": true, "s/m.o": true, "keep.o": false, "s/keep.o": false, "m.O": false, "m.o/x": true,
    "top": true, "s/top": false, "dir": false, "dir/": true, "s/dir/": true, "s/dir/f": true,
    "a/b": true, "s/a/b": false, "deep/m.log": true, "s/deep/m.log": true, "s/deep/t/m.log": false,
    "all/": false, "all/x": true, "all/x/y": true, "x1": true, "xx": false, "#hash": true, "!bang": true,
    "space ": true, "space": false, "trail": true, "trail  ": false, "q1": true, "q": false, "q/1": false,
    "Case": true, "case": false, "back\\slash": true, "Q1": true, "q11": false,
  });
});

Deno.test("IgnoreRules anchors a file's patterns to its directory", () => {
  const rules = rulesOf([["s/t", "/only\n*.tmp\nu/v\n**\n!*/\n!*.c\n"], ["s/t/u", "*.c"]]);
  // deno-fmt-ignore
  assertIgnores(rules, {
    "only": false, "s/only": false, "s/t/only": true, "a.tmp": false, "s/a.tmp": false, "s/t/a.tmp": true, "s/t/u/a.tmp": true,
    "s/t/": false, "s/t": false, "s/t/w/": false, "s/t/a.c": false, "s/t/w/a.c": false, "s/t/u/a.c": true, "s/t/u/v": true,
    "s/tt/a.tmp": false, "S/t/a.tmp": false, "x/s/t/a.tmp": false,
  });
});

Deno.test("IgnoreRules lets deeper files win, and the command line over all", () => {
  const files: [string, string][] = [["", "*.log\nbuild"], ["s", "!build\n!a.log\n"], ["s/t", "a.log"]];
  // deno-fmt-ignore
  assertIgnores(rulesOf(files), {
    "a.log": true, "s/a.log": false, "s/t/a.log": true, "s/b.log": true, "build/": true, "s/build/": false,
    "s/build/x": false, "s/build/b.log": true, "s/build/a.log": false,
  });
  assertIgnores(rulesOf(files, ["/s/a.*", "!b.log"]), {
    "s/a.log": true,
    "s/b.log": false,
    "s/t/a.log": true,
    "a.log": true,
  });
});

Deno.test("IgnoreRules includes nothing again below an ignored directory", () => {
  const rules = rulesOf([["", "out/\n!out/keep\n"], ["out", "!keep\n!*\n"]]);
  assertIgnores(rules, { "out/": true, "out/keep": true, "out/s/keep": true, "out": false });
});

Deno.test("IgnoreRules.withFile() leaves the rules that it extends alone", () => {
  const base = rulesOf([["", "*.o"]]);
  const more = base.withFile(parsePath("s"), "!*.o\n*.c");
  assertIgnores(base, { "s/a.o": true, "s/a.c": false });
  assertIgnores(more, { "s/a.o": false, "s/a.c": true });
  assertIgnores(base, { "s/a.o": true, "s/a.c": false });
});

Deno.test("IgnoreRules reads files from Windows", () => {
  assertIgnores(rulesOf([["", "\ufeff*.o\r\n\r\n# c\r\nlast \r\n"]]), { "a.o": true, "last": true, "a.o\r": false });
  assertIgnores(rulesOf([["d", "\ufeff#*.o\r\n*.c"]]), { "d/a.o": false, "d/a.c": true });
});

Deno.test("IgnoreRules takes any name a tree can hold", () => {
  // deno-fmt-ignore
  const odd = ["a\\b", "\\", "#x", "!x", "x ", " ", "...", "..x", "a\nb", "\n", "a\r", "\udc80", "x\udcff", "*", "?", "[", "[a]", "{a,b}",
    "^$", "(", "+", "c:", "\ue000", "__proto__", "constructor", "\u2028", "😀"];
  for (const name of odd) {
    const dir = parsePath(name), file = joinPath(dir, "f.o");
    assert(!rulesOf([["", "nothing"]]).ignores(file, false), name);
    for (const text of ["*.o", "/f.o", "f.o", "**/f.o", "f*", "*"]) {
      const rules = new IgnoreRules().withFile(dir, text);
      const label = JSON.stringify([name, text]);
      assert(rules.ignores(file, false), label);
      assert(rules.ignores(joinPath(file, "x"), false), label);
      assert(!rules.ignores(dir, true), label);
      assertEquals(rules.ignores(parsePath("q/f.o"), false), false, label);
      assertEquals(rules.ignores(joinPath(parsePath(`q${name}`), "f.o"), false), false, label);
    }
    assert(
      new IgnoreRules(["/*"]).ignores(dir, false) && new IgnoreRules(["q/**"]).ignores(parsePath(`q/${name}/x`), true),
      name,
    );
  }
});

Deno.test("IgnoreRules refuses patterns that cannot be meant, and names them", () => {
  for (const pattern of ["a[bc", "a\\", "[[:nope:]]", "[]", "[!]", "a\0b", "!x[", "[a\\]", "x".repeat(5000)]) {
    assertThrows(() => new IgnoreRules([pattern]), ProblemError, "The pattern", pattern);
    assertThrows(() => rulesOf([["d", `ok\n${pattern}\n`]]), ProblemError, "its line 2", pattern);
  }
  for (
    const pattern of [
      "[]]",
      "[!]]",
      "[^]a]",
      "[a-]",
      "[]-a]",
      "[[:alpha:]_]",
      "[[]",
      "a]",
      "\\[",
      "[\\]]",
      "[[:]",
      "a\\\\",
    ]
  ) {
    new IgnoreRules([pattern]);
  }
});

Deno.test("IgnoreRules refuses a file too large, and more patterns than it can try", () => {
  const lines = "# comment\n".repeat(MAX_IGNORE_BYTES / 10 | 0);
  assertEquals(rulesOf([["", lines]]).ignores(parsePath("a"), false), false);
  for (const text of [lines + "# comment\n", "é".repeat(MAX_IGNORE_BYTES / 2 + 1)]) {
    assertThrows(() => rulesOf([["", text]]), ProblemError, "larger than 1048576 bytes");
  }
  const half = "a\n".repeat(5000);
  assertThrows(() => rulesOf([["", half], ["d", half], ["d/e", "a"]]), ProblemError, "more than 10000 patterns");
});

Deno.test("IgnoreRules answers alike however much it was asked before", () => {
  const rules = rulesOf([["", "*7\n/d/\n"]]);
  for (let i = 0; i < 10_000; i++) assertEquals(rules.ignores(parsePath(`s/${i}`), false), i % 10 === 7);
  assertIgnores(rules, { "d/x": true, "7/x": true, "e/x": false });
});

Deno.test("IgnoreRules stays quick with patterns made to be slow", () => {
  const text = ["*a".repeat(30) + "b", "**/".repeat(20) + "x", "a*".repeat(40) + "/b"].join("\n");
  const rules = rulesOf([["", text], ["a", text]]);
  for (let i = 0; i < 20; i++) assert(!rules.ignores(parsePath("a/" + "a".repeat(200 + i)), false));
});

const hasGit = (() => {
  try {
    return new Deno.Command("git", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
})();

Deno.test({
  name: "IgnoreRules says what git says about random patterns and trees",
  ignore: !hasGit || Deno.build.os === "windows", // the names are Linux's
  fn: () => {
    using repository = temporaryRepository();
    const name = fc.constantFrom("a", "b", "ab", "B", "a b", "a.o", "#a", "!b", "[", "*", "\\", "a\nb", "..a");
    const part = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom("a", "b", "ab", "*.o", "*", "?", "**", "[ab]", "[!a]", "a*", "*b", "a?b"),
      },
      fc.constantFrom(
        "B",
        "\\#a",
        "\\!b",
        "\\[",
        "\\*",
        "\\\\",
        "a b",
        "[[:upper:]]",
        "..*",
        "[#!]*",
        "a\\ ",
        "***",
        "[]-a]",
      ),
    );
    const pattern = fc.tuple(
      fc.constantFrom("", "", "", "!", "!"),
      fc.constantFrom("", "", "/", "**/"),
      fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
      fc.constantFrom("", "", "/", "/**", "/*", " ", "  "),
    ).map((parts) => parts.join(""));
    const text = fc.array(fc.oneof(pattern, fc.constantFrom("", "# a", "  ")), { minLength: 1, maxLength: 6 }).map((
      lines,
    ) => lines.join("\n"));
    const tree = fc.record({
      files: fc.uniqueArray(fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => parsePath(names.join("/"))), {
        minLength: 4,
        maxLength: 12,
      }),
      rules: fc.array(fc.tuple(fc.nat(), text), { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(tree, ({ files, rules }) => {
        const dirs = [...new Set(files.flatMap((path) => ancestors(parentOf(path))))].sort();
        const leaves = files.filter((path) => !dirs.includes(path));
        const byDir = new Map(rules.map(([at, text]) => [dirs[at % dirs.length]!, text]));
        const paths = [...dirs.filter((dir) => dir !== ROOT).map((dir) => `${dir}/`), ...leaves];
        const git = repository.ignored(byDir, dirs, paths);
        const found = paths.filter((text) => {
          const isDir = text.endsWith("/");
          const path = parsePath(isDir ? text.slice(0, -1) : text);
          // As a scan would: with the files of all the directories above.
          const above = ancestors(parentOf(path)).filter((dir) => byDir.has(dir));
          const all = above.reduce((rules, dir) => rules.withFile(dir, byDir.get(dir)!), new IgnoreRules());
          return all.ignores(path, isDir);
        });
        assertEquals(found, git);
      }),
      { numRuns: 60 },
    );
  },
});

function ancestors(path: RelPath): RelPath[] {
  return path === ROOT ? [path] : [...ancestors(parentOf(path)), path];
}

/** A git repository that can be asked which of some paths are ignored under some `.gitignore` files. */
function temporaryRepository() {
  const root = Deno.makeTempDirSync({ prefix: "dirsync-ignore-" });
  const git = (args: string[], input = "") => {
    const { status, stdout, stderr } = spawnSync("git", ["-C", root, ...args], { input, encoding: "utf8" });
    if (status !== 0 && status !== 1) throw new Error(`git ${args}: ${stderr}`);
    return stdout;
  };
  git(["init", "-q"]);
  git(["config", "core.ignorecase", "false"]);
  git(["config", "core.excludesFile", "/dev/null"]);
  return {
    ignored(files: Map<RelPath, string>, dirs: RelPath[], paths: string[]): string[] {
      for (const { name } of Deno.readDirSync(root)) {
        if (name !== ".git") Deno.removeSync(`${root}/${name}`, { recursive: true });
      }
      for (const dir of dirs) Deno.mkdirSync(`${root}/${dir}`, { recursive: true });
      for (const [dir, text] of files) Deno.writeTextFileSync(`${root}/${dir}/.gitignore`, text);
      for (const path of paths) if (!path.endsWith("/")) Deno.writeTextFileSync(`${root}/${path}`, "");
      const input = paths.map((path) => `./${path.replace(/\/$/, "")}\0`).join("");
      const stdout = git(["check-ignore", "--no-index", "-z", "-v", "-n", "--stdin"], input);
      // source, line, pattern, path of each; no source where nothing matches
      const fields = stdout.split("\0");
      const ignored = new Set<string>();
      for (let i = 0; i + 3 < fields.length; i += 4) {
        if (fields[i] !== "" && !fields[i + 2]!.startsWith("!")) ignored.add(fields[i + 3]!.replace(/^\.\//, ""));
      }
      return paths.filter((path) => ignored.has(path.replace(/\/$/, "")));
    },
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}
