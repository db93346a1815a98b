// A directory at which drives come and go.

import type { FileSystem } from "../../core/fs.ts";
import type { MemoryFs } from "./memory_fs.ts";

/** A place in which file systems are mounted: what is there can become another, or nothing. */
export class MountPoint {
  at: MemoryFs | undefined;
  #wasMounted = false;
  /** Called before every look at it. */
  before: () => void = () => {};

  readonly fs = (first: MemoryFs): FileSystem => {
    if (!this.#wasMounted) this.at = first;
    this.#wasMounted = true;
    return new Proxy(first, {
      get: (_, key) => {
        if (key === "features") return first.features;
        return (...args: unknown[]) => {
          this.before();
          if (key === "lstat" && !this.at) return undefined;
          if (!this.at) throw new Deno.errors.NotFound("not mounted");
          const method = Reflect.get(this.at, key) as (...args: unknown[]) => unknown;
          return method.apply(this.at, args);
        };
      },
    });
  };
}
