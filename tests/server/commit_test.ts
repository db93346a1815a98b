import { assert, assertEquals, assertRejects } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import { parsePath, ROOT } from "../../core/path.ts";
import { ROOT_ID } from "../../core/schema.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import type { Entry, Step } from "../../core/types.ts";
import type { IndexedStep } from "../../server/commit.ts";
import { Mirror } from "../../server/mirror.ts";
import { JOURNAL, SLOT_DIR } from "../../server/places.ts";
import { plain } from "../support/entries.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { MemoryFs, systemError } from "../support/memory_fs.ts";

const path = parsePath;
const park: Step = { op: "park", path: path("a"), slot: 0, stays: true };

/**
 * A mirror with the files a and b, and what commits made of it.
 * @param before Called ahead of every call that the mirror makes.
 */
async function scene(
  before: (call: string, fs: MemoryFs, at: unknown) => void = () => {},
): Promise<
  & {
    fs: MemoryFs;
    commit: (...steps: Step[]) => Promise<string[]>;
    entryOf: (name: string) => Entry | undefined;
    rescan: () => Promise<void>;
  }
  & Disposable
> {
  const clock = new FakeClock();
  const fs = new MemoryFs(clock.nowNs);
  fs.writeFile(path("a"), "was a");
  fs.writeFile(path("b"), "was b");
  const index = new TreeIndex(":memory:");
  const mirror = new Mirror({
    fs: watchedFs(fs, (call, [at]) => before(call, fs, at)),
    accounts: noAccounts,
    clock,
    emit: () => {},
    openIndex: () => index,
    removeIndex: () => {},
    randomId: () => "00000000-0000-4000-8000-000000000001",
    fsync: true,
    history: { days: 30 },
    name: "there:/mirror",
  });
  await mirror.open(true, () => Promise.resolve());
  const commit = async (...steps: Step[]) => {
    const { problems } = await mirror.commit(steps as IndexedStep[], new Set(), () => Promise.resolve());
    // What the disk holds is what the index says, whatever the steps were.
    const known = index.children(ROOT_ID).map(({ name }) => name).sort();
    const there = Object.keys(fs.tree({ withoutPrivate: true })).filter((path) => !path.includes("/"));
    assertEquals(known, there, "the index and the disk");
    return problems.map(({ path, message }) => `${path}: ${message}`);
  };
  const entryOf = (name: string) => index.child(ROOT_ID, name)?.entry;
  const rescan = () => mirror.open(true, () => Promise.resolve());
  return { fs, commit, entryOf, rescan, [Symbol.dispose]: () => index[Symbol.dispose]() };
}

function contents(fs: MemoryFs): Record<string, string | undefined> {
  const entries = Object.entries(fs.tree({ withoutPrivate: true }));
  return Object.fromEntries(entries.map(([name, { content, target }]) => [name, content ?? target]));
}

Deno.test("a file that was parked and stays to be seen goes with its slot where nothing has replaced it", async () => {
  using world = await scene();
  assertEquals(await world.commit(park, { op: "drop", slot: 0 }), []);
  assertEquals(contents(world.fs), { b: "was b" });
});

Deno.test("a file that was parked and stays to be seen is not at both places once it has another", async () => {
  using world = await scene();
  assertEquals(await world.commit(park, { op: "unpark", slot: 0, below: ROOT, to: path("c") }), []);
  assertEquals(contents(world.fs), { b: "was b", c: "was a" });
});

Deno.test("a file that was parked and stays to be seen goes back to its place from its slot", async () => {
  using world = await scene();
  assertEquals(await world.commit(park, { op: "unpark", slot: 0, below: ROOT, to: path("a") }), []);
  assertEquals(contents(world.fs), { a: "was a", b: "was b" });
  assertEquals(world.fs.list(SLOT_DIR), []);
  assertEquals(world.fs.lstat(path("a"))!.nlink, 1);
});

Deno.test("what replaced a file that was parked stays when the slot is emptied", async () => {
  using world = await scene();
  const entry = { kind: "symlink", target: "elsewhere", ...plain(0o777, 1n) } as const;
  assertEquals(await world.commit(park, { op: "symlink", path: path("a"), entry }, { op: "drop", slot: 0 }), []);
  assertEquals(contents(world.fs), { a: "elsewhere", b: "was b" });
});

Deno.test("a directory that somebody has made something else of is a problem of the path, and what is there is known then", async () => {
  using world = await scene();
  const entry = { kind: "dir", ...plain(0o755, 5n) } as const;
  assertEquals(await world.commit({ op: "mkdir", path: path("d"), entry }), []);
  world.fs.rmdir(path("d"));
  world.fs.symlink(path("d"), "/elsewhere");
  const made: Step = { op: "mkdir", path: path("d/sub"), entry };
  assertEquals(await world.commit(made), [
    "d/sub: on the server: Not a directory (os error 20)",
    "d: on the server: somebody else has changed it; it is looked at anew",
  ]);
  assertEquals(contents(world.fs), { a: "was a", b: "was b", d: "/elsewhere" });
});

Deno.test("what somebody puts in the place of a link at once is no link that we made", async () => {
  let armed = false;
  using world = await scene((call, fs) => {
    if (call === "lstat" && armed) {
      armed = false;
      fs.unlink(path("c"));
      fs.writeFile(path("c"), "theirs");
    }
    if (call === "renameNew") armed = true;
  });
  const entry = { kind: "symlink", target: "ours", ...plain(0o777, 5n) } as const;
  const made: Step = { op: "symlink", path: path("c"), entry };
  assertEquals(await world.commit(made), ["c: on the server: something else has come to its place"]);
  assertEquals(world.entryOf("c")?.kind, "file");
});

