// Who may connect: names, what each may do, and the hash of each token, in a database in the server's private folder. The server
// and the commands invite, clients and revoke work on it side by side.

import { timingSafeEqual } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { FatalError, ProblemError } from "../core/errors.ts";
import { ACCESS, type Access, type Grant } from "../core/grant.ts";
import { encode256, formatTrust, type Trust, trustOf } from "../core/invitation.ts";
import { MAX_CLIENTS } from "../core/limits.ts";
import { makePrivateFile } from "../core/private_files.ts";
import { digestOf } from "../core/recipe.ts";
import type { Address } from "../core/address.ts";

/** A client as its owner sees it. Times are ms since the epoch. */
export interface KnownClient extends Grant {
  readonly id: number;
  readonly created: number;
  readonly expires?: number;
  readonly lastUsed?: number;
}

/** How a new client is made. */
export interface NewClient {
  /** @default "client-1", or the next that is free */
  readonly name?: string;
  readonly access: Access;
  readonly quotaBytes?: number;
  readonly expires?: number;
}

/** What a server tells the commands about itself. */
export interface Whereabouts {
  readonly address: Address;
  readonly trust: Trust;
}

const SCHEMA = 1;
const CREATE = `
  CREATE TABLE client (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE, -- SHA-256 of the token, hexadecimal; a token has 256 random bits, so no salt is needed
    access TEXT NOT NULL,
    quota INTEGER, -- bytes
    created INTEGER NOT NULL, -- this and the following: ms since the epoch
    expires INTEGER,
    used INTEGER
  ) STRICT;
  CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
`;
/** Another process may be writing for so long (ms). */
const BUSY_MS = 5000;

/** The clients of one server. */
export class Clients implements Disposable {
  readonly #db: DatabaseSync;

  /** @throws {FatalError} If the file is damaged: who may come in is not guessed. */
  constructor(folder: string) {
    const file = `${folder}/clients.sqlite`;
    try {
      makePrivateFile(file);
      this.#db = new DatabaseSync(file);
      this.#db.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA synchronous = FULL; BEGIN IMMEDIATE`);
      const { user_version } = this.#db.prepare("PRAGMA user_version").get() as { user_version: number };
      if (user_version === 0) this.#db.exec(`${CREATE} PRAGMA user_version = ${SCHEMA}`);
      else if (user_version !== SCHEMA) throw new Error("another version of dirsync made it");
      this.#db.exec("COMMIT");
    } catch (error) {
      throw new FatalError(`Cannot read who may connect from "${file}": ${(error as Error).message}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** All clients, in the order in which they were invited. */
  all(): KnownClient[] {
    return this.#db.prepare("SELECT * FROM client ORDER BY id").all().map((row) => clientOf(row as unknown as Row));
  }

  /**
   * Makes a client.
   * @returns Its name and its token, which is not kept.
   * @throws {ProblemError} If the name is taken, or there are too many.
   */
  add(client: NewClient, token: Uint8Array, now: number): { name: string; token: string } {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const names = new Set(this.all().map(({ name }) => name));
      if (names.size >= MAX_CLIENTS) throw new ProblemError(`there are ${MAX_CLIENTS} clients already; revoke one`);
      const name = client.name ?? freeName(names);
      if (names.has(name)) {
        throw new ProblemError(`there is a client "${name}" already; revoke it, or take another name`);
      }
      const text = encode256(token);
      this.#db.prepare(
        "INSERT INTO client (name, hash, access, quota, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
      ).run(name, hashOf(text), client.access, client.quotaBytes ?? null, now, client.expires ?? null);
      this.#db.exec("COMMIT");
      return { name, token: text };
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Ends a client. @returns Whether there was one. */
  remove(name: string): boolean {
    return this.#db.prepare("DELETE FROM client WHERE name = ?").run(name).changes > 0;
  }

  /** The client that a token belongs to. How long it takes says nothing about the tokens that there are. */
  withToken(token: string): KnownClient | undefined {
    const wanted = Uint8Array.fromHex(hashOf(token));
    let found: Row | undefined;
    for (const row of this.#db.prepare("SELECT * FROM client").all() as unknown as Row[]) {
      if (timingSafeEqual(Uint8Array.fromHex(row.hash), wanted)) found = row;
    }
    return found && clientOf(found);
  }

  /** A client by its number, if it is still one. */
  get(id: number): KnownClient | undefined {
    const row = this.#db.prepare("SELECT * FROM client WHERE id = ?").get(id) as unknown as Row | undefined;
    return row && clientOf(row);
  }

  /** Notes that a client is here, if that can be written: a disk that is full ends nobody's connection. */
  used(id: number, now: number): void {
    try {
      this.#db.prepare("UPDATE client SET used = ? WHERE id = ?").run(now, id);
    } catch {
      // It is a note for people, and the next one may be made.
    }
  }

  /** Where the server listened last, and how clients know it. */
  get whereabouts(): Whereabouts | undefined {
    const fact = (key: string) =>
      (this.#db.prepare("SELECT value FROM fact WHERE key = ?").get(key) as { value: string } | undefined)?.value;
    const host = fact("host"), port = fact("port"), trust = fact("trust");
    return host && port && trust ? { address: { host, port: Number(port) }, trust: trustOf(trust) } : undefined;
  }

  set whereabouts(at: Whereabouts) {
    const set = this.#db.prepare("INSERT OR REPLACE INTO fact (key, value) VALUES (?, ?)");
    set.run("host", at.address.host);
    set.run("port", String(at.address.port));
    set.run("trust", formatTrust(at.trust));
  }
}

/** Whether a client's time is over. */
export function isExpired({ expires }: KnownClient, now: number): boolean {
  return expires !== undefined && now >= expires;
}

interface Row {
  id: number;
  name: string;
  hash: string;
  access: string;
  quota: number | null;
  created: number;
  expires: number | null;
  used: number | null;
}

function clientOf({ id, name, access, quota, created, expires, used }: Row): KnownClient {
  return {
    id,
    name,
    // What is unknown here may do least.
    access: ACCESS.find((known) => known === access) ?? "read-only",
    created,
    ...(quota !== null && { quotaBytes: quota }),
    ...(expires !== null && { expires }),
    ...(used !== null && { lastUsed: used }),
  };
}

function hashOf(token: string): string {
  return digestOf(new TextEncoder().encode(token));
}

function freeName(names: ReadonlySet<string>): string {
  for (let i = 1;; i++) if (!names.has(`client-${i}`)) return `client-${i}`;
}
