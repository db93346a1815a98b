// An engine that hashes a file with a second thread: ends with how many chunks that has hashed.

import { runEngine } from "../../core/host.ts";
import { openFs } from "../../core/open_fs.ts";
import { parsePath } from "../../core/path.ts";
import { SECOND_FROM_BYTES } from "../../core/second_thread.ts";

const PROCESSORS = 4;

runEngine<string, never, never>(async (dir, side) => {
  using thread = side.secondThread(SECOND_FROM_BYTES);
  if (side.secondThread(SECOND_FROM_BYTES - 1)) throw new Error("a small file needs no second thread");
  if (!thread) return 0;
  using file = openFs(dir).openFile(parsePath("file"));
  for (;;) {
    const job = thread.begin(file.handle!, 0, [1000]);
    if (job) return job.take()?.length ?? -1;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}, PROCESSORS);
