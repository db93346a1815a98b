import { assert, assertEquals, assertThrows } from "@std/assert";
import { makePrivateFolder, readSmallFile, requireOwn, writePrivately } from "../../core/private_files.ts";
import { TempDir } from "../support/temp_dir.ts";

const posix = Deno.build.os !== "windows";
const modeOf = (path: string) => (Deno.lstatSync(path).mode! & 0o777).toString(8);

Deno.test({
  name: "private folders and files are for their owner only, whatever was there and whatever the umask is",
  ignore: !posix,
  fn: () => {
    using dir = new TempDir();
    const folder = `${dir.path}/state`;
    Deno.mkdirSync(folder, { mode: 0o755 });
    assertEquals(makePrivateFolder(folder), Deno.realPathSync(folder));
    const file = `${folder}/secret`;
    Deno.writeTextFileSync(file, "old", { mode: 0o666 });
    writePrivately(file, "new");
    assertEquals([modeOf(folder), modeOf(file)], ["700", "600"]);
    assertEquals([...Deno.readDirSync(folder)].length, 1);
  },
});

Deno.test({
  name: "a private file takes the place of a symbolic link, and is not written to where that leads",
  ignore: !posix,
  fn: () => {
    using dir = new TempDir();
    const outside = `${dir.path}/outside`, file = `${dir.path}/secret`;
    Deno.writeTextFileSync(outside, "theirs");
    Deno.symlinkSync(outside, file);
    writePrivately(file, "ours");
    assertEquals([Deno.readTextFileSync(outside), Deno.readTextFileSync(file)], ["theirs", "ours"]);
    assert(Deno.lstatSync(file).isFile);
  },
});

Deno.test({
  name: "a folder that belongs to somebody else is not used for what is private",
  ignore: !posix,
  fn: () => {
    using dir = new TempDir();
    requireOwn(dir.path);
    assertThrows(() => requireOwn(dir.path, Deno.uid()! + 1), Error, "belongs to another user");
    // What is not there belongs to nobody.
    requireOwn(`${dir.path}/none`, Deno.uid()! + 1);
    if (Deno.uid() !== 0) return;
    Deno.chownSync(dir.path, 12345, 12345);
    assertThrows(() => makePrivateFolder(dir.path), Error, "belongs to another user");
  },
});

Deno.test("a small file is read up to its limit, and no further", () => {
  using dir = new TempDir();
  const file = `${dir.path}/file`;
  assertEquals(readSmallFile(file, 10), undefined);
  Deno.writeTextFileSync(file, "0123456789");
  assertEquals(readSmallFile(file, 10), "0123456789");
  assertThrows(() => readSmallFile(file, 9), Error, "longer than 9 bytes");
});
