// Which file of a mirror holds a chunk (`chunk` in core/schema.ts). Of two versions of a file the newer has the rows of what both are made
// of, the one in the history those of what the newer lacks: a commit writes as many rows as chunks have changed.

import type { StatementSync } from "node:sqlite";
import { hexToBytes } from "./entry_rows.ts";
import type { Digest, Recipe } from "./types.ts";

/** The chunks of one index. */
export class ChunkIndex {
  readonly #prepare: (sql: string) => StatementSync;

  /** @param prepare Makes statements, once each. */
  constructor(prepare: (sql: string) => StatementSync) {
    this.#prepare = prepare;
  }

  /** A file whose recipe has a chunk with this digest, or one that begins alike: whoever uses it looks it up there. */
  holderOf(digest: Digest): number | undefined {
    const row = this.#prepare("SELECT entry FROM chunk WHERE digest = ? LIMIT 1").get(keyOf(digest));
    return row === undefined ? undefined : Number((row as unknown as [bigint])[0]);
  }

  /** Whether any is known. */
  get any(): boolean {
    return this.#prepare("SELECT 1 FROM chunk LIMIT 1").get() !== undefined;
  }

  /**
   * Makes a file known by other chunks than before. What stays as it was, which most is after an edit, is not written.
   * @param heir Who has the others now, if anybody has.
   */
  change(id: number, before: Recipe | undefined, after: Recipe | undefined, heir?: number): void {
    if (!before && !after) return;
    const had = new Set(before?.digests), has = new Set(after?.digests);
    const drop = this.#prepare("DELETE FROM chunk WHERE digest = ? AND entry = ?");
    const give = this.#prepare("UPDATE chunk SET entry = ? WHERE digest = ? AND entry = ?");
    for (const digest of had) {
      if (has.has(digest)) continue;
      if (heir === undefined) drop.run(keyOf(digest), id);
      else give.run(heir, keyOf(digest), id);
    }
    const add = this.#prepare("INSERT OR IGNORE INTO chunk VALUES (?, ?)");
    for (const digest of has) if (!had.has(digest)) add.run(keyOf(digest), id);
  }
}

/** So much of a chunk's digest is enough to find it by. */
function keyOf(digest: Digest): Uint8Array {
  return hexToBytes(digest.slice(0, 32));
}
