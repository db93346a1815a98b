// What dirsync costs as trees grow: `deno run -A tests/bench/scale.ts [--binary FILE] [FILES ...]` (10,000 and 100,000; 1,000,000 takes
// minutes, and 12 GB of tmpfs). Real processes over loopback, small files on tmpfs, one run: a server, then clients with `--once` for the first
// sync, two restarts of both with nothing changed, one with 1 % of the files touched, and a live client that has nothing to do.
// CPU and memory (VmHWM, of the live one VmRSS) are what the kernel says of each process. Cost a file says whether it grows faster than
// the work; the empty tree is what starting costs.

import { FROM_SOURCE, type Program, Running, startServer } from "../support/program.ts";
import { TempDir } from "../support/temp_dir.ts";
import { type Cost, costOf, Meter } from "../support/process_cost.ts";

const IN_DIR = 100;
const TOUCHED_SHARE = 0.01;
/** How long the live client is left alone (ms). */
const IDLE_MS = 5000;
const TMPFS = "/dev/shm";

/** One row of the table. */
interface Row {
  readonly files: number;
  readonly step: string;
  readonly wallMs: number;
  readonly client: Cost;
  readonly server: Cost;
}

/** A tree of small files, its mirror, and the program. */
class Bench implements Disposable {
  readonly #temp = new TempDir(TMPFS);
  readonly source = `${this.#temp.path}/source`;
  readonly #mirror = `${this.#temp.path}/mirror`;
  readonly #state = `${this.#temp.path}/state`;

  constructor(readonly program: Program, readonly files: number) {
    Deno.mkdirSync(this.source);
    for (let f = 0; f < files; f++) {
      if (f % IN_DIR === 0) Deno.mkdirSync(this.#dirOf(f));
      Deno.writeTextFileSync(this.#pathOf(f), `${f} `.repeat(1 + f % 100));
    }
  }

  [Symbol.dispose](): void {
    this.#temp[Symbol.dispose]();
  }

  /** Sets the times of some files, evenly over the tree. */
  touch(): void {
    const now = new Date();
    for (let f = 0; f < this.files; f += 1 / TOUCHED_SHARE) Deno.utimeSync(this.#pathOf(f), now, now);
  }

  startServer(): Promise<{ server: Running; address: string }> {
    return startServer(this.program, [this.#mirror, "-i", "localhost:0", "--state", this.#state]);
  }

  /** A client that ends when the mirror is level. */
  async once(step: string): Promise<Row> {
    const { server, address } = await this.startServer();
    await using _ = server;
    using serverMeter = new Meter(server.pid);
    const started = performance.now();
    await using client = new Running(this.program, this.#client(address, "--once"));
    using clientMeter = new Meter(client.pid);
    if (await client.ended() !== 0) throw new Error(`The client failed: ${client.stderr}`);
    const wallMs = performance.now() - started;
    return { files: this.files, step, wallMs, client: clientMeter.cost(), server: serverMeter.cost() };
  }

  /** A live client with nothing to do. */
  async idle(): Promise<Row> {
    const { server, address } = await this.startServer();
    await using _ = server;
    await using client = new Running(this.program, this.#client(address));
    await client.event("synced", { withinMs: 600_000 });
    const wait = () => new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    // What it does after its start (second looks, the watcher) is over.
    await wait();
    const before = [costOf(client.pid), costOf(server.pid)] as const;
    await wait();
    const [client_, server_] = [costOf(client.pid), costOf(server.pid)].map((cost, i) => ({
      cpuMs: cost.cpuMs - before[i]!.cpuMs,
      peakKb: cost.nowKb,
      nowKb: cost.nowKb,
    }));
    return { files: this.files, step: "idle", wallMs: IDLE_MS, client: client_!, server: server_! };
  }

  #client(address: string, ...more: string[]): string[] {
    return ["client", this.source, "--server", address, "--state", this.#state, ...more];
  }

  #dirOf(f: number): string {
    return `${this.source}/directory ${Math.floor(f / IN_DIR)}`;
  }

  #pathOf(f: number): string {
    return `${this.#dirOf(f)}/file ${f}.txt`;
  }
}

async function* measure(program: Program, files: number): AsyncGenerator<Row> {
  using bench = new Bench(program, files);
  yield await bench.once("first sync");
  // The first finds out what the second knows: the prints of all directories.
  yield await bench.once("restart");
  yield await bench.once("and again");
  if (files > 0) {
    bench.touch();
    yield await bench.once("1 % touched");
  }
  yield await bench.idle();
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => i === 1 ? cell.padEnd(12) : cell.padStart(i === 0 ? 9 : 8)).join(" ");
}

function cellsOf({ files, step, wallMs, client, server }: Row): string[] {
  const perFile = (ms: number) => files > 0 && step !== "idle" ? (ms * 1000 / files).toFixed(1) : "";
  const sides = [client, server].flatMap(({ cpuMs, peakKb }) => [
    (cpuMs / 1000).toFixed(2),
    perFile(cpuMs),
    (peakKb / 1000).toFixed(0),
  ]);
  return [files.toLocaleString("en"), step, (wallMs / 1000).toFixed(2), perFile(wallMs), ...sides];
}

const args = [...Deno.args];
let program: Program = FROM_SOURCE;
if (args[0] === "--binary") program = [args.splice(0, 2)[1]!];
const sizes = args.length > 0 ? args.map((text) => Number(text.replaceAll(",", ""))) : [0, 10_000, 100_000];
const side = (name: string) => [`${name} s`, "us/file", "MB"];
print(line(["files", "", "wall s", "us/file", ...side("client"), ...side("server")]));
for (const files of sizes) for await (const row of measure(program, files)) print(line(cellsOf(row)));
