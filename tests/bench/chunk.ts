// How fast a file is cut and hashed, as ratios to reading and hashing it alone, measured in turns in one run.
//
//   deno run -A tests/bench/chunk.ts [MIB] [ROUNDS]

import { Ahead } from "../../core/ahead.ts";
import { Cutter, type ReadAt } from "../../core/chunker.ts";
import { openFs } from "../../core/open_fs.ts";
import { parsePath } from "../../core/path.ts";
import { digestOf } from "../../core/recipe.ts";
import { recut } from "../../core/recut.ts";
import { SecondThread } from "../../core/second_thread.ts";
import type { Recipe } from "../../core/types.ts";

const MIB = 1 << 20;
const size = Number(Deno.args[0] ?? 256) * MIB;
const rounds = Number(Deno.args[1] ?? 5);

const folder = Deno.makeTempDirSync(Deno.build.os === "linux" ? { dir: "/dev/shm" } : {});
const fs = openFs(folder);
const path = parsePath("file");
const cutter = new Cutter();

/** Bytes per ms that `work` goes through. */
function speed(work: () => void): number {
  const started = performance.now();
  work();
  return size / (performance.now() - started);
}

function hashAlone(readAt: ReadAt): void {
  const block = new Uint8Array(new WebAssembly.Memory({ initial: MIB >> 16 }).buffer);
  for (let at = 0; at < size; at += MIB) {
    readAt(at, block);
    digestOf(block);
  }
}

function cut(readAt: ReadAt, average: number, hashes: boolean): Recipe {
  const lengths: number[] = [], digests: string[] = [];
  cutter.start(readAt, { size, average });
  for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
    lengths.push(chunk.bytes.length);
    digests.push(hashes ? digestOf(chunk.bytes) : "");
  }
  return { average, lengths, digests };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

try {
  {
    using file = fs.createFile(path, 0o600);
    for (let at = 0; at < size; at += 65536) file.write(crypto.getRandomValues(new Uint8Array(65536)));
  }
  using file = fs.openFile(path);
  using thread = file.handle === undefined ? undefined : new SecondThread((shared) => {
    const url = new URL("../../core/digest_worker.ts", import.meta.url);
    new Worker(url, { type: "module" }).postMessage(shared);
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const readAt: ReadAt = (offset, into) => file.readAt(offset, into);
  for (const average of [4096, 16384, 65536]) {
    const old = cut(readAt, average, true);
    const alone: number[] = [], cuts: number[] = [], cutsAndHashes: number[] = [], recuts: number[] = [];
    const shared: number[] = [];
    for (let round = 0; round < rounds; round++) {
      alone.push(speed(() => hashAlone(readAt)));
      cuts.push(speed(() => cut(readAt, average, false)));
      cutsAndHashes.push(speed(() => cut(readAt, average, true)));
      recuts.push(speed(() => {
        for (const _ of recut(cutter, readAt, { size, old }));
      }));
      if (thread) {
        shared.push(speed(() => {
          using ahead = new Ahead(thread, file.handle!, old.lengths, size);
          for (const _ of recut(cutter, readAt, { size, old, ahead }));
        }));
      }
    }
    const to = (values: number[]) => (median(values.map((value, i) => value / alone[i]!))).toFixed(2);
    const line = `average ${average}: read + hash ${(median([...alone]) / 1000).toFixed(0)} MB/s; to that, ` +
      `read + cut ${to(cuts)}, read + cut + hash ${to(cutsAndHashes)}, unchanged with its recipe ${to(recuts)}` +
      (thread ? `, that on two threads ${to(shared)}` : "");
    Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
