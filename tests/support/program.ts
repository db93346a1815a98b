// The program as a process: started, listened to by its --json events, stopped.

import type { SyncEvent } from "../../core/events.ts";

/** How to start the program: a command and its first arguments. */
export type Program = readonly [string, ...string[]];

/** The program as it lies in this tree. */
export const FROM_SOURCE: Program = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-lock",
  "--quiet",
  new URL("../../main.ts", import.meta.url).pathname,
];

/** Put before a command: nobody in particular, in a user namespace without any right, to whom only what root has belongs. */
export const UNPRIVILEGED = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] as const;

/** The program started by somebody who may not read everything; undefined where only root can start it. */
export function unprivilegedProgram(): Program | undefined {
  if (Deno.build.os === "windows") return undefined;
  if (Deno.uid() !== 0) return FROM_SOURCE;
  return canRun(...UNPRIVILEGED, "true") ? [...UNPRIVILEGED, ...FROM_SOURCE] : undefined;
}

/** Whether this machine has a command, and lets us run it. */
export function canRun(command: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** How a process is started. */
export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** What came of a process that has ended. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running client or server, told to print its events as JSON. */
export class Running implements AsyncDisposable {
  readonly events: (SyncEvent & { time: string })[] = [];
  stderr = "";
  readonly #process: Deno.ChildProcess;
  readonly #read: Promise<void>;
  readonly #wakers = new Set<() => void>();
  #ended = false;

  constructor([command, ...first]: Program, args: readonly string[], options: StartOptions = {}) {
    this.#process = new Deno.Command(command, {
      args: [...first, ...args, "--json"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...options,
    }).spawn();
    this.#read = this.#listen();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The first event after number `from` that `is` what is waited for. @throws {Error} If it does not come in time. */
  async event<E extends SyncEvent["event"]>(
    name: E,
    { where = () => true, from = 0, withinMs = 20_000 }: {
      where?: (event: SyncEvent & { event: E }) => boolean;
      from?: number;
      withinMs?: number;
    } = {},
  ): Promise<SyncEvent & { event: E }> {
    const found = () =>
      this.events.slice(from).find((event) =>
        event.event === name && where(event as unknown as SyncEvent & { event: E })
      );
    const end = Date.now() + withinMs;
    for (;;) {
      const event = found();
      if (event) return event as unknown as SyncEvent & { event: E };
      if (this.#ended || Date.now() > end) {
        const seen = this.events.slice(-10).map((event) => JSON.stringify(event)).join("\n");
        throw new Error(
          `No event "${name}" ${this.#ended ? "before the end" : "in time"}; the last were:\n${seen}\n${this.stderr}`,
        );
      }
      await this.#woken(end - Date.now());
    }
  }

  /** Ends it with a signal and waits. @returns Its exit status. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.#process.kill(signal);
    } catch {
      // It has ended by itself.
    }
    const { code } = await this.#process.status;
    await this.#read;
    return code;
  }

  /** Waits until it ends by itself. @returns Its exit status. */
  async ended(): Promise<number> {
    const { code } = await this.#process.status;
    await this.#read;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }

  async #listen(): Promise<void> {
    const out = async () => {
      let rest = "";
      const decoder = new TextDecoder();
      for await (const bytes of this.#process.stdout) {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.events.push(JSON.parse(line));
        this.#wake();
      }
    };
    const err = async () => {
      const decoder = new TextDecoder();
      for await (const bytes of this.#process.stderr) this.stderr += decoder.decode(bytes, { stream: true });
    };
    try {
      await Promise.all([out(), err()]);
    } finally {
      this.#ended = true;
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
  }

  async #woken(withinMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wake = () => {};
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.#wakers.add(wake);
      timer = setTimeout(resolve, withinMs);
    });
    clearTimeout(timer);
    this.#wakers.delete(wake);
  }
}

/** Runs the program to its end. */
export async function run(
  [command, ...first]: Program,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...first, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...options,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: code, stdout: text(stdout), stderr: text(stderr) };
}

/** Starts a server on a free port of the loopback. @returns It, and its address. */
export async function startServer(
  program: Program,
  args: readonly string[],
  options: StartOptions = {},
): Promise<{ server: Running; address: string }> {
  const server = new Running(program, ["server", ...args], options);
  try {
    const { address } = await server.event("listening");
    return { server, address };
  } catch (error) {
    await server.stop("SIGKILL");
    throw error;
  }
}
