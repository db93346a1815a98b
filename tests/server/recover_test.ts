import { assert, assertEquals } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import type { FileSystem, Stat, WritableFile } from "../../core/fs.ts";
import { joinPath, parsePath, type RelPath } from "../../core/path.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import type { DirEntry, FileEntry } from "../../core/types.ts";
import type { IndexedStep } from "../../server/commit.ts";
import { History } from "../../server/history.ts";
import { clearJournal, type CommitStep, readJournal, writeJournal } from "../../server/journal.ts";
import { JOURNAL, PRIVATE_DIR, SLOT_DIR, STAGE_DIR } from "../../server/places.ts";
import { Mirror } from "../../server/mirror.ts";
import { redo as redoWith } from "../../server/recover.ts";
import { plain } from "../support/entries.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { CrashError, faultFs, type Fuse, watchedFs } from "../support/fault_fs.ts";
import { type FsUser, MemoryFs, SUPERUSER } from "../support/memory_fs.ts";
import { World } from "../support/world.ts";

const FILE: FileEntry = { kind: "file", ...plain(0o644, 1n), size: 3, average: 2048, content: "ab".repeat(32) };
const DIR: DirEntry = { kind: "dir", ...plain(0o755, 2n) };
const path = parsePath;
const STAMP = "2027-01-15T08-00-00.000Z";

function redo(fs: MemoryFs, steps: readonly CommitStep[]): void {
  const moment = new History({ fs, clock: new FakeClock(), keeps: true }).begin();
  redoWith(fs, { stamp: STAMP, steps }, moment);
  moment.write(true);
}

/** A mirror in which a commit is about to happen, and its steps. */
function scene(): { fs: MemoryFs; steps: CommitStep[] } {
  const fs = new MemoryFs(new FakeClock().nowNs);
  for (const dir of [PRIVATE_DIR, STAGE_DIR, SLOT_DIR]) fs.mkdir(dir, 0o700);
  fs.writeFile(path("a"), "was a");
  fs.writeFile(path("b"), "was b");
  fs.writeFile(path("old"), "old");
  const at = `${STAGE_DIR}/0` as RelPath;
  fs.writeFile(at, "new");
  const was = (name: string) => {
    const { ino, mtimeNs } = fs.lstat(path(name))!;
    return { ino, mtimeNs };
  };
  // a and b swap their names, one file is new in a new directory, one goes.
  const steps: CommitStep[] = [
    { op: "park", path: path("a"), slot: 0, stays: true, was: was("a") },
    { op: "move", from: path("b"), to: path("a"), was: was("b") },
    { op: "unpark", slot: 0, below: path(""), to: path("b") },
    { op: "mkdir", path: path("dir"), entry: DIR },
    { op: "file", path: path("dir/new"), entry: FILE, at, ino: fs.lstat(at)!.ino },
    { op: "remove", path: path("old"), was: was("old") },
  ];
  return { fs, steps };
}

/** A mirror on this file system, which nobody has opened. */
function mirrorOf(fs: FileSystem): Mirror {
  return new Mirror({
    fs,
    accounts: noAccounts,
    clock: new FakeClock(),
    emit: () => {},
    openIndex: () => new TreeIndex(":memory:"),
    removeIndex: () => {},
    randomId: () => "x",
    fsync: true,
    history: { days: 30 },
    name: "mirror",
  });
}

function contents(fs: MemoryFs): Record<string, string | undefined> {
  const entries = Object.entries(fs.tree({ withoutPrivate: true }));
  return Object.fromEntries(entries.map(([name, { kind, content }]) => [name, kind === "dir" ? "directory" : content]));
}

const DONE = { a: "was b", b: "was a", dir: "directory", "dir/new": "new" };

Deno.test("redo() completes a commit from wherever it was interrupted, and once more does nothing", () => {
  const { steps } = scene();
  for (let done = 0; done <= steps.length; done++) {
    const { fs, steps } = scene();
    redo(fs, steps.slice(0, done));
    redo(fs, steps);
    assertEquals(contents(fs), DONE, `interrupted after ${done} steps`);
    redo(fs, steps);
    assertEquals(contents(fs), DONE, `twice after ${done} steps`);
    assertEquals(fs.list(SLOT_DIR), []);
  }
});

