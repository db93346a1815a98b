// TLS to a server whose identity is known. Nothing of ours is sent before it has been proved.
//
// A server known by its fingerprint is asked for its certificate on a connection of its own, in which nothing is believed and
// nothing sent; only when the fingerprint is the one, a second connection takes that certificate as its only authority and
// checks everything: that the other end holds its key, too. (A runtime that is told not to reject what no authority vouches
// for may leave out that check: Deno 2.6 does. Later the certificate is remembered, and one connection is enough.)

import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { Address } from "../core/address.ts";
import { DisconnectedError, IdentityError } from "../core/errors.ts";
import { encode256, type Trust } from "../core/invitation.ts";
import { HANDSHAKE_MS } from "../core/limits.ts";
import { digestOf } from "../core/recipe.ts";
import { SERVER_NAME } from "../core/upgrade.ts";
import { attempt } from "./attempt.ts";
import { reasonOf, resolved, USE_INVITATION } from "./reach.ts";

/** A server that proved who it is. */
export interface Secured {
  readonly socket: TLSSocket;
  /** Its certificate in PEM, where it is known by its fingerprint. */
  readonly certificate?: string;
}

/** How a server is known; its certificate too, if we have seen it. */
export interface KnownServer {
  readonly address: Address;
  readonly trust: Exclude<Trust, { kind: "plain" }>;
  readonly certificate?: string;
}

/**
 * Connects to a server and makes sure that it is the one.
 *
 * @throws {DisconnectedError} If nobody answers there.
 * @throws {IdentityError} If what answers is not that server.
 */
export async function connectSecurely(server: KnownServer, signal: AbortSignal): Promise<Secured> {
  const { address, trust } = server;
  if (trust.kind === "ca") {
    const { host } = address;
    return { socket: await handshake(address, isIP(host) ? {} : { servername: host }, signal) };
  }
  const certificate = server.certificate !== undefined && fingerprintOf(server.certificate) === trust.fingerprint
    ? server.certificate
    : await fetchCertificate(address, trust.fingerprint, signal);
  const socket = await handshake(address, { servername: SERVER_NAME, ca: [certificate] }, signal);
  if (certificateOf(socket).fingerprint === trust.fingerprint) return { socket, certificate };
  socket.destroy();
  throw new IdentityError("it does not show the certificate that its invitation names");
}

/** The server's certificate, if it is the one with this fingerprint. */
async function fetchCertificate(address: Address, fingerprint: string, signal: AbortSignal): Promise<string> {
  const socket = await handshake(address, { servername: SERVER_NAME, rejectUnauthorized: false }, signal);
  const shown = certificateOf(socket);
  socket.destroy();
  if (shown.fingerprint === fingerprint) return shown.pem;
  throw new IdentityError(
    "it is not the server of the invitation (its certificate is another one), or somebody is in between; nothing was sent. " +
      "If it was set up anew, use a new invitation",
  );
}

function certificateOf(socket: TLSSocket): { fingerprint: string; pem: string } {
  const { raw } = socket.getPeerCertificate(true);
  if (!raw) throw new IdentityError("it shows no certificate");
  const der = new Uint8Array(raw);
  const lines = der.toBase64().match(/.{1,64}/g)!.join("\n");
  return {
    fingerprint: encode256(Uint8Array.fromHex(digestOf(der))),
    pem: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

function fingerprintOf(pem: string): string | undefined {
  try {
    return encode256(Uint8Array.fromHex(digestOf(new X509Certificate(pem).raw)));
  } catch {
    return undefined;
  }
}

function handshake(address: Address, options: ConnectionOptions, signal: AbortSignal): Promise<TLSSocket> {
  const isPinned = options.servername === SERVER_NAME;
  const socket = connect({ ...resolved(address), ...options, minVersion: "TLSv1.3", ALPNProtocols: ["http/1.1"] });
  return attempt(socket, signal, ({ succeed, fail }) => {
    socket.setTimeout(HANDSHAKE_MS, () => fail(new DisconnectedError("it does not finish the TLS handshake")));
    socket.on("error", (error: Error & { code?: string }) => fail(errorOf(error, address, isPinned)));
    socket.on("close", () => fail(new DisconnectedError("it closed the connection before the TLS handshake was over")));
    socket.on("secureConnect", () => succeed(() => socket));
  });
}

/** What no network says is about the identity. */
function errorOf(error: Error & { code?: string }, { host }: Address, isPinned: boolean): Error {
  const { code = "", message } = error;
  if (/^E[A-Z_]+$/.test(code) && !code.startsWith("ERR_")) {
    return new DisconnectedError(reasonOf(error), { cause: error });
  }
  if (/corrupt message|InvalidContentType|wrong version number/i.test(message)) {
    return new IdentityError(
      "what answers there does not speak TLS, which this server must: it is another one, or it was started with --insecure " +
        "or for its own machine only",
      { cause: error },
    );
  }
  const hint = isPinned ? "" : `; ${USE_INVITATION}`;
  return new IdentityError(`it cannot prove that it is ${host} (${message})${hint}`, { cause: error });
}
