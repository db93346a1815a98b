import { assert, assertEquals, assertMatch } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import type { SyncEvent } from "../../core/events.ts";
import type { FileSystem } from "../../core/fs.ts";
import { joinPath, parsePath, type RelPath, ROOT } from "../../core/path.ts";
import { digestOf } from "../../core/recipe.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import type { Attributes, Step } from "../../core/types.ts";
import type { IndexedStep } from "../../server/commit.ts";
import { History } from "../../server/history.ts";
import { listHistory, readLog } from "../../server/history_log.ts";
import { Mirror } from "../../server/mirror.ts";
import { HISTORY_DIR, STAGE_DIR } from "../../server/places.ts";
import { plain } from "../support/entries.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { type FsUser, MemoryFs, SUPERUSER } from "../support/memory_fs.ts";

const path = parsePath;
const FILE = plain(0o644, 1n);

interface SceneOptions {
  readonly days?: number;
  readonly user?: FsUser;
  readonly before?: (fs: MemoryFs, call: string) => void;
}

/** A mirror with some files, the commits that are made in it, and what they keep. */
async function scene({ days = 30, user = SUPERUSER, before = () => {} }: SceneOptions = {}) {
  const clock = new FakeClock(Date.parse("2026-11-25T10:00:00Z"));
  const fs = new MemoryFs(clock.nowNs, user);
  fs.mkdir(path("d"), 0o755);
  fs.mkdir(path("d/sub"), 0o555);
  for (const name of ["a", "b", "d/x", "d/sub/y"]) fs.writeFile(path(name), `was ${name}`);
  const index = new TreeIndex(":memory:");
  const events: SyncEvent[] = [];
  const watched: FileSystem = watchedFs(fs as FileSystem, (call) => before(fs, call));
  const mirror = new Mirror({
    fs: watched,
    accounts: noAccounts,
    clock,
    emit: (event) => events.push(event),
    openIndex: () => index,
    removeIndex: () => {},
    randomId: () => "00000000-0000-4000-8000-000000000001",
    fsync: true,
    history: { days },
    name: "there:/mirror",
  });
  await mirror.open(true, () => Promise.resolve());
  let staged = 0;
  const file = (name: string, content: string, attributes: Attributes = FILE): Step => {
    const at = joinPath(STAGE_DIR, String(staged++));
    fs.writeFile(at, content);
    const bytes = new TextEncoder().encode(content);
    const recipe = { average: 2048, lengths: [bytes.length], digests: [digestOf(bytes)] };
    const entry = { kind: "file", ...attributes, size: bytes.length, average: 2048, content: "ab".repeat(32) } as const;
    return { op: "file", path: path(name), entry, at, recipe } as unknown as Step;
  };
  const commit = async (...steps: Step[]) => {
    const { problems } = await mirror.commit(steps as IndexedStep[], new Set(), () => Promise.resolve());
    return problems.map(({ path, message }) => `${path}: ${message}`);
  };
  return { fs, clock, index, mirror, events, file, commit, [Symbol.dispose]: () => index[Symbol.dispose]() };
}

/** What lies in the history, the logs left out, by place. */
function kept(fs: MemoryFs): Record<string, string | undefined> {
  const entries = Object.entries(fs.tree()).filter(([name]) => name.startsWith(`${HISTORY_DIR}/`))
    .map(([name, entry]) => [name.slice(HISTORY_DIR.length + 1), entry] as const)
    .filter(([name, { kind }]) => kind !== "dir" && !name.endsWith(".log"));
  return Object.fromEntries(entries.map(([name, { content, target }]) => [name, content ?? target]));
}

function mirrored(fs: MemoryFs): Record<string, string | undefined> {
  const entries = Object.entries(fs.tree({ withoutPrivate: true })).filter(([, { kind }]) => kind !== "dir");
  return Object.fromEntries(entries.map(([name, { content, target }]) => [name, content ?? target]));
}

function warnings(events: readonly SyncEvent[]): string[] {
  return events.flatMap((event) => event.event === "warning" ? [event.message] : []);
}

const AT = "2026-11-25T10-00-00.000Z";
const remove = (name: string): Step => ({ op: "remove", path: path(name) });

