import { assert, assertEquals } from "@std/assert";
import { DEFENCES } from "./defences.ts";

const root = new URL("../../", import.meta.url);

Deno.test("every defence is where its row in the table says, and the tests that guard it are there", () => {
  for (const { name, file, from, to, tests } of DEFENCES) {
    assert(Deno.readTextFileSync(new URL(file, root)).includes(from), `${name}: ${file} does not hold ${from}`);
    assert(from !== to && tests.length > 0, name);
    for (const test of tests) assert(Deno.statSync(new URL(test, root)).isFile, test);
  }
  assertEquals(new Set(DEFENCES.map(({ name }) => name)).size, DEFENCES.length, "a name is there twice");
});
