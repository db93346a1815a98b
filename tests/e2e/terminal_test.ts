// What people see of names that were made to be seen as something else.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Scene } from "../support/scene.ts";

Deno.test({
  name: "no name reaches a terminal, or a log, as it is, whoever gave it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using scene = new Scene();
    const evil = "\x1b[2J\x9b\r\u202egpj";
    scene.write(`${evil}-file`, "x");
    scene.write(`${evil}/below`, "x");
    const { server, address } = await scene.server();
    const texts = [
      await scene.run("client", scene.source, "--once", "-s", address, "--state", scene.state, "--verbose"),
      await scene.run("client", `no ${evil}`, "-s", address),
      await scene.run("server", scene.mirror, "-i", `${evil}:1`),
      await scene.run("history", `${scene.mirror}/${evil}-file`),
      await scene.run("restore", `${scene.mirror}/${evil}-file`, "--at", "1s"),
      await scene.run("restore", scene.mirror, "--to", `${scene.mirror}/${evil}`),
      await scene.run(`--${evil}`),
    ];
    assertEquals(texts.map(({ status }) => status > 0), [false, true, true, false, true, true, true]);
    const client = scene.client(address);
    await client.event("synced");
    scene.write(`${evil}-file`, "y");
    await server.event("change", { where: ({ change }) => change === "update" });
    await scene.stopAll();
    for (const { stdout, stderr } of texts) {
      // deno-lint-ignore no-control-regex
      assert(!/[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/.test(stdout + stderr), JSON.stringify(stdout + stderr));
    }
    assertStringIncludes(texts[0]!.stdout, "\\x1b[2J");
  },
});
