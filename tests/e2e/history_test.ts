// The history as people use it: real processes change a mirror, and `dirsync history` and `dirsync restore` bring back what was.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { noise, Scene } from "../support/scene.ts";
import { differenceOf } from "../support/trees.ts";

/** The moments at which something was replaced or removed, oldest first. */
function moments(scene: Scene): string[] {
  const names = [...Deno.readDirSync(scene.there(".dirsync/history"))].filter(({ isDirectory }) => isDirectory);
  return names.map(({ name }) => name).sort();
}

/** A copy of the source as it is, to be compared with later. */
function keepCopy(scene: Scene, name: string): string {
  const copy = `${scene.path}/${name}`;
  const { success } = new Deno.Command("cp", { args: ["-a", scene.source, copy] }).outputSync();
  assert(success);
  return copy;
}

Deno.test({
  name: "restore: a directory that was edited, renamed and deleted comes back as it was at each moment",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using scene = new Scene();
    scene.write("project/notes.txt", "first");
    scene.write("project/deep/large", noise(300_000));
    scene.write("project/deep/new\nline", "awkward");
    Deno.symlinkSync("notes.txt", scene.here("project/link"));
    Deno.chmodSync(scene.here("project/notes.txt"), 0o600);
    Deno.mkdirSync(scene.here("project/empty"));
    const { address } = await scene.server();
    const changes = [
      () => {
        scene.write("project/notes.txt", "second");
        Deno.removeSync(scene.here("project/empty"));
        scene.write("project/added", "added");
      },
      () => {
        Deno.renameSync(scene.here("project"), scene.here("published"));
        scene.write("published/deep/large", noise(300_001, 2));
        Deno.chmodSync(scene.here("published/deep"), 0o700);
      },
      () => Deno.removeSync(scene.here("published"), { recursive: true }),
      () => scene.write("project", "a file where a directory was"),
    ];
    assertEquals((await scene.once(address)).status, 0);
    const copies: string[] = [], times: string[] = [];
    for (const [i, change] of changes.entries()) {
      copies.push(keepCopy(scene, `copy${i}`));
      times.push(new Date().toISOString());
      change();
      assertEquals((await scene.once(address)).status, 0);
    }
    assertEquals(differenceOf(scene.source, scene.mirror), "");
    // The last change replaced and removed nothing.
    assert(moments(scene).length >= changes.length - 1);
    for (const [i, at] of times.entries()) {
      const to = `${scene.path}/restored${i}`;
      const { status, stdout, stderr } = await scene.run("restore", scene.mirror, "--at", at, "--to", to);
      assertEquals([status, stderr], [0, ""]);
      assertMatch(stdout, /^restored ".*" as it was at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: \d+ files?, /);
      assertEquals(differenceOf(copies[i]!, to), "", `as it was at ${at}`);
    }
    // The time of the last commit, which only made something, is a moment too.
    const now = `${scene.path}/now`;
    assertEquals((await scene.run("restore", scene.there("project"), "--at", "0s", "--to", now)).status, 0);
    assertEquals(Deno.readTextFileSync(`${now}/project`), "a file where a directory was");
  },
});

Deno.test("history: lists what is kept, and each time that it prints brings that version back", async () => {
  await using scene = new Scene();
  const { server, address } = await scene.server();
  for (const text of ["one", "two, longer", "three"]) {
    scene.write("a/file", text);
    scene.write("a/other", "same");
    assertEquals((await scene.once(address)).status, 0);
  }
  Deno.removeSync(scene.here("a"), { recursive: true });
  assertEquals((await scene.once(address)).status, 0);

  const { status, stdout } = await scene.run("history", scene.there("a/file"), "--json");
  const versions = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(status, 0);
  assertEquals(versions.map(({ what, bytes, path }) => [what, bytes, path]), [
    ["deleted", 5, "a/file"],
    ["replaced", 11, "a/file"],
    ["replaced", 3, "a/file"],
  ]);
  for (const [i, { time, place }] of versions.entries()) {
    const to = `${scene.path}/to${i}`;
    assertEquals((await scene.run("restore", scene.there("a/file"), "--at", time, "--to", to)).status, 0);
    const text = ["three", "two, longer", "one"][i]!;
    assertEquals(Deno.readTextFileSync(`${to}/file`), text);
    assertEquals(Deno.readTextFileSync(scene.there(place)), text);
  }
  const human = await scene.run("history", scene.mirror);
  assertMatch(human.stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}deleted +9 B {2}a\/ \(2 files\)\n/);
  assertMatch(
    (await scene.run("history", scene.there("nothing"))).stdout,
    /^no earlier version of "nothing" is kept\n$/,
  );

  // Back to its place: not while a server would have it removed again.
  const refused = await scene.run("restore", scene.there("a"));
  assertEquals(refused.status, 1);
  assertMatch(refused.stderr, /a server holds this mirror.*--to DIR/);
  await server.stop();
  scene.write("later", "later");
  Deno.mkdirSync(scene.there("a"));
  Deno.writeTextFileSync(scene.there("a/mine"), "mine");
  const back = await scene.run("restore", scene.there("a"));
  assertEquals([back.status, back.stderr], [0, ""]);
  assertMatch(back.stdout, /a client that mirrors to here/);
  assertEquals(Deno.readTextFileSync(scene.there("a/file")), "three");
  // What was there has gone to the history, and all is as it should be for the next server.
  const undo = await scene.run("restore", scene.there("a"), "--to", `${scene.path}/undo`);
  assertEquals([undo.status, Deno.readTextFileSync(`${scene.path}/undo/a/mine`)], [0, "mine"]);
  const again = await scene.server();
  assertEquals((await scene.once(again.address)).status, 0);
  assertEquals(differenceOf(scene.source, scene.mirror), "");
});

