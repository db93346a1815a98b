// The index's file: opened, made anew where it is not ours or damaged.

import { DatabaseSync } from "node:sqlite";
import { isOfDatabase } from "./errors.ts";
import { NO_ID } from "./fs.ts";
import { makePrivateFile } from "./private_files.ts";
import { CREATE, ROOT_ID, SCHEMA } from "./schema.ts";

/** Opens the database in `file`, ":memory:" for one that is gone with the process. */
export function openDatabase(file: string): DatabaseSync {
  makePrivateFile(file);
  let db = new DatabaseSync(file);
  const version = () => Number((db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version);
  try {
    // The index is a cache, but one that is to survive a crash of the process: WAL, no fsync for each transaction.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4096");
    if (version() !== SCHEMA && version() !== 0) throw new Error("another schema");
    db.prepare("SELECT count(*) FROM sqlite_master").get();
  } catch {
    // Made by another version, or damaged: throw it away.
    db.close();
    removeDatabase(file);
    makePrivateFile(file);
    db = new DatabaseSync(file);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4096");
  }
  if (version() === 0) {
    db.exec(`BEGIN; ${CREATE} PRAGMA user_version = ${SCHEMA};`);
    addRoot(db);
    db.exec("COMMIT");
  }
  return db;
}

/** Removes the database in `file`, which nobody has open. */
export function removeDatabase(file: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    try {
      Deno.removeSync(file + suffix);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** What SQLite says of pages that are not what they should be, and of a file that is no database (Deno's `exec` tells no code). */
const DAMAGED = /database disk image is malformed|file is not a database/;

/** Whether a database said that it is damaged: only a new one helps. */
export function isDamaged(error: unknown): boolean {
  return isOfDatabase(error) && DAMAGED.test((error as Error).message);
}

/** Opens the database in `file`, which others may be writing, to be read. @throws {Error} If it is not of this schema. */
export function openToRead(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true });
  const { user_version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (user_version === SCHEMA) return db;
  db.close();
  throw new Error("another schema");
}

/** Puts the root into an empty index. */
export function addRoot(db: DatabaseSync): void {
  db.exec(`
    INSERT INTO entry (id, parent, name, kind, mode, mtime, uid, gid, link, size, average,
      ino, seen_mtime, seen_ctime, seen_mode, seen_uid, seen_gid, racy)
    VALUES (${ROOT_ID}, 0, '', 0, ${0o755}, 0, ${NO_ID}, ${NO_ID}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`);
}
