// The confidence tests against the program in this tree.

import { TempDir } from "../support/temp_dir.ts";
import { confidenceTests } from "./confidence.ts";

Deno.test("confidence", async (t) => {
  using dir = new TempDir();
  const [source, destination, state, cwd] = ["source", "mirror", "state", "cwd"].map((name) => `${dir.path}/${name}`);
  Deno.mkdirSync(cwd!);
  const { tests, end } = confidenceTests({ source: source!, destination: destination!, state: state!, cwd: cwd! });
  try {
    for (const { name, run } of tests) await t.step(name, run);
  } finally {
    await end();
  }
});
