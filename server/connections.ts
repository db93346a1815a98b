// Who is connected. What has not been let in yet is bounded: above that the oldest connection of the address with the most of them
// goes, so that one address cannot keep others out, and many can only as long as they come faster than a handshake takes.

import type { Socket } from "node:net";
import { MAX_PENDING, MAX_SESSIONS, MAX_SESSIONS_OF_ONE } from "../core/limits.ts";
import type { KnownClient } from "./clients.ts";

/** The part of a socket that is needed. */
export type Peer = Pick<Socket, "remoteAddress" | "remotePort" | "destroy" | "on">;

/** A connection that was let in as this client; `cut` ends it at once. */
export interface Connected {
  readonly client: KnownClient;
  readonly cut: () => void;
}

interface Pending {
  readonly socket: Peer;
  readonly group: string;
}

/** The connections of a port. */
export class Connections {
  /** The oldest first. A TLS socket has the key of the socket that it lies on. */
  readonly #pending = new Map<string, Pending>();
  readonly #sessions = new Map<string | Peer, { readonly socket: Peer; readonly client: KnownClient | undefined }>();
  readonly #areTold: boolean;

  /**
   * @param areTold Whether `add` is called for every connection. Before Deno 2.9 node:http tells of none, nor from where it comes:
   * what has not been let in cannot be bounded there, and a socket that is not known may be let in.
   */
  constructor(areTold = true) {
    this.#areTold = areTold;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** A connection has been made. */
  add(socket: Peer): void {
    const key = keyOf(socket);
    // It has gone already.
    if (key === undefined) return void socket.destroy();
    this.#pending.set(key, { socket, group: groupOf(socket.remoteAddress!) });
    socket.on("close", () => {
      if (this.#pending.get(key)?.socket === socket) this.#pending.delete(key);
      if (this.#sessions.get(key)?.socket === socket) this.#sessions.delete(key);
    });
    if (this.#pending.size > MAX_PENDING) this.#dropOne();
  }

  /** Lets the connection in that `socket` is or lies on. @returns False where there are too many, or it has gone. */
  letIn(socket: Peer, client: KnownClient | undefined): boolean {
    const key = keyOf(socket);
    const lowest = key === undefined ? undefined : this.#pending.get(key)?.socket;
    if (this.#sessions.size >= MAX_SESSIONS || this.#sessionsOf(client) >= MAX_SESSIONS_OF_ONE) return false;
    if (key === undefined || !lowest) return !this.#areTold && this.#letUntoldIn(socket, client);
    this.#pending.delete(key);
    this.#sessions.set(key, { socket: lowest, client });
    return true;
  }

  /** How many were let in as this client; nobody is counted where no token is asked for. */
  #sessionsOf(client: KnownClient | undefined): number {
    let count = 0;
    if (client) { for (const { client: other } of this.sessions()) count += Number(other.id === client.id); }
    return count;
  }

  #letUntoldIn(socket: Peer, client: KnownClient | undefined): true {
    this.#sessions.set(socket, { socket, client });
    socket.on("close", () => this.#sessions.delete(socket));
    return true;
  }

  /** Those that were let in with a token. */
  *sessions(): Generator<Connected> {
    for (const { socket, client } of [...this.#sessions.values()]) {
      if (client) yield { client, cut: () => void socket.destroy() };
    }
  }

  /** Ends all. */
  close(): void {
    for (const { socket } of [...this.#pending.values()]) socket.destroy();
    for (const { socket } of [...this.#sessions.values()]) socket.destroy();
  }

  #dropOne(): void {
    const counts = new Map<string, number>();
    for (const { group } of this.#pending.values()) counts.set(group, (counts.get(group) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const [key, { socket, group }] of this.#pending) {
      if (counts.get(group) !== most) continue;
      this.#pending.delete(key);
      socket.destroy();
      return;
    }
  }
}

/** What an address is counted under: itself, of IPv6 the network of which one user commonly has all. */
export function groupOf(address: string): string {
  const four = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (four) return four;
  const [head = "", tail = ""] = address.replace(/%.*$/, "").toLowerCase().split("::");
  const front = head === "" ? [] : head.split(":"), back = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? Array(Math.max(0, 8 - front.length - back.length)).fill("0") : [];
  return [...front, ...zeros, ...back].slice(0, 4).join(":");
}

function keyOf({ remoteAddress, remotePort }: Peer): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;
}
