// The program: reads the command line, runs the server or the client, turns how that ends into an exit status. What only some commands
// need is loaded by them: most of the time that a start takes is loading.

import { systemClock } from "./core/clock.ts";
import { FatalError, UsageError } from "./core/errors.ts";
import { parseCommandLine } from "./core/options.ts";
import { hideArgument } from "./core/process_list.ts";
import { createReport } from "./core/report.ts";
import { escapeText, withoutSecrets } from "./core/text.ts";
import config from "./deno.json" with { type: "json" };

export const VERSION: string = config.version;
/** How long a stop may take before it is cut short (ms). */
const STOP_MS = 2000;

/** Runs what the command line asks for. Resolves to the exit status. */
async function run(args: string[]): Promise<number> {
  const command = parseCommandLine(args);
  if (command.command === "client" && command.options.server?.token) hideArgument(command.options.server.token);
  if (command.command === "help") return print(Deno.stdout, command.text);
  if (command.command === "version") return print(Deno.stdout, `dirsync ${VERSION}\n`);
  if (command.command === "history" || command.command === "restore") {
    const deps = {
      clock: systemClock,
      print: (text: string) => void print(Deno.stdout, text),
      warn: (text: string) => void print(Deno.stderr, text),
    };
    const { runHistory, runRestore } = await import("./server/history_command.ts");
    return command.command === "history" ? runHistory(command.options, deps) : runRestore(command.options, deps);
  }
  const columns = () => Deno.stdout.isTerminal() && Deno.consoleSize().columns || 80;
  const report = createReport({
    output: "output" in command.options
      ? command.options.output
      : { json: command.options.json, quiet: false, verbose: false },
    terminal: { isTerminal: Deno.stdout.isTerminal(), columns, color: !Deno.noColor },
    write: (text) => print(Deno.stdout, text),
    warn: (text) => print(Deno.stderr, text),
    clock: systemClock,
  });
  const secret = Deno.env.get("DIRSYNC_TOKEN");
  const deps = { emit: report.emit, clock: systemClock, signal: stopSignal(report.close) };
  try {
    switch (command.command) {
      case "server": {
        const worker = startWorker("server");
        const { runServer } = await import("./server/server.ts");
        return await runServer(command.options, { ...deps, worker });
      }
      case "client": {
        const worker = startWorker("client");
        const { runClient } = await import("./client/client.ts");
        return await runClient(command.options, { ...deps, worker, ...(secret !== undefined && { secret }) });
      }
      case "approve": {
        const { runApprove } = await import("./client/approve.ts");
        return runApprove(command.options, report.emit);
      }
      case "invite": {
        const { runInvite } = await import("./server/access.ts");
        return await runInvite(command.options, report.emit, systemClock.date());
      }
      case "clients": {
        const { runClients } = await import("./server/access.ts");
        return runClients(command.options, report.emit);
      }
      case "revoke": {
        const { runRevoke } = await import("./server/access.ts");
        return runRevoke(command.options, report.emit);
      }
    }
  } finally {
    report.close();
  }
}

/** Starts the thread of an engine, which loads what it needs while this one does. */
function startWorker(side: "client" | "server"): Worker {
  return new Worker(new URL(`./${side}/worker.ts`, import.meta.url), { type: "module" });
}

/** A signal that Ctrl+C and the like abort. Asked again, or not obeyed in time, they end the program at once. */
function stopSignal(beforeExit: () => void): AbortSignal {
  const controller = new AbortController();
  const exit = () => (beforeExit(), Deno.exit(0));
  const stop = () => {
    if (controller.signal.aborted) exit();
    setTimeout(exit, STOP_MS);
    controller.abort();
  };
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener(Deno.build.os === "windows" ? "SIGBREAK" : "SIGTERM", stop);
  return controller.signal;
}

/** Writes text and returns 0. A reader that has gone away (`dirsync ... | head`) is no error. */
function print(stream: { writeSync(bytes: Uint8Array): number }, text: string): number {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.writeSync(bytes.subarray(at));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) return 0;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
  return 0;
}

/** Tells in one line why the program ends. Returns the exit status. */
function explain(error: unknown): number {
  const expected = error instanceof UsageError || error instanceof FatalError;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  print(Deno.stderr, `dirsync: ${expected ? "" : "internal error: "}${escapeText(withoutSecrets(message))}\n`);
  const isTraced = !expected && (Deno.args.includes("--verbose") || Deno.env.get("DIRSYNC_DEBUG"));
  if (isTraced) print(Deno.stderr, `${withoutSecrets(stack ?? "").split("\n").map(escapeText).join("\n")}\n`);
  return error instanceof UsageError ? 2 : 1;
}

if (import.meta.main) {
  addEventListener("unhandledrejection", (event) => Deno.exit(explain(event.reason)));
  addEventListener("error", (event) => Deno.exit(explain(event.error)));
  Deno.exit(await run(Deno.args).catch(explain));
}