/** Has something else lie at `path`, for the moment, whenever `call` is made for it. */
function exchangedAt(call: string, at: string, instead: string): (called: string, fs: MemoryFs, arg: unknown) => void {
  let back: ((fs: MemoryFs) => void) | undefined;
  return (called, fs, arg) => {
    back?.(fs);
    back = undefined;
    if (called !== call || arg !== at || !fs.lstat(path(instead))) return;
    const swap = (fs: MemoryFs) => void fs.exchange(path(at), path(instead));
    swap(fs);
    back = swap;
  };
}

for (const kind of ["symlink", "dir"] as const) {
  Deno.test(`the index does not vouch for a directory in whose place somebody puts a ${kind} while it gets its time`, async () => {
    using world = await scene(exchangedAt("setMeta", "d", "away/it"));
    const entry = { kind: "dir", ...plain(0o755, 5n) } as const;
    assertEquals(await world.commit({ op: "mkdir", path: path("d"), entry }), []);
    assertEquals(await world.commit({ op: "mkdir", path: path("away"), entry }), []);
    if (kind === "dir") world.fs.mkdir(path("away/it"), 0o755);
    else world.fs.symlink(path("away/it"), "/elsewhere");
    await world.commit({ op: "mkdir", path: path("d/sub"), entry });
    const { mtimeNs } = world.fs.lstat(path("d"))!;
    assert(mtimeNs !== 5n, "it got its time");
    await world.rescan();
    assertEquals(world.entryOf("d")!.mtimeNs, mtimeNs);
  });
}

Deno.test("the index does not vouch for a file in whose place somebody puts another while it gets its time", async () => {
  using world = await scene(exchangedAt("setMeta", "a", "away"));
  world.fs.writeFile(path("away"), "theirs");
  const meta: Step = { op: "meta", path: path("a"), attributes: plain(0o644, 5n) };
  await world.commit(meta, { op: "remove", path: path("b") });
  assertEquals(world.entryOf("a")!.mtimeNs, world.fs.lstat(path("a"))!.mtimeNs);
});

for (const what of ["mode", "owner"] as const) {
  Deno.test(`a ${what} that somebody sets between the last look and the new time is put right`, async () => {
    let armed = false;
    using world = await scene((call, fs, at) => {
      if (!armed || call !== "setMeta" || at !== "a") return;
      armed = false;
      if (what === "mode") fs.setMeta(path("a"), { mode: 0o777, mtimeNs: 9n });
      else fs.chown(path("a"), 1234, 1234);
    });
    const { uid, gid, mode } = world.fs.lstat(path("a"))!;
    armed = true;
    const meta: Step = { op: "meta", path: path("a"), attributes: { ...plain(mode, 5n), uid, gid } };
    assertEquals(await world.commit(meta), []);
    assert(!armed);
    const now = world.fs.lstat(path("a"))!;
    assertEquals([now.mode, now.uid, now.gid, now.mtimeNs], [mode, uid, gid, 5n]);
  });
}

Deno.test("the index does not vouch for what somebody puts in the place of a file that has moved", async () => {
  let moved = false;
  using world = await scene((call, fs) => {
    if (call === "renameNew") moved = true;
    else if (call === "lstat" && moved && fs.lstat(path("c"))) {
      moved = false;
      fs.unlink(path("c"));
      fs.writeFile(path("c"), "another's");
    }
  });
  const problems = await world.commit({ op: "move", from: path("a"), to: path("c") });
  assertEquals(problems, ["c: on the server: somebody else has changed it; it is looked at anew"]);
  const entry = world.entryOf("c");
  assertEquals(entry?.kind === "file" && entry.size, "another's".length);
});

Deno.test("what cannot be put on the disk is not acknowledged, and is completed later", async () => {
  let failing = true;
  using world = await scene((call, _, at) => {
    if (call === "syncDir" && failing && at === ROOT) throw systemError("EIO", call, "");
  });
  const entry = { kind: "dir", ...plain(0o755, 5n) } as const;
  await assertRejects(() => world.commit({ op: "mkdir", path: path("d"), entry }), Error, "Input/output error");
  assert(world.fs.lstat(JOURNAL), "the journal is gone, and with it the way to complete it");
  failing = false;
  assertEquals(await world.commit({ op: "mkdir", path: path("e"), entry }), []);
});

Deno.test("a directory that its owner may not read is put on the disk all the same", async () => {
  let isOpen = false;
  using world = await scene((call, _, at) => {
    if (call === "setMeta" && at === "d") isOpen = true;
    if (call === "syncDir" && !isOpen && at === "d") throw systemError("EACCES", call, "");
  });
  const entry = { kind: "dir", ...plain(0o111, 5n) } as const;
  assertEquals(await world.commit({ op: "mkdir", path: path("d"), entry }), []);
  assertEquals(world.fs.lstat(path("d"))!.mode, 0o111);
});

Deno.test("a directory that somebody takes away and puts back is put on the disk all the same", async () => {
  let synced = 0;
  using world = await scene((call, _, at) => {
    if (call === "syncDir" && at === "d" && synced++ === 0) throw systemError("ENOTDIR", call, "");
  });
  const entry = { kind: "dir", ...plain(0o755, 5n) } as const;
  assertEquals(await world.commit({ op: "mkdir", path: path("d"), entry }), []);
  assertEquals(synced, 2);
});
