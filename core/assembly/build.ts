// Compiles sieve.ts to WebAssembly and writes it into core/sieve_wasm.ts.
//
//   deno run -A --no-lock core/assembly/build.ts            build
//   deno run -A --no-lock core/assembly/build.ts --check    build and compare with what is there
//
// Exit status: 0 done or equal, 1 does not compile or is not equal, 3 the compiler cannot be fetched. The compiler is used
// here only, so it is neither in deno.json nor in deno.lock; its version is exact and the output is compared byte by byte.

const COMPILER = "npm:assemblyscript@0.28.20";
const OPTIONS =
  "-O3 --noAssert --enable simd --enable bulk-memory --runtime stub --use abort= --initialMemory 80 -o sieve.wasm";
const SOURCE = new URL("sieve.ts", import.meta.url);
const OUTPUT = new URL("../sieve_wasm.ts", import.meta.url);

async function loadCompiler() {
  try {
    return await import(`${COMPILER}/asc`);
  } catch (error) {
    console.error(`Cannot fetch ${COMPILER}: ${error instanceof Error ? error.message : error}`);
    Deno.exit(3);
  }
}

async function compile(): Promise<Uint8Array> {
  const asc = await loadCompiler();
  const source = (await Deno.readTextFile(SOURCE)).replaceAll("\r\n", "\n");
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(["sieve.ts", ...OPTIONS.split(" ")], {
    readFile: (name: string) => name === "sieve.ts" ? source : null,
    writeFile: (_name: string, contents: Uint8Array) => void (wasm = contents),
    listFiles: () => [],
  });
  if (error || !wasm) {
    console.error(`Cannot compile sieve.ts: ${error?.message ?? "no output"}\n${stderr}`);
    Deno.exit(1);
  }
  return wasm;
}

function moduleOf(wasm: Uint8Array): string {
  return `// Generated from core/assembly/sieve.ts by core/assembly/build.ts with ${COMPILER}. Do not edit.

/** The compiled sieve: ${wasm.length} bytes of WebAssembly, in base64. */
export const SIEVE_WASM =
  "${btoa(String.fromCharCode(...wasm))}";
`;
}

const text = moduleOf(await compile());
if (Deno.args.includes("--check")) {
  const found = (await Deno.readTextFile(OUTPUT)).replaceAll("\r\n", "\n");
  if (found !== text) {
    console.error("core/sieve_wasm.ts is not what core/assembly/sieve.ts compiles to: run core/assembly/build.ts");
    Deno.exit(1);
  }
} else await Deno.writeTextFile(OUTPUT, text);
