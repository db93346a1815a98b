// The server's one port: HTTP, over TLS or plain, with deadlines and caps; a request for the protocol that the door lets in
// becomes a link.

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { formatAddress } from "../core/address.ts";
import { FatalError } from "../core/errors.ts";
import { HANDSHAKE_MS, MAX_HEAD_BYTES } from "../core/limits.ts";
import type { Link } from "../core/link.ts";
import { socketLink } from "../core/socket_link.ts";
import { isCurrentRuntime } from "../core/tls.ts";
import { UPGRADE_PATH, UPGRADE_PROTOCOL } from "../core/upgrade.ts";
import type { KnownClient } from "./clients.ts";
import { type Connected, Connections } from "./connections.ts";
import type { Door, Refusal } from "./door.ts";
import type { Identity } from "./identity.ts";

/** Takes a connection that was let in: as which client, where tokens are asked for. */
export type OnLink = (link: Link, client: KnownClient | undefined) => void;

/** The first byte of what a TLS client says. */
const TLS_HANDSHAKE = 0x16;
/** How often deadlines are looked at (ms). */
const CHECK_MS = 1000;

/** A port that is being listened on. */
export class Port {
  readonly #server: Server;
  readonly #connections = new Connections(isCurrentRuntime());
  /** Sockets on which something was answered, which is all that they get. */
  readonly #answered = new WeakSet<Socket>();

  /** @param identity What to prove with TLS; plain HTTP without. */
  constructor(door: Door, identity: Identity | undefined, onLink: OnLink) {
    // All that a peer may do before it is let in has its limit here.
    const limits = {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: HANDSHAKE_MS,
      requestTimeout: HANDSHAKE_MS,
      connectionsCheckingInterval: CHECK_MS,
    };
    const server = this.#server = identity ? tlsServer(identity, limits) : createServer(limits);
    server.on("connection", (socket: Socket) => this.#connections.add(socket));
    // What cannot be read is not answered either, but for a TLS client: it would take silence for a bad line.
    server.on("clientError", ({ rawPacket }: Error & { rawPacket?: Uint8Array }, socket: Socket) => {
      if (identity || rawPacket?.[0] !== TLS_HANDSHAKE) return void socket.destroy();
      refuse(socket, { status: 400, reason: "this server speaks plain HTTP" });
    });
    // Those that expect something are answered as all others are, not by the runtime, which would let the connection stay.
    for (const event of ["request", "checkContinue", "checkExpectation"]) {
      server.on(event, (request: IncomingMessage, response: ServerResponse) => {
        const { socket } = request;
        if (this.#answered.has(socket)) return void socket.destroy();
        this.#answered.add(socket);
        answer(door, request, response);
      });
    }
    server.on("upgrade", async (request: IncomingMessage, socket: Socket, head: Uint8Array) => {
      socket.on("error", () => {});
      if (this.#answered.has(socket)) return void socket.destroy();
      const { url, headers } = request;
      const admitted = await door.admit({ url, headers, from: socket.remoteAddress ?? "" });
      if ("status" in admitted) return refuse(socket, admitted);
      if (!this.#connections.letIn(socket, admitted.client)) {
        return refuse(socket, { status: 503, reason: "too many clients are connected; try again later" });
      }
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`);
      onLink(socketLink(socket, head), admitted.client);
    });
  }

  /** @returns The port, which is the wanted one unless that was 0. @throws {FatalError} If it cannot be had. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: Error & { code?: string }) => {
        const where = formatAddress({ host, port });
        reject(new FatalError(`Cannot listen on ${where}: ${listenReason(error)}`, { cause: error }));
      });
      // One well-known address for "localhost", or client and server might choose different ones.
      const address = host === "localhost" ? "127.0.0.1" : host;
      this.#server.listen(port, address, () => resolve((this.#server.address() as { port: number }).port));
    });
  }

  /** The connections that were let in with a token. */
  sessions(): Iterable<Connected> {
    return this.#connections.sessions();
  }

  /** Takes no more connections. */
  stop(): void {
    this.#server.close();
  }

  /** Ends all connections. */
  close(): void {
    this.#connections.close();
  }
}

function tlsServer({ key, cert }: Identity, limits: Record<string, number>): Server {
  // The suites of TLS 1.3 are all strong; there is nothing to choose.
  const options = { ...limits, key, cert, minVersion: "TLSv1.3" as const, handshakeTimeout: HANDSHAKE_MS };
  return createTlsServer({ ...options, ALPNProtocols: ["http/1.1"] });
}

/** Answers a request that is not for the protocol, and ends the connection: whatever else it wants to send is not read. */
function answer(door: Door, request: IncomingMessage, response: ServerResponse): void {
  const refusal = door.refusal(request);
  const status = refusal?.status ?? (request.url === UPGRADE_PATH ? 426 : 404);
  response.writeHead(status, {
    "content-type": "text/plain",
    "x-content-type-options": "nosniff",
    "connection": "close",
  });
  response.end(`${refusal?.reason ?? "This is a dirsync server; mirror a directory to it with: dirsync client DIR"}\n`);
}

function refuse(socket: Socket, { status, reason }: Refusal): void {
  const body = `${reason}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  socket.destroySoon();
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
