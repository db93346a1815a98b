// Which user and group of this machine an owner of the source is: by name where both know one, else by number.

import type { Accounts } from "../core/accounts.ts";
import { ProtocolError } from "../core/errors.ts";
import { NO_ID } from "../core/fs.ts";
import { MAX_ACCOUNTS } from "../core/limits.ts";
import type { AccountName } from "../core/wire.ts";

/** Owners as one client means them. */
export class Owners {
  readonly #accounts: Accounts;
  readonly #users = new Map<number, number>();
  readonly #groups = new Map<number, number>();

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /** Notes what the client calls its users and groups. */
  learn(users: readonly AccountName[], groups: readonly AccountName[]): void {
    for (const { id, name } of users) this.#users.set(id, this.#accounts.userId(name) ?? id);
    for (const { id, name } of groups) this.#groups.set(id, this.#accounts.groupId(name) ?? id);
    if (this.#users.size + this.#groups.size > MAX_ACCOUNTS) throw new ProtocolError("Too many users and groups");
  }

  /** Forgets what a client said. */
  forget(): void {
    this.#users.clear();
    this.#groups.clear();
  }

  /** The user of this machine; NO_ID where the source has none. */
  user(uid: number): number {
    return this.#users.get(uid) ?? uid;
  }

  /** The group of this machine; NO_ID where the source has none. */
  group(gid: number): number {
    return this.#groups.get(gid) ?? gid;
  }
}

/** Whether a number stands for somebody. */
export function isKnown(id: number): boolean {
  return id !== NO_ID;
}
