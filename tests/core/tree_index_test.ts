import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { parsePath, type RelPath, ROOT } from "../../core/path.ts";
import { ROOT_ID } from "../../core/schema.ts";
import { CHUNKS_FROM_BYTES, TreeIndex } from "../../core/tree_index.ts";
import type { Entry } from "../../core/types.ts";
import { plain } from "../support/entries.ts";
import { pick, seeded } from "../support/seed.ts";
import { TempDir } from "../support/temp_dir.ts";

const DIR: Entry = { kind: "dir", ...plain(0o755, 1n) };
const CONTENT = "ab".repeat(32);
const FILE: Entry = { kind: "file", ...plain(0o644, 2n), size: 5, average: 2048, content: CONTENT };
const LINK: Entry = { kind: "symlink", ...plain(0o777, 3n), target: "to \udcff" };
const SEEN = { ino: 7n, mtimeNs: 3n, ctimeNs: 4n, mode: 0o777, uid: 0, gid: 2 ** 32 - 2, racy: false };
const ODD = "n\udce9 \udc80";

function index(): TreeIndex {
  return new TreeIndex(":memory:");
}

Deno.test("TreeIndex finds what was put, names and targets that are not UTF-8 too", () => {
  using tree = index();
  const dir = tree.put(ROOT_ID, ODD, DIR, undefined);
  const link = tree.put(dir, "link", LINK, { ...SEEN, ino: 2n ** 64n - 7n, racy: true });
  assertEquals(tree.find(`${ODD}/link` as RelPath)?.entry, LINK);
  assertEquals(tree.pathOf(link), `${ODD}/link` as RelPath);
  assertEquals(tree.withInode(2n ** 64n - 7n).map(({ id }) => id), [link]);
  assertEquals(tree.racy(10), [link]);
  assertEquals(tree.find(parsePath("none/at all")), undefined);
  assertEquals(tree.count(), 2);
});

Deno.test("TreeIndex moves a directory with all that is in it, into a slot and out again", () => {
  using tree = index();
  const dir = tree.put(ROOT_ID, "dir", DIR, undefined);
  const file = tree.put(dir, "file", FILE, undefined);
  tree.park(tree.get(dir)!, 3);
  assertEquals(tree.pathOf(file), undefined);
  assertEquals(tree.slotOf(file), { slot: 3, below: parsePath("file") });
  assertEquals(tree.inSlot(3, parsePath("file"))?.id, file);
  tree.move(tree.parked(3)!, ROOT_ID, "other");
  assertEquals(tree.pathOf(file), parsePath("other/file"));
  assertEquals(tree.find(parsePath("dir/file")), undefined);
  tree.remove(dir);
  assertEquals(tree.count(), 0);
});

Deno.test("rootHash() is the same for the same tree, however it came about, and different for any difference", () => {
  const build = (change: (tree: TreeIndex, dir: number) => void = () => {}): string => {
    using tree = index();
    const dir = tree.put(ROOT_ID, "dir", DIR, undefined);
    tree.put(dir, "file", FILE, undefined);
    tree.put(dir, "link", LINK, undefined);
    // Looked at before the change, so that a hash which is not made again would be noticed.
    tree.rootHash();
    change(tree, dir);
    return tree.rootHash();
  };
  const before = build();
  assertEquals(
    build((tree, dir) => {
      tree.put(ROOT_ID, "x", FILE, undefined);
      tree.move(tree.child(dir, "link")!, ROOT_ID, "l");
      tree.rootHash();
      tree.move(tree.child(ROOT_ID, "l")!, dir, "link");
      tree.remove(tree.child(ROOT_ID, "x")!.id);
    }),
    before,
  );
  const differ: ((tree: TreeIndex, dir: number) => void)[] = [
    (tree, dir) => tree.move(tree.child(dir, "file")!, dir, "File"),
    (tree, dir) => tree.move(tree.child(dir, "file")!, ROOT_ID, "file"),
    ...[plain(0o600, 2n), plain(0o644, 3n), ...["uid", "gid", "link"].map((key) => ({ ...FILE, [key]: 1 })), {
      ...FILE,
      xattrs: CONTENT,
    }].map((attributes) => (tree: TreeIndex, dir: number) => tree.setAttributes(tree.child(dir, "file")!, attributes)),
    (tree, dir) => tree.setAttributes(tree.get(dir)!, plain(0o755, 2n)),
    (tree, dir) => tree.setMeta(tree.get(dir)!, plain(0o755, 20n), SEEN),
    (tree) => tree.setAttributes(tree.get(ROOT_ID)!, plain(0o700, 0n)),
    (tree, dir) => void tree.put(dir, "file", { ...FILE, content: "cd".repeat(32) } as Entry, undefined),
    (tree, dir) => void tree.put(dir, "file", { ...FILE, average: 4096 } as Entry, undefined),
    (tree, dir) => void tree.put(dir, "link", { ...LINK, target: "to" } as Entry, undefined),
    (tree, dir) => void tree.remove(tree.child(dir, "link")!.id),
    (tree, dir) => void tree.put(dir, "new", DIR, undefined),
  ];
  const hashes = differ.map(build);
  for (const hash of hashes) assertNotEquals(hash, before);
  assertEquals(new Set(hashes).size, hashes.length);
});

