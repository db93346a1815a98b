// How a host is reached, and what to say when it is not.

import type { Address } from "../core/address.ts";

/** What to do about a server that does not know us, or that we do not know. */
export const USE_INVITATION = "use the invitation that it printed (dirsync invite there makes one)";

/** Where to connect to: one well-known address for "localhost", or client and server might choose different ones. */
export function resolved({ host, port }: Address): Address {
  return { host: host === "localhost" ? "127.0.0.1" : host, port };
}

/** What a network error means, in a few words. */
export function reasonOf(error: Error & { code?: string }): string {
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
