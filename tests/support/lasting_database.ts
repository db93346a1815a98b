// An index's database that outlives the process which has it open, as a file does, and forgets what a crash makes it forget: of
// a process that is killed, the transaction under way; of a machine whose power goes, also what was committed since it last
// reached the disk (WAL with synchronous=NORMAL).

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { openDatabase } from "../../core/database.ts";
import { TreeIndex } from "../../core/tree_index.ts";

/** Databases that are over, for those to come: to make one takes longer than many a test. */
const idle: { readonly db: DatabaseSync; readonly statements: Map<string, StatementSync> }[] = [];

/** One database in memory, for many lives of the process that has it open. */
export class LastingDatabase {
  readonly #db: DatabaseSync;
  readonly #statements: Map<string, StatementSync>;
  /** The transaction of the life that goes on, in which nobody else's words count. */
  #life = 0;
  #begun = false;

  constructor() {
    const { db, statements } = idle.pop() ?? { db: openDatabase(":memory:"), statements: new Map() };
    this.#db = db;
    this.#statements = statements;
    db.exec("BEGIN");
    this.forget();
  }

  /** The index in it, for one life. */
  open(): TreeIndex {
    const life = ++this.#life;
    return new TreeIndex(":memory:", () => this.#opened(life));
  }

  /** The process is killed: what it does from now on counts for nothing. */
  kill(): void {
    if (this.#begun) this.#db.exec("ROLLBACK TO engine; RELEASE engine");
    this.#begun = false;
    // The life that is over may write on until it finds out; `revive` takes that back.
    this.#life++;
    this.#db.exec("SAVEPOINT afterlife");
  }

  /** After `kill`, ends what the life that is over did since. @param power Whether the power went too. */
  revive(power: boolean): void {
    this.#db.exec("ROLLBACK TO afterlife; RELEASE afterlife");
    if (power) this.#db.exec("ROLLBACK; BEGIN");
  }

  /** What has been committed reaches the disk. */
  checkpoint(): void {
    if (!this.#begun) this.#db.exec("COMMIT; BEGIN");
  }

  /** Somebody deletes the file while nobody has it open. */
  forget(): void {
    new TreeIndex(":memory:", () => this.#opened(this.#life)).clear();
    this.checkpoint();
  }

  /** Nobody will need it any more. */
  end(): void {
    this.#db.exec("ROLLBACK");
    idle.push({ db: this.#db, statements: this.#statements });
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  #run(sql: string): void {
    this.#prepare(sql).run();
  }

  /** The database as one life sees it: its transactions are savepoints of ours. */
  #opened(life: number): DatabaseSync {
    const db = this.#db;
    const exec = (sql: string) => {
      if (life !== this.#life) return;
      switch (sql) {
        case "BEGIN":
          this.#begun = true;
          return this.#run("SAVEPOINT engine");
        case "COMMIT":
          this.#begun = false;
          return this.#run("RELEASE engine");
        case "ROLLBACK":
          this.#begun = false;
          return db.exec("ROLLBACK TO engine; RELEASE engine");
        case "PRAGMA wal_checkpoint(TRUNCATE)":
          return this.checkpoint();
        default:
          return db.exec(sql);
      }
    };
    const close = () => {
      if (life === this.#life && this.#begun) exec("ROLLBACK");
    };
    return { exec, close, prepare: (sql: string) => this.#prepare(sql) } as unknown as DatabaseSync;
  }
}
