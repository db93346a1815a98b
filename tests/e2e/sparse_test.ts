// A file that is larger than any memory and most disks, as nearly all of it is a hole.

import { assert, assertEquals } from "@std/assert";
import { loadLibc } from "../../core/libc.ts";
import { costOf } from "../support/process_cost.ts";
import { Scene } from "../support/scene.ts";

const SIZE = 20 * 2 ** 30;
/** What a server that has taken it may have in memory (kB): a small part of it. */
const MOST_KB = 400_000;

function put(path: string, at: number, text: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(text));
}

function read(path: string, at: number, length: number): string {
  using file = Deno.openSync(path);
  file.seekSync(at, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  file.readSync(bytes);
  return new TextDecoder().decode(bytes);
}

Deno.test({
  name: "a file of 20 GiB, all but some bytes of it a hole, is mirrored as such, and so is what changes in it",
  ignore: !loadLibc() || Deno.env.get("DIRSYNC_FS") === "portable",
  async fn() {
    await using scene = new Scene();
    const file = scene.here("disk"), copy = scene.there("disk");
    put(file, SIZE - 3, "end");
    put(file, SIZE / 2, "middle");
    if (Deno.statSync(file).blocks! > 1000) return; // This file system has no holes.
    const { server, address } = await scene.server();
    for (const text of ["middle", "edited"]) {
      put(file, SIZE / 2, text);
      const { client, status } = await scene.once(address);
      assertEquals(status, 0, client.stderr);
      const { sent } = await client.event("synced");
      assert(sent < 8 << 20, `${sent} bytes were sent`);
      const { size, blocks } = Deno.statSync(copy);
      assertEquals(size, SIZE);
      assert(blocks! < 10_000, `it takes ${blocks} blocks`);
      assertEquals([read(copy, SIZE / 2, 6), read(copy, SIZE - 3, 3), read(copy, 4096, 2)], [text, "end", "\0\0"]);
    }
    assert(costOf(server.pid).peakKb < MOST_KB);
  },
});
