// A file system that stops working at a certain call, as a machine does that crashes there: that call and all later ones fail.

import type { FileSystem, ReadableFile, WritableFile } from "../../core/fs.ts";

/** What a crash looks like from inside. */
export class CrashError extends Error {
  override name = "CrashError";
}

/** Counts the calls that change something. */
export interface Fuse {
  /** Calls left before the crash; Infinity never. */
  left: number;
  /** Calls made. */
  count: number;
}

/** Calls that change something on the disk. */
export const CHANGES: ReadonlySet<string> = new Set([
  "createFile",
  "appendTo",
  "mkdir",
  "symlink",
  "link",
  "rename",
  "renameNew",
  "exchange",
  "unlink",
  "rmdir",
  "setMeta",
  "chown",
  "setXattrs",
  "write",
  "skip",
  "clone",
]);

/** `fs`, which fails from the moment on that the fuse has burnt down. Reading fails then too. */
export function faultFs(fs: FileSystem, fuse: Fuse): FileSystem {
  return watchedFs(fs, (call) => {
    if (CHANGES.has(call)) {
      fuse.count++;
      fuse.left--;
    }
    if (fuse.left < 0) throw new CrashError(`crashed at ${call}`);
  });
}

/** `fs`, with `before` called ahead of every call, also of those on the files that it opens. */
export function watchedFs<T extends FileSystem | ReadableFile | WritableFile>(
  target: T,
  before: (call: string, args: readonly unknown[]) => void,
): T {
  const watched = new Map<string | symbol, { readonly value: unknown; readonly call: unknown }>();
  return new Proxy(target, {
    get(object, key) {
      const value = Reflect.get(object, key, object);
      if (typeof value !== "function") return value;
      // A test may have put another method in its place since.
      const known = watched.get(key);
      if (known?.value === value) return known.call;
      const call = key === Symbol.dispose ? value.bind(object) : (...args: unknown[]) => {
        before(String(key), args);
        const result = value.apply(object, args);
        return key === "openFile" || key === "createFile" || key === "appendTo" ? watchedFs(result, before) : result;
      };
      watched.set(key, { value, call });
      return call;
    },
  });
}
