// What people are told of who may connect to a server, and how. Pure.

import type { SyncEvent } from "./events.ts";
import type { Grant } from "./grant.ts";
import { escapeText, formatBytes, formatDuration } from "./text.ts";

type Of<E extends SyncEvent["event"]> = Extract<SyncEvent, { event: E }>;

/** What the server says when it is ready. */
export function listeningLines({ dir, address, loopback, tls, token }: Of<"listening">): string[] {
  const shown = escapeText(address);
  const lines = [`the mirror is in ${escapeText(dir)}`];
  if (!loopback) {
    return [...lines, `listening on ${shown}${tls ? ", for clients that were invited (TLS and a token)" : ""}`];
  }
  return [
    ...lines,
    `listening on ${shown}, which only this machine can reach${token ? "; it asks for a token" : ""}`,
    `from afar: ssh -N -L 5000:${shown} THIS_HOST, then dirsync client DIR`,
  ];
}

/** Said on stderr where anyone may connect. */
export function openWarning({ address }: Of<"listening">): string {
  return `warning: ${escapeText(address)} is open (--insecure): anyone who can reach it can read and change the mirror`;
}

/** An invitation: the line to paste, alone on its line. */
export function invitationText({ name, invitation, ...grant }: Of<"invitation">, now: number): string {
  const what = `"${escapeText(name)}" ${rightsOf(grant, now)}`;
  return `${what}; on its machine, once (later --server HOST:PORT is enough):\n  dirsync client DIR --server ${invitation}\n`;
}

/** One of those who may connect, in a line. */
export function clientText({ name, created, lastUsed, ...grant }: Of<"client">, now: number): string {
  const used = lastUsed === undefined ? "never used" : `last used ${ago(lastUsed, now)}`;
  return `${escapeText(name)}: ${rightsOf(grant, now)}, invited ${ago(created, now)}, ${used}\n`;
}

const RIGHTS = {
  "full": "may change everything",
  "no-delete": "may change files, but not remove them",
  "add-only": "may add files",
  "read-only": "may only compare",
} as const;

function rightsOf({ access, quotaBytes, expires }: Omit<Grant, "name"> & { expires?: number }, now: number): string {
  return [
    RIGHTS[access],
    ...(quotaBytes === undefined ? [] : [`up to ${formatBytes(quotaBytes)}`]),
    ...(expires === undefined ? [] : [expires > now ? `for ${formatDuration(expires - now)}` : "expired"]),
  ].join(", ");
}

function ago(then: number, now: number): string {
  return now - then < 1000 ? "now" : `${formatDuration(now - then)} ago`;
}
