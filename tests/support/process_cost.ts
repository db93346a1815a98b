// What the kernel says that a process has cost.

/** Processor time, and memory that is resident. */
export interface Cost {
  /** User and system time (ms). */
  readonly cpuMs: number;
  /** The most that it was (kB). */
  readonly peakKb: number;
  /** What it is now (kB). */
  readonly nowKb: number;
}

/** A tick of /proc/PID/stat (ms): USER_HZ is 100 on every Linux. */
const TICK_MS = 10;
/** How often a process is looked at that may end at any time (ms). */
const LOOK_MS = 10;

/** What a process has cost by now. @throws {Error} If there is none. */
export function costOf(pid: number): Cost {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The second field is the name, in parentheses, with whatever is in it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kb = (name: string) => {
    const found = status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"));
    // A process that is ending has no memory any more.
    if (!found) throw new Error(`Process ${pid} has ended`);
    return Number(found[1]);
  };
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS, peakKb: kb("VmHWM"), nowKb: kb("VmRSS") };
}

/** Follows a process to its end. */
export class Meter implements Disposable {
  readonly #pid: number;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #before: number;
  #last: Cost;

  /** What the process has cost before does not count, but for memory. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#last = costOf(pid);
    this.#before = this.#last.cpuMs;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** What it has cost since; of one that has ended, until shortly before. */
  cost(): Cost {
    this.#look();
    return { ...this.#last, cpuMs: this.#last.cpuMs - this.#before };
  }

  #look(): void {
    try {
      this.#last = costOf(this.#pid);
    } catch {
      // It has ended.
    }
  }
}
