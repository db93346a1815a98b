import { assertEquals } from "@std/assert";
import plugin from "./lint_plugin.ts";

/** Which rules a file of the project with this text breaks, as often as it does. */
function brokenBy(filename: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, filename, source).map(({ id }) => id.replace("dirsync/", ""));
}

Deno.test("layers: what each folder may import", () => {
  const cases: [string, string, boolean][] = [
    ["core/a.ts", "./b.ts", true],
    ["core/a.ts", "../client/b.ts", false],
    ["core/a.ts", "../server/b.ts", false],
    ["core/a.ts", "../tests/support/b.ts", false],
    ["core/deep/a.ts", "../../client/b.ts", false],
    ["core/deep/a.ts", "../client.ts", true],
    ["client/a.ts", "../core/b.ts", true],
    ["client/a.ts", "./b.ts", true],
    ["client/a.ts", "../server/b.ts", false],
    ["server/a.ts", "../core/b.ts", true],
    ["server/a.ts", "../client/b.ts", false],
    ["server/a.ts", "../tests/b.ts", false],
    ["main.ts", "./client/b.ts", true],
    ["main.ts", "./server/b.ts", true],
    ["main.ts", "./tests/b.ts", false],
    ["tests/e2e/a.ts", "../../client/b.ts", true],
    ["tests/e2e/a.ts", "../support/b.ts", true],
    ["core/a.ts", "npm:client", true],
    ["core/a.ts", "node:fs", true],
    ["core/a.ts", "@std/client/tests", true],
  ];
  for (const [file, source, allowed] of cases) {
    const expected = allowed ? [] : ["layers"];
    for (
      const text of [
        `import { b } from "${source}"; b;`,
        `import type { B } from "${source}"; export type C = B;`,
        `import "${source}";`,
        `export { b } from "${source}";`,
        `export * from "${source}";`,
        `await import("${source}");`,
        `export type B = import("${source}").B;`,
      ]
    ) assertEquals(brokenBy(file, text), expected, `${file}: ${text}`);
  }
  assertEquals(brokenBy("core/a.ts", `new Worker(new URL("../client/worker.ts", import.meta.url));`), ["layers"]);
  assertEquals(
    brokenBy("client/a.ts", `new Worker(new URL("./worker.ts", import.meta.url)); new URL(text); export { a };`),
    [],
  );
});

Deno.test("layers: the name of the file may be absolute", () => {
  const { pathname } = new URL("../../core/a.ts", import.meta.url);
  const file = Deno.build.os === "windows" ? pathname.slice(1).replaceAll("/", "\\") : pathname;
  assertEquals(brokenBy(file, `import "../client/b.ts";`), ["layers"]);
  assertEquals(brokenBy(file, `import "./b.ts";`), []);
});

const AMBIENT = [
  "Date.now();",
  "new Date();",
  "Date();",
  "performance.now();",
  "setTimeout(f, 1);",
  "setInterval(f, 1);",
  "globalThis.setTimeout(f, 1);",
  "Math.random();",
  "crypto.randomUUID();",
  "crypto.getRandomValues(new Uint8Array(8));",
  "globalThis.crypto.randomUUID();",
  `Math["random"]();`,
  "const now = Date.now;",
  "const { now } = Date;",
  "const wait = { sleep: setTimeout };",
  "f(setTimeout);",
  `import { randomBytes } from "node:crypto"; randomBytes(8);`,
  `import { setTimeout as wait } from "node:timers/promises"; wait(1);`,
];

Deno.test("ambient: no time and no randomness but through what is handed in", () => {
  for (const text of AMBIENT) {
    for (const file of ["core/a.ts", "client/a.ts", "server/clock.ts", "core/sub/clock.ts"]) {
      assertEquals(brokenBy(file, text), ["ambient"], `${file}: ${text}`);
    }
  }
});

Deno.test("ambient: the clock, main.ts and tests are free", () => {
  for (const text of AMBIENT) {
    for (const file of ["core/clock.ts", "main.ts", "tests/core/a_test.ts"]) {
      assertEquals(brokenBy(file, text), [], `${file}: ${text}`);
    }
  }
});

Deno.test("ambient: what only looks like it is free", () => {
  const free = [
    "new Date(0);",
    "new Date(clock.now()).toISOString();",
    "Date.parse(text);",
    "clock.now();",
    "clock.setTimeout(f, 1);",
    "clearTimeout(timer);",
    "prng.random();",
    "Math.floor(1.5);",
    "crypto.subtle;",
    "export interface Timers { setTimeout(f: () => void): void }",
    "export const timers = { setTimeout: fake };",
    "export type Wait = typeof setTimeout;",
    "export class Fake { setTimeout() {} }",
    `import { hash } from "node:crypto"; hash;`,
    "const { log } = Math;",
  ];
  for (const text of free) assertEquals(brokenBy("core/a.ts", text), [], text);
});
