// The system allows fewer watches than there are directories.

import { assertEquals, assertMatch } from "@std/assert";
import { loadLibc } from "../../core/libc.ts";
import { canRun, FROM_SOURCE, type Program, Running } from "../support/program.ts";
import { Scene } from "../support/scene.ts";

/** A user namespace may have fewer than its parent. */
const NAMESPACE = ["unshare", "--user", "--map-root-user", "sh", "-c"] as const;
const LIMIT = "echo 3 > /proc/sys/user/max_inotify_watches";

Deno.test({
  name: "where there are no more watches it is said once, with what to do",
  ignore: !loadLibc() || Deno.env.get("DIRSYNC_FS") === "portable" || !canRun(...NAMESPACE, LIMIT),
  async fn() {
    await using scene = new Scene();
    const dirs = ["a/b", "c", "d", "e"];
    for (const dir of dirs) scene.write(`${dir}/file`, "1");
    const { address } = await scene.server();
    const limited: Program = [...NAMESPACE, `${LIMIT} && exec "$@"`, "sh", ...FROM_SOURCE];
    await using client = new Running(limited, ["client", scene.source, "-s", address, "--state", scene.state]);
    await client.event("synced");
    await scene.level();
    const warnings = client.events.flatMap((event) => event.event === "warning" ? [event.message] : []);
    assertEquals(warnings.length, 1, `${warnings}`);
    assertMatch(
      warnings[0]!,
      /^cannot watch all of .*sudo sysctl fs\.inotify\.max_user_watches=\d{7,}\); .*every 10 s/,
    );
  },
});
