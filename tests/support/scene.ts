// A scene for end-to-end tests: a source, a mirror, a state folder, and processes that are ended with it.

import { FROM_SOURCE, type Program, run, Running, type StartOptions, startServer } from "./program.ts";
import { TempDir } from "./temp_dir.ts";
import { untilEqual } from "./trees.ts";

/** Real directories and real processes. */
export class Scene implements AsyncDisposable {
  readonly #dir = new TempDir();
  readonly source = `${this.#dir.path}/source`;
  readonly mirror = `${this.#dir.path}/mirror`;
  state = `${this.#dir.path}/state`;
  /** What clients find in their environment besides. */
  env: Record<string, string> = {};
  readonly #program: Program;
  readonly #running: Running[] = [];

  /** @param program How the program is started. */
  constructor(program: Program = FROM_SOURCE) {
    this.#program = program;
    Deno.mkdirSync(this.source);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAll();
    this.#dir[Symbol.dispose]();
  }

  /** Ends all processes at once. */
  async stopAll(): Promise<void> {
    for (const each of this.#running.splice(0)) await each.stop("SIGKILL");
  }

  /** Folder of the scene, for what else a test needs. */
  get path(): string {
    return this.#dir.path;
  }

  /** A path in the source. */
  here(path: string): string {
    return `${this.source}/${path}`;
  }

  /** A path in the mirror. */
  there(path: string): string {
    return `${this.mirror}/${path}`;
  }

  write(path: string, content: string | Uint8Array): void {
    const file = this.here(path);
    Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    Deno.writeFileSync(file, typeof content === "string" ? new TextEncoder().encode(content) : content);
  }

  /** Starts a server for the mirror. @returns It and its address. */
  async server(address = "127.0.0.1:0", ...args: string[]): Promise<{ server: Running; address: string }> {
    const started = await startServer(this.#program, [this.mirror, "-i", address, "--state", this.state, ...args]);
    this.#running.push(started.server);
    return started;
  }

  /** Starts a live client. */
  client(address: string, ...args: string[]): Running {
    const all = ["client", this.source, "-s", address, "--state", this.state, ...args];
    const client = new Running(this.#program, all, { env: this.env });
    this.#running.push(client);
    return client;
  }

  /** Starts a server that asks for TLS and a token. @returns It, its port and its first invitation. */
  async guarded(...args: string[]): Promise<{ server: Running; port: string; invitation: string }> {
    const { server, address } = await this.server("0.0.0.0:0", "--address", "127.0.0.1", ...args);
    const { invitation } = await server.event("invitation");
    return { server, port: address.slice(address.lastIndexOf(":") + 1), invitation };
  }

  /** Makes an invitation. */
  async invite(...args: string[]): Promise<string> {
    const { stdout, stderr } = await this.run("invite", this.mirror, "--state", this.state, "--json", ...args);
    const event = JSON.parse(stdout.trim() || "{}");
    if (!event.invitation) throw new Error(`No invitation: ${stdout}${stderr}`);
    return event.invitation;
  }

  /** Runs `client --once`. @returns Its events and status. */
  async once(address: string, ...args: string[]): Promise<{ client: Running; status: number }> {
    const client = this.client(address, "--once", ...args);
    return { client, status: await client.ended() };
  }

  /** Runs the program to its end without --json. */
  run(...args: string[]): ReturnType<typeof run> {
    return run(this.#program, args, { cwd: this.path });
  }

  /** The same, started otherwise. */
  runWith(options: StartOptions, ...args: string[]): ReturnType<typeof run> {
    return run(this.#program, args, { cwd: this.path, ...options });
  }

  /** Waits until the mirror is equal to the source. */
  level(withinMs?: number): Promise<void> {
    return untilEqual(this.source, this.mirror, withinMs);
  }
}

/** `length` bytes without any pattern, the same for the same seed. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0, x = seed; i < length; i++) bytes[i] = (x = Math.imul(x, 1664525) + 1013904223) >>> 24;
  return bytes;
}
