// `dirsync server`: the main thread. It holds the one port; every connection that asks for the protocol goes to the Worker.

import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { formatAddress, isLoopback } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { FatalError, reasonOf } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import { EngineHost } from "../core/host.ts";
import type { ServerOptions } from "../core/options.ts";
import { socketLink } from "../core/socket_link.ts";
import { UPGRADE_PATH, UPGRADE_PROTOCOL } from "../core/wire.ts";
import type { ServerStart } from "./worker.ts";

/** What a server is given by main.ts. */
export interface ServerDeps {
  readonly emit: Emit;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Runs a server until `signal` is aborted.
 * @returns The exit status.
 * @throws {FatalError} If it cannot start.
 */
export async function runServer(options: ServerOptions, { emit, signal }: ServerDeps): Promise<number> {
  const dir = makeDirectory(options.dir);
  const start: ServerStart = {
    dir,
    name: `${Deno.hostname()}:${dir}`,
    average: options.blocksize ?? 0,
    fsync: options.fsync,
    history: { days: options.historyDays, bytes: options.historyBytes },
    everyChange: options.output.json || options.output.verbose,
  };
  const host = new EngineHost<ServerStart, never, never>(new URL("./worker.ts", import.meta.url), start, emit);
  const sockets = new Set<Socket>();
  try {
    const server = createServer((request, response) => {
      const status = request.url === UPGRADE_PATH ? 426 : 404;
      response.writeHead(status, { "content-type": "text/plain" });
      response.end(
        `This is a dirsync server; mirror a directory to it with: dirsync client DIR -s ${
          request.headers.host ?? "HOST"
        }\n`,
      );
    });
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    });
    server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Uint8Array) => {
      const refused = refusalOf(request);
      if (refused) return socket.end(`HTTP/1.1 ${refused} ${STATUS_CODES[refused]}\r\nConnection: close\r\n\r\n`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`);
      host.link(socketLink(socket, head));
    });
    const port = await listen(server, options.host, options.port);
    const { host: hostname, insecure } = options;
    emit({
      event: "listening",
      dir,
      address: formatAddress({ host: hostname, port }),
      loopback: isLoopback(hostname),
      insecure,
    });
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve());
    });
    await Promise.race([stopped, host.done]);
    server.close();
    host.stop();
    const status = await host.done;
    for (const socket of sockets) socket.destroy();
    return status;
  } finally {
    host.terminate();
  }
}

/** The status with which a request for the protocol is turned away, if it is. */
function refusalOf({ url, headers }: IncomingMessage): number | undefined {
  // Only web pages send an Origin, and no web page has business here.
  if (headers.origin !== undefined) return 403;
  if (url !== UPGRADE_PATH || headers.upgrade?.toLowerCase() !== UPGRADE_PROTOCOL) return 400;
  return undefined;
}

/** @returns The port, which is the wanted one unless that was 0. */
function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: Error & { code?: string }) => {
      const where = formatAddress({ host, port });
      reject(new FatalError(`Cannot listen on ${where}: ${listenReason(error)}`, { cause: error }));
    });
    // One well-known address for "localhost", or client and server might choose different ones.
    server.listen(
      port,
      host === "localhost" ? "127.0.0.1" : host,
      () => resolve((server.address() as { port: number }).port),
    );
  });
}

function listenReason(error: Error & { code?: string }): string {
  switch (error.code) {
    case "EADDRINUSE":
      return "another program listens there; choose another port with --interface HOST:PORT";
    case "EADDRNOTAVAIL":
    case "EINVAL": // so Deno calls it
    case "ENOTFOUND":
      return "this machine has no such address; choose one with --interface HOST:PORT";
    case "EACCES":
      return "this port is reserved; choose one above 1023 with --interface HOST:PORT";
    default:
      return error.message;
  }
}

/** Makes the mirror's directory if there is none. @returns Its real path. */
function makeDirectory(dir: string): string {
  let problem: string;
  try {
    Deno.mkdirSync(dir, { recursive: true });
    if (Deno.statSync(dir).isDirectory) return Deno.realPathSync(dir);
    problem = "it is not a directory";
  } catch (error) {
    problem = error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory
      ? "it is not a directory"
      : reasonOf(error);
  }
  throw new FatalError(`Cannot mirror into "${dir}": ${problem}`);
}
