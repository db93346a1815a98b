// Across operating systems, by real processes over the loopback: the Windows build of Deno, under Wine, with a client or server on
// Linux. `deno task windows` runs it; it needs `../shared/tools/windows-lab`, so the gate does not. What Wine does otherwise than
// Windows is not judged here: .github/ARCHITECTURE.md ("Windows") has the list.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { hash } from "node:crypto";
import { FROM_SOURCE, type Program, run, Running, startServer } from "../support/program.ts";
import { noise, Scene } from "../support/scene.ts";
import { until } from "../support/trees.ts";

const HERE = new URL("../../", import.meta.url).pathname;
const LAB = `${HERE}../shared/tools/windows-lab`;
/** The program, run by Windows' Deno. */
const ON_WINDOWS: Program = [LAB, "run", "run", "-A", "--no-lock", "--quiet", onWindows(`${HERE}main.ts`)];

/** Entries that Windows does not allow, and what is wrong with each; those below share the reason. */
const REFUSED: Record<string, string> = {
  "con": '"con": CON is a device there',
  "NUL.txt": '"NUL.txt": NUL is a device there',
  "a:b": '"a:b": it has a :',
  "what?": '"what?": it has a ?',
  "back\\slash": '"back\\\\slash": it has a \\',
  "new\nline": '"new\\nline": it has the control character U+000A',
  "dot.": '"dot.": it ends with a dot',
  "space ": '"space ": it ends with a space',
  "dir./inner": '"dir.": it ends with a dot',
  "dir.": '"dir.": it ends with a dot',
  "twin": 'the same name as "Twin"',
  "twins": 'the same name as "Twins"',
  "twins/inner": 'the same name as "Twins"',
};
/** What is said of symbolic links where none can be made, as under Wine. */
const NO_LINKS: Record<string, string> = Object.fromEntries(
  ["link", "deep/dangling", "to dir"].map((path) => [path, "this system makes no symbolic links"]),
);
const LONG = `deep/${`${"n".repeat(100)}/`.repeat(4)}file`;
const FILES = [
  "plain",
  "Twin",
  "Twins/inner",
  "\u00e9",
  "e\u0301",
  "read only",
  "private",
  "tool",
  LONG,
  " leading",
  "con.",
  "x.con",
]
  .filter((name) => !name.endsWith("."));

/** A path of this machine, as Windows' programs see it. */
function onWindows(path: string): string {
  return `Z:${path.replaceAll("/", "\\")}`;
}

/** Makes what Linux can hold, Windows in part. */
function makeSource(scene: Scene): void {
  for (const path of [...FILES, ...Object.keys(REFUSED)]) {
    if (!["dir.", "twins"].includes(path)) scene.write(path, `content of ${path}`);
  }
  scene.write("large", noise(3_000_000));
  Deno.mkdirSync(scene.here("empty"));
  Deno.linkSync(scene.here("plain"), scene.here("hard"));
  Deno.symlinkSync("plain", scene.here("link"));
  Deno.symlinkSync("/no/where", scene.here("deep/dangling"));
  Deno.symlinkSync("deep", scene.here("to dir"));
  for (
    const [path, mode] of Object.entries({ "read only": 0o444, "private": 0o600, "tool": 0o2755, "empty": 0o1777 })
  ) {
    Deno.chmodSync(scene.here(path), mode);
  }
  for (
    const [path, time] of Object.entries({
      "plain": "1234567890.123456789",
      "tool": "-86401.000000001",
      "link": "7.000000008",
    })
  ) {
    const { success } = new Deno.Command("touch", { args: ["-h", "-d", `@${time}`, scene.here(path)] }).outputSync();
    assert(success);
  }
}

