// The database of an index, beside the tree: transactions, facts, extended attributes.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { hexToBytes } from "./entry_rows.ts";
import type { Digest } from "./types.ts";

/** A database that one side keeps for one mirror. */
export abstract class IndexDatabase implements Disposable {
  protected readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #begun = false;

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  /** Forgets what is remembered of rows, which are others now. */
  protected abstract forgetAll(): void;

  [Symbol.dispose](): void {
    this.db.close();
  }

  /** Starts a transaction; what follows is kept by `commit` and undone by `rollback`. */
  begin(): void {
    // One that could not be committed (a full disk, say) must not be in the way for ever.
    if (this.#begun) this.rollback();
    this.db.exec("BEGIN");
    this.#begun = true;
  }

  commit(): void {
    this.db.exec("COMMIT");
    this.#begun = false;
  }

  rollback(): void {
    this.#begun = false;
    this.db.exec("ROLLBACK");
    this.forgetAll();
  }

  /** Returns once all that was committed is on the disk; only between transactions. */
  checkpoint(): void {
    this.db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  fact(key: string): string | undefined {
    return (this.prepare("SELECT value FROM fact WHERE key = ?").get(key) as [string] | undefined)?.[0];
  }

  /** Notes a fact; with undefined it is forgotten. */
  setFact(key: string, value: string | undefined): void {
    if (value === undefined) this.prepare("DELETE FROM fact WHERE key = ?").run(key);
    else this.prepare("INSERT OR REPLACE INTO fact VALUES (?, ?)").run(key, value);
  }

  forgetFact(key: string): void {
    this.prepare("DELETE FROM fact WHERE key = ?").run(key);
  }

  /** Keeps extended attributes for whoever asks for them by their digest. */
  addXattrs(digest: Digest, bytes: Uint8Array): void {
    this.prepare("INSERT OR IGNORE INTO xattrs VALUES (?, ?)").run(hexToBytes(digest), bytes);
  }

  /** The extended attributes with this digest, encoded. */
  xattrs(digest: Digest): Uint8Array | undefined {
    return (this.prepare("SELECT bytes FROM xattrs WHERE digest = ?").get(hexToBytes(digest)) as unknown as
      | [Uint8Array]
      | undefined)?.[0];
  }

  /** Forgets extended attributes that no entry has. */
  sweepXattrs(): void {
    this.prepare("DELETE FROM xattrs WHERE digest NOT IN (SELECT xattrs FROM entry WHERE xattrs IS NOT NULL)").run();
  }

  /** A statement, made once; its rows are arrays, its integers bigints. */
  protected prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.db.prepare(sql);
      (statement as StatementSync & { setReturnArrays(on: boolean): void }).setReturnArrays(true);
      statement.setReadBigInts(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
