// The second thread of core/second_thread.ts: reads and hashes what it is asked for until it is told to quit.

import { hash } from "node:crypto";
import { type Libc, loadLibc } from "./libc.ts";
import { DIGEST_BYTES, MAX_AVERAGE } from "./limits.ts";
import { readFully } from "./posix_files.ts";
import { ASKED, DONE, FAILED, partsOf, QUIT, set, type Slot } from "./second_thread.ts";

/** The longest chunk fits in; page-aligned, as the memory of WebAssembly is: reads are faster so. */
const block = new Uint8Array(new WebAssembly.Memory({ initial: 4 * MAX_AVERAGE >> 16 }).buffer);

const scope = self as unknown as DedicatedWorkerGlobalScope;
scope.onmessage = ({ data }: MessageEvent<SharedArrayBuffer>) => {
  const libc = loadLibc();
  if (libc) serve(data, libc);
  scope.close();
};

function serve(shared: SharedArrayBuffer, libc: Libc): void {
  const { ready, slots } = partsOf(shared);
  Atomics.store(ready, 0, 1);
  for (let i = 0;; i = (i + 1) % slots.length) {
    const slot = slots[i]!;
    for (let state = Atomics.load(slot.state, 0); state !== ASKED; state = Atomics.load(slot.state, 0)) {
      if (state === QUIT) {
        Atomics.store(ready, 0, 0);
        return;
      }
      Atomics.wait(slot.state, 0, state);
    }
    // If it has been told to quit meanwhile, the next slot says so too.
    set(slot, hashAll(slot, libc) ? DONE : FAILED);
  }
}

/** @returns Whether all was there to be read. */
function hashAll({ job, offset, lengths, digests }: Slot, libc: Libc): boolean {
  const [handle, count] = job as unknown as [number, number];
  let at = offset[0]!;
  for (let i = 0; i < count; i++) {
    const chunk = block.subarray(0, lengths[i]);
    if (readFully(libc, handle, at, chunk) !== chunk.length) return false;
    digests.set(hash("sha256", chunk, "buffer"), i * DIGEST_BYTES);
    at += chunk.length;
  }
  return true;
}
