import { assertEquals } from "@std/assert";
import { parsePath } from "../../core/path.ts";
import { World } from "../support/world.ts";

const path = parsePath;

Deno.test("a program runs as its owner or group in the mirror only where these are the source's", async () => {
  const cases: [uid: number, gid: number, mode: number][] = [
    [1000, 1000, 0o6755],
    // Whose it is cannot be set here: whoever serves the mirror owns it.
    [0, 1000, 0o2755],
    [1000, 0, 0o4755],
    [0, 0, 0o755],
  ];
  for (const [uid, gid, mode] of cases) {
    using world = new World({ serverUser: { uid: 1000, gid: 1000, mayChown: false } });
    world.source.writeFile(path("tool"), "#!/bin/sh");
    world.source.chown(path("tool"), uid, gid);
    world.source.setMeta(path("tool"), { mode: 0o6755, mtimeNs: 5n });
    assertEquals(await world.once(), 0);
    assertEquals(world.mirror.lstat(path("tool"))!.mode.toString(8), mode.toString(8), `of ${uid}:${gid}`);
  }
});
