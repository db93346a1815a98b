// A real second thread, and a host that starts it.

import { assert, assertEquals } from "@std/assert";
import { EngineHost } from "../../core/host.ts";
import { loadLibc } from "../../core/libc.ts";
import { openFs } from "../../core/open_fs.ts";
import { parsePath } from "../../core/path.ts";
import { digestOf } from "../../core/recipe.ts";
import { SecondThread } from "../../core/second_thread.ts";
import { CONTENTS, random } from "../support/contents.ts";
import { TempDir } from "../support/temp_dir.ts";

const FILE = parsePath("file");
const ignore = loadLibc() === undefined || Deno.env.get("DIRSYNC_FS") === "portable";

/** A thread, once it is there. */
async function ready(handle: number): Promise<{ thread: SecondThread; worker: Worker }> {
  let worker: Worker | undefined;
  const thread = new SecondThread((shared) => {
    worker = new Worker(new URL("../../core/digest_worker.ts", import.meta.url), { type: "module" });
    worker.postMessage(shared);
  });
  assertEquals(thread.begin(handle, 0, [1]), undefined, "nobody waits for a thread that is not there yet");
  for (;;) {
    const job = thread.begin(handle, 0, [1]);
    if (job) {
      job.take();
      return { thread, worker: worker! };
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
    const { thread, worker } = await ready(file.handle!);
    file.write(bytes.subarray(1));
    const lengths = [100_000, 1, 99_999];
    const digests = (from: number) => lengths.map((length) => digestOf(bytes.subarray(from, from += length)));
    const first = thread.begin(file.handle!, 0, lengths)!, second = thread.begin(file.handle!, 70_000, lengths)!;
    assertEquals(thread.begin(file.handle!, 0, lengths), undefined);
    assertEquals([first.take(), second.take()], [digests(0), digests(70_000)]);
    const behind = thread.begin(file.handle!, 299_999, [2])!, next = thread.begin(file.handle!, 299_999, [1])!;
    assertEquals(behind.take(), undefined, "what is not there has no digest");
    assertEquals(next.take(), [digestOf(bytes.subarray(299_999))]);
    assert(next.isDone);
    thread[Symbol.dispose]();
    worker.terminate();
    assertEquals(thread.begin(file.handle!, 0, lengths), undefined);
  }
});

Deno.test({ name: "an engine gets a second thread from its host", ignore }, async () => {
  using temp = new TempDir();
  Deno.writeFileSync(`${temp.path}/file`, CONTENTS.random(1000, random(1)));
  const worker = new Worker(new URL("../support/hashing_engine.ts", import.meta.url), { type: "module" });
  const host = new EngineHost(worker, temp.path, () => {});
  assertEquals(await host.done, navigator.hardwareConcurrency > 1 ? 1 : 0);
  host.terminate();
});
