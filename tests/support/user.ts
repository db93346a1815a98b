// A user who works on a directory: random programs of saves, edits, renames, moves and deletions.

import { isPrivateName, joinPath, parentOf, type RelPath, ROOT } from "../../core/path.ts";
import { removeTree } from "../../core/fs.ts";
import type { MemoryFs } from "./memory_fs.ts";
import { pick, type Random } from "./seed.ts";

const NAMES = ["a", "b", "c", "d", "e f", "-g", "h\n", "é", "i'\"", "J"];

/** Does one random thing, to entries with `names`. @returns The paths that a watcher names who misses nothing. */
export function doSomething(fs: MemoryFs, random: Random, names: readonly string[] = NAMES): RelPath[] {
  const all = everything(fs);
  const dirs = all.filter(({ kind }) => kind === "dir").map(({ path }) => path);
  const files = all.filter(({ kind }) => kind === "file").map(({ path }) => path);
  const some = all.filter(({ path }) => path !== ROOT).map(({ path }) => path);
  const fresh = () => joinPath(pick(random, dirs), pick(random, names));
  const kindOf = (path: RelPath) => fs.lstat(path)?.kind;
  switch (random(23)) {
    case 0:
    case 1:
    case 2: {
      const path = fresh();
      if (kindOf(path) === "dir" || kindOf(path) === "symlink") return [];
      fs.writeFile(path, content(random));
      return [path];
    }
    case 3: {
      const path = fresh();
      if (kindOf(path)) return [];
      fs.mkdir(path, pick(random, [0o755, 0o700, 0o775]));
      return [path];
    }
    case 4: {
      // An editor's atomic save.
      if (files.length === 0) return [];
      const path = pick(random, files), temp = joinPath(parentOf(path), "save.tmp");
      fs.writeFile(temp, content(random));
      fs.rename(temp, path);
      return [temp, path];
    }
    case 5: {
      if (files.length === 0) return [];
      const path = pick(random, files);
      fs.appendFile(path, content(random));
      return [path];
    }
    case 6: {
      if (files.length === 0) return [];
      const path = pick(random, files);
      const bytes = fs.readFile(path);
      if (bytes.length === 0) return [];
      bytes[random(bytes.length)]! ^= 1 + random(255);
      fs.writeFile(path, bytes);
      return [path];
    }
    case 7:
    case 8:
    case 9: {
      if (some.length === 0) return [];
      const from = pick(random, some), to = fresh();
      return rename(fs, from, to) ? [from, to] : [];
    }
    case 10: {
      // Two entries swap their names.
      if (some.length < 2) return [];
      const a = pick(random, some), b = pick(random, some), temp = joinPath(ROOT, "swap.tmp");
      if (a === b || a.startsWith(b + "/") || b.startsWith(a + "/")) return [];
      fs.rename(a, temp);
      fs.rename(b, a);
      fs.rename(temp, b);
      return [a, b, temp];
    }
    case 11: {
      if (some.length === 0) return [];
      const path = pick(random, some);
      removeTree(fs, path);
      return [path];
    }
    case 12: {
      const path = fresh();
      if (kindOf(path)) return [];
      fs.symlink(path, pick(random, ["a", "../b", "/etc/passwd", "nowhere"]));
      return [path];
    }
    case 13: {
      if (some.length === 0) return [];
      const path = pick(random, some);
      const stat = fs.lstat(path)!;
      fs.setMeta(path, {
        ...(stat.kind === "symlink" ? {} : { mode: stat.kind === "dir" ? 0o751 : 0o640 }),
        mtimeNs: BigInt(random(1e9)) * 1_000_000_007n,
      });
      return [path];
    }
    case 14: {
      // Parent and child change places.
      const nested = dirs.filter((path) => path !== ROOT && parentOf(path) !== ROOT);
      if (nested.length === 0) return [];
      const child = pick(random, nested), parent = parentOf(child), temp = joinPath(ROOT, "nest.tmp");
      if (kindOf(joinPath(child, "was parent"))) return [];
      fs.rename(child, temp);
      fs.rename(parent, joinPath(temp, "was parent"));
      fs.rename(temp, parent);
      return [child, temp, parent, joinPath(parent, "was parent")];
    }
    case 15: {
      // Another name for a file or symbolic link.
      const from = pick(random, all).path, to = fresh();
      if (kindOf(from) === "dir" || kindOf(to)) return [];
      fs.link(from, to);
      // Linux says nothing of the name that it had.
      return [to];
    }
    case 16: {
      // One name of several becomes a file of its own.
      if (files.length === 0) return [];
      const path = pick(random, files), temp = joinPath(parentOf(path), "copy.tmp");
      const { mode, mtimeNs } = fs.lstat(path)!;
      fs.writeFile(temp, fs.readFile(path));
      fs.setMeta(temp, { mode, mtimeNs });
      fs.rename(temp, path);
      return [temp, path];
    }
    case 17: {
      // Other content, and the size and times put back.
      if (files.length === 0) return [];
      const path = pick(random, files), { mtimeNs } = fs.lstat(path)!;
      fs.writeFile(path, fs.readFile(path).map((byte) => byte ^ 1));
      fs.setMeta(path, { mtimeNs });
      return [path];
    }
    case 18: {
      const path = pick(random, all).path;
      fs.chown(path, pick(random, [0, 1000, 1001]), pick(random, [0, 100]));
      return [path];
    }
    case 19: {
      const path = pick(random, all).path;
      if (kindOf(path) === "symlink") return [];
      const xattrs = new Map(fs.xattrs(path));
      if (random(3) === 0) xattrs.delete("user.a");
      else xattrs.set(pick(random, ["user.a", "user.b"]), Uint8Array.of(random(256)));
      fs.setXattrs(path, xattrs);
      return [path];
    }
    case 20: {
      if (files.length === 0) return [];
      const path = pick(random, files), { mtimeNs } = fs.lstat(path)!;
      fs.setMeta(path, { mode: pick(random, [0o4755, 0o2755, 0o6711, 0o1644, 0o444]), mtimeNs });
      return [path];
    }
    case 21: {
      // A step of a save that takes its time: an empty file, its content, its name.
      const temp = joinPath(ROOT, "slow.tmp"), stat = fs.lstat(temp);
      if (stat?.kind === "file" && stat.size > 0) {
        const to = files.length > 0 && random(4) > 0 ? pick(random, files) : fresh();
        return rename(fs, temp, to) ? [temp, to] : [];
      }
      if (stat && stat.kind !== "file") return [];
      fs.writeFile(temp, stat ? content(random) : new Uint8Array());
      return [temp];
    }
    default: {
      // A backup, as some editors make one: the file moves away, a new one takes its place.
      if (files.length === 0) return [];
      const path = pick(random, files), backup = joinPath(parentOf(path), "backup~");
      if (!rename(fs, path, backup)) return [];
      fs.writeFile(path, content(random));
      return [path, backup];
    }
  }
}

/** Everything in a tree but what belongs to dirsync, the root first. */
export function everything(fs: MemoryFs): { path: RelPath; kind: string }[] {
  const found = [{ path: ROOT, kind: "dir" }];
  for (let i = 0; i < found.length; i++) {
    const { path, kind } = found[i]!;
    if (kind !== "dir") continue;
    for (const { name, stat } of fs.list(path)) {
      if (path !== ROOT || !isPrivateName(name)) found.push({ path: joinPath(path, name), kind: stat.kind });
    }
  }
  return found;
}

function rename(fs: MemoryFs, from: RelPath, to: RelPath): boolean {
  try {
    fs.rename(from, to);
    return true;
  } catch {
    return false;
  }
}

function content(random: Random): Uint8Array {
  const size = pick(random, [0, 1, 10, 100, 3000, 20_000, 100_000]);
  const bytes = new Uint8Array(random(size + 1));
  for (let i = 0; i < bytes.length; i++) bytes[i] = random(256);
  return bytes;
}
