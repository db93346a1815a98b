// A watcher whose root goes and comes back, under a clock that the test turns.

import { assert, assertEquals } from "@std/assert";
import { watch } from "../../client/watch.ts";
import { loadLibc } from "../../core/libc.ts";
import { FakeClock } from "../support/fake_clock.ts";
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

  constructor() {
    Deno.mkdirSync(this.dir, { recursive: true });
    const failed = (reason: string) => this.said.push(["failed", reason]);
    this.#ended = watch(this.dir, { dirty: (paths) => this.said.push(paths), failed }, this.clock, this.#stop.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    this.#temp[Symbol.dispose]();
  }

  /** Waits until something is said that is as wanted, and takes it; `turn` lets time pass meanwhile. */
  async hears(wanted: string | undefined, turn = false): Promise<void> {
    const is = (paths: string[] | undefined) => wanted === undefined ? !paths : paths?.includes(wanted);
    for (const end = Date.now() + 10_000; !this.said.some(is); await new Promise((resolve) => setTimeout(resolve, 5))) {
      assert(Date.now() < end, `not told of ${wanted}, but ${JSON.stringify(this.said)}`);
      if (turn) await this.clock.pass(500);
    }
    this.said = [];
  }
}

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
  await scene.hears(undefined, true);
  Deno.writeTextFileSync(`${scene.dir}/file`, "");
  await scene.hears("file");
});

test("one that is removed is told, and another at its place is watched", async (scene) => {
  Deno.removeSync(scene.dir);
  await scene.hears(undefined);
  Deno.mkdirSync(`${scene.dir}/deeper`, { recursive: true });
  await scene.hears(undefined, true);
  Deno.writeTextFileSync(`${scene.dir}/deeper/file`, "");
  await scene.hears("deeper/file");
});

test("one that is replaced without any event, as by a mount or in a directory that is moved, is found after a while", async (scene) => {
  const elsewhere = `${scene.above} elsewhere`;
  Deno.renameSync(scene.above, elsewhere);
  await scene.hears(undefined, true);
  Deno.mkdirSync(scene.dir, { recursive: true });
  await scene.hears(undefined, true);
  Deno.writeTextFileSync(`${elsewhere}/source/of no interest`, "");
  Deno.writeTextFileSync(`${scene.dir}/file`, "");
  await scene.hears("file");
  assertEquals(scene.said, []);
});