Deno.test("redo() touches nothing but the very entries that the journal names", () => {
  const { fs, steps } = scene();
  fs.unlink(path("old"));
  fs.writeFile(path("old"), "somebody else's");
  fs.unlink(path("b"));
  fs.writeFile(path("b"), "somebody else's too");
  redo(fs, steps.filter(({ op }) => op === "remove" || op === "move"));
  assertEquals(contents(fs), { a: "was a", b: "somebody else's too", old: "somebody else's" });
});

Deno.test("a journal is read as it was written; one that was not written to its end counts as none", () => {
  const { fs, steps } = scene();
  writeJournal(fs, { stamp: STAMP, steps }, true);
  assertEquals(readJournal(fs), { stamp: STAMP, steps });
  const bytes = fs.readFile(JOURNAL);
  for (const length of [0, 1, 64, 65, 66, bytes.length - 1]) {
    fs.writeFile(JOURNAL, bytes.slice(0, length));
    assertEquals(readJournal(fs), undefined, `${length} bytes of it`);
  }
  clearJournal(fs);
  assert(!fs.lstat(JOURNAL));
  assertEquals(readJournal(fs), undefined);
});

Deno.test("a server that starts completes the commit in the journal before any client comes, and leaves no litter", () => {
  const { fs, steps } = scene();
  writeJournal(fs, { stamp: STAMP, steps }, true);
  redo(fs, steps.slice(0, 2));
  using mirror = mirrorOf(fs);
  mirror.recover();
  assertEquals(contents(fs), DONE);
  assert(!fs.lstat(JOURNAL) && !fs.lstat(STAGE_DIR));
});

const LAYERS: readonly [string, FsUser][] = [
  ["an atomic exchange", SUPERUSER],
  ["hard links alone", { ...SUPERUSER, exchange: false }],
  ["neither", { ...SUPERUSER, exchange: false, hardLinks: false }],
];

for (const [name, user] of LAYERS) {
  Deno.test(`a commit that is interrupted at any call is completed, and what it replaced is kept; with ${name}`, async () => {
    let completed = 0;
    for (let calls = 0;; calls++) {
      const fuse: Fuse = { left: Infinity, count: 0 };
      const clock = new FakeClock();
      const fs = new MemoryFs(clock.nowNs, user);
      for (const each of ["a", "b", "c", "old"]) fs.writeFile(path(each), `was ${each}`);
      fs.symlink(path("link"), "was link");
      const mirrorOf = (index: TreeIndex) =>
        new Mirror({
          fs: faultFs(fs, fuse),
          accounts: noAccounts,
          clock,
          emit: () => {},
          openIndex: () => index,
          removeIndex: () => {},
          randomId: () => "x",
          fsync: true,
          history: { days: 30 },
          name: "mirror",
        });
      const mirror = mirrorOf(new TreeIndex(":memory:"));
      await mirror.open(true, () => Promise.resolve());
      const at = `${STAGE_DIR}/0` as RelPath;
      fs.writeFile(at, "new");
      const dirAt = `${STAGE_DIR}/1` as RelPath, belowAt = joinPath(dirAt, "below");
      fs.mkdir(dirAt, 0o755);
      fs.writeFile(belowAt, "below");
      const staged = (at: RelPath) => ({ at, ino: fs.lstat(at)!.ino, staged: fs.lstat(at) });
      const steps = [
        { op: "file", path: path("a"), entry: FILE, ...staged(at) },
        { op: "mkdir", path: path("dir"), entry: DIR, stagedDir: { at: dirAt, isSpoiled: false } },
        { op: "file", path: path("dir/below"), entry: FILE, ...staged(belowAt) },
        { op: "move", from: path("b"), to: path("c") },
        { op: "remove", path: path("old") },
        { op: "symlink", path: path("link"), entry: { kind: "symlink", target: "new link", ...plain(0o777, 1n) } },
      ] as IndexedStep[];
      const before = contents(fs);
      fuse.left = calls;
      const done = await mirror.commit(steps, new Set(), () => Promise.resolve()).then(() => true, () => false);
      if (done && fuse.left >= 0) break;
      fuse.left = Infinity;
      const began = fs.lstat(JOURNAL) && readJournal(fs) !== undefined;
      const again = mirrorOf(new TreeIndex(":memory:"));
      again.recover();
      const where = `interrupted after ${calls} calls`;
      // A symbolic link is replaced by the client's next look.
      const { link: _, ...have } = contents(fs);
      const { link: __, ...had } = before;
      if (began) completed++;
      assertEquals(have, began ? { a: "new", c: "was b", dir: "directory", "dir/below": "below" } : had, where);
      await again.open(true, () => Promise.resolve());
      const all = Object.values(fs.tree()).map(({ content, target }) => content ?? target);
      for (const was of ["was a", "was b", "was c", "was old", "was link"]) {
        assert(all.includes(was), `${where}: ${was}`);
      }
      assertEquals([fs.list(STAGE_DIR), fs.list(SLOT_DIR)], [[], []], where);
    }
    assert(completed > 8);
  });
}

