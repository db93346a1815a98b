// An attacker on this very machine: a thread that exchanges two names, over and over, as fast as the kernel lets it.

import { C, loadLibc } from "../../core/libc.ts";

/** What the thread is told. */
interface Swap {
  readonly a: string;
  readonly b: string;
  /** How long both stay as they are (ms). */
  readonly pauseMs: number;
  /** [0]: 1 to stop; [1]: swaps done. */
  readonly state: Int32Array;
}

const RENAME_EXCHANGE = 2;
const STOP = 0, DONE = 1;

/** Exchanges `a` and `b` all the time, until it is stopped. */
export class Swapper implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #state = new Int32Array(new SharedArrayBuffer(8));

  private constructor(a: string, b: string, pauseMs: number) {
    this.#worker = new Worker(import.meta.url, { type: "module" });
    this.#worker.postMessage({ a, b, pauseMs, state: this.#state } satisfies Swap);
  }

  /** Resolves once it is at work. @param pauseMs How long both stay as they are each time. */
  static async start(a: string, b: string, pauseMs = 0): Promise<Swapper> {
    const swapper = new Swapper(a, b, pauseMs);
    while (swapper.swaps === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    return swapper;
  }

  /** How often it has done it. */
  get swaps(): number {
    return Atomics.load(this.#state, DONE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (Atomics.load(this.#state, STOP) === 0) await this.stop();
  }

  /** Stops it, with both where they were. @returns How often it has done it. */
  async stop(): Promise<number> {
    Atomics.store(this.#state, STOP, 1);
    await new Promise((resolve) => this.#worker.onmessage = resolve);
    this.#worker.terminate();
    return this.swaps;
  }
}

function swap({ a, b, pauseMs, state }: Swap): void {
  const { call, machine } = loadLibc()!;
  const names = [a, b].map((path) => new TextEncoder().encode(`${path}\0`));
  const [first, second] = names.map((name) => Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(name))));
  const once = () =>
    call.syscall(machine.SYS_renameat2, C.AT_FDCWD, first!, C.AT_FDCWD, second!, RENAME_EXCHANGE) === 0;
  for (let odd = false; odd || Atomics.load(state, STOP) === 0;) {
    if (!once()) continue;
    odd = !odd;
    Atomics.add(state, DONE, 1);
    if (pauseMs > 0) Atomics.wait(state, STOP, 0, pauseMs);
  }
}

// Within a Worker it is the thread.
if ("WorkerGlobalScope" in self) {
  const scope = self as unknown as DedicatedWorkerGlobalScope;
  scope.onmessage = ({ data }: MessageEvent<Swap>) => {
    swap(data);
    scope.postMessage("stopped");
  };
}
