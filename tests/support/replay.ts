// What a traced program did to one directory, done again to a file system in memory.

import type { WritableFile } from "../../core/fs.ts";
import type { RelPath } from "../../core/path.ts";
import type { MemoryFs } from "./memory_fs.ts";
import { type Call, handlesOf, isSent, stringsOf } from "./strace.ts";

/** fchmodat2 and listxattrat, which are newer than many a strace and change no content and no name. */
const NEWER: ReadonlySet<string> = new Set(["syscall_0x1c4", "syscall_0x1d1"]);

/** Something done to the directory. */
export interface Done {
  /** Whether it made something last. */
  readonly isSync: boolean;
  readonly what: string;
  to(fs: MemoryFs): void;
}

/**
 * What a call does to the directory `root`; undefined where that is nothing.
 * @param isPassedOver What of the directory does not matter.
 * @throws {Error} If it does something that cannot be done again.
 */
export function doneBy(call: Call, root: string, isPassedOver: (path: RelPath) => boolean): Done | undefined {
  if (isSent(call.name) || NEWER.has(call.name)) return undefined;
  const below = (path: string) => {
    const isBelow = path === root || path.startsWith(`${root}/`);
    const rel = path.slice(root.length + 1) as RelPath;
    return !isBelow || isPassedOver(rel) ? undefined : rel;
  };
  const texts = stringsOf(call).map((bytes) => new TextDecoder().decode(bytes)), handles = handlesOf(call);
  // A name is relative to the handle before it.
  const at = (text: number, handle: number) =>
    texts[text]!.startsWith("/") ? below(texts[text]!) : below(`${handles[handle]}/${texts[text]}`);
  const number = () => Number(/(\d+)$/.exec(call.args)![1]);
  const done = (to: (fs: MemoryFs) => void, isSync = false): Done => ({
    isSync,
    what: `${call.name} ${texts.join(" ") || path}`,
    to,
  });
  const path = /^(pwrite|ftrunc|f.*sync|syncfs)/.test(call.name)
    ? below(handles[0]!)
    : at(call.name === "symlinkat" ? 1 : 0, 0);
  if (path === undefined) return undefined;
  switch (call.name) {
    case "openat":
    case "openat2":
      return call.args.includes("O_CREAT") ? done((fs) => write(fs, path, () => {})) : undefined;
    case "pwrite64": {
      const bytes = stringsOf(call)[0]!.subarray(0, call.result);
      return done((fs) => write(fs, path, (file) => file.write(bytes)));
    }
    case "ftruncate": {
      const size = number();
      return done((fs) => write(fs, path, (file) => file.skip(size - fs.lstat(path)!.size)));
    }
    case "mkdir":
    case "mkdirat":
      return done((fs) => fs.mkdir(path, 0o700));
    case "symlinkat":
      return done((fs) => fs.symlink(path, texts[0]!));
    case "linkat": {
      const to = at(1, 1)!;
      return done((fs) => fs.link(path, to));
    }
    case "rmdir":
    case "unlink":
    case "unlinkat":
      return done((fs) => fs.lstat(path)!.kind === "dir" ? fs.rmdir(path) : fs.unlink(path));
    case "rename":
    case "renameat":
    case "renameat2": {
      const to = at(1, 1)!;
      return done((fs) => call.args.includes("RENAME_EXCHANGE") ? void fs.exchange(path, to) : fs.rename(path, to));
    }
    case "fsync":
    case "fdatasync":
      return done((fs) => {
        if (fs.lstat(path)!.kind === "dir") fs.syncDir(path);
        else write(fs, path, (file) => file.sync());
      }, true);
    case "syncfs":
      return done((fs) => fs.syncAll(), true);
    default:
      throw new Error(`${call.name} cannot be done again`);
  }
}

/** Does something with a file, which is made if it is not there; dirsync writes its files from the beginning to the end. */
function write(fs: MemoryFs, path: RelPath, what: (file: WritableFile) => void): void {
  using file = fs.appendTo(path, 0o600);
  what(file);
}
