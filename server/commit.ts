// The commit: carries steps out on the mirror, each on the disk and in the index. A step that fails is a problem of its path;
// the others go on. Directories get their times and modes back at the end, after everything in them has changed.

import { ProblemError, reasonOf } from "../core/errors.ts";
import { type FileSystem, type Stat } from "../core/fs.ts";
import { joinPath, nameOf, parentOf, type RelPath, ROOT } from "../core/path.ts";
import { type Node, type Seen, type TreeIndex } from "../core/tree_index.ts";
import type { Change } from "../core/events.ts";
import type { Entry, Problem, Recipe } from "../core/types.ts";
import type { CommitStep } from "./journal.ts";
import { slotPath } from "./places.ts";

/** Files at least this large (bytes) have their chunks known by digest; smaller ones nobody asks for. */
const CHUNKS_FROM_BYTES = 32 << 10;

/** Up to so many directories a commit are made durable one by one. */
const FEW_DIRS = 4;

/** A step with what the index shall know of a file. */
export type IndexedStep = CommitStep & { readonly recipe?: Recipe };

/** Carries out the steps of one commit. */
export class Commit {
  readonly #fs: FileSystem;
  readonly #index: TreeIndex;
  readonly #parkedFrom: Map<number, RelPath>;
  /** Directories in which something changed, by id. */
  readonly #touched = new Set<number>();
  readonly problems: Problem[] = [];
  /** What was changed, as people see it. */
  readonly changes: Change[] = [];
  /** Directories that are not as the index says. */
  readonly doubtful = new Set<RelPath>();

  /** @param parkedFrom Where what is in the slots was before; kept from commit to commit. */
  constructor(fs: FileSystem, index: TreeIndex, parkedFrom: Map<number, RelPath>) {
    this.#fs = fs;
    this.#index = index;
    this.#parkedFrom = parkedFrom;
  }

  /** Carries out one step. */
  run(step: IndexedStep): void {
    try {
      this.#run(step);
    } catch (error) {
      const path = pathOf(step);
      if (step.op === "file") discard(this.#fs, step.at);
      this.problems.push({ path, message: `on the server: ${reasonOf(error)}` });
      this.doubtful.add(parentOf(path));
      if (step.op === "move") this.doubtful.add(parentOf(step.from));
    }
  }

  /** Gives directories that were touched their metadata, and with `fsync` makes their names durable. */
  finish(fsync: boolean): void {
    const all = fsync && this.#touched.size > FEW_DIRS && this.#fs.features.syncAll;
    if (all) this.#fs.syncAll();
    for (const id of this.#touched) {
      const path = this.#index.pathOf(id);
      const entry = this.#index.get(id)?.entry;
      if (path === undefined || entry?.kind !== "dir") continue;
      try {
        if (fsync && !all) this.#fs.syncDir(path);
        this.#fs.setMeta(path, entry);
        this.#index.setSeen(id, seenOf(this.#fs.lstat(path)));
      } catch (error) {
        // It is not as the index says.
        this.#index.setSeen(id, undefined);
        this.problems.push({ path, message: `on the server: ${reasonOf(error)}` });
      }
    }
  }

  #run(step: IndexedStep): void {
    switch (step.op) {
      case "mkdir":
        return this.#mkdir(step.path, step.entry);
      case "file":
        this.#put(step.path, step.entry, (path) => this.#fs.rename(step.at, path), step.recipe);
        return;
      case "symlink":
        return this.#symlink(step.path, step.entry);
      case "meta":
        return this.#meta(step.path, step.mode, step.mtimeNs);
      case "move":
        return this.#move(this.#require(step.from), step.from, step.to);
      case "park":
        return this.#park(step.path, step.slot, step.stays);
      case "unpark": {
        const was = joinPath(this.#parkedFrom.get(step.slot) ?? ROOT, step.below);
        return this.#move(this.#requireParked(step.slot, step.below), slotPath(step.slot, step.below), step.to, was);
      }
      case "remove":
        this.#remove(this.#require(step.path), step.path);
        return;
      case "drop":
        return this.#drop(step.slot);
    }
  }

  #mkdir(path: RelPath, entry: Entry & { kind: "dir" }): void {
    // Writable for us until everything is in it; `finish` gives it the mode that it shall have.
    const id = this.#put(path, entry, () => this.#fs.mkdir(path, entry.mode | 0o700));
    this.#touched.add(id);
  }

