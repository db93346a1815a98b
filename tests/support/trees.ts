// Real directories: what is in them, and whether two are equal.

import { hash } from "node:crypto";
import { lstatSync, readlinkSync } from "node:fs";

/** Everything below a directory, by path: what promise P1 compares, times to the millisecond. */
export function treeOf(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (dir: string, below: string) => {
    for (const { name } of Deno.readDirSync(dir)) {
      const path = `${dir}/${name}`, rel = below ? `${below}/${name}` : name;
      if (rel === ".dirsync") continue;
      const stat = lstatSync(path);
      const mode = Deno.build.os === "windows" ? "" : (stat.mode & 0o7777).toString(8);
      const time = Math.floor(stat.mtimeMs);
      if (stat.isSymbolicLink()) found.set(rel, `link to ${readlinkSync(path)} ${time}`);
      else if (stat.isDirectory()) {
        found.set(rel, `directory ${mode} ${time}`);
        walk(path, rel);
      } else found.set(rel, `file ${mode} ${time} ${hash("sha256", Deno.readFileSync(path))}`);
    }
  };
  walk(root, "");
  return found;
}

/** The first differences between two directories, or "" if there is none. */
export function differenceOf(source: string, mirror: string): string {
  const want = treeOf(source), have = treeOf(mirror);
  const paths = new Set([...want.keys(), ...have.keys()]);
  const differ = [...paths].filter((path) => want.get(path) !== have.get(path)).slice(0, 5);
  return differ.map((path) =>
    `${JSON.stringify(path)}: ${want.get(path) ?? "nothing"} / ${have.get(path) ?? "nothing"}`
  ).join("\n");
}

/**
 * Waits until `problem` finds none.
 * @throws {Error} With what it found last, if that takes longer than `withinMs`.
 */
export async function until(problem: () => string, withinMs = 20_000): Promise<void> {
  const end = Date.now() + withinMs;
  for (;;) {
    let found: string;
    try {
      found = problem();
    } catch (error) {
      // The tree changes while it is looked at.
      found = (error as Error).message;
    }
    if (found === "") return;
    if (Date.now() > end) throw new Error(`Not in ${withinMs} ms: ${found}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until two directories are equal. */
export function untilEqual(source: string, mirror: string, withinMs?: number): Promise<void> {
  return until(() => differenceOf(source, mirror), withinMs);
}
