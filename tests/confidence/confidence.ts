// The eight confidence tests of the original DirSync, for one machine or two. Each starts from what the one before left.

import { FROM_SOURCE, type Program, run, Running } from "../support/program.ts";
import { noise } from "../support/scene.ts";
import { differenceOf, until, untilEqual } from "../support/trees.ts";

/** Where and with what the tests run. */
export interface ConfidenceOptions {
  /** The client. @default {the program in this tree} */
  readonly program?: Program;
  /** How to start the server, without its arguments. @default {program} */
  readonly serverCommand?: Program;
  /** Address that the server shall listen on. @default {"127.0.0.1:0"} */
  readonly interface?: string;
  /** Address by which the client reaches it. @default {what the server says} */
  readonly server?: string;
  /** The source: made, and emptied if it is there. */
  readonly source: string;
  /** The mirror as this machine sees it, and as the server does. */
  readonly destination: string;
  /** Folder for the client's state. */
  readonly state: string;
  /** An empty folder to start in. */
  readonly cwd: string;
  readonly env?: Record<string, string>;
}

/** One of the tests. */
export interface ConfidenceTest {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Interval of the seventh test (s). */
const UPDATEMAX_S = 2;

/** The tests, to be run in order, and what ends the processes that they leave. */
export function confidenceTests(options: ConfidenceOptions): { tests: ConfidenceTest[]; end: () => Promise<void> } {
  const { source, destination, state, cwd, env } = options;
  const program = options.program ?? FROM_SOURCE, serverCommand = options.serverCommand ?? program;
  const start = { cwd, ...(env ? { env } : {}) };
  const listen = ["-i", options.interface ?? "127.0.0.1:0"];
  const here = (path: string) => `${source}/${path}`;
  let server: Running | undefined, client: Running | undefined;

  const startServer = async (args: string[]): Promise<string> => {
    server = new Running(serverCommand, ["server", ...args], start);
    const { address } = await server.event("listening");
    return options.server ?? address;
  };
  const startClient = (address: string): Running =>
    client = new Running(program, [
      "client",
      source,
      "--server",
      address,
      "--updatemax",
      String(UPDATEMAX_S),
      "--state",
      state,
    ], start);
  const level = () => untilEqual(source, destination);

  const tests: ConfidenceTest[] = [
    {
      name: "1. a server without a directory makes ./Storage",
      run: async () => {
        await startServer(listen);
        if (!options.serverCommand) await until(() => isDirectory(`${cwd}/Storage`) ? "" : "there is no ./Storage");
        await stop(server);
      },
    },
    {
      name: "2. a server makes the directory that it is given",
      run: async () => {
        removeAll(destination);
        await startServer([destination, ...listen, "--insecure"]);
        await until(() => isDirectory(destination) ? "" : "there is no directory");
        if ([...Deno.readDirSync(destination)].length > 0) throw new Error("it is not empty");
        await stop(server);
      },
    },
    {
      name: "3. a client with a directory that is not there fails",
      run: async () => {
        const { status, stderr } = await run(program, ["client", `${source}-none`], start);
        if (status !== 1) throw new Error(`its exit status is ${status}`);
        if (!/^dirsync: .*-none.*\n$/.test(stderr)) throw new Error(`it says ${JSON.stringify(stderr)}`);
      },
    },
    {
      name: "4. files and directories that are only in the source come to the mirror",
      run: async () => {
        removeAll(source);
        Deno.mkdirSync(here("directory/inner/empty"), { recursive: true });
        Deno.writeTextFileSync(here("file"), "content\n");
        Deno.writeTextFileSync(here("directory/a file with spaces"), "more\n");
        Deno.writeFileSync(here("directory/inner/large"), noise(3_000_000));
        Deno.writeTextFileSync(here("empty"), "");
        const address = await startServer([destination, ...listen, "--insecure"]);
        startClient(address);
        await level();
      },
    },
    {
      name: "5. new files and directories come to the mirror",
      run: async () => {
        Deno.mkdirSync(here("new/deep/deeper"), { recursive: true });
        Deno.writeTextFileSync(here("new/deep/deeper/file"), "new\n");
        Deno.writeTextFileSync(here("new file"), "new\n");
        await level();
      },
    },
    {
      name: "6. what is deleted goes from the mirror",
      run: async () => {
        Deno.removeSync(here("new file"));
        Deno.removeSync(here("new"), { recursive: true });
        await level();
      },
    },
    {
      name:
        "7. modifications: first byte, one more, one less, all; a second one in the interval is held back, then sent",
      run: async () => {
        const path = here("directory/inner/large");
        const edits: ((bytes: Uint8Array) => Uint8Array)[] = [
          (bytes) => bytes.with(0, bytes[0]! ^ 255) as Uint8Array,
          (bytes) => concat(bytes, Uint8Array.of(1)),
          (bytes) => bytes.slice(0, -1),
          () => noise(2_000_000, 7),
        ];
        for (const [i, edit] of edits.entries()) {
          // Another file each time, so that each is held back only once.
          const each = here(`edited ${i}`);
          Deno.copyFileSync(path, each);
          await level();
          Deno.writeFileSync(each, edit(Deno.readFileSync(each)));
          await level();
        }
        const hot = here("hot");
        for (const text of ["first\n", "second\n", "third\n"]) {
          Deno.writeTextFileSync(hot, text);
          await level();
        }
        const sent = () => client!.events.filter((event) => event.event === "change" && event.path === "hot");
        await until(() => sent().length >= 3 ? "" : "it was not sent three times");
        const times = sent().map(({ time }) => Date.parse(time));
        for (let i = 1; i < times.length; i++) {
          // Acknowledgements come a little after the sending that the interval counts from.
          if (times[i]! - times[i - 1]! < UPDATEMAX_S * 900) {
            throw new Error(`it was not held back: ${times}`);
          }
        }
      },
    },
    {
      name: "8. renames of files and directories come to the mirror",
      run: async () => {
        Deno.renameSync(here("file"), here("renamed file"));
        Deno.renameSync(here("directory/inner"), here("moved"));
        Deno.renameSync(here("directory"), here("renamed directory"));
        await level();
        for (const [name, running] of [["client", client!], ["server", server!]] as const) {
          const status = await running.stop();
          if (status !== 0 && !options.serverCommand) throw new Error(`the ${name} ended with status ${status}`);
        }
        const difference = differenceOf(source, destination);
        if (difference) throw new Error(difference);
      },
    },
  ];
  const end = async () => {
    await client?.stop("SIGKILL");
    await server?.stop("SIGKILL");
  };
  return { tests, end };
}

async function stop(running: Running | undefined): Promise<void> {
  const status = await running!.stop();
  if (status !== 0) throw new Error(`it ended with status ${status}`);
}

function removeAll(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function isDirectory(path: string): boolean {
  return Deno.statSync(path).isDirectory;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
