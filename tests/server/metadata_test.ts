import { assertEquals } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import type { FileSystem, Meta } from "../../core/fs.ts";
import { parsePath, type RelPath } from "../../core/path.ts";
import { Metadata } from "../../server/metadata.ts";
import { Owners } from "../../server/owners.ts";
import { plain } from "../support/entries.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { MemoryFs } from "../support/memory_fs.ts";
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

Deno.test("what somebody changes the moment after it got its time is not what it was given; what the disk cannot keep better, is", () => {
  const fs = new MemoryFs(new FakeClock().nowNs);
  fs.mkdir(path("d"), 0o755);
  const owners = new Owners(noAccounts);
  let told: (time: bigint) => bigint = (time) => time;
  const metadata = new Metadata({
    fs: new Proxy<FileSystem>(fs, {
      get(object, key) {
        const value = Reflect.get(object, key);
        if (key !== "setMeta") return typeof value === "function" ? value.bind(object) : value;
        return (at: RelPath, meta: Meta) => {
          const stat = object.setMeta(at, meta);
          return { ...stat, mtimeNs: told(stat.mtimeNs) };
        };
      },
    }),
    owners,
    xattrsOf: () => undefined,
    warn: () => {},
  });
  const apply = () =>
    metadata.apply(path("d"), "dir", plain(0o755, 1234567n), { owner: fs.lstat(path("d"))!, xattrs: "" });
  assertEquals(apply()?.mtimeNs, 1234567n);
  let now = 10n ** 18n;
  told = () => now++;
  assertEquals(apply(), undefined);
  told = (time) => time - time % 1000n;
  assertEquals(apply()?.mtimeNs, 1234000n);
});
