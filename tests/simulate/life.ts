// The life of a process, as its file system tells of it: what ends it, what goes wrong in it, and what the user does in its midst.

import type { FileSystem } from "../../core/fs.ts";
import type { RelPath } from "../../core/path.ts";
import { CHANGES, CrashError, watchedFs } from "../support/fault_fs.ts";
import { systemError } from "../support/memory_fs.ts";
import type { Fault } from "./program.ts";

/** Calls that change something, or make it last: a crash comes before one of them. */
const CRASH_POINTS: ReadonlySet<string> = new Set([...CHANGES, "sync", "syncDir", "syncAll"]);

/** One life of a process. */
export class Life {
  dead = false;
  /** Calls until it ends. */
  left = Infinity;
  end: () => void = () => {};
  /** What goes wrong after so many calls; with `of`, only those of this kind count. */
  fault: { calls: number; times: number; readonly code: Fault; readonly of: string | undefined } | undefined;
  /** What the user does some calls from now. */
  busy: { calls: number; readonly act: () => void } | undefined;
  /** What the user does to a file that it reads, some reads from now. */
  write: { reads: number; readonly act: (path: RelPath) => void } | undefined;
  /** The file that it opened last. */
  #opened: RelPath | undefined;

  /** Nothing more befalls it. */
  spare(): void {
    this.left = Infinity;
    this.fault = this.busy = this.write = undefined;
  }

  /**
   * Its file system.
   * @param tell Told of each call that changes the disk.
   */
  lead(fs: FileSystem, tell?: (line: string) => void): FileSystem {
    return watchedFs(fs, (call, args) => {
      const isCrashPoint = CRASH_POINTS.has(call);
      if (tell && isCrashPoint) tell(`  ${this.dead ? "dead: " : ""}${call} ${args.map(short).join(" ")}`);
      if (this.dead) throw new CrashError(`after the crash: ${call}`);
      if (isCrashPoint && this.left-- <= 0) {
        this.end();
        throw new CrashError(`the crash: ${call}`);
      }
      this.#befall(call, args);
    });
  }

  #befall(call: string, args: readonly unknown[]): void {
    const { busy, write, fault } = this;
    if (busy && busy.calls-- <= 0) {
      this.busy = undefined;
      busy.act();
    }
    if (call === "openFile") this.#opened = args[0] as RelPath;
    if (write && call === "readAt" && write.reads-- <= 0) {
      this.write = undefined;
      write.act(this.#opened!);
    }
    if (!fault || fault.of !== undefined && fault.of !== call || fault.calls-- > 0) return;
    if (--fault.times <= 0) this.fault = undefined;
    throw systemError(fault.code, call, "");
  }
}

function short(argument: unknown): string {
  if (argument instanceof Uint8Array) return `${argument.length} bytes`;
  const text = JSON.stringify(argument, (_, value) => typeof value === "bigint" ? String(value) : value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
