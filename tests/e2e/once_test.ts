// `client --once` as a real process, and everything that can be wrong from the start.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { SECOND_FROM_BYTES } from "../../core/second_thread.ts";
import { FROM_SOURCE, Running, unprivilegedProgram } from "../support/program.ts";
import { noise, Scene } from "../support/scene.ts";
import { differenceOf } from "../support/trees.ts";

const unprivileged = unprivilegedProgram();

const AWKWARD = [
  "with space",
  " leading and trailing ",
  "-dash",
  "--option=value",
  "quote'\"`$(x)",
  "new\nline",
  "tab\tand\x01control",
  "back\\slash",
  "star*?[x]",
  "#hash",
  "!bang",
  "é composed",
  "e\u0301 decomposed",
  "日本語 🎈",
  "x".repeat(255),
  "~tilde",
  "CON",
  "trailing.",
];

Deno.test({
  name: "once: awkward names arrive as they are",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using scene = new Scene();
    for (const name of AWKWARD) scene.write(`${name}/${name}`, name);
    const { address } = await scene.server();
    const { status } = await scene.once(address);
    assertEquals(status, 0);
    assertEquals(differenceOf(scene.source, scene.mirror), "");
  },
});

Deno.test("once: what is only in the mirror goes, what changed while nothing ran comes; then nothing is left to do", async () => {
  await using scene = new Scene();
  scene.write("kept", "same");
  scene.write("dir/changed", "before");
  const { address } = await scene.server();
  Deno.mkdirSync(scene.there("stray/deep"), { recursive: true });
  Deno.writeTextFileSync(scene.there("stray/deep/file"), "stray");
  Deno.writeTextFileSync(scene.there("kept"), "same");
  assertEquals((await scene.once(address)).status, 0);
  assertEquals(differenceOf(scene.source, scene.mirror), "");
  scene.write("dir/changed", "after!");
  Deno.chmodSync(scene.here("kept"), 0o600);
  Deno.removeSync(scene.there("dir"), { recursive: true });
  assertEquals((await scene.once(address)).status, 0);
  assertEquals(differenceOf(scene.source, scene.mirror), "");
  const { client } = await scene.once(address);
  const synced = await client.event("synced");
  assertEquals(synced.changed, 0);
  assert(synced.verified);
  assert(synced.sent < 1000, `${synced.sent} bytes`);
});

Deno.test("once: an edit in a large file sends the changed part only, a copy of it no content", async () => {
  await using scene = new Scene();
  // So large that second threads share the work, where there are processors for them.
  const bytes = noise(SECOND_FROM_BYTES + 10_000_000);
  scene.write("large", bytes);
  const { address } = await scene.server();
  assertEquals((await scene.once(address)).status, 0);
  bytes[10_000_000]! ^= 1;
  scene.write("large", bytes);
  const sent = async () => (await (await scene.once(address)).client.event("synced")).sent;
  const edit = await sent();
  assert(edit < 100_000, `${edit} bytes for an edit`);
  Deno.copyFileSync(scene.here("large"), scene.here("copy"));
  const copy = await sent();
  assert(copy < 200_000, `${copy} bytes for a copy`);
  Deno.renameSync(scene.here("large"), scene.here("renamed"));
  const rename = await sent();
  assert(rename < 1000, `${rename} bytes for a rename`);
  assertEquals(differenceOf(scene.source, scene.mirror), "");
});

Deno.test({
  name: "once: a second start reads no content",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using scene = new Scene();
    scene.write("large", noise(50_000_000));
    Deno.utimeSync(scene.here("large"), 1_700_000_000, 1_700_000_000);
    const { address } = await scene.server();
    assertEquals((await scene.once(address)).status, 0);
    // A file that may not be read is a problem for whoever reads it.
    const before = Deno.statSync(scene.here("large")).atime?.getTime();
    const client = scene.client(address);
    await client.event("synced");
    const io = Deno.readTextFileSync(`/proc/${client.pid}/io`);
    const read = Number(/rchar: (\d+)/.exec(io)?.[1]);
    assert(read < 40_000_000, `${read} bytes were read`);
    assertEquals(Deno.statSync(scene.here("large")).atime?.getTime(), before);
  },
});

Deno.test("once: --exclude and .dirsyncignore leave paths alone on both sides", async () => {
  await using scene = new Scene();
  scene.write(".dirsyncignore", "*.log\n/build/\n");
  scene.write("a.log", "x");
  scene.write("build/out", "x");
  scene.write("node_modules/m/index.js", "x");
  scene.write("src/build/kept", "x");
  const { address } = await scene.server();
  Deno.mkdirSync(scene.there("node_modules"));
  Deno.writeTextFileSync(scene.there("node_modules/of the mirror"), "x");
  assertEquals((await scene.once(address, "--exclude", "node_modules")).status, 0);
  const names = [...Deno.readDirSync(scene.mirror)].map(({ name }) => name).sort();
  assertEquals(names, [".dirsync", ".dirsyncignore", "node_modules", "src"]);
  assertEquals(Deno.readTextFileSync(scene.there("node_modules/of the mirror")), "x");
  assertEquals(Deno.readTextFileSync(scene.there("src/build/kept")), "x");
});

