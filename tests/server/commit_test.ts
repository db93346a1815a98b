import { assert, assertEquals, assertRejects } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import { parsePath, ROOT } from "../../core/path.ts";
import { ROOT_ID } from "../../core/schema.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import type { Step } from "../../core/types.ts";
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
  & { fs: MemoryFs; commit: (...steps: Step[]) => Promise<string[]>; kindOf: (name: string) => string | undefined }
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
    assertEquals(known, Object.keys(fs.tree({ withoutPrivate: true })), "the index and the disk");
    return problems.map(({ path, message }) => `${path}: ${message}`);
  };
  const kindOf = (name: string) => index.child(ROOT_ID, name)?.entry.kind;
  return { fs, commit, kindOf, [Symbol.dispose]: () => index[Symbol.dispose]() };
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
  assertEquals(await world.commit(made), ["d/sub: on the server: Not a directory (os error 20)"]);
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
  assertEquals(world.kindOf("c"), "file");
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
