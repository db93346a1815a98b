// Feeds decoders with what nobody would write: random bytes, valid examples changed, and cut short at every byte.

import { type Random, random } from "../support/contents.ts";
import type { Decoder } from "./decoders.ts";

/** Input that a decoder did not stand. */
export class Fault extends Error {
  constructor(readonly decoder: string, readonly input: Uint8Array, cause: unknown) {
    super(`${decoder} does not stand ${input.toHex().slice(0, 400)}: ${cause}`, { cause });
  }
}

/** One input. @throws {Fault} If anything but the decoder's own error comes out, or what was accepted would be written otherwise. */
export function feed({ name, decode, error }: Decoder, input: Uint8Array): void {
  let again: Uint8Array | void;
  try {
    again = decode(input);
  } catch (thrown) {
    if (error && thrown instanceof error) return;
    throw new Fault(name, input, thrown);
  }
  if (again && again.toHex() !== input.toHex()) throw new Fault(name, input, `it would be written ${again.toHex()}`);
}

/** Every beginning of every example. */
export function feedTruncations(decoder: Decoder, examples: readonly Uint8Array[]): void {
  for (const example of examples) {
    for (let length = 0; length <= example.length; length++) feed(decoder, example.subarray(0, length));
  }
}

/** Numbers at which decoders may stumble, as bytes. */
const ODD = [[0], [0xff], [0x7f], [0x80], [0x80, 0], [0xff, 0xff, 0xff, 0xff], [
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0x0f,
]];
const TOKENS = [
  "..",
  "/",
  "\0",
  ".dirsync",
  "{}",
  "[]",
  "null",
  "-1",
  "1e999",
  "__proto__",
  '"',
  "\\",
  "\n",
  "\ud800",
  '{"ns":"x"}',
];

/** `count` inputs from `seed`, half of them also sealed again where the decoder has a checksum. */
export function feedMutations(decoder: Decoder, examples: readonly Uint8Array[], seed: number, count: number): void {
  const below = random(seed);
  for (let i = 0; i < count; i++) {
    const input = below(8) === 0
      ? noise(below(300), below)
      : mutate(examples[below(examples.length)]!, examples, below);
    feed(decoder, decoder.seal && below(2) ? decoder.seal(input) : input);
  }
}

function mutate(example: Uint8Array, examples: readonly Uint8Array[], below: Random): Uint8Array {
  let bytes = [...example];
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(bytes.length + 1);
    switch (below(7)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << below(8);
        break;
      case 1:
        bytes.splice(at, below(9));
        break;
      case 2:
        bytes.splice(at, 0, ...noise(below(9), below));
        break;
      case 3:
        bytes.splice(at, below(2) * 4, ...ODD[below(ODD.length)]!);
        break;
      case 4:
        bytes.splice(at, below(6), ...new TextEncoder().encode(TOKENS[below(TOKENS.length)]));
        break;
      case 5: {
        const from = below(bytes.length + 1);
        bytes.splice(at, 0, ...bytes.slice(from, from + below(40)));
        break;
      }
      case 6: {
        const other = examples[below(examples.length)]!;
        bytes = [...bytes.slice(0, at), ...other.subarray(below(other.length + 1))];
      }
    }
  }
  return Uint8Array.from(bytes);
}

function noise(length: number, below: Random): Uint8Array {
  return Uint8Array.from({ length }, () => below(256));
}

/** Inputs that once were a fault, kept beside this file. */
export function corpus({ name }: Decoder): Uint8Array[] {
  const folder = new URL(`corpus/${name}/`, import.meta.url);
  try {
    return [...Deno.readDirSync(folder)].map((file) => Deno.readFileSync(new URL(file.name, folder)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
