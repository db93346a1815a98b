// `deno task mutants [--seeds N] [--only PART OF A NAME] [--small]`: breaks the code on purpose, one way after the other, in a copy of
// the tree, and runs the simulation on each, beginning with the programs that once found a fault: it must fail every time. What
// survives is named; the exit status is then 1. With --small only seeds are run, and the program that found it is made small and
// printed, for tests/simulate/found.ts.

/** A way to break the code. */
interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The tests that find it, where it takes something that is not simulated. */
  readonly tests?: string;
}

const MUTANTS: readonly Mutant[] = [
  {
    name: "staged files are not on the disk before they are committed",
    file: "server/stage.ts",
    from: "if (this.#fsync) this.#synced.add(file);",
    to: "",
  },
  {
    name: "the journal is not on the disk before the first step",
    file: "server/journal.ts",
    from: "  file.sync();\n  fs.syncDir(PRIVATE_DIR);\n",
    to: "",
  },
  {
    name: "there is no journal",
    file: "server/mirror.ts",
    from: "    const journal = readJournal(fs);",
    to: "    const journal = undefined as ReturnType<typeof readJournal>;",
  },
  {
    name: "directories are not on the disk before the acknowledgement",
    file: "server/touched.ts",
    from: "this.#placing.writing([path], () => this.#fs.syncDir(path));",
    to: "{};",
  },
  {
    name: "the history is not on the disk before the acknowledgement",
    file: "server/touched.ts",
    from: "for (const dir of changed) this.#fs.syncDir(dir);",
    to: "",
  },
  {
    name: "what has gone because it has another name is synced one by one with that",
    file: "server/touched.ts",
    from: "this.#moment.hasLeftTwin || ",
    to: "",
  },
  {
    name: "directories that have moved into each other are synced one by one",
    file: "server/touched.ts",
    from: " ||\n      this.#hasMovedDir && this.#moves > 1;",
    to: ";",
  },
  {
    name: "what a redo has done is not made to last",
    file: "server/mirror.ts",
    from: "if (journal && this.#deps.fsync) syncPlaces(fs, journal);",
    to: "",
  },
  {
    name: "a directory is known by its print whatever has become of its rows",
    file: "core/tree_index.ts",
    from: "    this.prepare(FORGET_PRINT).run(dir);",
    to: "",
  },
  {
    name: "staged files have the same names in every session",
    file: "server/session.ts",
    from: "name: mirror.newId()",
    to: 'name: "stage"',
    // Where inode numbers tell files apart, as on the simulated disk, the journal does not take one for the other.
    tests: "tests/server/recover_test.ts",
  },
  {
    name: "what is replaced is deleted, and does not go to the history",
    file: "server/mirror.ts",
    from: "keeps: deps.history.days > 0",
    to: "keeps: false",
  },
  {
    name: "there is no last look at what is moved",
    file: "server/commit.ts",
    from: "return stat !== undefined && isSame(node, stat);",
    to: "return stat !== undefined;",
  },
  {
    name: "content of the mirror that a new version is made of is not checked",
    file: "server/holdings.ts",
    from: "if (is !== should) this.#mistaken(path);",
    to: "",
  },
  {
    name: "a file that changes while it is read is sent",
    file: "client/send_file.ts",
    from: "    throw new ChangedWhileReadError();",
    to: "    return;",
  },
  {
    name: "a link that fails for the moment becomes a copy",
    file: "server/placing.ts",
    from: "if (PASSING.has((error as { code?: unknown }).code)) throw error;",
    to: "",
  },
  {
    name: "a missing source is not looked for over a new connection",
    file: "client/session.ts",
    from: "this.#lookAt = guard.isMissing ? this.#started : Infinity;",
    to: "this.#lookAt = Infinity;",
  },
  {
    name: "which directory the source is, is not on the disk at once",
    file: "client/guard.ts",
    from: "index.checkpoint();",
    to: "",
  },
  {
    name: "a client that has lost its state is not told which directory the source was",
    file: "client/guard.ts",
    from: "(otherSource === undefined && lastRoot ? lastRoot : undefined)",
    to: "undefined",
  },
  {
    name: "which directory the source is, is not noted before the mirror is in step",
    file: "client/guard.ts",
    from: "if (this.#known === undefined && this.#mirror.otherSource === undefined) this.#noteRoot(root);",
    to: "",
  },
  {
    name: "a directory that took the place of the one that is now in it passes for that one",
    file: "client/plan.ts",
    from: "    this.#index.setSeen(moved.id, undefined);\n    return undefined;",
    to: "    return undefined;",
    // It was found by a program of users that met the scan at the right call; since scans make other calls, none has.
    tests: "tests/client/plan_test.ts",
  },
  {
    name: "what another drive lacks has moved",
    file: "client/plan.ts",
    from: "if (!moved || !this.#deps.isSameRoot()) return undefined;",
    to: "if (!moved) return undefined;",
    tests: "tests/client/plan_test.ts",
  },
  {
    name: "what has become of a file by another name is ours in any case",
    file: "server/seen.ts",
    from: "    if (node.seen?.ctimeNs !== before.ctimeNs) continue;",
    to: "    if (!node.seen) continue;",
  },
  {
    name: "what a file was given by a name that has gone stays",
    file: "server/commit.ts",
    from: "    this.#lookAtNamesLeft();\n",
    to: "",
  },
  {
    name: "inode numbers of another drive are taken for those that the index knows",
    file: "client/plan.ts",
    from: "return this.#deps.followRenames && seen !== undefined",
    to: "return seen !== undefined",
  },
  {
    name: "a source that is another directory may empty the mirror",
    file: "client/brake.ts",
    from: 'if (facts.anotherRoot) return "another directory";',
    to: "",
  },
  {
    name: "slots of a client that went away are not emptied",
    file: "server/mirror.ts",
    from: "emptySlots(fs, this.#index, moment);",
    to: "",
  },
  {
    name: "what a client was told of a failed step is not looked at again",
    file: "client/session.ts",
    from: "if (result.refused.size > 0) {",
    to: "if (result.refused.size > 1_000_000) {",
  },
  {
    name: "messages overtake those that wait for an answer",
    file: "client/outbox.ts",
    from: "return isThere && this.#waiting.length === 0 ? go()",
    to: "return isThere ? go()",
    tests: "tests/client/outbox_test.ts",
  },
  {
    name: "a file is committed before all that was copied into it has been checked",
    file: "server/stage.ts",
    from: "      checking?.finish();\n",
    to: "",
    tests: "tests/server/stage_test.ts",
  },
  {
    name: "a second thread's digests are not looked at",
    file: "server/checking.ts",
    from: "else digests.forEach(",
    to: "else if (digests.length > 99) digests.forEach(",
    tests: "tests/server/checking_test.ts",
  },
  {
    name: "chunks that only an older version has are not known any more",
    file: "core/chunk_index.ts",
    from: "if (heir === undefined) drop.run",
    to: "if (heir !== undefined || true) drop.run",
    tests: "tests/core/tree_index_test.ts",
  },
  {
    name: "a commit is completed whose journal may not be on the disk",
    file: "server/mirror.ts",
    from: "if (this.#deps.fsync) keepJournal(fs);",
    to: "keepJournal;",
  },
];

