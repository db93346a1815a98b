// A survey of a directory made of its listing, for layers that have no cheaper way to it.

import { Writer } from "./codec.ts";
import type { Listed, Survey } from "./fs.ts";
import { isPrivateName, type RelPath, ROOT } from "./path.ts";
import { digestOf } from "./recipe.ts";
import type { Digest } from "./types.ts";

/** The survey of the directory `dir`, in which `listed` is. */
export function surveyOf(dir: RelPath, listed: readonly Listed[], known: Digest | undefined): Survey {
  const entries = listed.filter(({ name }) => !(dir === ROOT && isPrivateName(name)));
  const out = new Writer();
  for (const { name, stat } of entries) {
    const { kind, mode, uid, gid, size, mtimeNs, ctimeNs, ino, nlink } = stat;
    out.text(name);
    out.text([kind, mode, uid, gid, size, mtimeNs, ctimeNs, ino, nlink].join());
  }
  const print = digestOf(out.peek());
  const isKnown = print === known;
  return { print, isKnown, entries: isKnown ? entries.filter(({ stat }) => stat.kind === "dir") : entries };
}