Deno.test("TreeIndex undoes what was not committed, and begins again after a transaction that was left open", () => {
  using tree = index();
  tree.put(ROOT_ID, "kept", FILE, undefined);
  const hash = tree.rootHash();
  tree.begin();
  tree.put(ROOT_ID, "lost", DIR, undefined);
  tree.begin();
  assertEquals(tree.find(parsePath("lost")), undefined);
  tree.rollback();
  assertEquals(tree.rootHash(), hash);
});

Deno.test("TreeIndex forgets the print of a directory with any change of a row in it, and keeps it over all others", () => {
  const PRINT = CONTENT, MOVED = parsePath("elsewhere");
  const changes: [keeps: boolean, name: string, change: (tree: TreeIndex, dir: number, file: number) => void][] = [
    [false, "put", (tree, dir) => tree.put(dir, "new", FILE, SEEN)],
    [false, "put again", (tree, dir) => tree.put(dir, "file", FILE, SEEN)],
    [false, "setAttributes", (tree, _, file) => tree.setAttributes(tree.get(file)!, plain(0o600, 9n))],
    [false, "setMeta", (tree, _, file) => tree.setMeta(tree.get(file)!, plain(0o600, 9n), SEEN)],
    [false, "setSeen", (tree, _, file) => tree.setSeen(file, undefined)],
    [false, "move away", (tree, _, file) => tree.move(tree.get(file)!, ROOT_ID, MOVED)],
    [false, "move here", (tree, dir) => tree.move(tree.find(parsePath("other"))!, dir, "other")],
    [false, "park", (tree, _, file) => tree.park(tree.get(file)!, 1)],
    [false, "keep", (tree, _, file) => tree.keep(tree.get(file)!, "1/file")],
    [false, "remove", (tree, _, file) => void tree.remove(file)],
    [false, "separate", (tree, _, file) => tree.separate(8, file + 1000)],
    [false, "another at its place", (tree, dir) => {
      tree.remove(dir);
      tree.put(ROOT_ID, "dir", DIR, SEEN);
    }],
    [true, "of a file elsewhere", (tree) => tree.put(ROOT_ID, "other", FILE, SEEN)],
    [true, "its own name", (tree, dir) => tree.move(tree.get(dir)!, ROOT_ID, MOVED)],
    [true, "below another in it", (tree) => tree.put(tree.find(parsePath("dir/sub"))!.id, "file", FILE, SEEN)],
    [true, "hashes", (tree) => void tree.rootHash()],
  ];
  for (const [keeps, name, change] of changes) {
    using temp = new TempDir();
    const file = `${temp.path}/index.sqlite`;
    {
      using tree = new TreeIndex(file);
      const dir = tree.put(ROOT_ID, "dir", DIR, SEEN);
      tree.put(dir, "file", { ...FILE, link: 8 }, SEEN);
      tree.put(dir, "sub", DIR, SEEN);
      tree.put(ROOT_ID, "other", FILE, SEEN);
      assertEquals(tree.print(dir), undefined);
      tree.setPrint(dir, PRINT);
    }
    using tree = new TreeIndex(file);
    const dir = tree.find(parsePath("dir"))!.id;
    assertEquals(tree.print(dir), PRINT);
    const prints = () =>
      [parsePath("dir"), MOVED].map((path) => tree.find(path)).flatMap((node) => node && tree.print(node.id) || []);
    for (const undone of [true, false]) {
      tree.begin();
      change(tree, dir, tree.find(parsePath("dir/file"))!.id);
      assertEquals(prints(), keeps ? [PRINT] : [], name);
      if (undone) tree.rollback();
      else tree.commit();
      if (undone) assertEquals(prints(), [PRINT], name);
    }
  }
});