  #symlink(path: RelPath, entry: Entry & { kind: "symlink" }): void {
    this.#put(path, entry, () => {
      // A symbolic link cannot be made over something, but renamed over it.
      const at = slotPath(this.#freeSlot());
      this.#fs.symlink(at, entry.target);
      this.#fs.setMeta(at, { mtimeNs: entry.mtimeNs });
      this.#fs.rename(at, path);
    });
  }

  #meta(path: RelPath, mode: number, mtimeNs: bigint): void {
    const node = this.#require(path);
    this.#index.setMeta(node, mode, mtimeNs);
    if (node.entry.kind === "dir") {
      this.#touched.add(node.id);
      return;
    }
    const { kind } = node.entry;
    this.#fs.setMeta(path, kind === "symlink" ? { mtimeNs } : { mode, mtimeNs });
    this.changes.push({ change: "metadata", kind, path });
    this.#index.setSeen(node.id, seenOf(this.#fs.lstat(path)));
  }

  /** @param was Where it was for people, if that is not `from`. */
  #move(node: Node, from: RelPath, to: RelPath, was = from): void {
    const parent = this.#parent(to);
    const old = this.#index.child(parent, nameOf(to));
    if (old && (old.entry.kind === "dir" || node.entry.kind === "dir")) {
      throw new ProblemError("something is in its place");
    }
    if (node.parent > 0) this.#touched.add(node.parent);
    this.#writing([parentOf(from), parentOf(to)], () => this.#fs.rename(from, to));
    if (old) this.#index.remove(old.id);
    this.#index.move(node, parent, nameOf(to));
    this.changes.push({ change: "move", kind: node.entry.kind, path: to, from: was });
    if (node.entry.kind === "dir") this.#touched.add(node.id);
    else this.#index.setSeen(node.id, seenOf(this.#fs.lstat(to)));
  }

  #park(path: RelPath, slot: number, stays: boolean): void {
    const node = this.#require(path);
    if (this.#index.parked(slot)) throw new ProblemError("its slot is taken");
    this.#touched.add(node.parent);
    this.#writing([parentOf(path)], () => {
      if (stays && node.entry.kind === "file") this.#fs.link(path, slotPath(slot));
      else this.#fs.rename(path, slotPath(slot));
    });
    this.#index.park(node, slot);
    this.#parkedFrom.set(slot, path);
  }

  #drop(slot: number): void {
    const node = this.#requireParked(slot, ROOT);
    const was = this.#parkedFrom.get(slot) ?? ROOT;
    this.#remove(node, slotPath(slot), was);
    // What was replaced at its place has been told as that.
    if (node.entry.kind !== "dir" && this.#index.find(was)) this.changes.pop();
    this.#parkedFrom.delete(slot);
  }

  #remove(node: Node, path: RelPath, was = path): void {
    if (node.parent > 0) this.#touched.add(node.parent);
    this.#writing([parentOf(path)], () => removeWritable(this.#fs, path));
    this.#index.remove(node.id);
    this.changes.push({ change: "delete", kind: node.entry.kind, path: was });
  }

  /** Makes something at `path` by `make`, in place of a file or symbolic link that may be there. @returns Its id. */
  #put(path: RelPath, entry: Entry, make: (path: RelPath) => void, recipe?: Recipe): number {
    const parent = this.#parent(path);
    const old = this.#index.child(parent, nameOf(path));
    if (old && (old.entry.kind === "dir" || entry.kind === "dir")) throw new ProblemError("something is in its place");
    this.#writing([parentOf(path)], () => make(path));
    // A directory is what it is to be only after `finish`.
    const seen = entry.kind === "dir" ? undefined : seenOf(this.#fs.lstat(path));
    const id = this.#index.put(parent, nameOf(path), entry, seen, recipe);
    if (recipe && entry.kind === "file" && entry.size >= CHUNKS_FROM_BYTES) this.#index.addChunks(id, recipe);
    const size = entry.kind === "file" ? { size: entry.size } : {};
    this.changes.push({ change: old ? "update" : "create", kind: entry.kind, path, ...size });
    return id;
  }

  /** The directory that is to hold `path`, touched. The index knows it as a directory, so no symbolic link leads elsewhere. */
  #parent(path: RelPath): number {
    const parent = this.#index.dirAt(parentOf(path));
    if (path === "" || parent === undefined) throw new ProblemError("there is no directory for it");
    this.#touched.add(parent);
    return parent;
  }

  #require(path: RelPath): Node {
    const node = this.#index.find(path);
    if (!node) throw new ProblemError("it is not in the mirror");
    return node;
  }

  #requireParked(slot: number, below: RelPath): Node {
    const node = this.#index.inSlot(slot, below);
    if (!node) throw new ProblemError("nothing waits in its slot");
    return node;
  }

  /** Does something in directories that may have to be made writable for it. */
  #writing(dirs: readonly RelPath[], what: () => void): void {
    try {
      what();
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      for (const dir of dirs) {
        const stat = this.#fs.lstat(dir);
        if (stat?.kind === "dir") this.#fs.setMeta(dir, { mode: stat.mode | 0o700, mtimeNs: stat.mtimeNs });
      }
      what();
    }
  }

  #freeSlot(): number {
    for (let slot = 1_000_000;; slot++) if (!this.#fs.lstat(slotPath(slot))) return slot;
  }
}

/** What the index notes of an entry of the mirror. Only we write there, so nothing is racy. */
export function seenOf(stat: Stat | undefined): Seen | undefined {
  return stat && { ino: stat.ino, mtimeNs: stat.mtimeNs, ctimeNs: stat.ctimeNs, racy: false };
}

/** Removes a staged file that nobody will come for; if that fails, the next start does it. */
function discard(fs: FileSystem, at: RelPath): void {
  try {
    fs.unlink(at);
  } catch {
    // It may have been renamed already.
  }
}

function pathOf(step: CommitStep): RelPath {
  if (step.op === "drop") return slotPath(step.slot);
  return step.op === "move" || step.op === "unpark" ? step.to : step.path;
}

/** Removes whatever is at `path`, also out of directories that nobody may write to. */
function removeWritable(fs: FileSystem, path: RelPath): void {
  const stat = fs.lstat(path);
  if (!stat) return;
  if (stat.kind !== "dir") return fs.unlink(path);
  if ((stat.mode & 0o700) !== 0o700) fs.setMeta(path, { mode: stat.mode | 0o700, mtimeNs: stat.mtimeNs });
  for (const { name } of fs.list(path)) removeWritable(fs, joinPath(path, name));
  fs.rmdir(path);
}
