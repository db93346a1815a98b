// Invitations: one line that holds all that a client needs to reach a server and to know it again.
//
//   dirsync://HOST:PORT/TOKEN/TRUST
//
// TOKEN is 256 random bits, TRUST how the server is known: the SHA-256 of its certificate, or "ca" (by certificate authority and
// host name), or "plain" (no TLS; on this machine only, an ssh tunnel's end for example). Both in base64url.

import { type Address, formatAddress, isLoopback, parseAddress, wrong } from "./address.ts";
import { UsageError } from "./errors.ts";
import { MAX_INVITATION_BYTES } from "./limits.ts";

/** How a server is known. A fingerprint is the SHA-256 of a certificate in base64url. */
export type Trust =
  | { readonly kind: "pin"; readonly fingerprint: string }
  | { readonly kind: "ca" }
  | { readonly kind: "plain" };

/** Where a server is, as far as that was said: how it is known and what lets us in may be missing. */
export interface ServerChoice extends Address {
  readonly trust?: Trust;
  readonly token?: string;
}

/** An invitation. */
export type Invitation = Required<ServerChoice>;

/** How the text of an invitation begins. */
export const INVITATION_SCHEME = "dirsync://";

/**
 * Reads an invitation.
 *
 * @throws {UsageError} If it is none. The message does not hold the text, which is a secret.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const text = `dirsync://nas:5000/${"A".repeat(43)}/ca`;
 * assertEquals(formatInvitation(parseInvitation(text)), text);
 * ```
 */
export function parseInvitation(text: string): Invitation {
  if (text.length > MAX_INVITATION_BYTES) throw unusable("it is too long");
  const [, place, token, trust] = /^dirsync:\/\/([^/?#@]+)\/([\w-]+)\/([\w-]+)\/?$/i.exec(text) ?? [];
  if (place === undefined) throw unusable("it must be the whole line that the server printed");
  if (!isToken(token!) || !(trust === "ca" || trust === "plain" || isToken(trust!))) {
    throw unusable("a part of it is missing or mistyped");
  }
  let address: Address;
  try {
    address = parseAddress("--server", place);
  } catch {
    throw unusable("its host or port is impossible");
  }
  if (trust === "plain" && !isLoopback(address.host)) throw unusable("without TLS it is for this machine alone");
  return { ...address, token: token!, trust: trustOf(trust!) };
}

/** What a client takes for a server: HOST:PORT, http://HOST:PORT/ (no TLS), https://HOST:PORT/ (by authority), an invitation. */
export function parseServer(text: string): ServerChoice {
  const option = "--server";
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? [];
  if (scheme === undefined) return parseAddress(option, text);
  switch (scheme.toLowerCase()) {
    case "http":
    case "https": {
      const secure = scheme.length === 5;
      if (/[/?#@].|[?#@]/.test(rest!)) {
        throw wrong(option, text, `write only ${scheme}://HOST:PORT/, nothing before or behind`);
      }
      const defaultPort = secure ? 443 : 80;
      const address = parseAddress(option, rest!.replace(/\/$/, ""), { shown: text, defaultPort });
      return { ...address, trust: { kind: secure ? "ca" : "plain" } };
    }
    case "dirsync":
      return parseInvitation(text);
    default:
      throw wrong(option, text, "write HOST:PORT, https://HOST:PORT/ or the invitation that the server printed");
  }
}

/** The text of an invitation. */
export function formatInvitation({ host, port, token, trust }: Invitation): string {
  return `${INVITATION_SCHEME}${formatAddress({ host, port })}/${token}/${formatTrust(trust)}`;
}

/** A trust in one word, as invitations have it. */
export function formatTrust(trust: Trust): string {
  return trust.kind === "pin" ? trust.fingerprint : trust.kind;
}

/** Whether two are the same. */
export function sameTrust(a: Trust, b: Trust): boolean {
  return formatTrust(a) === formatTrust(b);
}

/** Whether this is the text of 256 bits, as tokens and fingerprints are written. */
export function isToken(text: string): boolean {
  if (!/^[\w-]{43}$/.test(text)) return false;
  return encode256(Uint8Array.fromBase64(text, { alphabet: "base64url", lastChunkHandling: "loose" })) === text;
}

/** 256 bits as text. */
export function encode256(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** What a word of `formatTrust` means. */
export function trustOf(word: string): Trust {
  return word === "ca" || word === "plain" ? { kind: word } : { kind: "pin", fingerprint: word };
}

function unusable(reason: string): UsageError {
  return new UsageError(`Cannot use the invitation: ${reason}; dirsync invite on the server makes another one`);
}
