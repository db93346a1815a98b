import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { PathError } from "../../core/errors.ts";
import { MAX_PATH_DEPTH } from "../../core/limits.ts";
import * as p from "../../core/path.ts";

const path = p.parsePath;
const name = fc.oneof(
  fc.constantFrom("a", "b", "a b", "a-", "A", "é", "ab", "a.b", "...", "\uffff", "😀", "\udc80"),
  fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
).filter((name) => name !== "." && name !== ".." && !/[/\0]/.test(name) && !p.isPrivateName(name));
const paths = fc.array(name, { maxLength: 5 }).map((names) => path(names.join("/")));

Deno.test("parsePath() accepts every name that a tree can hold", () => {
  // deno-fmt-ignore
  const accepted = [
    "", "a", "a/b/c", "...", ".a", "a.", "..a", "a..", " ", "a ", "-", "~", "a\\b", "\\", "c:", "C:\\x", "CON", "nul.txt",
    "a:b", "*", "?", "\n", "\r", "\t", "\x1b[2J", "\x7f", "é", "e\u0301", "\u202e", "\ufeff", "😀", "\udcff", "x/\udc80y",
    "sub/.dirsync", "sub/.DirSync/x", ".dirsync2", ".dirsyn", "dirsync", ".dirsyncignore", "\u3002", "a\u2215b",
    "__proto__", "constructor", "a".repeat(255), "é".repeat(127), "a/".repeat(MAX_PATH_DEPTH - 1) + "a",
  ];
  for (const text of accepted) assertEquals(path(text), text as p.RelPath);
});

Deno.test("parsePath() refuses every way out, around and in", () => {
  // deno-fmt-ignore
  const refused: [string, string][] = [
    ["/", "is empty"], ["/etc/passwd", "is empty"], ["//", "is empty"], ["a//b", "is empty"], ["a/", "is empty"], ["a/b/", "is empty"],
    [".", "not a name"], ["..", "not a name"], ["./a", "not a name"], ["../a", "not a name"], ["a/..", "not a name"],
    ["a/./b", "not a name"], ["a/../../b", "not a name"], ["a/b/..", "not a name"], ["../", ""],
    ["\0", "NUL"], ["a\0", "NUL"], ["a/\0b", "NUL"], ["..\0", "NUL"],
    [".dirsync", "belongs to dirsync"], [".dirsync/stage", "belongs to dirsync"], [".DIRSYNC", "belongs to dirsync"],
    [".DirSync/journal", "belongs to dirsync"],
    ["a".repeat(256), "longer than 255 bytes"], ["é".repeat(128), "longer than 255 bytes"], ["x/" + "😀".repeat(64), "longer than 255 bytes"],
    ["\udc80".repeat(256), "longer than 255 bytes"],
    ["\udcc3\udca9", "not the string of its bytes"], ["\ud800", "not the string of its bytes"], ["a/\udcc2\udc80", "not the string of its bytes"],
    ["a/".repeat(MAX_PATH_DEPTH) + "a", "names deep"],
    [Array(200).fill("b".repeat(200)).join("/"), "longer than 32768 bytes"],
  ];
  for (const [text, reason] of refused) {
    assertThrows(() => path(text), PathError, reason, JSON.stringify(text.slice(0, 40)));
  }
});

Deno.test("PathError shows a hostile path cut and quoted", () => {
  const error = assertThrows(() => path("\x1b[2J\n/".repeat(5000)), PathError);
  assert(error.message.length < 2500 && !/\p{Cc}/u.test(error.message), error.message);
});

