// What a cycle would take from the mirror: entries that are gone, files that have become empty, and, where the source is not the
// one that it was, what would be replaced. The brake is asked about the counts, the user about a sample.

import { createHash } from "node:crypto";
import { comparePaths, parentOf, type RelPath, ROOT, toBytes } from "../core/path.ts";

/** How an entry would be lost. */
export type HarmKind = "delete" | "empty" | "replace";

/** How many entries would be lost, by kind. */
export interface HarmCounts {
  /** Entries that would be removed, with all that is below directories. */
  readonly deleted: number;
  /** Files that have content and would have none. */
  readonly emptied: number;
  /** Entries whose content would be another one. */
  readonly replaced: number;
}

/** Paths that a person is shown. */
const SAMPLE = 5;
/** Digits of a code: enough that no two sets of losses that one user meets have the same. */
const CODE_DIGITS = 16;

/** The losses of one cycle. */
export class Harm implements HarmCounts {
  deleted = 0;
  emptied = 0;
  replaced = 0;
  readonly #items = new Map<RelPath, { kind: HarmKind; entries: number }>();

  /** @param entries How many entries that are, of a directory with all that is below. */
  add(kind: HarmKind, path: RelPath, entries: number): void {
    if (this.#items.has(path)) return;
    if (kind === "delete") this.deleted += entries;
    else if (kind === "empty") this.emptied += entries;
    else this.replaced += entries;
    this.#items.set(path, { kind, entries });
  }

  get total(): number {
    return this.deleted + this.emptied + this.replaced;
  }

  /** The paths, directories for all that is below them, in no order. */
  get paths(): IterableIterator<RelPath> {
    return this.#items.keys();
  }

  /** Some of the paths, the first ones. */
  sample(): RelPath[] {
    return this.#sorted().slice(0, SAMPLE);
  }

  /** A short text that stands for exactly these losses: another path or another count is another code. */
  code(): string {
    const hash = createHash("sha256");
    for (const path of this.#sorted()) {
      const { kind, entries } = this.#items.get(path)!;
      hash.update(toBytes(`${kind} ${entries} ${path}`)).update("\0");
    }
    return hash.digest("hex").slice(0, CODE_DIGITS);
  }

  #sorted(): RelPath[] {
    return [...this.#items.keys()].sort(comparePaths);
  }
}

/** The nearest of `path` and the directories above it that is among `paths`. */
export function firstWithin(path: RelPath, paths: { has(path: RelPath): boolean }): RelPath | undefined {
  for (let at = path;; at = parentOf(at)) {
    if (paths.has(at)) return at;
    if (at === ROOT) return undefined;
  }
}
