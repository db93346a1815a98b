// Decides who is let in: before that a peer is believed nothing and costs next to nothing.

import type { IncomingHttpHeaders } from "node:http";
import { isLoopback } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import { isToken } from "../core/invitation.ts";
import { LONGEST_WRONG_TOKEN_MS, MAX_SUSPECTS, WRONG_TOKEN_MS } from "../core/limits.ts";
import { formatAmount } from "../core/text.ts";
import { UPGRADE_PATH, UPGRADE_PROTOCOL } from "../core/upgrade.ts";
import { type Clients, isExpired, type KnownClient } from "./clients.ts";
import { groupOf } from "./connections.ts";

/** What is known of a request. */
export interface Request {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** IP address that it came from. */
  readonly from: string;
}

/** Why a request is turned away: an HTTP status, and a line for people. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** A request that may come in; as which client, where tokens are asked for. */
export interface Admission {
  readonly client: KnownClient | undefined;
}

export interface DoorDeps {
  /** Those who may come; undefined where no token is asked for. */
  readonly clients: Pick<Clients, "withToken"> | undefined;
  /** Whether only this machine can reach the port, and by which names it calls itself. */
  readonly loopback: boolean;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Wrong tokens of an address are forgotten after so long (ms). */
const SUSPECT_MS = 600_000;

/** The door of a port. */
export class Door {
  readonly #deps: DoorDeps;
  /** Wrong tokens by address, the address heard of last at the end. */
  readonly #suspects = new Map<string, { count: number; at: number }>();
  /** Whether it could not be read who may connect, the last time. */
  #isBlind = false;

  constructor(deps: DoorDeps) {
    this.#deps = deps;
  }

  /** Why a request must not be answered at all, whatever it asks for. */
  refusal({ headers }: Pick<Request, "headers">): Refusal | undefined {
    // Only browsers send these, on behalf of a page, and no page has business here.
    if (headers.origin !== undefined || headers["sec-fetch-site"] !== undefined) {
      return { status: 403, reason: "this server does not serve web pages" };
    }
    // A page whose name was made to point at this machine would still be called by that name.
    if (this.#deps.loopback && !isLoopback(hostOf(headers.host))) {
      return { status: 403, reason: "this server is called localhost; write localhost:PORT" };
    }
    return undefined;
  }

  /** Whether a request for the protocol may come in. With wrong tokens it takes its time. */
  async admit(request: Request): Promise<Admission | Refusal> {
    const refusal = this.refusal(request);
    if (refusal) return refusal;
    const { url, headers } = request;
    if (url !== UPGRADE_PATH || headers.upgrade?.toLowerCase() !== UPGRADE_PROTOCOL) {
      return { status: 400, reason: "this is not the dirsync protocol" };
    }
    const { clients, clock } = this.#deps;
    if (!clients) return { client: undefined };
    const token = /^Bearer ([\w-]+)$/i.exec(headers.authorization ?? "")?.[1];
    if (token === undefined) {
      return { status: 401, reason: "this server asks for a token; dirsync invite on the server prints an invitation" };
    }
    let client: KnownClient | undefined;
    try {
      client = isToken(token) ? clients.withToken(token) : undefined;
      this.#isBlind = false;
    } catch (error) {
      return this.#blind(error);
    }
    if (!client) return await this.#wrong(request.from);
    if (isExpired(client, clock.date())) {
      return { status: 410, reason: "this invitation has expired; dirsync invite on the server prints another one" };
    }
    this.#suspects.delete(groupOf(request.from));
    return { client };
  }

  /** Nobody is let in while it cannot be read who may. Told once. */
  #blind(error: unknown): Refusal {
    const message = `cannot read who may connect: ${reasonOf(error)}; nobody is let in until that works again`;
    if (!this.#isBlind) this.#deps.emit({ event: "warning", message });
    this.#isBlind = true;
    return { status: 500, reason: "this server cannot read who may connect" };
  }

  async #wrong(from: string): Promise<Refusal> {
    const { clock, emit, signal } = this.#deps;
    const group = groupOf(from), now = clock.now();
    const known = this.#suspects.get(group);
    const count = (known && now - known.at < SUSPECT_MS ? known.count : 0) + 1;
    this.#suspects.delete(group);
    this.#suspects.set(group, { count, at: now });
    if (this.#suspects.size > MAX_SUSPECTS) this.#suspects.delete(this.#suspects.keys().next().value!);
    // Told ever more rarely: nobody fills a log with this.
    if (Number.isInteger(Math.log2(count))) {
      emit({
        event: "warning",
        message: `wrong token from ${from} (${formatAmount(count, "time")}); it is slowed down`,
      });
    }
    await clock.sleep(Math.min(LONGEST_WRONG_TOKEN_MS, WRONG_TOKEN_MS * 2 ** (count - 1)), signal);
    return {
      status: 401,
      reason: "this server does not know the token, or not any more; dirsync invite on the server prints an invitation",
    };
  }
}

/** The host of a Host header, without port and brackets. */
function hostOf(host: string | undefined): string {
  return /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(host ?? "")?.slice(1).find((part) => part !== undefined) ?? "";
}