/** All about the entries below `dir`, as find(1) sees them, by path; without those that `REFUSED` names, and the private folder. */
function everythingIn(dir: string): Record<string, string> {
  const args = [dir, "-path", `${dir}/.dirsync`, "-prune", "-o", "-printf", "%P\\0%y %m %U %G %T@ %l\\0%n\\0"];
  const { stdout } = new Deno.Command("find", { args }).outputSync();
  const fields = new TextDecoder().decode(stdout).split("\0");
  const found: Record<string, string> = {};
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [path, about, names] = fields.slice(at) as [string, string, string];
    const isFile = about.startsWith("f");
    const content = isFile ? ` ${names} ${hash("sha256", Deno.readFileSync(`${dir}/${path}`))}` : "";
    if (!(path in REFUSED)) found[path] = about + content;
  }
  return found;
}

/** Of what `everythingIn` says, that which any file system holds: kinds, contents, times to the millisecond. */
function commonIn(dir: string): Record<string, string> {
  const common = Object.entries(everythingIn(dir)).map(([path, about]) => {
    const [kind, , , , time, target, ...rest] = about.split(" ");
    const ms = Math.floor(Number(time!.slice(0, -7)) * 1000 + 1e-6);
    return [path, [kind, ms, target, ...rest].join(" ")];
  });
  return Object.fromEntries(common);
}

/** What differs between two listings. */
function difference(want: Record<string, string>, have: Record<string, string>): string {
  const paths = new Set([...Object.keys(want), ...Object.keys(have)]);
  return [...paths].filter((path) => want[path] !== have[path])
    .map((path) => `${JSON.stringify(path)}: ${want[path] ?? "nothing"} / ${have[path] ?? "nothing"}`).join("\n");
}

function withoutLinks(listing: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(listing).filter(([, about]) => !about.startsWith("l")));
}

function changesOf(client: Running): unknown[] {
  return client.events.filter(({ event }) => event === "change");
}

Deno.test("windows: the file-system contract holds on Windows' Deno", async () => {
  const files = ["tests/contract", "tests/core/windows_path_test.ts"];
  const command: Program = [LAB, "run", "test", "-A", "--no-lock", "--no-check", ...files];
  const { status, stdout } = await run(command, [], { cwd: HERE, env: { NO_COLOR: "1" } });
  assertEquals(status, 0, stdout.slice(-5000));
  assertMatch(stdout, /\d{3,} passed \| 0 failed/);
});

Deno.test("windows: from Linux to a mirror on Windows, live, and from that mirror back: all that it can hold, and what its index remembers", async () => {
  await using scene = new Scene(ON_WINDOWS);
  makeSource(scene);
  const linux = new LinuxSide(scene);
  await using _ = linux;
  const mirror = () => withoutLinks(commonIn(scene.mirror));
  const wanted = () => withoutLinks(commonIn(scene.source));

  const start = () => startServer(ON_WINDOWS, [onWindows(scene.mirror), "-i", "127.0.0.1:0"]);
  {
    const { server, address } = await start();
    await using _ = server;
    const first = await linux.once(scene.source, address);
    const problems = first.events.flatMap((event) => event.event === "problem" ? [event] : []);
    const refused = hasLinks(scene.mirror) ? REFUSED : { ...REFUSED, ...NO_LINKS };
    assertEquals(problems.map(({ path }) => path).sort(), Object.keys(refused).sort());
    for (const { path, message } of problems) assert(message.includes(refused[path]!), `${path}: ${message}`);
    const synced = await first.event("synced");
    assertEquals([synced.verified, await first.ended()], [true, 3]);
    assertEquals(difference(wanted(), mirror()), "");
    const warnings = server.events.flatMap((event) => event.event === "warning" ? [event.message] : []);
    assertEquals(warnings, [
      "the mirror's file system keeps no permission bits and owners; the mirror's index remembers them",
    ]);

    const client = linux.live(scene.source, address);
    await client.event("synced");
    // Read-only for Windows: what is so is replaced and removed all the same.
    for (const path of ["read only", "private"]) Deno.chmodSync(scene.there(path), 0o444);
    Deno.removeSync(scene.here("read only"));
    scene.write("private", "changed");
    Deno.renameSync(scene.here("deep"), scene.here("deeper"));
    Deno.renameSync(scene.here("link"), scene.here("deeper/link"));
    scene.write("new/file", "new");
    await until(() => difference(wanted(), mirror()));
    await client.stop();
  }
  {
    // A server that is started anew still knows what the disk does not hold.
    const { server, address } = await start();
    await using _ = server;
    const again = await linux.once(scene.source, address);
    assertEquals([changesOf(again), await again.ended()], [[], 3]);
  }
  const back = await linux.server();
  const client = new Running(ON_WINDOWS, [
    "client",
    onWindows(scene.mirror),
    "-s",
    back.address,
    "--once",
    "--state",
    onWindows(`${scene.path}/state on Windows`),
  ]);
  await using _client = client;
  assertEquals(await client.ended(), 0, client.stderr);
  const kept = hasLinks(scene.mirror) ? everythingIn(scene.source) : withoutLinks(everythingIn(scene.source));
  assertEquals(difference(kept, everythingIn(back.dir)), "");
});

