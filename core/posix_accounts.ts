// The users and groups of a POSIX machine, as its name service knows them.

import type { Accounts } from "./accounts.ts";
import type { Libc } from "./libc.ts";

/** Where the number is in `struct passwd` and `struct group`, behind two pointers. */
const ID_OFFSET = 16;

/** Asks the C library, once for each name and number. */
export class PosixAccounts implements Accounts {
  readonly #call: Libc["call"];
  readonly #names = { user: new Map<number, string | undefined>(), group: new Map<number, string | undefined>() };
  readonly #ids = { user: new Map<string, number | undefined>(), group: new Map<string, number | undefined>() };

  constructor(libc: Libc) {
    this.#call = libc.call;
  }

  userName(uid: number): string | undefined {
    return remember(this.#names.user, uid, () => nameIn(this.#call.getpwuid(uid)));
  }

  groupName(gid: number): string | undefined {
    return remember(this.#names.group, gid, () => nameIn(this.#call.getgrgid(gid)));
  }

  userId(name: string): number | undefined {
    return remember(this.#ids.user, name, () => idIn(this.#call.getpwnam(cString(name))));
  }

  groupId(name: string): number | undefined {
    return remember(this.#ids.group, name, () => idIn(this.#call.getgrnam(cString(name))));
  }
}

function remember<K, V>(known: Map<K, V>, key: K, find: () => V): V {
  if (!known.has(key)) known.set(key, find());
  return known.get(key)!;
}

function nameIn(record: Deno.PointerValue): string | undefined {
  if (!record) return undefined;
  const name = new Deno.UnsafePointerView(record).getPointer();
  return name ? Deno.UnsafePointerView.getCString(name) : undefined;
}

function idIn(record: Deno.PointerValue): number | undefined {
  return record ? new Deno.UnsafePointerView(record).getUint32(ID_OFFSET) : undefined;
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