const LAYERS: readonly [string, FsUser][] = [
  ["an atomic exchange", SUPERUSER],
  ["hard links alone", { ...SUPERUSER, exchange: false }],
  ["neither", { ...SUPERUSER, exchange: false, hardLinks: false }],
];

for (const [name, user] of LAYERS) {
  Deno.test(`what is replaced or removed lies in the history under its path; with ${name}`, async () => {
    using world = await scene({ user });
    const { fs, file, commit } = world;
    assertEquals(await commit(file("a", "new a"), remove("b"), file("d/x", "new x")), []);
    assertEquals(mirrored(fs), { a: "new a", "d/sub/y": "was d/sub/y", "d/x": "new x" });
    assertEquals(kept(fs), { [`${AT}/a`]: "was a", [`${AT}/b`]: "was b", [`${AT}/d/x`]: "was d/x" });
    assertEquals(fs.list(STAGE_DIR), []);
    assertEquals(fs.lstat(path("a"))!.nlink, 1);
    assertEquals(fs.lstat(HISTORY_DIR)!.mode, 0o700);
    assertEquals(warnings(world.events), []);
  });

  Deno.test(`at every moment a file that is replaced is there, whole; with ${name}`, async () => {
    const found = new Set<string | undefined>();
    const before = (fs: MemoryFs) => {
      found.add(fs.lstat(path("a")) ? new TextDecoder().decode(fs.readFile(path("a"))) : undefined);
    };
    using world = await scene({ user, before });
    found.clear();
    await world.commit(world.file("a", "new a"));
    found.delete("was a");
    found.delete("new a");
    // Without hard links and exchange there is a moment without it.
    assertEquals([...found], user.hardLinks === false ? [undefined] : []);
  });
}

Deno.test("a directory goes to the history whole, by one rename, with what nobody knows of", async () => {
  let changes: string[] = [];
  using world = await scene({
    before: (_, call) => {
      if (/^(rename|unlink|rmdir|exchange|link)/.test(call)) changes.push(call);
    },
  });
  const { fs, commit } = world;
  fs.writeFile(path("d/sub/unknown"), "somebody's");
  changes = [];
  assertEquals(await commit(remove("d")), []);
  // The other call is the journal's end.
  assertEquals(changes, ["rename", "unlink"]);
  assertEquals(kept(fs), {
    [`${AT}/d/sub/unknown`]: "somebody's",
    [`${AT}/d/sub/y`]: "was d/sub/y",
    [`${AT}/d/x`]: "was d/x",
  });
  assertEquals(fs.lstat(joinPath(HISTORY_DIR, `${AT}/d/sub`))!.mode, 0o555);
});

Deno.test("what is at one path twice in one commit, or below what has gone, is kept under another time", async () => {
  using world = await scene();
  const { fs, file, commit } = world;
  const entry = { kind: "dir", ...plain(0o755, 1n) } as const;
  const steps: Step[] = [
    remove("d"),
    { op: "mkdir", path: path("d"), entry },
    file("d/x", "second x"),
    remove("d/x"),
    remove("d"),
    file("a", "second a"),
    file("a", "third a"),
  ];
  assertEquals(await commit(...steps), []);
  const contents = Object.values(kept(fs)).sort();
  assertEquals(contents, ["second a", "second x", "was a", "was d/sub/y", "was d/x"]);
  const { stamps } = listHistory(fs);
  assertEquals(stamps[0], AT);
  assertEquals(new Set(stamps).size, stamps.length);
});

Deno.test("what somebody else has changed in the mirror goes to the history, and people are told once", async () => {
  using world = await scene();
  const { fs, file, commit } = world;
  fs.writeFile(path("a"), "mine");
  fs.unlink(path("b"));
  fs.writeFile(path("b"), "also mine");
  fs.writeFile(path("c"), "new and mine");
  assertEquals(await commit(file("a", "new a"), remove("b"), file("c", "new c")), []);
  assertEquals(mirrored(fs), { a: "new a", c: "new c", "d/sub/y": "was d/sub/y", "d/x": "was d/x" });
  assertEquals(Object.values(kept(fs)).sort(), ["also mine", "mine", "new and mine"]);
  assertEquals(warnings(world.events), [
    `"a" and 2 more were changed in the mirror by somebody else; what was there is in the history`,
  ]);
});

