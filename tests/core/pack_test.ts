import { assert, assertEquals, assertThrows } from "@std/assert";
import zlib from "node:zlib";
import { Writer } from "../../core/codec.ts";
import { ProtocolError } from "../../core/errors.ts";
import { MAX_PACK_BYTES } from "../../core/limits.ts";
import { levelFor, pack, unpack } from "../../core/pack.ts";
import { writeMessage } from "../../core/wire_writer.ts";
import { readClientMessage } from "../../core/wire_reader.ts";
import { CONTENTS, random } from "../support/contents.ts";

const TEXT = CONTENTS.words(100_000, random(1));
const RANDOM = CONTENTS.random(100_000, random(1));

function frames(...contents: Uint8Array[]): Uint8Array {
  const out = new Writer();
  for (const bytes of contents) writeMessage(out, { type: "literal", bytes });
  return out.take();
}

Deno.test("what is packed comes out as it went in", () => {
  const all = frames(TEXT, new Uint8Array(1), TEXT.subarray(5000));
  for (const level of [1, 3, 6]) {
    const packed = pack(all, level)!;
    assert(packed.length < all.length / 2);
    const messages = Array.from(unpack(packed, all.length), (frame) => readClientMessage(frame));
    assertEquals(messages, [TEXT, new Uint8Array(1), TEXT.subarray(5000)].map((bytes) => ({ type: "literal", bytes })));
  }
});

Deno.test("what does not shrink, is tiny or too much is not packed", () => {
  for (
    const bytes of [
      frames(RANDOM),
      RANDOM.subarray(0, 20_000),
      TEXT.subarray(0, 100),
      new Uint8Array(MAX_PACK_BYTES + 1),
    ]
  ) {
    assertEquals(pack(bytes, 1), undefined);
  }
});

Deno.test("only a slow line is packed for, a slower one more", () => {
  assertEquals([1e5, 3.9e6, 12.5e6, 25e6, 100e6, Infinity].map(levelFor), [9, 9, 5, 3, undefined, undefined]);
});

Deno.test("a pack that is not what it says is refused before it takes room", () => {
  const all = frames(TEXT), packed = pack(all, 1)!;
  const cases: [Uint8Array, number][] = [
    [packed, all.length - 1],
    [packed, all.length + 1],
    [packed.subarray(0, packed.length / 2), all.length],
    [RANDOM, 1000],
    [new Uint8Array(), 1000],
    // No whole frames.
    ...[all.subarray(0, -1), new Uint8Array(1000), all.subarray(3)].map((bytes) =>
      [zlib.zstdCompressSync(bytes), bytes.length] as [Uint8Array, number]
    ),
  ];
  // A bomb: it would be a gigabyte.
  const bomb = zlib.zstdCompressSync(new Uint8Array(1 << 30));
  assertThrows(() => [...unpack(bomb, MAX_PACK_BYTES)], ProtocolError, "cannot be unpacked");
  cases.forEach(([bytes, size], i) =>
    assertThrows(() => [...unpack(bytes, size)].forEach(readClientMessage), ProtocolError, "", `case ${i}`)
  );
});
