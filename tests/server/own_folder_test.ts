import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isOwn } from "../../server/own_folder.ts";
import { Scene } from "../support/scene.ts";

Deno.test("a private folder is ours by its owner, or where all is one user's", () => {
  assert(isOwn(1000, 1000, () => 1000));
  assert(isOwn(1000, 0, () => 1000), "a stick, say");
  assert(isOwn(null, null, () => null));
  assert(!isOwn(1000, 0, () => 0));
  assert(!isOwn(0, 1000, () => 1000));
});

Deno.test({
  name: "a server does not work with a private folder that somebody else has put into its mirror",
  ignore: Deno.build.os === "windows" || Deno.uid() !== 0,
  fn: async () => {
    await using scene = new Scene();
    scene.write("a", "a");
    const { server, address } = await scene.server();
    assertEquals((await scene.once(address)).status, 0);
    await server.stop();
    const before = [...Deno.readDirSync(scene.there(".dirsync"))].length;
    Deno.chownSync(scene.there(".dirsync"), 12345, 12345);
    const { status, stderr } = await scene.run("server", scene.mirror, "-i", "127.0.0.1:0");
    assertEquals(status, 1);
    assertStringIncludes(stderr, "it belongs to another user");
    assertEquals([...Deno.readDirSync(scene.there(".dirsync"))].length, before);
    Deno.chownSync(scene.there(".dirsync"), 0, 0);
    assertEquals((await scene.once((await scene.server()).address)).status, 0);
  },
});
