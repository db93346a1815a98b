// How fast each file-system layer walks a tree, beside Deno's own calls: `deno run -A tests/bench/scan.ts [ENTRIES]`.
// Rounds of the three alternate in one process on one tree (tmpfs where there is one); medians of 5, entries a second.

import type { FileSystem } from "../../core/fs.ts";
import { loadLibc } from "../../core/libc.ts";
import { joinPath, type RelPath, ROOT } from "../../core/path.ts";
import { PortableFs } from "../../core/portable_fs.ts";
import { PosixFs } from "../../core/posix_fs.ts";

const ENTRIES = Number(Deno.args[0] ?? 100_000);
const IN_DIR = 100;
const ROUNDS = 5;

function walk(fs: FileSystem, dir: RelPath): number {
  let count = 0;
  for (const { name, stat } of fs.list(dir)) {
    count++;
    if (stat.kind === "dir") count += walk(fs, joinPath(dir, name));
  }
  return count;
}

/** Walks by surveys; with prints, what has them is known by them, as after a restart where nothing has changed. */
function survey(fs: FileSystem, dir: RelPath, prints: Map<RelPath, string>): number {
  const { print, isKnown, entries } = fs.survey(dir, prints.get(dir));
  prints.set(dir, print);
  let count = isKnown ? IN_DIR : entries.length;
  for (const { name, stat } of entries) if (stat.kind === "dir") count += survey(fs, joinPath(dir, name), prints);
  return count;
}

function walkPlain(dir: string): number {
  let count = 0;
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    Deno.lstatSync(`${dir}/${name}`);
    count++;
    if (isDirectory) count += walkPlain(`${dir}/${name}`);
  }
  return count;
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

const shm = "/dev/shm";
const dir = Deno.makeTempDirSync(Deno.statSync(shm).isDirectory ? { dir: shm } : {});
try {
  for (let d = 0; d < ENTRIES / IN_DIR; d++) {
    Deno.mkdirSync(`${dir}/directory ${d}`);
    for (let f = 0; f < IN_DIR; f++) Deno.writeTextFileSync(`${dir}/directory ${d}/file ${f}.txt`, "x");
  }
  const libc = loadLibc();
  const walks: Record<string, () => number> = {
    "Deno.readDirSync + lstatSync": () => walkPlain(dir),
    "portable layer": () => walk(new PortableFs(dir), ROOT),
  };
  if (libc) {
    walks["posix layer"] = () => {
      using fs = new PosixFs(dir, libc);
      return walk(fs, ROOT);
    };
    const prints = new Map<RelPath, string>();
    walks["posix layer, surveys"] = () => {
      using fs = new PosixFs(dir, libc);
      return survey(fs, ROOT, new Map());
    };
    walks["posix layer, known prints"] = () => {
      using fs = new PosixFs(dir, libc);
      return survey(fs, ROOT, prints);
    };
    walks["posix layer, root reopened"] = () => {
      using fs = new PosixFs(dir, libc, { reopen: true });
      return walk(fs, ROOT);
    };
  }
  const speeds = new Map(Object.keys(walks).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, run] of Object.entries(walks)) {
      const started = performance.now();
      const count = run();
      // The first round warms up.
      if (round > 0) speeds.get(name)!.push(count / (performance.now() - started) * 1000);
    }
  }
  const medians = Array.from(speeds, ([name, all]) => [name, all.sort((a, b) => a - b)[ROUNDS >> 1]!] as const);
  const plain = medians[0]![1];
  for (const [name, median] of medians) {
    const speed = Math.round(median).toLocaleString("en").padStart(9);
    write(`${name.padEnd(30)} ${speed} entries/s  ${(median / plain).toFixed(2)} x\n`);
  }
} finally {
  Deno.removeSync(dir, { recursive: true });
}
