// Paths that would lead out of the mirror, or into what is dirsync's own: through the real port, by a client that normalises
// nothing. On Linux a name may be any bytes but "/" and NUL: what looks like an attack elsewhere is an ordinary name, and stays
// inside under exactly that name.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromBytes, type RelPath, toBytes } from "../../core/path.ts";
import { contentOf, digestOf } from "../../core/recipe.ts";
import type { Message } from "../../core/wire.ts";
import { plain } from "../support/entries.ts";
import { frameOf, HELLO } from "../support/messages.ts";
import { RawClient } from "../support/raw_client.ts";
import { Scene } from "../support/scene.ts";

const latin1 = (text: string) => fromBytes(Uint8Array.from(text, (char) => char.charCodeAt(0)));

/** No server takes these. */
const REFUSED: [what: string, path: string][] = [
  ["the directory above", ".."],
  ["beside the mirror", "../beside"],
  ["up and down", "a/../../beside"],
  ["up within", "a/../b"],
  ["up at the end", "a/.."],
  ["absolute", "/tmp/dirsync-escaped"],
  ["twice absolute", "//tmp/dirsync-escaped"],
  ["itself", "."],
  ["itself in front", "./a"],
  ["itself within", "a/./b"],
  ["an empty name", "a//b"],
  ["a slash at the end", "a/"],
  ["NUL", "a\0b"],
  ["NUL at the end", "a\0"],
  ["NUL that hides", "../beside\0.txt"],
  ["our own folder", ".dirsync"],
  ["in our own folder", ".dirsync/index.sqlite"],
  ["our journal", ".dirsync/journal"],
  ["upper case", ".DIRSYNC/id"],
  ["mixed case", ".DirSync"],
  ["a letter that is upper case S elsewhere", ".dir\u017fync/id"],
  ["a long name", "x".repeat(256)],
  ["a long name of long letters", "é".repeat(128)],
  ["too deep", Array(2049).fill("d").join("/")],
  ["too long", Array(200).fill("n".repeat(200)).join("/")],
];

/** Ordinary names here. */
const INSIDE: [what: string, path: string][] = [
  ["encoded", "%2e%2e%2fbeside"],
  ["double-encoded", "%252e%252e%252fbeside"],
  ["encoded NUL", "a%00b"],
  ["overlong UTF-8 dots", latin1("\xc0\xae\xc0\xae")],
  ["an overlong UTF-8 slash", latin1("..\xc0\xafbeside")],
  ["a three-byte overlong slash", latin1("..\xe0\x80\xafbeside")],
  ["backslashes", "..\\beside"],
  ["a drive letter", "C:\\Windows"],
  ["a UNC path", "\\\\server\\share"],
  ["a device", "CON"],
  ["a device with an extension", "nul.txt"],
  ["an alternate stream", "file::$DATA"],
  ["trailing dots", "...."],
  ["a trailing dot", "trailing."],
  ["a trailing space", ".dirsync "],
  ["our name below", "below/.dirsync"],
  ["our name and more", ".dirsync.bak"],
  ["a full-width slash", "..\uff0fbeside"],
  ["a home", "~root"],
  ["a shell", "$(touch beside)`touch beside`;touch beside"],
  ["lines", "new\r\nline\x1b[2J"],
];

const BYTES = new TextEncoder().encode("attack");
const DIGEST = digestOf(BYTES);
const FILE = {
  attributes: plain(0o644, 1n),
  sparse: false,
  average: 2048,
  content: contentOf({ average: 2048, lengths: [BYTES.length], digests: [DIGEST] }),
  lengths: [BYTES.length],
  bytes: BYTES,
};

/** Each message that has a path, with this one in it. */
function messagesWith(path: RelPath): Message[] {
  const other = "other" as RelPath;
  return [
    { type: "whole", path, ...FILE },
    { type: "mkdir", path, entry: { kind: "dir", ...plain(0o755, 1n) } },
    { type: "symlink", path, entry: { kind: "symlink", target: "t", ...plain(0o777, 1n) } },
    { type: "link", path, to: other },
    { type: "link", path: other, to: path },
    { type: "meta", path, attributes: plain(0o777, 1n) },
    { type: "move", from: path, to: other },
    { type: "move", from: other, to: path },
    { type: "park", path, slot: 1, stays: false },
    { type: "unpark", slot: 1, below: path, to: other },
    { type: "unpark", slot: 1, below: "" as RelPath, to: path },
    { type: "remove", path },
    { type: "list", path },
    { type: "file", path, attributes: plain(0o644, 1n), sparse: false, size: 1, average: 2048, base: other },
    { type: "file", path: other, attributes: plain(0o644, 1n), sparse: false, size: 1, average: 2048, base: path },
    { type: "base", path },
  ];
}

/** All names below a folder but for the mirror's private folder, by their bytes, with what is in files. */
function snapshot(folder: string): string[] {
  const script = "import os,sys\nfor d,ds,fs in os.walk(os.fsencode(sys.argv[1])):\n" +
    " if b'.dirsync' in ds and d.endswith(b'/mirror'): ds.remove(b'.dirsync')\n" +
    " for n in sorted(ds+fs): print(repr(os.path.relpath(os.path.join(d,n), os.fsencode(sys.argv[1]))))";
  const { stdout, success } = new Deno.Command("python3", { args: ["-c", script, folder] }).outputSync();
  assert(success);
  return new TextDecoder().decode(stdout).trim().split("\n").sort();
}

