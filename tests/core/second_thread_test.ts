// A real second thread, and a host that starts it.

import { assert, assertEquals } from "@std/assert";
import { EngineHost } from "../../core/host.ts";
import { loadLibc } from "../../core/libc.ts";
import { openFs } from "../../core/open_fs.ts";
import { parsePath } from "../../core/path.ts";
import { digestOf } from "../../core/recipe.ts";
import {
  MAX_JOB_CHUNKS,
  partsOf,
  QUIT,
  SECOND_FROM_BYTES,
  SecondThread,
  SpareThread,
} from "../../core/second_thread.ts";
import { CONTENTS, random } from "../support/contents.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TempDir } from "../support/temp_dir.ts";

const FILE = parsePath("file");
const ignore = loadLibc() === undefined || Deno.env.get("DIRSYNC_FS") === "portable";

/** Waits until the thread that has this memory has ended. */
async function untilEnded(shared: SharedArrayBuffer): Promise<void> {
  const { ready } = partsOf(shared);
  while (Atomics.load(ready, 0) === 1) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A thread, once it is there. */
async function ready(handle: number): Promise<{ thread: SecondThread; shared: SharedArrayBuffer }> {
  let memory: SharedArrayBuffer | undefined;
  const thread = new SecondThread((shared) => {
    memory = shared;
    new Worker(new URL("../../core/digest_worker.ts", import.meta.url), { type: "module" }).postMessage(shared);
  });
  assertEquals(thread.begin(handle, 0, [1]), undefined, "nobody waits for a thread that is not there yet");
  for (;;) {
    const job = thread.begin(handle, 0, [1]);
    if (job) {
      job.take();
      return { thread, shared: memory! };
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test({ name: "a second thread hashes what this one has open, two jobs at a time", ignore }, async () => {
  using temp = new TempDir();
  const fs = openFs(temp.path), bytes = CONTENTS.random(300_000, random(1));
  {
    using file = fs.createFile(FILE, 0o600);
    file.write(bytes.subarray(0, 1));
    // What is being written can be read there as well.
    const { thread, shared } = await ready(file.handle!);
    file.write(bytes.subarray(1));
    const lengths = [100_000, 1, 99_999];
    const digests = (from: number) => lengths.map((length) => digestOf(bytes.subarray(from, from += length)));
    const first = thread.begin(file.handle!, 0, lengths)!, second = thread.begin(file.handle!, 70_000, lengths)!;
    assertEquals(thread.begin(file.handle!, 0, lengths), undefined);
    assertEquals([first.take(), second.take(), first.take()], [digests(0), digests(70_000), digests(0)]);
    assertEquals(thread.begin(file.handle!, 0, Array(MAX_JOB_CHUNKS + 1).fill(1)), undefined);
    const behind = thread.begin(file.handle!, 299_999, [2])!, next = thread.begin(file.handle!, 299_999, [1])!;
    assertEquals(behind.take(), undefined, "what is not there has no digest");
    assertEquals(next.take(), [digestOf(bytes.subarray(299_999))]);
    assert(next.isDone);
    thread[Symbol.dispose]();
    await untilEnded(shared);
    assertEquals(thread.begin(file.handle!, 0, lengths), undefined);
  }
});

Deno.test({ name: "a thread that is told to end in the midst of a job ends", ignore }, async () => {
  using temp = new TempDir();
  const fs = openFs(temp.path);
  using file = fs.createFile(FILE, 0o600);
  file.write(new Uint8Array(1 << 20));
  const { thread, shared } = await ready(file.handle!);
  for (let i = 0; i < 64; i++) file.write(new Uint8Array(1 << 20));
  assert(thread.begin(file.handle!, 0, Array(64).fill(1 << 20)));
  thread[Symbol.dispose]();
  await untilEnded(shared);
});

Deno.test("a spare thread is started once, lent to one at a time, for large files only, and ends when nobody needs it", async () => {
  const clock = new FakeClock(), started: SharedArrayBuffer[] = [];
  const spare = new SpareThread((shared) => void started.push(shared), clock);
  const isOver = () => Atomics.load(partsOf(started.at(-1)!).slots[0]!.state, 0) === QUIT;
  assertEquals(spare.lend(SECOND_FROM_BYTES - 1), undefined);
  for (let i = 0; i < 20; i++) {
    using thread = spare.lend(SECOND_FROM_BYTES);
    assert(thread);
    assertEquals(spare.lend(SECOND_FROM_BYTES), undefined);
    await clock.pass(60_000);
  }
  assertEquals(started.length, 1);
  await clock.pass(5000);
  assert(!isOver());
  await clock.pass(6000);
  assert(isOver());
  spare.lend(SECOND_FROM_BYTES)?.[Symbol.dispose]();
  assertEquals(started.length, 2);
  spare.end();
  assert(isOver());
});

Deno.test({ name: "an engine gets a second thread from its host, which ends with it", ignore }, async () => {
  using temp = new TempDir();
  Deno.writeFileSync(`${temp.path}/file`, CONTENTS.random(1000, random(1)));
  const worker = new Worker(new URL("../support/hashing_engine.ts", import.meta.url), { type: "module" });
  let shared: SharedArrayBuffer | undefined;
  worker.addEventListener("message", ({ data }) => shared ??= data.shared);
  const host = new EngineHost(worker, temp.path, () => {});
  assertEquals(await host.done, 1);
  host.terminate();
  await untilEnded(shared!);
});
