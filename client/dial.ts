// Opens a connection to a server: a plain HTTP/1.1 request that asks for the dirsync protocol, on the server's one port.
// (node:http's own client is not used: its `upgrade` event never came with Deno 2.6, the runtime of the binary tests.)

import { connect, type Socket } from "node:net";
import { type Address, formatAddress } from "../core/address.ts";
import { DisconnectedError, RefusedError } from "../core/errors.ts";
import type { Link } from "../core/link.ts";
import { socketLink } from "../core/socket_link.ts";
import { UPGRADE_PATH, UPGRADE_PROTOCOL } from "../core/wire.ts";

/** Longest answer to the handshake, bytes. */
const MAX_ANSWER_BYTES = 16384;

/**
 * Connects and shakes hands.
 *
 * @throws {DisconnectedError} If nobody answers there.
 * @throws {RefusedError} If what answers is no dirsync server, or does not want us.
 */
export function dial(address: Address, signal: AbortSignal): Promise<Link> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.host === "localhost" ? "127.0.0.1" : address.host, port: address.port });
    let answer = new Uint8Array();
    const settle = () => {
      signal.removeEventListener("abort", abort);
      socket.removeAllListeners();
    };
    const fail = (error: Error) => {
      settle();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const abort = () => fail(new DisconnectedError("stopped"));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    socket.on("connect", () => socket.write(requestFor(address)));
    socket.on(
      "error",
      (error: Error & { code?: string }) => fail(new DisconnectedError(reasonOf(error), { cause: error })),
    );
    socket.on("close", () => fail(new DisconnectedError("it closed the connection")));
    socket.on("data", (bytes: Uint8Array) => {
      answer = concat(answer, bytes);
      const end = indexOfEmptyLine(answer);
      if (end < 0) {
        if (answer.length > MAX_ANSWER_BYTES) fail(new RefusedError("what answers there is no dirsync server", true));
        return;
      }
      const refusal = refusalIn(new TextDecoder().decode(answer.subarray(0, end)));
      if (refusal) return fail(new RefusedError(refusal, true));
      settle();
      resolve(socketLink(socket as Socket, answer.subarray(end)));
    });
  });
}

function requestFor(address: Address): string {
  return `GET ${UPGRADE_PATH} HTTP/1.1\r\nHost: ${
    formatAddress(address)
  }\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`;
}

/** Why the answer is not the one hoped for, or undefined if it is. */
function refusalIn(head: string): string | undefined {
  const [status = "", ...headers] = head.split("\r\n");
  const switched = /^HTTP\/1\.1 101 /.test(status);
  const upgrade = headers.some((line) => line.toLowerCase() === `upgrade: ${UPGRADE_PROTOCOL}`);
  if (switched && upgrade) return undefined;
  return `what answers there is no dirsync server of this protocol (it says ${JSON.stringify(status.slice(0, 100))})`;
}

function indexOfEmptyLine(bytes: Uint8Array): number {
  for (let i = 3; i < bytes.length; i++) {
    if (bytes[i] === 10 && bytes[i - 1] === 13 && bytes[i - 2] === 10 && bytes[i - 3] === 13) return i + 1;
  }
  return -1;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function reasonOf(error: Error & { code?: string }): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "nothing listens there";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "no such host";
    case "ETIMEDOUT":
      return "no answer";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "no way to that host";
    case "ECONNRESET":
      return "it closed the connection";
    default:
      return error.message;
  }
}
