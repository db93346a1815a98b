// Files that are put on the disk together: one call a file is the quicker way for a few, one for the whole file system for many.

import type { FileSystem, WritableFile } from "../core/fs.ts";

/** Up to so many files are made durable one by one. */
const FEW_FILES = 8;

/** The files of one commit, or of one restoration. */
export class GroupSync {
  readonly #fs: Pick<FileSystem, "features" | "syncAll">;
  /** Files since `finish`, and whether one of them may not be on the disk yet. */
  #files = 0;
  #unsynced = false;

  constructor(fs: Pick<FileSystem, "features" | "syncAll">) {
    this.#fs = fs;
  }

  /** Has `file`, to which all has been written, be on the disk when `finish` returns. */
  add(file: WritableFile): void {
    this.#files++;
    if (this.#files <= FEW_FILES || !this.#fs.features.syncAll) file.sync();
    else this.#unsynced = true;
  }

  /** Returns once all of them are on the disk. */
  finish(): void {
    if (this.#unsynced) this.#fs.syncAll();
    this.#unsynced = false;
    this.#files = 0;
  }
}
