import { assert, assertEquals, assertMatch } from "@std/assert";
import { joinPath, parsePath as path, type RelPath, ROOT } from "../../core/path.ts";
import { digestOf } from "../../core/recipe.ts";
import type { Step } from "../../core/types.ts";
import { History } from "../../server/history.ts";
import { listHistory, readLog } from "../../server/history_log.ts";
import { HISTORY_DIR, STAGE_DIR } from "../../server/places.ts";
import { plain } from "../support/entries.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type FsUser, type MemoryFs, SUPERUSER } from "../support/memory_fs.ts";
import { kept, mirrored, mirrorScene, warnings } from "../support/mirror_scene.ts";

const AT = "2026-11-25T10-00-00.000Z";
const remove = (name: string): Step => ({ op: "remove", path: path(name) });

const LAYERS: readonly [string, FsUser][] = [
  ["an atomic exchange", SUPERUSER],
  ["hard links alone", { ...SUPERUSER, exchange: false }],
  ["neither", { ...SUPERUSER, exchange: false, hardLinks: false }],
];

for (const [name, user] of LAYERS) {
  Deno.test(`what is replaced or removed lies in the history under its path; with ${name}`, async () => {
    using world = await mirrorScene({ user });
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
    using world = await mirrorScene({ user, before });
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
  using world = await mirrorScene({
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
  using world = await mirrorScene();
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
  using world = await mirrorScene();
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
  using world = await mirrorScene({
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
  using world = await mirrorScene({
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
  using world = await mirrorScene({
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
  using world = await mirrorScene();
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
  const attributes = readLog(fs, "2026-11-25").flatMap(({ did }) => did).filter(([op, name]) =>
    op === "=" && name !== ROOT
  );
  assertEquals(attributes.map(([, name, mode]) => `${name} ${Number(mode).toString(8)}`), [
    "a 6755",
    "b 6755",
    "d/sub/y 6755",
  ]);
});

Deno.test("with 0 days nothing is kept and nothing is written", async () => {
  using world = await mirrorScene({ history: { days: 0 } });
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
  using world = await mirrorScene();
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
  const [first, second] = lines.map(({ did }) => did.map((effect) => effect.slice(0, effect[0] === "=" ? 2 : 3)));
  assertEquals(first as unknown, [
    ["=", ""],
    ["+", "n"],
    ["=", "d"],
    [">", "d", "e"],
    ["-", "a"],
    ["+", "a"],
    ["+", "n/later"],
    ["=", "b"],
  ]);
  assertEquals(second as unknown, [["=", ""], ["-", "b"]]);
});

Deno.test("commits of one millisecond, and of a clock that was set back, have times of their own in their order", async () => {
  using world = await mirrorScene();
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

Deno.test("content that something else was moved over stays known by its chunks", async () => {
  using world = await mirrorScene();
  const { file, commit, index } = world;
  const large = "x".repeat(40_000);
  await commit(file("a", large), file("d/large", "y".repeat(50_000)));
  assertEquals(await commit({ op: "move", from: path("d/large"), to: path("a") }), []);
  const holder = index.holderOf(digestOf(new TextEncoder().encode(large)))!;
  assertEquals(index.keptAt(holder) as string, "2026-11-25T10-00-00.001Z/a");
});

Deno.test("content in the history stays known by its chunks, and is no part of the tree", async () => {
  using world = await mirrorScene();
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
  using world = await mirrorScene();
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
  assertEquals(did.filter(([op]) => op !== "=") as unknown, [["&", "a", "c"], ["+", "a"], ["&", "d/b", "b"], [
    "-",
    "d",
  ]]);
});