Deno.test("what somebody puts in place of a file at the last microsecond goes to the history", async () => {
  let armed = false;
  using world = await scene({
    before: (fs, call) => {
      if (!armed || call !== "exchange") return;
      armed = false;
      fs.unlink(path("a"));
      fs.writeFile(path("a"), "just now");
    },
  });
  armed = true;
  assertEquals(await world.commit(world.file("a", "new a")), []);
  assertEquals(Object.values(kept(world.fs)), ["just now"]);
  assertEquals(mirrored(world.fs)["a"], "new a");
});

Deno.test("a file that cannot go to the history is not replaced, and nothing is lost", async () => {
  let failing = 0;
  using world = await scene({
    before: (_, call) => {
      if (failing > 0 && call === "rename" && failing-- > 0) throw new Error("the disk says no");
    },
  });
  failing = 1;
  assertEquals((await world.commit(world.file("a", "new a"))).length, 1);
  assertEquals(mirrored(world.fs)["a"], "was a");
  assertEquals(world.fs.list(STAGE_DIR), []);
});

Deno.test("what a file has replaced stays in the stage where neither the history nor the way back is open", async () => {
  let failing = false, exchanged = 0;
  using world = await scene({
    before: (_, call) => {
      if (!failing) return;
      if (call === "rename" || call === "exchange" && exchanged++ > 0) throw new Error("the disk says no");
    },
  });
  failing = true;
  assertEquals((await world.commit(world.file("a", "new a"))).length, 1);
  failing = false;
  const [left] = world.fs.list(STAGE_DIR);
  assertEquals(new TextDecoder().decode(world.fs.readFile(joinPath(STAGE_DIR, left!.name))), "was a");
});

Deno.test("programs in the history run as nobody else; what they were is in the log", async () => {
  using world = await scene();
  const { fs, file, commit, index } = world;
  const armed = (name: string) => {
    const node = index.find(path(name))!;
    fs.setMeta(path(name), { mode: 0o6755, mtimeNs: 5n });
    const stat = fs.lstat(path(name))!;
    index.setSeen(node.id, { ...stat, racy: false });
  };
  for (const name of ["a", "b", "d/sub/y"]) armed(name);
  assertEquals(await commit(file("a", "new a"), remove("b"), remove("d")), []);
  for (const name of ["a", "b", "d/sub/y"]) {
    const { mode, mtimeNs } = fs.lstat(joinPath(HISTORY_DIR, `${AT}/${name}`))!;
    assertEquals([name, mode, mtimeNs], [name, 0o755, 5n]);
  }
  const attributes = readLog(fs, "2026-11-25").flatMap(({ did }) => did).filter(([op]) => op === "=");
  assertEquals(attributes.map(([, name, mode]) => `${name} ${Number(mode).toString(8)}`), [
    "a 6755",
    "b 6755",
    "d/sub/y 6755",
  ]);
});

Deno.test("with 0 days nothing is kept and nothing is written", async () => {
  using world = await scene({ days: 0 });
  const { fs, file, commit } = world;
  assertEquals(await commit(file("a", "new a"), remove("b"), remove("d")), []);
  assertEquals(mirrored(fs), { a: "new a" });
  assert(!fs.lstat(HISTORY_DIR));
  assertEquals(fs.list(STAGE_DIR), []);
  fs.writeFile(path("a"), "mine");
  await commit(file("a", "newer a"));
  assertMatch(warnings(world.events)[0]!, /"a" was changed .* no history is kept/);
});

