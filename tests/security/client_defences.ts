// What a server may make a client do.

import { type Defence, defence } from "./defence.ts";

export const CLIENT: readonly Defence[] = [
  defence(
    "answers to what was not asked",
    "client/remote.ts",
    "if (expected?.type !== message.type) {",
    "if (!expected) {",
    "client/remote",
  ),
  defence(
    "listings without end",
    "client/remote.ts",
    "if (this.#listed.length > this.maxListed) throw",
    "if (false) throw",
    "client/hostile_server",
  ),
  defence(
    "answers of any length",
    "client/remote.ts",
    "if (bits.length !== Math.ceil(digests.length / 8)) throw",
    "if (false) throw",
    "client/remote",
  ),
  defence(
    "a mirror's id leads anywhere",
    "core/wire_reader.ts",
    "if (!/^[0-9a-f-]{8,64}$/.test(id)) throw",
    "if (false) throw",
    "core/wire",
  ),
  defence(
    "an HTTP answer without end",
    "client/dial.ts",
    "else if (answer.length > MAX_HEAD_BYTES) {",
    "else if (false) {",
    "client/dial",
  ),
  defence(
    "a server may answer with anything",
    "client/dial.ts",
    "if (switched && upgrade) return undefined;",
    "return undefined;",
    "client/dial",
  ),
  defence(
    "a server that answers nothing is waited for for ever",
    "client/remote.ts",
    "if (silent > patience) return this.#end(",
    "if (false) return this.#end(",
    "client/remote",
  ),
];
