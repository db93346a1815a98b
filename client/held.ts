// What of a file's content the mirror holds already, as far as the client's own index tells: in the file that it has under the
// same path, or in any other. No question is asked for it, and whole stretches of it travel as a count.

import type { RelPath } from "../core/path.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Digest, Recipe } from "../core/types.ts";

/** A file that the mirror holds. */
export interface Holder {
  /** Its row in the index. */
  readonly id: number;
  readonly path: RelPath;
  readonly recipe: Recipe;
}

/** Consecutive chunks that the mirror has in one file. */
export interface Run {
  readonly holder: Holder;
  readonly index: number;
}

/** Files whose recipes are remembered at a time. */
const REMEMBERED = 8;

/** Finds chunks for one file that is being sent. */
export class Held {
  readonly #index: TreeIndex;
  readonly #places = new Map<Holder, Map<Digest, number>>();
  readonly #holders = new Map<number, Holder | undefined>();

  /** @param base What the mirror has under the file's own path. */
  constructor(index: TreeIndex, readonly base: Holder | undefined) {
    this.#index = index;
  }

  /** Where the mirror has this chunk. @param after Where it would go on from the chunk before. */
  find(digest: Digest, after: Run | undefined): Run | undefined {
    if (after && after.holder.recipe.digests[after.index] === digest) return after;
    return this.base && this.#in(this.base, digest) || this.#elsewhere(digest);
  }

  #elsewhere(digest: Digest): Run | undefined {
    const id = this.#index.holderOf(digest);
    const holder = id === undefined ? undefined : this.#holder(id);
    return holder && this.#in(holder, digest);
  }

  #in(holder: Holder, digest: Digest): Run | undefined {
    let places = this.#places.get(holder);
    if (!places) this.#places.set(holder, places = new Map(holder.recipe.digests.map((each, i) => [each, i])));
    const index = places.get(digest);
    return index === undefined ? undefined : { holder, index };
  }

  #holder(id: number): Holder | undefined {
    if (this.#holders.has(id)) return this.#holders.get(id);
    if (this.#holders.size >= REMEMBERED) {
      this.#holders.clear();
      this.#places.clear();
    }
    const path = this.#index.pathOf(id), recipe = this.#index.recipe(id);
    const holder = path !== undefined && recipe ? { id, path, recipe } : undefined;
    this.#holders.set(id, holder);
    return holder;
  }
}