Deno.test("the log says what a commit did, in order, and goes on after a line that was cut short", async () => {
  using world = await scene();
  const { fs, file, commit, clock } = world;
  const entry = { kind: "dir", ...plain(0o755, 1n) } as const;
  await commit(
    { op: "mkdir", path: path("n"), entry },
    file("n/in it", "1"),
    { op: "move", from: path("d"), to: path("e") },
    file("a", "new a"),
    file("n/later", "2"),
    { op: "meta", path: path("b"), attributes: plain(0o600, 7n) },
  );
  const log = `${HISTORY_DIR}/2026-11-25.log` as RelPath;
  fs.appendFile(log, `\n{"at":"2026-11-25T10-00-00.001Z","did":[["-","b`);
  await clock.pass(5);
  await commit(remove("b"));
  const lines = readLog(fs, "2026-11-25");
  assertEquals(lines.map(({ at }) => at), [AT, "2026-11-25T10-00-00.005Z"]);
  const bTime = String(fs.lstat(joinPath(HISTORY_DIR, "2026-11-25T10-00-00.005Z/b"))!.mtimeNs);
  assertEquals(bTime, "7");
  const [first, second] = lines.map(({ did }) => did.map((effect) => effect.slice(0, 3)));
  assertEquals(
    first!.map(([op, name, to]) => op === "=" ? [op, name, to] : [op, name, ...to === undefined ? [] : [to]]),
    [
      ["+", "n"],
      [">", "d", "e"],
      ["-", "a"],
      ["+", "a"],
      ["+", "n/later"],
      ["=", "b", 0o644],
    ],
  );
  assertEquals(second, [["-", "b"]]);
});

Deno.test("commits of one millisecond, and of a clock that was set back, have times of their own in their order", async () => {
  using world = await scene();
  const { fs, file, commit } = world;
  for (let i = 0; i < 3; i++) await commit(file("a", `${i}`));
  assertEquals(Object.entries(kept(fs)), [
    ["2026-11-25T10-00-00.000Z/a", "was a"],
    ["2026-11-25T10-00-00.001Z/a", "0"],
    ["2026-11-25T10-00-00.002Z/a", "1"],
  ]);
  const earlier = new History({ fs, clock: new FakeClock(Date.parse("2026-11-24T10:00:00Z")), keeps: true });
  assertEquals(earlier.begin().stamp, "2026-11-25T10-00-00.003Z");
});

Deno.test("content in the history stays known by its chunks, and is no part of the tree", async () => {
  using world = await scene();
  const { file, commit, index } = world;
  const large = "x".repeat(40_000), larger = "y".repeat(50_000);
  await commit(file("a", large), file("d/large", larger));
  const root = index.rootHash(), count = index.count();
  await commit(file("a", "new a"), remove("d"));
  assertEquals(index.count(), count - 5);
  for (const [text, place] of [[large, "a"], [larger, "d/large"]] as const) {
    const holder = index.holderOf(digestOf(new TextEncoder().encode(text)))!;
    assertEquals(index.keptAt(holder), `2026-11-25T10-00-00.001Z/${place}`);
    assertEquals(index.kept(index.keptAt(holder)!)!.id, holder);
    assertEquals(index.pathOf(holder), undefined);
  }
  assert(index.rootHash() !== root);
  assertEquals(index.children(index.find(ROOT)!.id).map(({ name }) => name).sort(), ["a", "b"]);
});

Deno.test("a name of a file that is still there under another takes no room in the history, and shares nothing with it", async () => {
  using world = await scene();
  const { fs, file, commit, index } = world;
  let link = 0;
  for (const [to, name] of [["a", "c"], ["b", "d/b"], ["d/x", "d/x2"]] as const) {
    index.setAttributes(index.find(path(to))!, { ...index.find(path(to))!.entry, link: ++link });
    assertEquals(await commit({ op: "link", path: path(name), to: path(to) }), []);
  }
  await world.clock.pass(1);
  assertEquals(await commit(file("a", "new a"), remove("d")), []);
  const at = "2026-11-25T10-00-00.003Z";
  assertEquals(kept(fs), { [`${at}/d/sub/y`]: "was d/sub/y", [`${at}/d/x`]: "was d/x", [`${at}/d/x2`]: "was d/x" });
  assertEquals(mirrored(fs), { a: "new a", b: "was b", c: "was a" });
  assertEquals([fs.lstat(path("b"))!.nlink, fs.lstat(path("c"))!.nlink], [1, 1]);
  const did = readLog(fs, "2026-11-25").at(-1)!.did;
  assertEquals(did, [["&", path("a"), path("c")], ["+", path("a")], ["&", path("d/b"), path("b")], ["-", path("d")]]);
});
