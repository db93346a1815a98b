// `deno task mutants:security [--only PART OF A NAME]`: takes out one defence after the other, in a copy of the tree, and runs the tests
// that are said to guard it: one of them must fail. What survives is named; the exit status is then 1.

import { DEFENCES } from "./defences.ts";

const at = Deno.args.indexOf("--only");
const only = at < 0 ? "" : Deno.args[at + 1]!;
const root = new URL("../../", import.meta.url).pathname;
const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));

/** A test that waits for what does not come without its defence has noticed. */
const PATIENCE_MS = 240_000;

async function run(command: string, args: readonly string[], cwd: string): Promise<{ code: number; text: string }> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const env = { NO_COLOR: "1" };
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd, env, stdin: "null", signal })
    .output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) + (signal.aborted ? "WAITS for ever" : "") };
}

/** A copy of what is in the tree, committed or not. */
async function copyTree(): Promise<string> {
  const copy = Deno.makeTempDirSync({ prefix: "dirsync_mutant_" });
  const { text } = await run("git", ["ls-files", "-co", "--exclude-standard"], root);
  const files = text.split("\n");
  for (const file of files.filter((name) => name !== "")) {
    Deno.mkdirSync(`${copy}/${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.copyFileSync(`${root}/${file}`, `${copy}/${file}`);
  }
  return copy;
}

const copy = await copyTree();
let survived = 0;
try {
  for (const { name, file, from, to, tests } of DEFENCES) {
    if (!name.includes(only)) continue;
    say(`${name}: `);
    const text = Deno.readTextFileSync(`${copy}/${file}`);
    if (!text.includes(from)) throw new Error(`${file} does not hold what is to be taken out`);
    Deno.writeTextFileSync(`${copy}/${file}`, text.replace(from, () => to));
    const { code, text: told } = await run(
      Deno.execPath(),
      ["test", "-A", "--no-check", "--fail-fast", ...tests],
      copy,
    );
    Deno.writeTextFileSync(`${copy}/${file}`, text);
    const found = /(?:^(.*) \.\.\. FAILED|WAITS for ever)/m.exec(told);
    if (code !== 0 && !found) throw new Error(`It does not even run: ${told}`);
    if (code === 0) survived++;
    say(code === 0 ? "SURVIVED\n" : `found: ${found![1] ?? "it waits for ever"}\n`);
  }
} finally {
  Deno.removeSync(copy, { recursive: true });
}
say(`${survived} survived\n`);
Deno.exit(survived === 0 ? 0 : 1);
