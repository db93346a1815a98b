// `deno task simulate [--seeds N] [--from SEED] [--failures N] [--trace] [--as-it-is] [--found]`: runs the simulations of N seeds, until so many
// have failed (by default one), with --found after those that once found a fault. A failure is made small (but with --as-it-is) and printed as a program, with --trace call by call; the
// exit status is then 1.

import { FOUND } from "./found.ts";
import { programOf } from "./program.ts";
import { simulate } from "./simulation.ts";
import { shrink } from "./shrink.ts";

const count = Number(valueOf("--seeds") ?? 1000), from = Number(valueOf("--from") ?? 1);
const most = Number(valueOf("--failures") ?? 1);

function valueOf(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

const tell = Deno.args.includes("--trace") ? say : undefined;

const started = performance.now();
let failures = 0;
for (const [name, program] of Object.entries(Deno.args.includes("--found") ? FOUND : {})) {
  const { failure } = await simulate(program);
  if (failure === undefined) continue;
  say(`program "${name}": ${failure}`);
  if (++failures >= most) break;
}
let seed = from;
// Whoever has no more time for it learns how far it has come.
Deno.addSignalListener("SIGINT", end);
for (; seed < from + count && failures < most; seed++) {
  const { failure, trace } = await simulate(programOf(seed));
  // Every so often, that the same seed gives the same run is looked at too.
  if (failure === undefined && seed % 16 !== 0) continue;
  const again = await simulate(programOf(seed));
  if (again.failure !== failure || again.trace() !== trace()) {
    failures++;
    say(`seed ${seed}: not deterministic\n${failure}\n${again.failure}`);
    continue;
  }
  if (failure === undefined) continue;
  failures++;
  say(`seed ${seed}: ${failure}`);
  if (Deno.args.includes("--as-it-is")) continue;
  const kind = failure.slice(0, 2);
  const small = await shrink(
    programOf(seed),
    async (program) => (await simulate(program)).failure?.startsWith(kind) === true,
  );
  say(`made small: ${(await simulate(small, tell ?? (() => {}))).failure}\n${JSON.stringify(small)}`);
}
end();

/** Tells how many there were. */
function end(): never {
  const seconds = (performance.now() - started) / 1000;
  say(`${seed - from} seeds, ${failures} failures, ${((seed - from) / seconds).toFixed(0)} seeds/s`);
  Deno.exit(failures === 0 ? 0 : 1);
}
