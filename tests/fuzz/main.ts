// `deno task fuzz [--seconds N] [--seed S]`: fuzzes every decoder in turn; what one does not stand is kept in the corpus.

import { DECODERS } from "./decoders.ts";
import { corpus, Fault, feed, feedMutations, feedTruncations } from "./fuzz.ts";

const value = (name: string) => {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Number(Deno.args[at + 1]);
};
const seconds = value("seconds") ?? 60;
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const ROUND = 5000;

let seed = value("seed") ?? Date.now() % 1e9;
const end = performance.now() + seconds * 1000;
let rounds = 0;
print(`fuzzing ${DECODERS.length} decoders for ${seconds} s from seed ${seed}`);
try {
  for (const decoder of DECODERS) {
    for (const input of corpus(decoder)) feed(decoder, input);
    feedTruncations(decoder, decoder.seeds);
  }
  for (; performance.now() < end; seed++, rounds++) {
    for (const decoder of DECODERS) feedMutations(decoder, [...decoder.seeds, ...corpus(decoder)], seed, ROUND);
  }
  print(`${rounds * ROUND * DECODERS.length} inputs, no fault`);
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  const folder = new URL(`corpus/${error.decoder}/`, import.meta.url);
  Deno.mkdirSync(folder, { recursive: true });
  const file = new URL(`${error.input.toHex().slice(0, 16) || "empty"}-${seed}`, folder);
  Deno.writeFileSync(file, error.input);
  print(`seed ${seed}: ${error.message}\nkept in ${file.pathname}`);
  Deno.exit(1);
}
