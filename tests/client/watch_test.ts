// A watcher whose root goes and comes back, under a clock that the test turns.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Bell } from "../../client/bell.ts";
import type { Inotify } from "../../client/inotify.ts";
import { POLL_MS, watch } from "../../client/watch.ts";
import { loadLibc } from "../../core/libc.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Limited } from "../support/limited_watches.ts";
import { TempDir } from "../support/temp_dir.ts";

/** A directory that is watched; what is said of it. */
class Scene implements AsyncDisposable {
  readonly #temp = new TempDir();
  readonly above = `${this.#temp.path}/above`;
  readonly dir = `${this.above}/source`;
  readonly clock = new FakeClock();
  said: (string[] | undefined)[] = [];
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  readonly doubt = new Bell();
  /** How many watches there are. */
  readonly #watches: Limited[] = [];

  /** @param most Watches that there are. */
  constructor(most = Infinity) {
    Deno.mkdirSync(this.dir, { recursive: true });
    if (most < Infinity) Deno.mkdirSync(`${this.dir}/one/two`, { recursive: true });
    const limit = (inotify: Inotify) => {
      const limited = new Limited(inotify, most);
      this.#watches.push(limited);
      return limited;
    };
    const failed = (reason: string) => this.said.push(["failed", reason]);
    const limited = (reason: string) => this.said.push(["limited", reason]);
    const dirty = (paths: string[] | undefined) => this.said.push(paths);
    this.#ended = watch(this.dir, { dirty, failed, limited }, this.clock, this.#stop.signal, {
      limit,
      doubt: this.doubt,
    });
  }

  /** From now on there are enough. */
  raise(): void {
    for (const each of this.#watches) each.most = Infinity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    this.#temp[Symbol.dispose]();
  }

  /** Waits until something is said that is as wanted, and takes it; `turn` lets time pass meanwhile. */
  async hears(wanted: string | undefined, { turn = false, times = 1 } = {}): Promise<void> {
    const is = (paths: string[] | undefined) => wanted === undefined ? !paths : paths?.includes(wanted);
    for (
      const end = Date.now() + 10_000;
      this.said.filter(is).length < times;
      await new Promise((resolve) => setTimeout(resolve, 5))
    ) {
      assert(Date.now() < end, `not told of ${wanted}, but ${JSON.stringify(this.said)}`);
      if (turn) await this.clock.pass(500);
    }
    this.said = [];
  }
}

Deno.test({
  name: "watching a root: where there are no more watches that is said once, and the rest polled until there are",
  ignore: !loadLibc(),
  fn: async () => {
    await using scene = new Scene(2);
    const [first] = scene.said;
    assertEquals(first?.[0], "limited");
    assertMatch(first![1]!, /: sudo sysctl fs\.inotify\.max_user_watches=\d{7,}$/);
    scene.said = [];
    for (let i = 0; i < 2; i++) {
      await scene.clock.pass(POLL_MS);
      assertEquals(scene.said, [["one/two"]]);
      scene.said = [];
    }
    scene.raise();
    await scene.clock.pass(POLL_MS);
    await scene.hears("one/two");
    Deno.writeTextFileSync(`${scene.dir}/one/two/file`, "");
    await scene.hears("one/two/file", { turn: true });
    await scene.clock.pass(3 * POLL_MS);
    assertEquals(scene.said, []);
  },
});

function test(name: string, body: (scene: Scene) => Promise<void>): void {
  Deno.test({
    name: `watching a root: ${name}`,
    ignore: !loadLibc(),
    fn: async () => {
      await using scene = new Scene();
      await body(scene);
    },
  });
}

test("one that is moved away is told at once, and watched again when it is back", async (scene) => {
  Deno.renameSync(scene.dir, `${scene.above}/elsewhere`);
  await scene.hears(undefined);
  Deno.writeTextFileSync(`${scene.above}/elsewhere/unseen`, "");
  Deno.renameSync(`${scene.above}/elsewhere`, scene.dir);
  await scene.hears(undefined, { turn: true });
  Deno.writeTextFileSync(`${scene.dir}/file`, "");
  await scene.hears("file");
});

test("one that is removed is told, and another at its place is watched", async (scene) => {
  Deno.removeSync(scene.dir);
  await scene.hears(undefined);
  Deno.mkdirSync(`${scene.dir}/deeper`, { recursive: true });
  await scene.hears(undefined, { turn: true });
  Deno.writeTextFileSync(`${scene.dir}/deeper/file`, "");
  await scene.hears("deeper/file");
});

test("one that is replaced without any event, as by a mount or in a directory that is moved, is found after a while", async (scene) => {
  const elsewhere = `${scene.above} elsewhere`;
  Deno.renameSync(scene.above, elsewhere);
  await scene.hears(undefined, { turn: true });
  Deno.mkdirSync(scene.dir, { recursive: true });
  await scene.hears(undefined, { turn: true });
  Deno.writeTextFileSync(`${elsewhere}/source/of no interest`, "");
  Deno.writeTextFileSync(`${scene.dir}/file`, "");
  await scene.hears("file");
  assertEquals(scene.said, []);
});

test("one that is replaced without any event, and doubted, is looked at at once; so another event that comes soon is not missed", async (scene) => {
  Deno.renameSync(scene.above, `${scene.above} elsewhere`);
  Deno.mkdirSync(scene.dir, { recursive: true });
  scene.doubt.ring();
  // Once when the old one is given up, once when the new one is watched.
  await scene.hears(undefined, { times: 2 });
  Deno.writeTextFileSync(`${scene.dir}/file`, "");
  await scene.hears("file");
});
