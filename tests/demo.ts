// `deno task demo [DIR]`: a server on ./Storage and a client for DIR in one terminal, live until Ctrl+C. Without DIR on a small
// sample tree in ./Sample that it makes.

import { FROM_SOURCE } from "./support/program.ts";

const SAMPLE: Record<string, string> = {
  "READ ME.txt": `This folder, Sample, is being mirrored to the folder Storage beside it, live. Try for instance:

  echo hello > Sample/hello.txt          it is in Storage at once
  mv Sample/Notes Sample/Journal         renamed there too, nothing is sent again
  rm Sample/hello.txt                    gone there too

Each change is told in the terminal where the demo runs. Ctrl+C ends it.
`,
  "Notes/monday.txt": "A quiet day.\n",
  "Notes/tuesday.txt": "Another one.\n",
  "Pictures/Empty folders count/.keep": "",
};

/** Where the demo's server listens; a free port, so that it is in nobody's way. */
const ADDRESS = "127.0.0.1:0";

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function makeSample(): string {
  for (const [path, text] of Object.entries(SAMPLE)) {
    const file = `Sample/${path}`;
    Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    try {
      Deno.writeTextFileSync(file, text, { createNew: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
  return "Sample";
}

/** Passes lines on, each with the name of who said it. @returns The address in the line that tells it. */
function pass(stream: ReadableStream<Uint8Array>, who: string): Promise<string> {
  return new Promise((resolve) => {
    (async () => {
      let rest = "";
      const decoder = new TextDecoder();
      for await (const bytes of stream) {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          print(`${who} | ${line}`);
          const address = /^listening on ([^ ,]+)/.exec(line)?.[1];
          if (address) resolve(address);
        }
      }
      resolve("");
    })();
  });
}

function start(args: string[], who: string): { process: Deno.ChildProcess; address: Promise<string> } {
  const [command, ...first] = FROM_SOURCE;
  const process = new Deno.Command(command, {
    args: [...first, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  pass(process.stderr, who);
  return { process, address: pass(process.stdout, who) };
}

// `deno task` starts in the project's folder; what the user means is the one where they are.
const home = Deno.env.get("INIT_CWD");
if (home) Deno.chdir(home);
const [dir = makeSample()] = Deno.args;
// Ctrl+C reaches the two by itself, as they are in the same terminal; a SIGTERM is passed on.
Deno.addSignalListener("SIGINT", () => {});
const server = start(["server", "./Storage", "--interface", ADDRESS], "server");
const address = await server.address;
let status = 1;
if (address) {
  const client = start(["client", dir, "--server", address], "client");
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => client.process.kill("SIGTERM"));
  status = (await client.process.status).code;
  try {
    server.process.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
}
await server.process.status;
Deno.exit(status);
