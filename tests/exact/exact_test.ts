// Promise P1, judged by others: trees of every kind of entry, made and changed at random, are mirrored by real processes and
// compared by Python's system calls and, where there is one, by rsync.

import { assert, assertEquals } from "@std/assert";
import { ownCalls } from "../../core/open_fs.ts";
import {
  canRun,
  FROM_SOURCE,
  type Program,
  run,
  startServer,
  UNPRIVILEGED,
  unprivilegedProgram,
} from "../support/program.ts";
import { Scene } from "../support/scene.ts";
import { seedCount } from "../support/seed.ts";
import { TempDir } from "../support/temp_dir.ts";
import { until } from "../support/trees.ts";

const SEEDS = seedCount(1);
const FIRST = Number(Deno.env.get("SEED") ?? 1);
const TREE = new URL("./tree.py", import.meta.url).pathname;

/** A way to run it all, and what can be expected of it. */
interface Way {
  readonly name: string;
  /** What is put before every command. */
  readonly prefix: readonly string[];
  /** What is made and compared. */
  readonly scope: readonly string[];
  /** How often the source is changed while a client runs. */
  readonly rounds: number;
  /** Whether this machine can do it. */
  readonly works: boolean;
}

const PORTABLE_SCOPE = ["--no-ns", "--no-xattrs", "--no-bytes", "--no-deep"];
const posix = ownCalls() !== undefined;
const WAYS: readonly Way[] = [
  { name: "posix layer", prefix: ["env"], scope: [], rounds: 3, works: posix },
  {
    name: "posix layer, unprivileged",
    prefix: UNPRIVILEGED,
    scope: [],
    rounds: 3,
    works: posix && canRun(...UNPRIVILEGED, "true"),
  },
  { name: "portable layer", prefix: ["env", "DIRSYNC_FS=portable"], scope: PORTABLE_SCOPE, rounds: 1, works: true },
];

const python = Deno.build.os === "linux" && canRun("python3", "-c", "import os; os.listxattr");
const unprivileged = unprivilegedProgram();
const rsync = canRun("rsync", "--version");

/** Runs a command. @returns What it printed. @throws {Error} If it fails with a status not in `fine`. */
function out([command, ...args]: readonly string[], fine = [0]): string {
  const { code, stdout, stderr } = new Deno.Command(command!, { args, stdin: "null" }).outputSync();
  const text = new TextDecoder().decode(stdout);
  if (!fine.includes(code)) {
    throw new Error(`${command} ended with ${code}: ${text}${new TextDecoder().decode(stderr)}`);
  }
  return text.trim();
}

/** One tree and what is done with it. */
class Judged extends Scene {
  constructor(readonly way: Way) {
    super([...way.prefix, ...FROM_SOURCE] as unknown as Program);
  }

  make(seed: number): void {
    out([...this.way.prefix, "python3", TREE, "make", String(seed), this.source, ...this.way.scope]);
  }

  change(seed: number): void {
    out([...this.way.prefix, "python3", TREE, "change", String(seed), this.source, ...this.way.scope, "--count", "25"]);
  }

  /** What differs. */
  difference(): string {
    const { prefix, scope } = this.way;
    return out([...prefix, "python3", TREE, "compare", this.source, this.mirror, ...scope], [0, 1]);
  }

  /** What rsync would do to make them equal. It takes no path of more than 4,096 bytes, nor milliseconds for nanoseconds. */
  byRsync(): string {
    if (!rsync || this.way.scope.length > 0) return "";
    const args = ["-aHAXSn", "--no-D", "--delete", "--numeric-ids", "--itemize-changes"];
    const left = ["--exclude=/.dirsync", "--exclude=/deep"];
    const lines = out([...this.way.prefix, "rsync", ...args, ...left, `${this.source}/`, `${this.mirror}/`]).split(
      "\n",
    );
    return lines.filter((line) => !line.startsWith("skipping non-regular file")).join("\n");
  }

  options(): string[] {
    return this.way.scope.includes("--no-xattrs") ? [] : ["--xattrs"];
  }
}

Deno.test({
  name: "exact: the comparison sees every kind of difference",
  ignore: !python,
  fn() {
    using dir = new TempDir();
    assert(out(["python3", TREE, "selftest", dir.path]).endsWith("are found"));
  },
});

for (const way of WAYS) {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    Deno.test({
      name: `exact: ${way.name}, seed ${seed}: once after any changes, then live`,
      ignore: !python || !way.works,
      async fn() {
        await using scene = new Judged(way);
        scene.make(seed);
        const { address } = await scene.server();
        for (let round = 0; round < 3; round++) {
          if (round > 0) scene.change(seed * 100 + round);
          const { client, status } = await scene.once(address, ...scene.options());
          const where = `seed ${seed}, round ${round}`;
          for (const event of client.events) {
            if (event.event === "problem") assert(event.message.includes("neither a file"), JSON.stringify(event));
          }
          assert(status === 0 || status === 3, `${where}: ${client.stderr}`);
          assertEquals(scene.difference(), "", where);
          assertEquals(scene.byRsync(), "", where);
        }
        const client = scene.client(address, ...scene.options());
        await client.event("synced");
        for (let round = 3; round < 3 + way.rounds; round++) {
          scene.change(seed * 100 + round);
          try {
            await until(() => scene.difference() || scene.byRsync());
          } catch (error) {
            const told = client.events.slice(-10).map((event) => JSON.stringify(event)).join("\n");
            throw new Error(`${(error as Error).message}\n${told}\n${client.stderr}`);
          }
        }
      },
    });
  }
}

Deno.test({
  name: "exact: what a server may not set, its mirror gives back",
  ignore: !posix || !python || !unprivileged || Deno.uid() !== 0,
  async fn() {
    await using scene = new Judged(WAYS[0]!);
    scene.make(FIRST);
    const first = await startServer(unprivileged!, [scene.mirror, "-i", "127.0.0.1:0"]);
    await using _first = first.server;
    await scene.once(first.address, "--xattrs");
    const told = first.server.events.flatMap((event) => event.event === "warning" ? [event.message] : []);
    assertEquals(told.filter((message) => message.includes("may not give files to their owners")).length, 1, `${told}`);
    assert(scene.difference().includes("owner"), "nothing was kept from the mirror");

    const back = `${scene.path}/back`;
    const second = await startServer(FROM_SOURCE, [back, "-i", "127.0.0.1:0"]);
    await using _second = second.server;
    const args = [
      "client",
      scene.mirror,
      "-s",
      second.address,
      "--once",
      "--xattrs",
      "--state",
      `${scene.path}/state2`,
    ];
    await run(unprivileged!, args);
    assertEquals(out(["python3", TREE, "compare", scene.source, back], [0, 1]), "");
    // Who changes an entry of the mirror means what is there then.
    const changed = [...Deno.readDirSync(scene.mirror)].find(({ isFile }) => isFile)!.name;
    Deno.chmodSync(`${scene.mirror}/${changed}`, 0o611);
    await run(unprivileged!, args);
    assertEquals(Deno.lstatSync(`${back}/${changed}`).mode! & 0o7777, 0o611);
  },
});