const SEEDS = valueOf("--seeds") ?? "4000";
const only = valueOf("--only");
const small = Deno.args.includes("--small");
const root = new URL("../../", import.meta.url).pathname;

function valueOf(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

function run(command: string, args: string[], cwd: string): { code: number; text: string } {
  const { code, stdout, stderr } = new Deno.Command(command, { args, cwd, stdin: "null" }).outputSync();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

const files = run("git", ["ls-files", "-co", "--exclude-standard"], root).text.split("\n").filter((file) =>
  file !== ""
);
let survived = 0;
for (const { name, file, from, to, tests } of MUTANTS) {
  if (only !== undefined && !name.includes(only)) continue;
  const copy = Deno.makeTempDirSync({ prefix: "dirsync_mutant_" });
  try {
    for (const path of files) {
      Deno.mkdirSync(`${copy}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      Deno.copyFileSync(`${root}/${path}`, `${copy}/${path}`);
    }
    const text = Deno.readTextFileSync(`${copy}/${file}`);
    if (!text.includes(from)) throw new Error(`${file} does not hold what is to be broken for: ${name}`);
    Deno.writeTextFileSync(`${copy}/${file}`, text.replace(from, to));
    say(`${name}: `);
    const args = tests ? ["test", "-A", "--no-check", "--quiet", tests] : [
      "run",
      "-A",
      "--no-check",
      "tests/simulate/main.ts",
      "--seeds",
      SEEDS,
      ...small ? [] : ["--as-it-is", "--found"],
    ];
    const { code, text: told } = run(Deno.execPath(), args, copy);
    if (code !== 0 && !tests && !/^(seed \d+|program .*): /.test(told)) {
      throw new Error(`It does not even run: ${told}`);
    }
    if (code === 0) survived++;
    const lines = told.split("\n");
    const by = tests ?? lines[0]!.slice(0, 120);
    say(code === 0 ? `SURVIVED ${tests ?? `${SEEDS} seeds`}\n` : `found: ${by}\n`);
    if (small && !tests) say(`${lines.find((line) => line.startsWith("[{"))}\n`);
  } finally {
    Deno.removeSync(copy, { recursive: true });
  }
}
say(`${survived} survived\n`);
Deno.exit(survived === 0 ? 0 : 1);
