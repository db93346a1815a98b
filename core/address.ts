// Addresses as people write them: HOST, HOST:PORT, [IPv6]:PORT.

import { UsageError } from "./errors.ts";

/** Where a server listens if nothing is said. */
export const DEFAULT_PORT = 5000;

/** A host without brackets (name, IPv4 or IPv6) and a port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Whether a host (as in Address) is this machine alone: "localhost", 127.0.0.0/8 or ::1. */
export function isLoopback(host: string): boolean {
  return /^(localhost\.?|127(\.\d{1,3}){3}|::1)$/i.test(host);
}

/** An address as one writes it: "host:port", IPv6 in brackets. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

interface AddressOptions {
  /** The value as the user wrote it. @default the text itself */
  shown?: string;
  /** @default 5000 */
  defaultPort?: number;
  /** Whether port 0 is allowed. @default false */
  freePort?: boolean;
}

/** HOST, HOST:PORT, [IPv6] or [IPv6]:PORT. The host comes back in its usual form: lower case, 127.1 as 127.0.0.1. */
export function parseAddress(option: string, text: string, options: AddressOptions = {}): Address {
  const { shown = text, defaultPort = DEFAULT_PORT, freePort = false } = options;
  if (text.includes("/")) throw wrong(option, shown, "write HOST:PORT, localhost:5000 for example");
  const parts = /^\[(?<six>.*)\](?::(?<port>.*))?$/.exec(text) ?? /^(?<name>[^:]*)(?::(?<port>[^:]*))?$/.exec(text);
  if (!parts) throw wrong(option, shown, "write HOST:PORT, an IPv6 address in brackets: [::1]:5000");
  const { six, name, port } = parts.groups!;
  if (name !== undefined && /^\d*$/.test(name)) {
    throw wrong(option, shown, `it names no host; write localhost:${name || port || DEFAULT_PORT} for this machine`);
  }
  if (name === "*") throw wrong(option, shown, "write 0.0.0.0 for every IPv4 interface, [::] for IPv6 too");
  const host = six === undefined ? canonicalHost(name!) : canonicalHost(`[${six}]`);
  if (host === undefined) {
    throw wrong(option, shown, `"${six ?? name}" is neither the name of a host nor an IP address`);
  }
  const lowest = freePort ? 0 : 1;
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= lowest && Number(port) <= 65535)) {
    throw wrong(option, shown, `the port must be a number from ${lowest} to 65535`);
  }
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

/** A host in its usual form, IPv6 ("[...]" going in) without brackets; undefined when it is none. */
function canonicalHost(host: string): string | undefined {
  if (!/^(\[[\da-f:.]+\]|(?=.*[\p{L}\p{N}])[\p{L}\p{M}\p{N}._-]{1,253})$/iu.test(host)) return undefined;
  try {
    const usual = new URL(`http://${host}/`).hostname.replace(/^\[|\]$/g, "");
    // It must not be for some name server to say where that is.
    return usual === "localhost." ? "localhost" : usual;
  } catch {
    return undefined;
  }
}

export function wrong(option: string, value: string, reason: string): UsageError {
  return new UsageError(`Cannot use ${option} "${value}": ${reason}`);
}
