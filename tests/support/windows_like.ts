// A file system in memory that holds as little as Windows does: no modes, owners or attributes, times to the millisecond, names
// that Windows allows, one name for all spellings in upper and lower case.

import { CannotHoldError } from "../../core/errors.ts";
import { type FileSystem, type Meta, NO_ID, type Stat, USUAL_MODES, type WritableFile } from "../../core/fs.ts";
import { joinPath, nameOf, namesOf, parentOf, type RelPath, ROOT } from "../../core/path.ts";
import { surveyOf } from "../../core/survey.ts";
import { windowsPath } from "../../core/windows_path.ts";
import type { MemoryFs } from "./memory_fs.ts";

const MS = 1_000_000n;

/** What Windows would have of `fs`, where symbolic links can be made. */
export function windowsLike(fs: MemoryFs): FileSystem {
  return lesserFs(fs, (path, target) => fs.symlink(path, target));
}

/** What Windows would have of `fs`, where they cannot. */
export function windowsWithoutLinks(fs: MemoryFs): FileSystem {
  return lesserFs(fs, () => {
    throw new CannotHoldError("this system makes no symbolic links");
  });
}

function lesserFs(fs: MemoryFs, symlink: FileSystem["symlink"]): FileSystem {
  const plain = (stat: Stat): Stat => ({ ...stat, mode: USUAL_MODES[stat.kind], uid: NO_ID, gid: NO_ID, ctimeNs: 0n });
  const floor = ({ mtimeNs }: Meta): Meta => ({ mtimeNs: mtimeNs - (mtimeNs % MS + MS) % MS });
  /** The path as it is spelt on the disk. */
  const spelt = (path: RelPath): RelPath => {
    windowsPath("C:\\", path);
    return namesOf(path).reduce<RelPath>((dir, name) => {
      if (fs.lstat(dir)?.kind !== "dir") return joinPath(dir, name);
      const names = fs.list(dir).map((entry) => entry.name);
      return joinPath(dir, names.find((other) => other.toUpperCase() === name.toUpperCase()) ?? name);
    }, ROOT);
  };
  const moved = (path: RelPath) => joinPath(spelt(parentOf(path)), nameOf(path));
  const list = (dir: RelPath) => fs.list(spelt(dir)).map(({ name, stat }) => ({ name, stat: plain(stat) }));
  const lesser: Partial<FileSystem> = {
    features: {
      ...fs.features,
      layer: "portable",
      timeStepNs: MS,
      modes: false,
      owners: false,
      xattrs: false,
      movesDirs: false,
    },
    list,
    survey: (dir, known) => surveyOf(dir, list(dir), known),
    lstat(path) {
      const stat = fs.lstat(spelt(path));
      return stat && plain(stat);
    },
    openFile(path) {
      const file = fs.openFile(spelt(path));
      return {
        stat: () => plain(file.stat()),
        readAt: (at, into) => file.readAt(at, into),
        dataFrom: (at) => at,
        [Symbol.dispose]: () => file[Symbol.dispose](),
      };
    },
    createFile(path): WritableFile {
      const file = fs.createFile(spelt(path), 0o644);
      return {
        write: (bytes) => file.write(bytes),
        clone: () => false,
        copy: () => 0,
        skip: (length) => file.skip(length),
        setMeta: (meta) => file.setMeta(floor(meta)),
        sync: () => file.sync(),
        finish: () => plain(file.finish()),
        [Symbol.dispose]: () => file[Symbol.dispose](),
      };
    },
    mkdir: (path) => fs.mkdir(spelt(path), 0o755),
    rename: (from, to) => fs.rename(spelt(from), spelt(to) === spelt(from) ? moved(to) : spelt(to)),
    renameNew: (from, to) => fs.renameNew(spelt(from), spelt(to)),
    link: (from, to) => fs.link(spelt(from), spelt(to)),
    symlink: (path, target) => symlink(spelt(path), target),
    setMeta: (path, meta) => plain(fs.setMeta(spelt(path), floor(meta))),
    chown() {},
    xattrs: () => new Map(),
    setXattrs() {},
    exchange: () => false,
  };
  return new Proxy<FileSystem>(fs, {
    get(object, key) {
      const value = Reflect.get(lesser, key) ?? Reflect.get(object, key, object);
      return typeof value === "function" ? value.bind(object) : value;
    },
  });
}