Deno.test("fromBytes() and toBytes() keep any bytes", () => {
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0xc0, 0xc3, 0xa9, 0xe2, 0x82, 0xed, 0xa0, 0xef, 0xbb, 0xbf, 0xf0, 0x9f, 0xf4, 0x90),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), (bytes) => {
      assertEquals([...p.toBytes(p.fromBytes(Uint8Array.from(bytes)))], bytes);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("fromBytes() gives different strings for different bytes, with / and NUL only where they were", () => {
  const seen = new Map<string, string>();
  const alphabet = [0x2f, 0x00, 0x61, 0xc3, 0xa9, 0xed, 0xb2, 0x80];
  const visit = (bytes: number[]) => {
    const text = p.fromBytes(Uint8Array.from(bytes));
    assertEquals(seen.get(text), undefined);
    seen.set(text, String(bytes));
    assertEquals(text.split("/").length, bytes.filter((byte) => byte === 0x2f).length + 1);
    assertEquals(text.split("\0").length, bytes.filter((byte) => byte === 0).length + 1);
    if (bytes.length < 4) { for (const byte of alphabet) visit([...bytes, byte]); }
  };
  visit([]);
});

Deno.test("toBytes() of well-formed text is UTF-8, and fromBytes() gives it back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      assertEquals([...p.toBytes(text)], [...new TextEncoder().encode(text)]);
      assertEquals(p.fromBytes(p.toBytes(text)), text);
    }),
    { numRuns: 500 },
  );
  assertEquals(p.fromBytes(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
  assertEquals(p.fromBytes(Uint8Array.of(0x61, 0xff, 0xc3, 0xa9, 0xc3)), "a\udcffé\udcc3");
});

Deno.test("comparePaths() is a total order with each directory right before all that is in it", () => {
  fc.assert(
    fc.property(fc.array(paths, { maxLength: 12 }), (list) => {
      const all = [...new Set(list.flatMap((path) => ancestors(path)))].sort(p.comparePaths);
      all.forEach((path, i) => {
        assertEquals(p.comparePaths(path, path), 0);
        if (i > 0) assert(p.comparePaths(all[i - 1]!, path) < 0 && p.comparePaths(path, all[i - 1]!) > 0);
        const below = all.filter((other) => p.isWithin(other, path));
        assertEquals(all.slice(i, i + below.length), below, `below ${JSON.stringify(path)}`);
      });
    }),
    { numRuns: 200 },
  );
  const sorted = ["", "a", "a/b", "a/b/c", "a b", "a!", "aa", "b"];
  assertEquals(sorted.toReversed().map(path).sort(p.comparePaths) as string[], sorted);
});

Deno.test("parentOf(), nameOf(), namesOf() and joinPath() take paths apart and together", () => {
  fc.assert(fc.property(paths, (some) => {
    if (some !== p.ROOT) assertEquals(p.joinPath(p.parentOf(some), p.nameOf(some)), some);
    assertEquals(p.namesOf(some).reduce(p.joinPath, p.ROOT), some);
  }));
  assertEquals([p.parentOf(p.ROOT), p.nameOf(p.ROOT), p.namesOf(p.ROOT)], [p.ROOT, "", []]);
  assertEquals([p.parentOf(path("a")), p.parentOf(path("a/b"))], [p.ROOT, path("a")]);
});

Deno.test("isWithin() knows a directory from a name that begins like it", () => {
  // deno-fmt-ignore
  const cases: [string, string, boolean][] = [
    ["", "", true], ["a", "", true], ["a", "a", true], ["a/b", "a", true], ["a/b/c", "a", true],
    ["", "a", false], ["ab", "a", false], ["a b", "a", false], ["a", "a/b", false], ["b/a", "a", false], ["A/b", "a", false],
  ];
  for (const [some, dir, within] of cases) assertEquals(p.isWithin(path(some), path(dir)), within, `${some} in ${dir}`);
});

Deno.test("isPrivateName() minds no case and nothing else", () => {
  for (const name of [".dirsync", ".DIRSYNC", ".dIrSyNc"]) assert(p.isPrivateName(name));
  for (const name of ["", "dirsync", ".dirsync ", ".dirsync.", ".dirsyncs", ".dirsyn"]) assert(!p.isPrivateName(name));
});

function ancestors(path: p.RelPath): p.RelPath[] {
  return path === p.ROOT ? [path] : [...ancestors(p.parentOf(path)), path];
}
