// What a real server has asked of the system, done again up to each sync on a disk whose power is then cut: what is left in the mirror
// is, whole, versions that the source held; when the server tells its client that a commit is done, all of it is left; and what it has
// told once is there ever after, in the mirror or its history. tests/simulate/crash_disk.ts says what a power cut takes: it is as
// lawless as btrfs and F2FS are, but no more, and it knows contents and names, no attributes. That the system's own syncs do what they
// say, and what a restart makes of what is left, is not tried here (tests/simulate, tests/e2e/kill_test.ts).

import { assert, assertEquals } from "@std/assert";
import { parsePath, type RelPath, ROOT } from "../../core/path.ts";
import { CrashDisk } from "../simulate/crash_disk.ts";
import { MemoryFs } from "../support/memory_fs.ts";
import { FROM_SOURCE, startServer } from "../support/program.ts";
import { type Done, doneBy } from "../support/replay.ts";
import { noise, Scene } from "../support/scene.ts";
import { seeded } from "../support/seed.ts";
import {
  type Call,
  endTraced,
  handlesOf,
  isSent,
  readTrace,
  stringsOf,
  traced,
  whyNoStrace,
} from "../support/strace.ts";

const WHY_NOT = whyNoStrace();

/** The frame that says that a commit is done, and nothing of it failed (core/wire.ts). */
const COMMITTED = "\0\0\0\x02D\0";

/** The power is cut at each sync, each time otherwise: these leave little of what was not synced, half of it, most. */
const CUTS = [7, 19, 12, 10, 30];

/** What the user does, one step for each run of the client. */
const STEPS: readonly ((scene: Scene) => void)[] = [
  (scene) => {
    for (const name of ["a", "b", "empty", "dir/c", "dir/deep/d"]) {
      scene.write(name, name === "empty" ? "" : `first ${name}`);
    }
    scene.write("large", noise(300_000));
    Deno.symlinkSync("a", scene.here("link"));
  },
  (scene) => {
    scene.write("a", "second a");
    scene.write("large", noise(300_000).fill(1, 1000, 1100));
    Deno.linkSync(scene.here("b"), scene.here("twin"));
  },
  // Two names change places.
  (scene) => {
    Deno.renameSync(scene.here("a"), scene.here("temp"));
    Deno.renameSync(scene.here("dir/c"), scene.here("a"));
    Deno.renameSync(scene.here("temp"), scene.here("dir/c"));
  },
  // A directory moves into the one that was in it.
  (scene) => {
    Deno.renameSync(scene.here("dir/deep"), scene.here("temp"));
    Deno.renameSync(scene.here("dir"), scene.here("temp/dir"));
    Deno.renameSync(scene.here("temp"), scene.here("dir"));
  },
  // More than are synced one by one.
  (scene) => {
    for (let i = 0; i < 20; i++) scene.write(`many/${i % 10}/${i}`, `file ${i}`);
    Deno.removeSync(scene.here("b"));
  },
  (scene) => {
    Deno.renameSync(scene.here("many"), scene.here("moved"));
    Deno.removeSync(scene.here("dir"), { recursive: true });
    scene.write("moved/0/0", "another file 0");
  },
];

Deno.test({
  name: `durable: what the server has synced, call by call${WHY_NOT === undefined ? "" : ` (not tried: ${WHY_NOT})`}`,
  ignore: WHY_NOT !== undefined,
  fn: async () => {
    await using scene = new Scene();
    Deno.mkdirSync(scene.mirror);
    const program = traced(`${scene.path}/trace`, FROM_SOURCE);
    const args = [scene.mirror, "-i", "127.0.0.1:0", "--state", `${scene.path}/server`];
    const { server, address } = await startServer(program, args);
    const held = new Set<string>();
    try {
      for (const step of STEPS) {
        step(scene);
        for (const content of filesOf(scene.source)) held.add(content);
        assertEquals((await scene.once(address)).status, 0);
      }
    } finally {
      endTraced(server.pid);
      await server.ended();
    }
    const found = check(readTrace(scene.path, "trace"), scene.mirror, held);
    assert(found.syncs > 50, `${found.syncs} syncs`);
    assert(found.commits >= STEPS.length, `${found.commits} commits`);
  },
});

/** Goes through all that the server did. @returns How often something was made to last, and how many commits were told. */
function check(calls: readonly Call[], mirror: string, held: ReadonlySet<string>): { syncs: number; commits: number } {
  // The index is a cache, made anew where it is damaged; the lock is empty.
  const isPassedOver = (path: RelPath) => /^\.dirsync\/(index\.sqlite|lock)/.test(path);
  const done: Done[] = [];
  /** What was told last, when so much had been done. */
  let told: ReadonlyMap<RelPath, string> = new Map();
  let syncs = 0, commits = 0;
  for (const call of calls) {
    if (isSent(call.name) && handlesOf(call)[0]?.startsWith("socket:")) {
      const sent = stringsOf(call).map((bytes) => String.fromCharCode(...bytes)).join("");
      if (!sent.includes(COMMITTED)) continue;
      commits++;
      told = visible(after(done));
      for (const seed of CUTS) {
        assertEquals(
          visible(after(done, seed)),
          told,
          `what a power cut leaves as commit ${commits} is told, seed ${seed}`,
        );
      }
      continue;
    }
    const next = doneBy(call, mirror, isPassedOver);
    if (!next) continue;
    done.push(next);
    if (!next.isSync) continue;
    syncs++;
    for (const seed of CUTS) {
      const where = `a power cut after sync ${syncs} (${next.what}) and ${commits} commits, seed ${seed}`;
      const left = after(done, seed), all = new Set(left.contents().values());
      for (const [path, content] of told) assert(all.has(content), `${where}: ${path} is lost, ${content}`);
      for (const [path, content] of visible(left)) assert(held.has(content), `${where}: ${path} is torn, ${content}`);
    }
  }
  return { syncs, commits };
}

/** The disk after all this, with a seed after a power cut besides. */
function after(done: readonly Done[], seed?: number): MemoryFs {
  const disk = new CrashDisk();
  let now = 0n;
  const fs = new MemoryFs(() => now++, undefined, disk);
  for (const each of done) each.to(fs);
  if (seed !== undefined) disk.cut(seeded(seed));
  return fs;
}

function visible(fs: MemoryFs): Map<RelPath, string> {
  return new Map([...fs.contents({ withoutPrivate: true })].sort(([a], [b]) => a < b ? -1 : 1));
}

/** What is in the files of a real directory, as `MemoryFs` tells it. */
function filesOf(dir: string): string[] {
  const copy = new MemoryFs(() => 0n);
  const walk = (path: string) => {
    for (const { name, isDirectory, isFile } of Deno.readDirSync(path)) {
      if (isDirectory) walk(`${path}/${name}`);
      else if (isFile) copy.writeFile(parsePath(String(copy.list(ROOT).length)), Deno.readFileSync(`${path}/${name}`));
    }
  };
  walk(dir);
  return [...copy.contents().values()];
}
