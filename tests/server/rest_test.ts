// What the server looks at once its client has gone.

import { assertEquals } from "@std/assert";
import { mirrorScene } from "../support/mirror_scene.ts";

Deno.test("what is noted after a look that failed beside all else is kept", async () => {
  using scene = await mirrorScene();
  const { index, mirror, clock, commit, file } = scene;
  assertEquals(await commit(file("new", "new")), []);
  const { setPrint } = index;
  index.setPrint = () => {
    throw Object.assign(new Error("database or disk is full"), { code: "ERR_SQLITE_ERROR" });
  };
  const resting = mirror.rest();
  await clock.pass(100);
  await resting;
  index.setPrint = setPrint;
  index.setFact("noted since", "1");
  await mirror.open(true, () => Promise.resolve());
  assertEquals(index.fact("noted since"), "1");
});