Deno.test("TreeIndex knows a tree as a plain map does, through any operations", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    using tree = index();
    const model = new Map<string, Entry>();
    const names = ["a", "b", "c", ODD];
    const below = (path: string) => [...model.keys()].filter((other) => other === path || other.startsWith(`${path}/`));
    for (let i = 0; i < 200; i++) {
      const dirs = ["", ...[...model].filter(([, { kind }]) => kind === "dir").map(([path]) => path)];
      const dir = pick(random, dirs), name = pick(random, names);
      const path = dir ? `${dir}/${name}` : name;
      const parent = tree.find(dir as RelPath)!.id;
      const there = tree.child(parent, name);
      assertEquals(there?.entry, model.get(path), `seed ${seed}: ${path}`);
      const action = random(4);
      if (action < 2) {
        const entry = pick(random, [DIR, FILE, LINK]);
        if (there && there.entry.kind !== entry.kind) below(path).forEach((each) => model.delete(each));
        tree.put(parent, name, entry, undefined);
        model.set(path, entry);
      } else if (action === 2 && there) {
        tree.remove(there.id);
        below(path).forEach((each) => model.delete(each));
      } else if (there) {
        const to = pick(random, dirs), target = to ? `${to}/moved` : "moved";
        if (model.has(target) || to === path || to.startsWith(`${path}/`)) continue;
        tree.move(there, tree.find(to as RelPath)!.id, "moved");
        for (const each of below(path)) {
          model.set(target + each.slice(path.length), model.get(each)!);
          model.delete(each);
        }
      }
      if (random(10) === 0) tree.rootHash();
    }
    for (const [path, entry] of model) assertEquals(tree.find(path as RelPath)?.entry, entry, `seed ${seed}: ${path}`);
    assertEquals(tree.count(), model.size);
  }
});

Deno.test("a damaged index file, or one of another version, is made anew", () => {
  using dir = new TempDir();
  const file = `${dir.path}/index.sqlite`;
  {
    using tree = new TreeIndex(file);
    tree.put(ROOT_ID, "file", FILE, undefined);
    tree.setFact("mirror id", "x");
  }
  {
    using tree = new TreeIndex(file);
    assertEquals(tree.find(parsePath("file"))?.entry, FILE);
    assertEquals(tree.fact("mirror id"), "x");
  }
  Deno.writeTextFileSync(file, "this is no database, but it is longer than a header of one would be ".repeat(100));
  using tree = new TreeIndex(file);
  assertEquals(tree.count(), 0);
  assert(tree.find(ROOT));
});

Deno.test("what is given attributes, and how it was seen with them, has both, whichever inode it is of by now", () => {
  using tree = index();
  const id = tree.put(ROOT_ID, "file", FILE, SEEN);
  for (const ino of [SEEN.ino, 77n]) {
    const seen = { ...SEEN, ino, mtimeNs: 5n, ctimeNs: 6n, mode: 0o600, uid: 7, gid: 8, racy: true };
    const attributes = { mode: 0o640, mtimeNs: 9n, uid: 10, gid: 11, link: 12, xattrs: CONTENT };
    tree.setMeta(tree.get(id)!, attributes, seen);
    assertEquals(tree.get(id)!.seen, seen);
    assertEquals(tree.get(id)!.entry, { ...FILE, ...attributes });
    assertEquals(tree.withInode(ino).length, 1);
  }
});

Deno.test("what a version and the one that it replaced have in common, is known by the newer; the rest by the one that is kept", () => {
  using tree = index();
  const [a, b, c] = ["aa", "bb", "cc"].map((text) => text.repeat(32)) as [string, string, string];
  const size = CHUNKS_FROM_BYTES, entry: Entry = { ...FILE, size, average: 16384 };
  const recipeOf = (...digests: string[]) => ({ average: 16384, lengths: digests.map(() => size / 2), digests });
  const first = tree.put(ROOT_ID, "file", entry, SEEN, recipeOf(a, b));
  tree.keep(tree.get(first)!, "1/file");
  const second = tree.put(ROOT_ID, "file", entry, SEEN, recipeOf(b, c), first);
  const kept = tree.kept(parsePath("1/file"))!;
  assertEquals([a, b, c].map((digest) => tree.holderOf(digest)), [kept.id, second, second]);
  assertEquals([tree.recipe(kept.id), tree.recipe(second)], [recipeOf(a, b), recipeOf(b, c)]);
  assertEquals(tree.find(parsePath("file"))?.id, second);
  assertNotEquals(kept.id, second);
  tree.remove(kept.id);
  assertEquals([a, b, c].map((digest) => tree.holderOf(digest)), [undefined, second, second]);
  // A version that is not kept leaves nothing.
  tree.remove(second);
  const third = tree.put(ROOT_ID, "file", entry, SEEN, recipeOf(c), second);
  assertEquals([a, b, c].map((digest) => tree.holderOf(digest)), [undefined, undefined, third]);
});
