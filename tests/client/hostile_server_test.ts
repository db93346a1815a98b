// A server that tries to make a client tell what it should not, reach where it should not, or never end.

import { assert, assertEquals } from "@std/assert";
import { Remote } from "../../client/remote.ts";
import { Writer } from "../../core/codec.ts";
import { ProtocolError } from "../../core/errors.ts";
import { FrameReader } from "../../core/frame_reader.ts";
import type { FileSystem } from "../../core/fs.ts";
import { type Link, pipe } from "../../core/link.ts";
import { parsePath, type RelPath } from "../../core/path.ts";
import { type ClientMessage, type ListedEntry, PROTOCOL, type ServerMessage } from "../../core/wire.ts";
import { writeMessage } from "../../core/wire_writer.ts";
import { readClientMessage } from "../../core/wire_reader.ts";
import { plain } from "../support/entries.ts";
import { World } from "../support/world.ts";

const path = parsePath;
const WELCOME: ServerMessage & { type: "welcome" } = {
  type: "welcome",
  features: [],
  mirror: "evil:/etc",
  mirrorId: "00000000-0000-4000-8000-00000000000e",
  root: "ab".repeat(32),
  holdsContent: true,
  average: 0,
  lastId: "",
  lastSource: "",
};

/** A server by hand. `answer` says what to send for a message. @returns What it was sent. */
function serveWith(link: Link, answer: (message: ClientMessage) => ServerMessage[]): ClientMessage[] {
  const heard: ClientMessage[] = [];
  (async () => {
    const frames = new FrameReader(link);
    const out = new Writer();
    while (await frames.fill()) {
      for (let frame = frames.take(); frame; frame = frames.take()) {
        const message = readClientMessage(frame.slice());
        heard.push(message);
        for (const said of answer(message)) writeMessage(out, said);
        if (out.length > 0) await link.send(out.take());
      }
    }
  })().catch(() => link.close());
  return heard;
}

/** What a client has called its file system with. */
function spied(fs: FileSystem, called: Set<string>): FileSystem {
  return new Proxy(fs, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        for (const arg of args) if (typeof arg === "string") called.add(arg);
        return value.apply(target, args);
      };
    },
  });
}

const FILE = { kind: "file", ...plain(0o644, 1n), size: 5, average: 2048, content: "cd".repeat(32) } as const;
const SECRETS = ["secret", ".ssh", "beside"];

/** Names that the source does not have, as entries of every kind. */
const LISTED: ListedEntry[] = [
  { name: "secret", entry: FILE },
  { name: ".ssh", entry: { kind: "dir", ...plain(0o755, 1n) }, hash: "ef".repeat(32) },
  { name: "beside", entry: { kind: "symlink", ...plain(0o777, 1n), target: "../../etc" } },
  // What is a file there is a directory here, and the reverse.
  { name: "a", entry: { kind: "dir", ...plain(0o755, 1n) }, hash: "ef".repeat(32) },
  { name: "dir", entry: FILE },
];

Deno.test("whatever a server says that it holds, the client reads its own source only, and sends what is in it", async () => {
  const called = new Set<string>();
  using world = new World({ wrapSource: (fs) => spied(fs, called) });
  world.source.mkdir(path("dir"), 0o755);
  for (const name of ["a", "dir/b"]) world.source.writeFile(path(name), `content of ${name}`);
  // Excluded by the source itself: it is there, and is nobody's business.
  world.source.writeFile(path("secret"), "the secret");
  world.source.writeFile(path(".dirsyncignore"), "/secret\n");
  const [near, far] = pipe();
  world.dial = () => Promise.resolve(near);
  let listings = 0;
  const heard = serveWith(far, (message) => {
    switch (message.type) {
      case "hello":
        return [WELCOME];
      case "list": {
        const entries = listings++ < 3 ? LISTED : [];
        return [{ type: "listing", dir: { kind: "dir", ...plain(0o755, 1n) }, more: false, entries }];
      }
      case "ask":
        return [{ type: "holds", bits: new Uint8Array(Math.ceil(message.digests.length / 8)).fill(255) }];
      case "commit":
        // Problems at places that the client never spoke of.
        return [{
          type: "committed",
          problems: SECRETS.map((name) => ({ path: name as RelPath, message: "send it again" })),
        }];
      case "prove":
        return [{ type: "proof", root: WELCOME.root }];
      case "ping":
        return [{ type: "pong" }];
      default:
        return [];
    }
  });
  const stop = new AbortController();
  const running = world.engine(stop.signal).run();
  await world.clock.pass(60_000);
  stop.abort();
  await world.clock.until(running);
  const sent = heard.flatMap((message) => "bytes" in message ? [new TextDecoder().decode(message.bytes)] : []);
  assert(sent.includes("content of a"), "it has sent something at all");
  assert(!sent.join().includes("the secret"), "what is excluded was sent");
  const parents = [...called].map((name) => name.split("/")[0]!);
  for (const name of parents) assert(["", "a", "dir", "secret", ".dirsyncignore", ...SECRETS].includes(name), name);
  assertEquals([...called].filter((name) => name.includes("..") || name.startsWith("/")), []);
  // Nothing was opened or listed below what only the server speaks of.
  for (const name of called) assert(!/^(\.ssh|beside|a)\//.test(name), name);
});

Deno.test("a server cannot make a client keep without end, nor believe what it did not ask for", async () => {
  using world = new World();
  world.source.writeFile(path("a"), "a");
  const attacks: [string, (message: ClientMessage) => ServerMessage[]][] = [
    ["an answer to nothing", () => [WELCOME, { type: "committed", problems: [] }]],
    [
      "another answer",
      (message) => message.type === "hello" ? [WELCOME] : [{ type: "proof", root: WELCOME.root }, { type: "pong" }],
    ],
    ["a hello of another protocol", () => [{ ...WELCOME, features: [String(PROTOCOL + 1)] }, WELCOME]],
  ];
  for (const [what, answer] of attacks) {
    const [near, far] = pipe();
    world.dial = () => Promise.resolve(near);
    serveWith(far, answer);
    const stop = new AbortController();
    const running = world.engine(stop.signal).run();
    await world.clock.pass(5_000);
    stop.abort();
    assertEquals(await world.clock.until(running), 0, what);
    const last = world.clientEvents.filter(({ event }) => event === "waiting").at(-1);
    assert(
      last?.event === "waiting" && /when it was not asked for|closed/.test(last.reason),
      `${what}: ${JSON.stringify(last)}`,
    );
  }
});

Deno.test("a listing without end is not kept", async () => {
  using world = new World();
  const [near, far] = pipe();
  const remote = new Remote(near, world.clock, 100_000);
  const entries = Array.from({ length: 4096 }, (_, i) => ({ name: `n${i}`, entry: FILE }));
  const out = new Writer();
  writeMessage(out, { type: "listing", dir: { kind: "dir", ...plain(0o755, 1n) }, more: true, entries });
  const part = out.take();
  const listing = remote.list(path("")).then(() => undefined, (error) => error);
  let sent = 0;
  while (!remote.error && sent < 400_000) {
    await far.send(part.slice())?.catch(() => {});
    await new Promise<void>((resolve) => setTimeout(resolve));
    sent += entries.length;
  }
  assert(await listing instanceof ProtocolError);
  assert(sent <= 100_000 + 20 * entries.length, `${sent} entries were taken`);
  remote.close();
});