Deno.test("restore of a whole mirror in place: what is unlike goes to the history", async () => {
  await using scene = new Scene();
  for (const name of ["a", "b/c", "d"]) scene.write(name, `first ${name}`);
  const { server, address } = await scene.server();
  assertEquals((await scene.once(address)).status, 0);
  const copy = keepCopy(scene, "copy");
  for (const name of ["a", "b/c", "e"]) scene.write(name, `second ${name}`);
  Deno.removeSync(scene.here("d"));
  assertEquals((await scene.once(address)).status, 0);
  await server.stop();
  const { status, stderr } = await scene.run("restore", scene.mirror, "--at", moments(scene)[0]!);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(differenceOf(copy, scene.mirror), "");
  assertEquals((await scene.run("restore", scene.mirror, "--to", `${scene.path}/undo`)).status, 0);
  assertEquals(differenceOf(scene.source, `${scene.path}/undo`), "");
});

Deno.test("history and restore say in one line what is wrong", async () => {
  await using scene = new Scene();
  scene.write("a", "1");
  const { address } = await scene.server();
  await scene.once(address);
  scene.write("a", "2");
  await scene.once(address);
  Deno.mkdirSync(`${scene.path}/taken`);
  Deno.writeTextFileSync(`${scene.path}/taken/a`, "mine");
  const cases: [string[], number, RegExp][] = [
    [["history", scene.path], 1, /no directory above it is a mirror/],
    [["history", scene.there(".dirsync/history")], 1, /dirsync's own/],
    [["restore", scene.source], 1, /no directory above it is a mirror/],
    [["restore", scene.there("nothing")], 1, /no earlier version of it is kept/],
    [["restore", scene.there("nothing"), "--at", "0s", "--to", "x"], 1, /was not in the mirror at .*dirsync history/],
    [["restore", scene.there("a"), "--at", "2001-01-01", "--to", "x"], 1, /the history reaches back to \d{4}-/],
    [["restore", scene.there("a"), "--to", `${scene.path}/taken`], 1, /something is there already/],
    [["restore", scene.there("a"), "--to", scene.there("x")], 1, /it is in the mirror/],
    [["restore", scene.there("a"), "--to", scene.here("a")], 1, /Cannot restore to/],
    [["restore"], 2, /Restore what\?/],
    [["restore", "a", "--at", "soon"], 2, /Cannot use --at "soon"/],
    [["restore", "a", "b"], 2, /takes one path/],
  ];
  for (const [args, status, message] of cases) {
    const ended = await scene.run(...args);
    assertEquals(ended.status, status, `${args.join(" ")}: ${ended.stderr}${ended.stdout}`);
    assertMatch(ended.stderr, message);
    assertEquals(ended.stderr.trim().split("\n").length, 1, ended.stderr);
  }
  assertEquals(Deno.readTextFileSync(`${scene.path}/taken/a`), "mine");
});

Deno.test("what was deleted and comes back needs no content on the wire", async () => {
  await using scene = new Scene();
  scene.write("large", noise(3_000_000));
  const { address } = await scene.server();
  assertEquals((await scene.once(address)).status, 0);
  Deno.renameSync(scene.here("large"), `${scene.path}/aside`);
  assertEquals((await scene.once(address)).status, 0);
  Deno.renameSync(`${scene.path}/aside`, scene.here("large"));
  const { client, status } = await scene.once(address);
  assertEquals(status, 0);
  const { sent } = await client.event("synced");
  // Digests alone, of some 750 chunks, asked about and named.
  assert(sent < 150_000, `${sent} bytes were sent`);
  assertEquals(differenceOf(scene.source, scene.mirror), "");
});
