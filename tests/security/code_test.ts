// What the program does not do at all, looked for in its code.

import { assertEquals } from "@std/assert";

const root = new URL("../../", import.meta.url);

/** Lines of the program that match, with their files. */
function linesWith(pattern: RegExp): string[] {
  const files = ["core", "client", "server"].flatMap((folder) =>
    Array.from(Deno.readDirSync(new URL(folder, root)), ({ name }) => `${folder}/${name}`)
  );
  return ["main.ts", ...files.filter((name) => name.endsWith(".ts"))].flatMap((file) =>
    Deno.readTextFileSync(new URL(file, root)).split("\n").filter((line) => pattern.test(line))
      .map((line) => `${file}: ${line.trim()}`)
  );
}

Deno.test("no name reaches a shell, another program, or an interpreter of text", () => {
  assertEquals(linesWith(/Deno\.Command|Deno\.run|child_process|\beval\(|new Function|setTimeout\(["'`]/), []);
});

Deno.test("nobody is believed where he says that he comes from", () => {
  assertEquals(linesWith(/x-forwarded|["']forwarded|x-real-ip|\bPROXY /i), []);
});

Deno.test("no buffer holds what was there before", () => {
  assertEquals(linesWith(/allocUnsafe/), []);
});
