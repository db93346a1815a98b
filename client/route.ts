// The way to a server: what the user says now, and what was stored when an invitation was used. What protects a connection only
// ever gets weaker when the user says so.

import { createHash } from "node:crypto";
import { type Address, DEFAULT_PORT, formatAddress, isLoopback } from "../core/address.ts";
import { FatalError, reasonOf, UsageError } from "../core/errors.ts";
import {
  formatTrust,
  INVITATION_SCHEME,
  isToken,
  parseInvitation,
  sameTrust,
  type ServerChoice,
  type Trust,
  trustOf,
} from "../core/invitation.ts";
import { MAX_CERTIFICATE_BYTES, MAX_INVITATION_BYTES } from "../core/limits.ts";
import { makePrivateFolder, readSmallFile, requireOwn, writePrivately } from "../core/private_files.ts";

/** A way to a server. */
export interface Route {
  readonly address: Address;
  readonly trust: Trust;
  readonly token?: string;
  /** The server's certificate in PEM, where it is known by its fingerprint and was seen before. */
  readonly certificate?: string;
}

/** What the user says of the server. */
export interface RouteOptions {
  readonly server?: ServerChoice;
  readonly tokenFile?: string;
  /** A token or an invitation from the environment. */
  readonly secret?: string;
  /** Folder for all of dirsync's state. */
  readonly state: string;
}

/** Where a server is that nobody names. */
const DEFAULT_SERVER: Address = { host: "localhost", port: DEFAULT_PORT };

/** The way to the server. @throws {FatalError | UsageError} If what was said or stored does not fit together. */
export function findRoute(options: RouteOptions): Route {
  const secret = secretOf(options);
  const said: Partial<ServerChoice> = { ...secret, ...options.server };
  const { host, port } = { ...DEFAULT_SERVER, ...said };
  const address = { host, port };
  const stored = readStored(options.state, address);
  const trust = said.trust ?? stored?.trust ?? { kind: "plain" };
  // A token is for the server that it came with.
  const kept = stored && sameTrust(stored.trust, trust) ? stored : undefined;
  const token = said.token ?? kept?.token;
  if (token !== undefined && trust.kind === "plain" && !isLoopback(host)) {
    throw new FatalError(
      `Cannot send a token to ${formatAddress(address)} without TLS: use the invitation, or https://${
        formatAddress(address)
      }/`,
    );
  }
  return {
    address,
    trust,
    ...(token !== undefined && { token }),
    ...(kept?.certificate !== undefined && { certificate: kept.certificate }),
  };
}

/** Keeps a way that has led to a server, so that its address is enough next time. */
export function storeRoute(state: string, { address, trust, token, certificate }: Route): void {
  makePrivateFolder(`${state}/servers`);
  const text = { trust: formatTrust(trust), token, certificate };
  writePrivately(fileOf(state, address), `${JSON.stringify(text, undefined, 2)}\n`);
}

/** Whether there is something to keep. */
export function isWorthStoring(route: Route): boolean {
  return route.token !== undefined || route.trust.kind !== "plain";
}

/** What a file or the environment holds: a token, or a whole invitation, which is for its own server. */
function secretOf({ tokenFile, secret, server }: RouteOptions): Partial<ServerChoice> {
  let text = secret;
  let where = "DIRSYNC_TOKEN";
  if (tokenFile !== undefined) {
    where = `--token-file "${tokenFile}"`;
    try {
      text = readSmallFile(tokenFile, MAX_INVITATION_BYTES);
    } catch (error) {
      throw new FatalError(`Cannot use ${where}: ${reasonOf(error)}`);
    }
    if (text === undefined) throw new FatalError(`Cannot use ${where}: it does not exist`);
  }
  // The invitation on the command line has its own.
  if (text === undefined || server?.token !== undefined) return {};
  text = text.trim();
  if (text.toLowerCase().startsWith(INVITATION_SCHEME)) {
    const invitation = parseInvitation(text);
    // By its fingerprint it is the same server at any address; by an authority another host is another one.
    if (server && invitation.trust.kind === "ca" && server.host !== invitation.host) {
      throw new FatalError(`Cannot use ${where} for ${server.host}: it holds an invitation to ${invitation.host}`);
    }
    return invitation;
  }
  if (isToken(text)) return { token: text };
  throw new UsageError(`Cannot use ${where}: it holds neither a token nor an invitation`);
}

function readStored(state: string, address: Address): Route | undefined {
  const file = fileOf(state, address);
  try {
    requireOwn(`${state}/servers`);
  } catch (error) {
    throw new FatalError(`Cannot keep state: ${reasonOf(error)}`, { cause: error });
  }
  try {
    const text = readSmallFile(file, MAX_CERTIFICATE_BYTES);
    return text === undefined ? undefined : { address, ...parseStored(text) };
  } catch {
    // To go on without what it held would be to fall back to nothing.
    throw new FatalError(
      `Cannot read what is known of ${
        formatAddress(address)
      } from "${file}": it is damaged; remove it and use an invitation`,
    );
  }
}

/** What `storeRoute` wrote. @throws {SyntaxError} If it is anything else. */
export function parseStored(text: string): Omit<Route, "address"> {
  const value: unknown = JSON.parse(text);
  const { trust, token, certificate } = (value ?? {}) as Record<string, unknown>;
  const isWhole = typeof trust === "string" && (trust === "ca" || trust === "plain" || isToken(trust)) &&
    (token === undefined || typeof token === "string" && isToken(token)) &&
    (certificate === undefined || typeof certificate === "string");
  if (!isWhole) throw new SyntaxError("not what was stored");
  return {
    trust: trustOf(trust),
    ...(token !== undefined && { token }),
    ...(certificate !== undefined && { certificate }),
  };
}

function fileOf(state: string, address: Address): string {
  return `${state}/servers/${createHash("sha256").update(formatAddress(address)).digest("hex").slice(0, 16)}.json`;
}
