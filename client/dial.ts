// Opens a connection to a server: an HTTP/1.1 request that asks for the dirsync protocol, on the server's one port, over TLS
// where the server is known by its identity. The token travels in a header, and only when that identity has been proved.
// (node:http's own client is not used: its `upgrade` event never came with Deno 2.6, the runtime of the binary tests.)

import { connect, type Socket } from "node:net";
import { formatAddress } from "../core/address.ts";
import { DisconnectedError, RefusedError } from "../core/errors.ts";
import { HANDSHAKE_MS, LONGEST_WRONG_TOKEN_MS, MAX_HEAD_BYTES } from "../core/limits.ts";
import type { Link } from "../core/link.ts";
import { socketLink } from "../core/socket_link.ts";
import { requireTls } from "../core/tls.ts";
import { UPGRADE_PATH, UPGRADE_PROTOCOL } from "../core/upgrade.ts";
import { attempt } from "./attempt.ts";
import { reasonOf, resolved, USE_INVITATION } from "./reach.ts";
import type { Route } from "./route.ts";

/** How long a server may take to answer the handshake (ms): it may be slow with those who were wrong before. */
const ANSWER_MS = HANDSHAKE_MS + LONGEST_WRONG_TOKEN_MS;
/** The first byte of a TLS alert, with which a TLS server answers plain HTTP. */
const TLS_ALERT = 0x15;

/** A connection, and the way by which it was made, which now holds the server's certificate. */
export interface Dialled {
  readonly link: Link;
  readonly route: Route;
}

/**
 * Connects and shakes hands.
 *
 * @throws {DisconnectedError} If nobody answers there.
 * @throws {RefusedError} If what answers is no dirsync server, or does not want us.
 * @throws {IdentityError} If it is another one than it should be.
 */
export async function dial(route: Route, signal: AbortSignal): Promise<Dialled> {
  const { address, trust } = route;
  if (trust.kind === "plain") {
    return { route, link: await shakeHands(connect(resolved(address)), "connect", route, signal) };
  }
  requireTls();
  // Most connections are to this very machine, and need nothing of it.
  const { connectSecurely } = await import("./secure.ts");
  const { socket, certificate } = await connectSecurely({ ...route, trust }, signal);
  const link = await shakeHands(socket, undefined, route, signal);
  return { link, route: certificate === undefined ? route : { ...route, certificate } };
}

/** Asks for the protocol, at once or on the event `when`. */
function shakeHands(socket: Socket, when: string | undefined, route: Route, signal: AbortSignal): Promise<Link> {
  return attempt(socket, signal, ({ succeed, fail }) => {
    let answer = new Uint8Array();
    const ask = () => socket.write(requestFor(route));
    if (when) socket.on(when, ask);
    else ask();
    socket.setTimeout(ANSWER_MS, () => fail(new DisconnectedError("no answer")));
    socket.on(
      "error",
      (error: Error & { code?: string }) => fail(new DisconnectedError(reasonOf(error), { cause: error })),
    );
    socket.on("close", () => fail(new DisconnectedError("it closed the connection")));
    socket.on("data", (bytes: Uint8Array) => {
      answer = concat(answer, bytes);
      const end = indexOfEmptyLine(answer);
      if (end < 0) {
        if (answer[0] === TLS_ALERT) fail(new RefusedError(NEEDS_TLS, false));
        else if (answer.length > MAX_HEAD_BYTES) {
          fail(new RefusedError("what answers there is no dirsync server", true));
        }
        return;
      }
      const refusal = refusalIn(new TextDecoder().decode(answer.subarray(0, end)), route);
      if (refusal) return fail(refusal);
      succeed(() => socketLink(socket, answer.subarray(end)));
    });
  });
}

function requestFor({ address, token }: Route): string {
  return [
    `GET ${UPGRADE_PATH} HTTP/1.1`,
    `Host: ${formatAddress(address)}`,
    "Connection: Upgrade",
    `Upgrade: ${UPGRADE_PROTOCOL}`,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    "\r\n",
  ].join("\r\n");
}

const NEEDS_TLS = `it asks for TLS and a token: ${USE_INVITATION}`;
const NEEDS_TOKEN = `it asks for a token: ${USE_INVITATION}`;
/** What the refusals of a server mean to us, and whether it may be otherwise later. */
const REFUSALS: Record<string, { message: string; retry: boolean }> = {
  "401": {
    message: "it does not know our token, or not any more; use a new invitation (dirsync invite there)",
    retry: false,
  },
  "403": { message: "it is called otherwise: use the name or address that it listens on", retry: false },
  "410": { message: "our invitation has expired; use a new one (dirsync invite there)", retry: false },
  "500": { message: "it cannot read who may connect (its own messages say why)", retry: true },
  "503": { message: "too many clients are connected to it", retry: true },
};

/** Why the answer is not the one hoped for, or undefined if it is. */
function refusalIn(head: string, { token }: Route): RefusedError | undefined {
  const [status = "", ...headers] = head.split("\r\n");
  const switched = /^HTTP\/1\.1 101 /.test(status);
  const upgrade = headers.some((line) => line.toLowerCase() === `upgrade: ${UPGRADE_PROTOCOL}`);
  if (switched && upgrade) return undefined;
  const code = /^HTTP\/1\.1 (\d{3}) /.exec(status)?.[1] ?? "";
  if (code === "401" && token === undefined) return new RefusedError(NEEDS_TOKEN, false);
  const known = REFUSALS[code];
  if (known) return new RefusedError(known.message, known.retry);
  const said = JSON.stringify(status.slice(0, 100));
  return new RefusedError(`what answers there is no dirsync server of this protocol (it says ${said})`, true);
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
