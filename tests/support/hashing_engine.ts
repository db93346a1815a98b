// An engine that hashes a file with a second thread: ends with how many chunks that has hashed.

import { runEngine } from "../../core/host.ts";
import { openFs } from "../../core/open_fs.ts";
import { parsePath } from "../../core/path.ts";

runEngine<string, never, never>(async (dir, side) => {
  using thread = side.secondThread();
  if (!thread) return 0;
  using file = openFs(dir).openFile(parsePath("file"));
  for (;;) {
    const job = thread.begin(file.handle!, 0, [1000]);
    if (job) return job.take()?.length ?? -1;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
});