Deno.test("windows: from a source on Windows to Linux, at once and live", async () => {
  await using scene = new Scene(ON_WINDOWS);
  await using linux = new LinuxSide(scene);
  const back = await linux.server();
  const onSource = async (code: string) => {
    const root = JSON.stringify(onWindows(scene.source) + "\\");
    const { status, stderr } = await run([LAB, "run", "eval"], [`const root = ${root}; ${code}`]);
    assertEquals(status, 0, stderr);
  };
  await onSource(`
    Deno.mkdirSync(root + "deep");
    let long = "\\\\\\\\?\\\\" + root + "deep";
    for (let i = 0; i < 4; i++) Deno.mkdirSync(long += "\\\\" + "n".repeat(100));
    Deno.writeTextFileSync(long + "\\\\file", "far down");
    for (const name of ["a", "b", "read only", "e\\u0301", "\\u00e9"]) Deno.writeTextFileSync(root + name, name);
    Deno.chmodSync(root + "read only", 0o444);
    Deno.linkSync(root + "a", root + "hard");
    Deno.utimeSync(root + "b", new Date(-86401000), new Date(-86401000));
  `);
  const state = onWindows(`${scene.path}/state on Windows`);
  const start = (...args: string[]) =>
    new Running(ON_WINDOWS, ["client", onWindows(scene.source), "-s", back.address, "--state", state, ...args]);
  await using once = start("--once");
  assertEquals(await once.ended(), 0, once.stderr);
  assertEquals(difference(commonIn(scene.source), commonIn(back.dir)), "");
  const modes = Object.entries(everythingIn(back.dir)).filter(([path]) => path !== "").map(([, about]) =>
    about.slice(0, 5)
  );
  assertEquals([...new Set(modes)].sort(), ["d 755", "f 644"]);
  await using live = start();
  await live.event("synced");
  await onSource(`
    Deno.writeTextFileSync(root + "a", "changed");
    Deno.writeTextFileSync(root + "new", "new");
    Deno.removeSync(root + "b");
    Deno.renameSync(root + "deep", root + "moved");
  `);
  await until(() => difference(commonIn(scene.source), commonIn(back.dir)));
});

/** Whether a mirror holds symbolic links. */
function hasLinks(mirror: string): boolean {
  return Object.values(everythingIn(mirror)).some((about) => about.startsWith("l"));
}

/** Processes of this machine's own Deno. */
class LinuxSide implements AsyncDisposable {
  readonly #scene: Scene;
  readonly #running: Running[] = [];

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#running) await each.stop("SIGKILL");
  }

  live(source: string, address: string, ...args: string[]): Running {
    const client = new Running(FROM_SOURCE, ["client", source, "-s", address, "--state", this.#scene.state, ...args]);
    this.#running.push(client);
    return client;
  }

  /** Runs `client --once`. @returns It, ended. */
  async once(source: string, address: string): Promise<Running> {
    const client = this.live(source, address, "--once");
    await client.ended();
    return client;
  }

  /** A server for a mirror beside the scene's. */
  async server(): Promise<{ address: string; dir: string }> {
    const dir = `${this.#scene.path}/on Linux`;
    const { server, address } = await startServer(FROM_SOURCE, [dir, "-i", "127.0.0.1:0"]);
    this.#running.push(server);
    return { address, dir };
  }
}
