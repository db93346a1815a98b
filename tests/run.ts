// `deno task test`: the whole suite. Its last line is `N passed, N failed`, which CI reads.

const decoder = new TextDecoder();
const process = new Deno.Command(Deno.execPath(), {
  args: [
    "test",
    "-A",
    "--no-prompt",
    "--shuffle=1",
    "--parallel",
    "--doc",
    "core/",
    "client/",
    "server/",
    "tests/",
    ...Deno.args,
  ],
  stdin: "null",
  stdout: "piped",
  stderr: "inherit",
  env: { NO_COLOR: "1" },
}).spawn();
let output = "";
for await (const bytes of process.stdout) {
  Deno.stdout.writeSync(bytes);
  output = (output + decoder.decode(bytes, { stream: true })).slice(-20_000);
}
const { code } = await process.status;
const found = [...output.matchAll(/(\d+) passed(?: \([^)]*\))? \| (\d+) failed/g)].at(-1);
const passed = Number(found?.[1] ?? 0);
const failed = Number(found?.[2] ?? 0) || (code === 0 ? 0 : 1);
Deno.stdout.writeSync(new TextEncoder().encode(`${passed} passed, ${failed} failed\n`));
Deno.exit(code);
