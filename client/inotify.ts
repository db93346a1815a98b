// Linux's own watcher, inotify: a queue of events for directories that are watched one by one. Names come as the bytes they are.
// Deno's watcher, which is built on it too, goes deaf: after some renames of directories no event comes any more, with no word.

import { C, type Libc } from "../core/libc.ts";
import { type RelPath, ROOT } from "../core/path.ts";
import { pollfds, POLLIN } from "../core/pollfd.ts";
import { LARGE, LARGE_BYTES, PosixDirs } from "../core/posix_dirs.ts";

/** What may be in `InotifyEvent.mask`. */
export const IN = {
  MODIFY: 0x2,
  ATTRIB: 0x4,
  CLOSE_WRITE: 0x8,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  UNMOUNT: 0x2000,
  /** Events were lost. */
  Q_OVERFLOW: 0x4000,
  /** This watch is no more. */
  IGNORED: 0x8000,
  ONLYDIR: 0x1000000,
  /** The event is about a directory. */
  ISDIR: 0x40000000,
} as const;

const WANTED = IN.MODIFY | IN.ATTRIB | IN.MOVED_FROM | IN.MOVED_TO | IN.CREATE | IN.DELETE | IN.DELETE_SELF |
  IN.MOVE_SELF | IN.ONLYDIR;
/** Kinds of directory entries: those that are, or may be, directories. */
const DT_UNKNOWN = 0, DT_DIR = 4;
const EFD_CLOEXEC = C.O_CLOEXEC;
/** Bytes of a `struct inotify_event` without its name. */
const HEAD = 16;

/** One event. */
export interface InotifyEvent {
  /** The watch that it comes from. */
  readonly watch: number;
  readonly mask: number;
  /** What the two halves of a rename have in common. */
  readonly cookie: number;
  /** The entry of the watched directory that it is about; "" for the directory itself. */
  readonly name: string;
}

/** Watches directories below a root. */
export class Inotify implements Disposable {
  readonly #dirs: PosixDirs;
  readonly #libc: Libc;
  readonly #queue: number;
  readonly #bell: number;
  /** The queue and the bell. */
  readonly #polled: Uint8Array<ArrayBuffer>;
  #stopped = false;

  /** @param root Absolute, its symbolic links resolved. @throws {Error} If the system has no more such queues to give. */
  constructor(root: string, libc: Libc) {
    this.#libc = libc;
    this.#dirs = new PosixDirs(root, libc, { reopen: true });
    const { call } = libc;
    this.#queue = this.#dirs.check(call.inotify_init1(C.O_NONBLOCK | C.O_CLOEXEC), "inotify_init", root);
    this.#bell = this.#dirs.check(call.eventfd(0, EFD_CLOEXEC), "eventfd", root);
    this.#polled = pollfds([this.#queue, POLLIN], [this.#bell, POLLIN]);
  }

  /** Ends `batches`, after which nothing more is to be called. */
  [Symbol.dispose](): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const one = new BigUint64Array([1n]);
    this.#libc.call.write(this.#bell, one, 8);
  }

  /**
   * Watches a directory; again, it is the same watch, wherever the directory is now. Symbolic links are not followed.
   * @returns The number of the watch.
   * @throws {Error} With code ENOSPC where the system allows no more of them.
   */
  watch(dir: RelPath): number {
    const handle = this.#dirs.openDir(dir, "watch");
    try {
      const path = this.#dirs.name(`/proc/self/fd/${handle}`);
      return this.#dirs.check(this.#libc.call.inotify_add_watch(this.#queue, path, WANTED), "watch", dir);
    } finally {
      this.#libc.call.close(handle);
    }
  }

  /** Watches a directory no more. */
  unwatch(watch: number): void {
    this.#libc.call.inotify_rm_watch(this.#queue, watch);
  }

  /** Names in a directory of what is, or may be, a directory. */
  subdirectories(dir: RelPath): string[] {
    const names: string[] = [];
    this.#dirs.entries(dir, (_, name, end, type) => {
      if (type === DT_DIR || type === DT_UNKNOWN) names.push(this.#dirs.read(name, end));
    });
    return names;
  }

  /** Events as they come, all that wait at a time. */
  async *batches(): AsyncGenerator<InotifyEvent[]> {
    const { call } = this.#libc;
    try {
      while (!this.#stopped) {
        // Whatever it says, the queue is looked at: that costs nothing.
        await call.poll(this.#polled, 2, -1);
        if (this.#stopped) return;
        const events = this.#read();
        if (events.length > 0) yield events;
      }
    } finally {
      this.#stopped = true;
      call.close(this.#queue);
      call.close(this.#bell);
      this.#dirs[Symbol.dispose]();
    }
  }

  #read(): InotifyEvent[] {
    const { view, bytes, base } = this.#dirs;
    // What was opened for the events before these may have moved since.
    this.#dirs.forget(ROOT);
    const events: InotifyEvent[] = [];
    for (;;) {
      const got = this.#libc.call.read(this.#queue, base + LARGE, LARGE_BYTES);
      if (got <= 0) return events;
      for (let at = LARGE; at < LARGE + got;) {
        const name = at + HEAD, length = view.getUint32(at + 12, true);
        events.push({
          watch: view.getInt32(at, true),
          mask: view.getUint32(at + 4, true),
          cookie: view.getUint32(at + 8, true),
          name: length === 0 ? "" : this.#dirs.read(name, bytes.indexOf(0, name)),
        });
        at = name + length;
      }
    }
  }
}

/** Whether the system allows no more watches. */
export function isOutOfWatches(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ENOSPC";
}