/** Sends messages to a server as the one that pushes, and waits until it is done with them. @returns What it said. */
async function push(address: string, messages: Message[]): Promise<string> {
  using client = await RawClient.connect(address);
  await client.upgrade();
  // A second hello ends the connection when all before it has been looked at.
  await client.send(frameOf(HELLO, ...messages, { type: "commit" }, HELLO));
  await client.ended;
  return client.text;
}

const ignore = Deno.build.os !== "linux";

Deno.test({
  name: "path attacks: what leads elsewhere ends the connection, and changes nothing anywhere",
  ignore,
  fn: async () => {
    await using scene = new Scene();
    const { address } = await scene.server();
    Deno.writeTextFileSync(`${scene.path}/beside`, "beside");
    assertStringIncludes(await push(address, [{ type: "whole", path: "other" as RelPath, ...FILE }]), "A second hello");
    const before = snapshot(scene.path);
    for (const [what, path] of REFUSED) {
      for (const message of messagesWith(path as RelPath)) {
        const said = await push(address, [message]);
        assert(!said.includes("A second hello"), `${what}, ${message.type}: it was taken`);
        assertMatch(said, /Cannot use the path|A number is too large/, `${what}, ${message.type}`);
      }
    }
    assertEquals(snapshot(scene.path), before);
    assertEquals(Deno.readTextFileSync(`${scene.path}/beside`), "beside");
  },
});

Deno.test({
  name: "path attacks: what is an ordinary name here stays inside, under exactly that name",
  ignore,
  fn: async () => {
    await using scene = new Scene();
    const { address } = await scene.server();
    Deno.writeTextFileSync(`${scene.path}/beside`, "beside");
    const before = snapshot(scene.path).filter((name) => name !== "b'mirror'");
    const below: Message = { type: "mkdir", path: "below" as RelPath, entry: { kind: "dir", ...plain(0o755, 1n) } };
    const files = INSIDE.map(([, path]): Message => ({ type: "whole", path: path as RelPath, ...FILE }));
    assertStringIncludes(await push(address, [below, ...files]), "A second hello");
    const after = snapshot(scene.path);
    assertEquals(after.filter((name) => !name.startsWith("b'mirror") && !name.startsWith('b"mirror')), before);
    assertEquals(after.filter((name) => /^b['"]mirror\//.test(name)).length, INSIDE.length + 1);
    const names = new Set([...Deno.readDirSync(scene.mirror)].map(({ name }) => name));
    for (const [what, path] of INSIDE) {
      const isPlain = !path.includes("/") && path.isWellFormed();
      if (isPlain) assert(names.has(path), `${what}: ${[...toBytes(path)]}`);
    }
  },
});

Deno.test({
  name: "path attacks: a symbolic link in the mirror leads nobody out of it, whoever made it",
  ignore,
  fn: async () => {
    await using scene = new Scene();
    const { address } = await scene.server();
    Deno.mkdirSync(`${scene.path}/outside`);
    Deno.writeTextFileSync(`${scene.path}/outside/secret`, "secret");
    // Other tests of this process work under other umasks.
    Deno.chmodSync(`${scene.path}/outside/secret`, 0o644);
    Deno.mkdirSync(scene.mirror, { recursive: true });
    // One that lies there before, and one that the client makes.
    Deno.symlinkSync("../outside", scene.there("theirs"));
    const link: Message = {
      type: "symlink",
      path: "ours" as RelPath,
      entry: { kind: "symlink", target: "../outside", ...plain(0o777, 1n) },
    };
    await push(address, [link]);
    for (const name of ["ours", "theirs"]) {
      for (const below of ["secret", "new", "deep/new"]) {
        for (const message of messagesWith(`${name}/${below}` as RelPath)) await push(address, [message]);
      }
    }
    assertEquals([...Deno.readDirSync(`${scene.path}/outside`)].map(({ name }) => name), ["secret"]);
    assertEquals(Deno.readTextFileSync(`${scene.path}/outside/secret`), "secret");
    assertEquals(Deno.lstatSync(`${scene.path}/outside/secret`).mode! & 0o777, 0o644);
  },
});

Deno.test("path attacks: no address of the HTTP port is a path", async () => {
  await using scene = new Scene();
  scene.write("secret", "secret");
  const { address } = await scene.server();
  assertEquals((await scene.once(address)).status, 0);
  for (
    const url of [
      "/secret",
      "/../secret",
      "/..%2f..%2fetc/passwd",
      "/%252e%252e/secret",
      "/..\\secret",
      "//etc/passwd",
      "/\xc0\xae\xc0\xae/secret",
      "/.dirsync/id",
      "/C:/secret",
      "http://localhost/secret",
      "*",
    ]
  ) {
    using client = await RawClient.connect(address);
    await client.send(`GET ${url} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await client.ended;
    assertMatch(client.text, /^(HTTP\/1\.1 404 |$)/, url);
    assert(!/secret|root:/.test(client.text), url);
  }
});
