import { assertEquals } from "@std/assert";

const CANNOT_FETCH = 3;

Deno.test("core/sieve_wasm.ts is what core/assembly/sieve.ts compiles to", async (t) => {
  const build = new URL("../../core/assembly/build.ts", import.meta.url);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", build.href, "--check"],
    signal: AbortSignal.timeout(60_000),
  }).output();
  const message = new TextDecoder().decode(stderr);
  if (code === CANNOT_FETCH) await t.step({ name: `skipped: ${message.split("\n")[0]}`, ignore: true, fn: () => {} });
  else assertEquals(code, 0, message);
});
