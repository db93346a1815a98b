// What a client's grant does not allow. Each step is looked at right before it is carried out, when the index says what is really
// there; one that is denied is a problem of its path, the others go on. What could be denied is not journalled, so that no crash
// carries it out.

import type { Grant } from "../core/grant.ts";
import { MAX_STEPS } from "../core/limits.ts";
import { joinPath, type RelPath, ROOT } from "../core/path.ts";
import { formatBytes } from "../core/text.ts";
import { ROOT_ID } from "../core/schema.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import { type Attributes, sameAttributes } from "../core/types.ts";
import type { IndexedStep } from "./commit.ts";

/** Why a step may not be carried out, and a step that puts right what it was to end. */
export interface Denial {
  readonly message: string;
  readonly instead?: IndexedStep;
}

/** Where something was before it was parked: a name in a directory, which keeps its number when it moves. */
interface Home {
  readonly parent: number;
  readonly name: string;
}

const NOT_REMOVE = "this client may not remove files";
const ONLY_ADD = "this client may only add files";

/** The rules for one connection. */
export class Rules {
  readonly #grant: Grant;
  readonly #index: TreeIndex;
  readonly #homes = new Map<number, Home>();
  /** What this commit has made. */
  readonly #made = new Set<RelPath>();
  /** Bytes of the mirror's files after the last commit, and how many the files staged since add. */
  #bytes: number | undefined;
  #staged = 0;
  /** Where files were staged since; one that is staged twice is there twice until the commit. */
  readonly #replaced = new Set<RelPath>();

  constructor(grant: Grant, index: TreeIndex) {
    this.#grant = grant;
    this.#index = index;
  }

  /** Why a file of `size` bytes may not be staged; undefined if it may. */
  refusalOf(path: RelPath, size: number): string | undefined {
    const { quotaBytes } = this.#grant;
    if (quotaBytes === undefined) return undefined;
    if (this.#replaced.size >= MAX_STEPS) return "too many files before a commit";
    this.#bytes ??= this.#index.bytesIn(ROOT_ID);
    const there = this.#replaced.has(path) ? undefined : this.#index.find(path)?.entry;
    const more = size - (there?.kind === "file" ? there.size : 0);
    if (this.#bytes + this.#staged + more > quotaBytes && more > 0) {
      return `the quota of ${formatBytes(quotaBytes)} is used up`;
    }
    this.#staged += more;
    this.#replaced.add(path);
    return undefined;
  }

  /** A commit begins: what was staged is what there is. */
  begin(): void {
    this.#bytes = undefined;
    this.#staged = 0;
    this.#replaced.clear();
    this.#made.clear();
  }

  /** Whether a step may be carried out after a crash without having been looked at. For before the first step of a commit. */
  isHarmless(step: IndexedStep): boolean {
    switch (this.#grant.access) {
      case "full":
        return true;
      case "no-delete":
        return step.op !== "remove" && step.op !== "drop";
      case "add-only":
        return isMaker(step) && !this.#index.find(step.path);
      case "read-only":
        return false;
    }
  }

  /** Why the next step may not be carried out; undefined if it may. */
  denialOf(step: IndexedStep): Denial | undefined {
    switch (this.#grant.access) {
      case "full":
        return undefined;
      case "no-delete":
        return this.#removal(step);
      case "add-only":
        return this.#change(step) ? { message: ONLY_ADD } : undefined;
      case "read-only":
        return { message: ONLY_ADD };
    }
  }

  /** Steps that bring back what the client left between two places when it went away: home, or where there is room for it. */
  leftovers(): IndexedStep[] {
    return [...this.#homes].flatMap(([slot, home]) => {
      if (!this.#index.parked(slot)) return [];
      const isTaken = this.#index.child(home.parent, home.name) !== undefined;
      const back = this.#unpark(slot, isTaken ? aside(slot, home) : home);
      return back ? [back] : [];
    });
  }

  /** Why a step is none of "no-delete". Of what is in a slot, a file that has been replaced at its place may go. */
  #removal(step: IndexedStep): Denial | undefined {
    switch (step.op) {
      case "remove":
        return { message: NOT_REMOVE };
      case "park": {
        const node = this.#index.find(step.path);
        // Who parks a directory may leave it there.
        if (node?.entry.kind === "dir") return { message: "this client may not replace directories" };
        if (node && !this.#index.parked(step.slot)) {
          this.#homes.set(step.slot, { parent: node.parent, name: node.name });
        }
        return undefined;
      }
      case "drop": {
        const home = this.#index.parked(step.slot) && this.#homes.get(step.slot);
        if (!home) return undefined;
        const there = this.#index.child(home.parent, home.name);
        if (there && there.entry.kind !== "dir") return undefined;
        const instead = this.#unpark(step.slot, there ? aside(step.slot, home) : home);
        return { message: NOT_REMOVE, ...(instead && { instead }) };
      }
      default:
        return undefined;
    }
  }

  #unpark(slot: number, { parent, name }: Home): IndexedStep | undefined {
    const dir = this.#index.pathOf(parent);
    return dir === undefined ? undefined : { op: "unpark", slot, below: ROOT, to: joinPath(dir, name) };
  }

  /** Whether a step is none of "add-only". */
  #change(step: IndexedStep): boolean {
    if (step.op === "meta") return !this.#made.has(step.path) && !this.#isNoChange(step.path, step.attributes);
    if (!isMaker(step) || this.#index.find(step.path)) return true;
    // Another name of a file that was there before is not the client's own.
    if (step.op !== "link") this.#made.add(step.path);
    return false;
  }

  /** Whether attributes are as they were, but for the time of a directory, which changes when something is added to it. */
  #isNoChange(path: RelPath, attributes: Attributes): boolean {
    const entry = this.#index.find(path)?.entry;
    return entry !== undefined &&
      sameAttributes(entry, entry.kind === "dir" ? { ...attributes, mtimeNs: entry.mtimeNs } : attributes);
  }
}

/** A name beside the one that something had, which something else has now. */
function aside(slot: number, { parent, name }: Home): Home {
  return { parent, name: `${name.slice(0, 60)}.kept-${slot}` };
}

/** Whether a step makes something at a path. */
function isMaker(step: IndexedStep): step is IndexedStep & { readonly op: "mkdir" | "file" | "symlink" | "link" } {
  return step.op === "mkdir" || step.op === "file" || step.op === "symlink" || step.op === "link";
}