/** What a layer sees that knows no inode numbers, and so no exchange. */
function withoutInodes(fs: MemoryFs): FileSystem {
  const plain = (stat: Stat): Stat => ({ ...stat, ino: 0n });
  const lesser: Partial<FileSystem> = {
    features: { ...fs.features, inodes: false },
    list: (dir) => fs.list(dir).map(({ name, stat }) => ({ name, stat: plain(stat) })),
    lstat(path) {
      const stat = fs.lstat(path);
      return stat && plain(stat);
    },
    createFile(path, mode) {
      const file = fs.createFile(path, mode);
      return withMethods<WritableFile>(file, { finish: () => plain(file.finish()) });
    },
    setMeta: (path, meta) => plain(fs.setMeta(path, meta)),
    exchange: () => false,
  };
  return withMethods<FileSystem>(fs, lesser);
}

/** `object` with some methods that are others. */
function withMethods<T extends object>(object: T, others: Partial<T>): T {
  return new Proxy<T>(object, {
    get(target, key) {
      const value = Reflect.get(others, key) ?? Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

Deno.test("a journal that a power cut brings back finds no file that another session has staged, whatever tells files apart", async () => {
  let old: Uint8Array | undefined, isCut = false;
  const wrapMirror = (fs: MemoryFs) =>
    watchedFs(withoutInodes(fs), (call, [at]) => {
      if (call === "unlink" && at === JOURNAL) old ??= fs.readFile(JOURNAL);
      // The next commit gets no further than its stage.
      if (isCut && call === "createFile" && at === JOURNAL) throw new CrashError("the power goes");
    });
  using world: World = new World({ wrapMirror });
  world.source.writeFile(path("a"), "the first");
  assertEquals(await world.once(), 0);
  isCut = true;
  world.source.writeFile(path("b"), "another");
  const stop = world.live();
  await world.clock.idle();
  world.stopServer();
  await stop();
  assertEquals(world.mirror.list(STAGE_DIR).length, 1);
  assert(old);
  world.mirror.writeFile(JOURNAL, old);
  world.startServer();
  assertEquals(contents(world.mirror), { a: "the first" });
});

Deno.test("a journal that may not be on the disk is put there before anything of it is done", () => {
  const { fs, steps } = scene();
  writeJournal(fs, { stamp: STAMP, steps }, false);
  const calls: string[] = [];
  const watched = watchedFs<FileSystem>(
    fs,
    (call, [at]) => void calls.push(typeof at === "string" ? `${call} ${at}` : call),
  );
  using mirror = mirrorOf(watched);
  mirror.recover();
  assertEquals(contents(fs), DONE);
  const first = calls.findIndex((call) => /^(rename|renameNew|exchange|link|mkdir|unlink) /.test(call));
  const before = calls.slice(0, first);
  const opened = before.indexOf(`appendTo ${JOURNAL}`),
    synced = before.indexOf("sync"),
    placed = before.indexOf(`syncDir ${PRIVATE_DIR}`);
  assert(opened >= 0 && opened < synced && synced < placed, before.join(", "));
});