Deno.test("once: --dry-run names what would be done and does nothing", async () => {
  await using scene = new Scene();
  scene.write("dir/new", "x");
  const { address } = await scene.server();
  const dry = await scene.once(address, "--dry-run");
  assertEquals(dry.status, 0);
  assertEquals([...Deno.readDirSync(scene.mirror)], []);
  const wet = await scene.once(address);
  const changes = (events: typeof dry.client.events) =>
    events.flatMap((e) => e.event === "change" ? [`${e.change} ${e.path}`] : []);
  assertEquals(changes(dry.client.events), ["create dir", "create dir/new"]);
  assertEquals(changes(wet.client.events), changes(dry.client.events));
  assertEquals((await dry.client.event("planned")).changes, 2);
});

Deno.test({
  name: "once: a file that may not be read is one problem and status 3; the rest arrives",
  ignore: !unprivileged,
  fn: async () => {
    await using scene = new Scene(unprivileged);
    scene.write("secret", "x");
    scene.write("open", "x");
    Deno.chmodSync(scene.here("secret"), 0);
    const { address } = await scene.server();
    const { client, status } = await scene.once(address);
    assertEquals(status, 3);
    assertEquals((await client.event("problem")).path, "secret");
    assertEquals(Deno.readTextFileSync(scene.there("open")), "x");
  },
});

Deno.test("once: a mirror inside the source, or around it, is refused", async () => {
  await using scene = new Scene();
  scene.write("file", "x");
  const inside = await scene.server();
  await inside.server.stop();
  for (const mirror of [scene.here("mirror"), scene.path]) {
    await using server = new Running(FROM_SOURCE, ["server", mirror, "-i", "127.0.0.1:0"]);
    const { address } = await server.event("listening");
    const { status, stderr } = await scene.run("client", scene.source, "-s", address, "--once", "--state", scene.state);
    assertEquals(status, 1);
    assertMatch(stderr, /^dirsync: The (mirror|source) ".*" lies inside the .*\n$/);
    assertEquals(Deno.readTextFileSync(scene.here("file")), "x");
  }
});

Deno.test("a server that never had a client leaves its directory empty", async () => {
  await using scene = new Scene();
  const { server } = await scene.server();
  await server.stop();
  assertEquals([...Deno.readDirSync(scene.mirror)], []);
});

const WRONG: [name: string, args: (scene: Scene) => string[], status: number, says: RegExp][] = [
  ["an unknown option", () => ["client", ".", "--nonsense"], 2, /--nonsense/],
  ["no directory", () => ["client"], 2, /DIR/],
  ["an unknown command", () => ["serve"], 2, /serve/],
  ["a bad interval", () => ["client", ".", "-u", "soon"], 2, /soon/],
  ["a directory that is not there", (scene) => ["client", scene.here("none")], 1, /none.*does not exist/],
  ["a source that is a file", (scene) => ["client", scene.here("file")], 1, /not a directory/],
  ["a mirror that is a file", (scene) => ["server", scene.here("file"), "-i", "127.0.0.1:0"], 1, /not a directory/],
  ["an address of another machine", () => ["server", "x", "-i", "192.0.2.1:5000"], 1, /no such address/],
];
for (const [name, args, status, says] of WRONG) {
  Deno.test(`wrong from the start: ${name}`, async () => {
    await using scene = new Scene();
    scene.write("file", "x");
    const ended = await scene.run(...args(scene));
    assertEquals(ended.status, status, ended.stderr);
    assertMatch(ended.stderr, says);
    assertMatch(ended.stderr, /^dirsync: [^\n]*\n$/);
  });
}

Deno.test("wrong from the start: a port that is in use", async () => {
  await using scene = new Scene();
  const { address } = await scene.server();
  const { status, stderr } = await scene.run("server", "other", "-i", address);
  assertEquals(status, 1);
  assertMatch(stderr, /^dirsync: Cannot listen on 127\.0\.0\.1:\d+: another program listens there.*\n$/);
});

Deno.test("a server of another kind is named in one line", async () => {
  await using scene = new Scene();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => new Response("hello"));
  try {
    const client = scene.client(`127.0.0.1:${server.addr.port}`);
    const { reason } = await client.event("waiting");
    assertMatch(reason, /no dirsync server/);
    await client.stop();
  } finally {
    await server.shutdown();
  }
});
