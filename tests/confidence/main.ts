// `deno task confidence`: the eight confidence tests, by hand, on this machine or with a server on another one.
//
//   deno task confidence [--server HOST:PORT] [--interface HOST:PORT] [--command "ssh HOST dirsync server"]
//                        [--binary PATH] [SOURCE DESTINATION]

import { confidenceTests } from "./confidence.ts";
import type { Program } from "../support/program.ts";
import { TempDir } from "../support/temp_dir.ts";

const USAGE = `Usage: deno task confidence [OPTIONS] [SOURCE DESTINATION]

  SOURCE, DESTINATION   the source, which is emptied first, and the mirror, as it is seen from here
                        (default: two folders that are made and removed)
  --server HOST:PORT    where the client finds the server (default: where it says that it listens)
  --interface HOST:PORT where the server is to listen (default: a free port of the loopback)
  --command "..."       how to start the server, e.g. "ssh MyServer dirsync server"
  --binary PATH         test this binary, in an empty folder with nothing of this project near
`;

interface Arguments {
  server?: string;
  interface?: string;
  command?: string;
  binary?: string;
  paths: string[];
}

function parse(args: readonly string[]): Arguments {
  const parsed: Arguments = { paths: [] };
  for (let i = 0; i < args.length; i++) {
    const name = /^--(server|interface|command|binary)$/.exec(args[i]!)?.[1] as
      | keyof Omit<Arguments, "paths">
      | undefined;
    if (name) parsed[name] = args[++i] ?? fail(`--${name} needs a value`);
    else if (args[i]!.startsWith("-")) fail(args[i] === "--help" ? USAGE : `Unknown option ${args[i]}\n${USAGE}`);
    else parsed.paths.push(args[i]!);
  }
  if (parsed.paths.length !== 0 && parsed.paths.length !== 2) fail(USAGE);
  return parsed;
}

function fail(message: string): never {
  print(message);
  Deno.exit(2);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

// `deno task` starts in the project's folder; what the user means is the one where they are.
const home = Deno.env.get("INIT_CWD");
if (home) Deno.chdir(home);
const args = parse(Deno.args);
using dir = new TempDir();
const cwd = `${dir.path}/cwd`;
Deno.mkdirSync(cwd);
const [source = `${dir.path}/source`, destination = `${dir.path}/mirror`] = args.paths;
// "... server" is what people write; the tests add the word themselves.
const command = args.command?.split(/\s+/).filter((word) => word !== "");
if (command?.at(-1) === "server") command.pop();
const { tests, end } = confidenceTests({
  source,
  destination,
  cwd,
  state: `${dir.path}/state`,
  ...(args.server ? { server: args.server } : {}),
  ...(args.interface ? { interface: args.interface } : {}),
  ...(command ? { serverCommand: command as unknown as Program } : {}),
  ...(args.binary ? { program: [Deno.realPathSync(args.binary)], env: { PATH: "/usr/bin:/bin" } } : {}),
});
let passed = 0, failed = 0;
try {
  for (const { name, run } of tests) {
    try {
      await run();
      passed++;
      print(`ok      ${name}`);
    } catch (error) {
      failed++;
      print(`FAILED  ${name}\n        ${(error as Error).message.replaceAll("\n", "\n        ")}`);
    }
  }
} finally {
  await end();
}
print(`${passed} passed, ${failed} failed`);
Deno.exitCode = failed > 0 ? 1 : 0;
