// A few seconds of what `deno task fuzz --seconds N` does for as long as it is told.

import { assertThrows } from "@std/assert";
import { ProtocolError } from "../../core/errors.ts";
import { DECODERS } from "./decoders.ts";
import { corpus, Fault, feed, feedMutations, feedTruncations } from "./fuzz.ts";

const SEED = Number(Deno.env.get("SEED") ?? 1);
const COUNT = 4000;

for (const decoder of DECODERS) {
  Deno.test(`fuzz: ${decoder.name} stands what is cut short, changed and made up (seed ${SEED})`, () => {
    const kept = corpus(decoder);
    for (const input of [...kept, ...decoder.seeds]) feed(decoder, input);
    feedTruncations(decoder, decoder.seeds);
    feedMutations(decoder, [...decoder.seeds, ...kept], SEED, COUNT);
  });

  Deno.test(`fuzz: the examples of ${decoder.name} are accepted`, () => {
    for (const seed of decoder.seeds) decoder.decode(seed);
  });
}

Deno.test("fuzz: a decoder that lets another error out, or takes what is not canonical, is found", () => {
  const seeds = [Uint8Array.of(1, 2, 3)];
  const careless = {
    name: "careless",
    seeds,
    error: ProtocolError,
    decode: (bytes: Uint8Array) => void "abc".repeat(bytes[9]! - 1),
  };
  assertThrows(() => feedMutations(careless, seeds, 1, COUNT), Fault, "careless does not stand");
  const lenient = { name: "lenient", seeds, error: ProtocolError, decode: (bytes: Uint8Array) => bytes.subarray(0, 3) };
  assertThrows(() => feedMutations(lenient, seeds, 1, COUNT), Fault, "it would be written");
});
