import { assert, assertEquals } from "@std/assert";
import { Inotify } from "../../client/inotify.ts";
import { TreeWatch } from "../../client/tree_watch.ts";
import { loadLibc } from "../../core/libc.ts";
import { parsePath as p, type RelPath } from "../../core/path.ts";
import { PosixFs } from "../../core/posix_fs.ts";
import { Limited } from "../support/limited_watches.ts";
import { pick, seedCount, seeded } from "../support/seed.ts";
import { TempDir } from "../support/temp_dir.ts";

const libc = loadLibc();
const FIRST = Number(Deno.env.get("SEED") ?? 1);

/** A real directory that is watched. */
class Scene implements AsyncDisposable {
  readonly #temp = new TempDir();
  /** What is watched, and a place beside it. */
  readonly dir = `${this.#temp.path}/tree`;
  readonly outside = `${this.#temp.path}/outside`;
  readonly fs: PosixFs;
  readonly #inotify: Inotify;
  readonly #batches: ReturnType<Inotify["batches"]>;
  readonly watches: Limited;
  readonly tree: TreeWatch;

  /** @param most Watches that there are. */
  constructor(dirs: readonly string[] = [], most?: number) {
    Deno.mkdirSync(this.dir);
    Deno.mkdirSync(this.outside);
    for (const dir of dirs) Deno.mkdirSync(this.at(dir), { recursive: true });
    this.fs = new PosixFs(this.dir, libc!);
    this.#inotify = new Inotify(this.dir, libc!);
    this.watches = new Limited(this.#inotify, most);
    this.tree = new TreeWatch(this.watches);
    this.#batches = this.#inotify.batches();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#inotify[Symbol.dispose]();
    assertEquals((await this.#batches.next()).done, true);
    this.fs[Symbol.dispose]();
    this.#temp[Symbol.dispose]();
  }

  at(path: string): string {
    return `${this.dir}/${path}`;
  }

  write(path: string, text = ""): void {
    Deno.writeTextFileSync(this.at(path), text);
  }

  rename(from: string, to: string): void {
    Deno.renameSync(this.at(from), this.at(to));
  }

  /** What is hinted at after `change`, whose events wait when it returns. */
  async hints(change: () => void): Promise<string[] | undefined> {
    change();
    // Something must come, or nothing would wake us.
    Deno.writeTextFileSync(this.at("last"), "");
    const { value } = await this.#batches.next();
    const hints = this.tree.take(value!);
    return hints && [...hints].filter((path) => path !== "last").sort();
  }
}

function test(name: string, body: () => Promise<void>): void {
  Deno.test({ name: `watching a tree: ${name}`, ignore: !libc, fn: body });
}

test("whatever happens to an entry names its path", async () => {
  await using scene = new Scene(["d/e"]);
  const { fs } = scene;
  const file = p("d/e/f");
  const changes: [RelPath, () => void][] = [
    [file, () => scene.write(file)],
    [file, () => scene.write(file, "x")],
    [file, () => fs.setMeta(file, { mode: 0o600, mtimeNs: 1n })],
    [file, () => fs.setXattrs(file, new Map([["user.a", Uint8Array.of(1)]]))],
    [p("d/e/l"), () => fs.symlink(p("d/e/l"), "f")],
    [p("d/e/g"), () => fs.link(file, p("d/e/g"))],
    [p("d/e"), () => fs.setMeta(p("d/e"), { mode: 0o700, mtimeNs: 1n })],
    [p("d/new"), () => fs.mkdir(p("d/new"), 0o755)],
    [p("d/new"), () => fs.rmdir(p("d/new"))],
    [file, () => fs.unlink(file)],
    [p(""), () => fs.setMeta(p(""), { mtimeNs: 1n })],
  ];
  for (const [path, change] of changes) assert((await scene.hints(change))?.includes(path), `${change}`);
});

test("names that are not UTF-8 are named as they are, and below them all else", async () => {
  await using scene = new Scene();
  const { fs } = scene;
  const odd = "\udcff\udce2" as RelPath, below = `${odd}/\udc80` as RelPath;
  assertEquals(await scene.hints(() => fs.mkdir(odd, 0o755)), [odd]);
  assertEquals(await scene.hints(() => fs.createFile(below, 0o644)[Symbol.dispose]()), [below]);
});

test("after renames of directories, what is in them is named by its new path", async () => {
  await using scene = new Scene(["a/x", "b/y", "c", "empty"]);
  await scene.hints(() => {
    // Two are swapped, then one goes into the other.
    scene.rename("a", "t");
    scene.rename("b", "a");
    scene.rename("t", "b");
    scene.rename("b/x", "a/y/x");
    scene.rename("a", "c/a");
  });
  assertEquals(await scene.hints(() => scene.write("c/a/y/x/f")), ["c/a/y/x/f"]);
  assertEquals(await scene.hints(() => scene.write("c/a/g")), ["c/a/g"]);
  assertEquals(await scene.hints(() => scene.write("b/h")), ["b/h"]);
  // A directory may take the place of an empty one.
  await scene.hints(() => scene.rename("c/a/y", "empty"));
  assertEquals(await scene.hints(() => scene.write("empty/x/i")), ["empty/x/i"]);
});

test("what leaves the tree is told of no more, and is again once it is back", async () => {
  await using scene = new Scene(["d/e"]);
  assertEquals(await scene.hints(() => Deno.renameSync(scene.at("d"), `${scene.outside}/d`)), ["d"]);
  await scene.hints(() => {});
  assertEquals(await scene.hints(() => Deno.writeTextFileSync(`${scene.outside}/d/e/f`, "")), []);
  assertEquals(await scene.hints(() => Deno.renameSync(`${scene.outside}/d`, scene.at("back"))), ["back"]);
  assertEquals(await scene.hints(() => scene.write("back/e/g")), ["back/e/g"]);
});

test("a tree that comes whole is watched whole", async () => {
  await using scene = new Scene();
  assertEquals((await scene.hints(() => Deno.mkdirSync(scene.at("a/b/c"), { recursive: true })))?.includes("a"), true);
  assertEquals(await scene.hints(() => scene.write("a/b/c/f")), ["a/b/c/f"]);
  await scene.hints(() => Deno.removeSync(scene.at("a"), { recursive: true }));
  await scene.hints(() => Deno.mkdirSync(scene.at("a/b/c"), { recursive: true }));
  assertEquals(await scene.hints(() => scene.write("a/b/c/f")), ["a/b/c/f"]);
});

test("symbolic links are not followed, and the private folder is nobody's business", async () => {
  await using scene = new Scene([".dirsync/stage"]);
  await scene.hints(() => {
    Deno.symlinkSync(scene.outside, scene.at("link"));
    Deno.symlinkSync(".", scene.at("loop"));
  });
  assertEquals(await scene.hints(() => Deno.writeTextFileSync(`${scene.outside}/f`, "")), []);
  assertEquals(await scene.hints(() => scene.write(".dirsync/stage/f")), []);
});

test("directories whose paths are longer than the kernel takes are watched", async () => {
  await using scene = new Scene();
  let deep = p("d".repeat(200));
  await scene.hints(() => {
    scene.fs.mkdir(deep, 0o755);
    while (deep.length < 5000) scene.fs.mkdir(deep = p(`${deep}/${"d".repeat(200)}`), 0o755);
  });
  const file = p(`${deep}/f`);
  assertEquals(await scene.hints(() => scene.fs.createFile(file, 0o644)[Symbol.dispose]()), [file]);
});

test("where events are lost anything may have changed, and everything is watched from then on", async () => {
  await using scene = new Scene(["d"]);
  const limit = Number(Deno.readTextFileSync("/proc/sys/fs/inotify/max_queued_events"));
  const hints = await scene.hints(() => {
    // Every other one, as events that are the same as the last are told once.
    for (let i = 0; i <= limit / 2; i++) {
      Deno.chmodSync(scene.at("d"), i % 2 === 0 ? 0o700 : 0o755);
      scene.write("f");
    }
    Deno.mkdirSync(scene.at("new/er"), { recursive: true });
    scene.rename("d", "moved");
  });
  assertEquals(hints, undefined);
  assertEquals(await scene.hints(() => scene.write("new/er/f")), ["new/er/f"]);
  assertEquals(await scene.hints(() => scene.write("moved/f")), ["moved/f"]);
});

test("where there are no more watches the rest is named, and watched once there are some again", async () => {
  await using scene = new Scene(["a/b", "c/d/e", "f"], 3);
  assert(scene.tree.isPartial);
  const isWatched = async (dir: string) => (await scene.hints(() => scene.write(`${dir}/file`, "1")))!.length > 0;
  const watched: string[] = [], rest: string[] = [];
  for (const dir of ["a", "a/b", "c", "c/d", "c/d/e", "f"]) (await isWatched(dir) ? watched : rest).push(dir);
  assertEquals(watched.length, 2);
  // As long as that is so, it is what may have changed: all of it, by the topmost directories.
  for (let i = 0; i < 2; i++) {
    const named = [...scene.tree.retry()!];
    assert(named.every((dir) => rest.includes(dir)));
    for (const dir of rest) assert(named.some((top) => dir === top || dir.startsWith(`${top}/`)), `${dir}: ${named}`);
  }
  assertEquals(await scene.hints(() => Deno.mkdirSync(scene.at("new/er"), { recursive: true })), ["new"]);
  scene.watches.most = Infinity;
  assert(scene.tree.retry()!.has(p("new")));
  assertEquals(scene.tree.isPartial, false);
  for (const dir of [...watched, ...rest, "new/er"]) {
    assertEquals(await scene.hints(() => scene.write(`${dir}/file`, "2")), [`${dir}/file`]);
  }
});

test("a directory that could not be watched and has moved, or gone, is named by the path that it has then", async () => {
  await using scene = new Scene(["a/b/c"], 2);
  assertEquals([...scene.tree.retry()!], ["a/b"]);
  await scene.hints(() => scene.rename("a", "z"));
  scene.tree.retry();
  assertEquals([...scene.tree.retry()!], ["z/b"]);
  await scene.hints(() => Deno.removeSync(scene.at("z"), { recursive: true }));
  scene.tree.retry();
  assertEquals(scene.tree.isPartial, false);
});

test("whatever is done to directories, a change is named by the path that it has then", async () => {
  for (let seed = FIRST; seed < FIRST + seedCount(20); seed++) {
    const random = seeded(seed);
    await using scene = new Scene(["a/a", "b/a", "c"]);
    const dirs = () => {
      const found = [""];
      for (const at of found) {
        for (const { name, isDirectory } of Deno.readDirSync(scene.at(at))) {
          if (isDirectory) found.push(at === "" ? name : `${at}/${name}`);
        }
      }
      return found;
    };
    for (let round = 0; round < 6; round++) {
      await scene.hints(() => {
        for (let i = random(8); i > 0; i--) {
          const all = dirs(), to = [pick(random, all), pick(random, ["a", "b", "c"])].filter(Boolean).join("/");
          try {
            const what = random(10);
            if (what < 3) Deno.mkdirSync(scene.at(to));
            else if (all.length === 1) continue;
            else if (what === 3) Deno.removeSync(scene.at(pick(random, all.slice(1))), { recursive: true });
            else if (what === 4) Deno.renameSync(scene.at(pick(random, all.slice(1))), `${scene.outside}/out`);
            else if (what === 5) Deno.renameSync(`${scene.outside}/out`, scene.at(to));
            else scene.rename(pick(random, all.slice(1)), to);
          } catch {
            // It cannot be done here.
          }
        }
      });
      for (const dir of dirs()) {
        const path = dir === "" ? "f" : `${dir}/f`;
        const hints = await scene.hints(() => scene.write(path, String(round)));
        assertEquals(hints, [path], `seed ${seed}, round ${round}`);
      }
    }
  }
});
