// What a source's state folder holds beside the indexes.

import { assertEquals, assertThrows } from "@std/assert";
import { HeldFiles } from "../../client/held_files.ts";
import { sourceIdIn } from "../../client/source_id.ts";
import { TempDir } from "../support/temp_dir.ts";

const HELD = {
  source: "here:/s",
  reason: "too many",
  detail: "",
  deleted: 3,
  emptied: 0,
  replaced: 0,
  entries: 3,
  sample: ["a"],
} as const;

Deno.test("a source keeps its id; one that is damaged is made anew", () => {
  using dir = new TempDir();
  const ids = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];
  const next = () => ids.shift()!;
  const first = sourceIdIn(dir.path, next);
  assertEquals(sourceIdIn(dir.path, next), first);
  Deno.writeTextFileSync(`${dir.path}/id`, "\0\0\0");
  assertEquals([sourceIdIn(dir.path, next), ids.length], ["00000000-0000-4000-8000-000000000002", 0]);
});

Deno.test("what is noted as held is found and approved of; each note ends an approval", () => {
  using dir = new TempDir();
  const client = new HeldFiles(dir.path, "mirror");
  assertEquals([client.record(), client.approval(), HeldFiles.in(dir.path)], [undefined, undefined, []]);
  client.note({ code: "abc", held: HELD });
  const [command, ...others] = HeldFiles.in(dir.path);
  assertEquals(others, []);
  const record = command!.record()!;
  assertEquals(record, { code: "abc", held: HELD });
  command!.approve(record);
  assertEquals(client.approval(), "abc");
  client.note({ code: "def", held: HELD });
  assertEquals(client.approval(), undefined);
  client.note(undefined);
  assertEquals([client.record(), Array.from(Deno.readDirSync(dir.path))], [undefined, []]);
});

Deno.test("a note that is damaged is none, and a folder that is not there is told", () => {
  using dir = new TempDir();
  Deno.writeTextFileSync(`${dir.path}/mirror.held.json`, '{"code":');
  assertEquals(HeldFiles.in(dir.path).map((files) => files.record()), [undefined]);
  assertThrows(() => HeldFiles.in(`${dir.path}/not there`), Deno.errors.NotFound);
});
