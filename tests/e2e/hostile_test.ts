// A server that goes on serving its real client, in bounded memory, whatever others send to its port.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { HANDSHAKE_MS, MAX_HEAD_BYTES, MAX_MESSAGE_BYTES, MAX_PENDING } from "../../core/limits.ts";
import { parsePath } from "../../core/path.ts";
import { contentOf, digestOf } from "../../core/recipe.ts";
import { SECOND_FROM_BYTES } from "../../core/second_thread.ts";
import { plain } from "../support/entries.ts";
import { frameOf, HELLO } from "../support/messages.ts";
import type { Running } from "../support/program.ts";
import { RawClient } from "../support/raw_client.ts";
import { Scene } from "../support/scene.ts";

/** How much a server may grow under attack (bytes); what it collects late is in it: the runtime keeps what TLS was begun on for a while. */
const MAX_GROWTH = 400e6;
/** Deadlines are looked at once a second, on a machine that has other things to do (ms). */
const SLACK_MS = 8_000;

/** A server with a live client; `check` makes sure that both are well. */
async function scene(...args: string[]) {
  const scene = new Scene();
  scene.write("a", "a");
  const secured = args.length > 0;
  const { server, address } = await scene.server(...(args as [string]));
  const where = secured ? (await server.event("invitation")).invitation : address;
  const client = scene.client(where);
  await client.event("synced");
  const before = memoryOf(server);
  let count = 0;
  const check = async () => {
    scene.write("now", String(++count));
    await scene.level();
    const grown = memoryOf(server) - before;
    assert(grown < MAX_GROWTH, `the server has grown by ${grown} bytes`);
    assertEquals(client.events.filter(({ event }) => event === "waiting"), []);
  };
  const port = address.replace(/^.*:/, "127.0.0.1:");
  return { scene, server, where, address: port, check, [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose]() };
}

function memoryOf({ pid }: Running): number {
  if (Deno.build.os !== "linux") return 0;
  return Number(/VmRSS:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * 1024;
}

/** Ends whatever `clients` have open. */
function close(clients: readonly RawClient[]): void {
  for (const client of clients) client[Symbol.dispose]();
}

/** Resolves when the server has ended all of them. @throws {Error} If it does not within `ms`. */
async function ended(clients: readonly RawClient[], ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still open after ${ms} ms`)), ms);
  });
  try {
    await Promise.race([Promise.all(clients.map((client) => client.ended)), late]);
  } finally {
    clearTimeout(timer);
    close(clients);
  }
}

for (const secured of [false, true]) {
  const args = secured ? ["0.0.0.0:0", "--address", "127.0.0.1"] : [];
  const over = secured ? "TLS" : "plain HTTP";

  Deno.test(`hostile: 10,000 idle connections over ${over} do not keep a client out`, async () => {
    await using world = await scene(...args);
    const idle: RawClient[] = [];
    let open = 0;
    for (let i = 0; i < 10_000; i++) {
      const client = await RawClient.connect(world.address);
      open++;
      client.ended.then(() => open--);
      idle.push(client);
      if (i === 5_000) await world.check();
    }
    // Another one gets in: a dry run, beside the one that pushes.
    assertEquals((await world.scene.once(world.where, "--dry-run")).status, 0);
    await world.check();
    assert(open <= MAX_PENDING + 50, `${open} are open`);
    close(idle);
    await Promise.all(idle.map((client) => client.ended));
    await world.check();
  });
}

Deno.test("hostile: who does not come to the point is not waited for, however slowly he goes on", async () => {
  await using plain = await scene();
  await using tls = await scene("0.0.0.0:0", "--address", "127.0.0.1");
  const connect = (address: string) => Promise.all(Array.from({ length: 20 }, () => RawClient.connect(address)));
  const silent = await connect(plain.address), half = await connect(plain.address), drip = await connect(plain.address);
  const noHello = await connect(tls.address),
    halfHello = await connect(tls.address),
    upgraded = await connect(plain.address);
  for (const client of half) await client.send("GET /dirsync HTTP/1.1\r\nHost: localhost\r\nX: ");
  // The beginning of a TLS handshake record that never ends.
  for (const client of halfHello) await client.send("\x16\x03\x01\x02\x00\x01\x00");
  // Let in, but says nothing, or half of a message.
  for (const [i, client] of upgraded.entries()) {
    await client.upgrade();
    if (i % 2) await client.send("\x00\x00\x01\x00\x01");
  }
  const timers = drip.map((client) => setInterval(() => client.send("X"), 500));
  const all = [silent, half, drip, noHello, halfHello, upgraded].flat();
  try {
    await ended(all, HANDSHAKE_MS + SLACK_MS);
  } finally {
    for (const timer of timers) clearInterval(timer);
  }
  assertEquals(silent[0]!.text + half[0]!.text + noHello[0]!.text, "");
  for (const world of [plain, tls]) await world.check();
});

Deno.test("hostile: gigantic heads and endless bodies are not read", async () => {
  await using world = await scene();
  const block = "x".repeat(65536);
  const most = 64 << 20;
  const starts: [string, string][] = [
    ["a long line", "GET /dirsync HTTP/1.1\r\nHost: localhost\r\nX: "],
    ["a long address", "GET /"],
    ["a long method", "G"],
    ["a body without end", "POST /dirsync HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"],
    ["more than numbers hold", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n"],
  ];
  for (const [what, start] of starts) {
    using client = await RawClient.connect(world.address);
    await client.send(start);
    await client.flood(() => block, most);
    assert(client.sent < most, `${what}: ${client.sent} bytes were taken`);
    await client.ended;
    assert(!client.text.includes("101"), what);
  }
  const chunked = "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  using endless = await RawClient.connect(world.address);
  await endless.send(chunked);
  await endless.flood(() => `10000\r\n${block}\r\n`, most);
  assert(endless.sent < most, `${endless.sent} bytes of chunks were taken`);
  using many = await RawClient.connect(world.address);
  await many.send("GET /dirsync HTTP/1.1\r\nHost: localhost\r\n");
  await many.flood(() => "A: b\r\n".repeat(1000), most);
  assert(many.sent < most, `${many.sent} bytes of headers were taken`);
  using fits = await RawClient.connect(world.address);
  await fits.upgrade(`X: ${"x".repeat(MAX_HEAD_BYTES / 2)}\r\n`);
  await world.check();
  assertMatch(fits.text, /^HTTP\/1\.1 101 /);
});

Deno.test("hostile: messages that are huge, endless, torn, twice or in disorder end their connection only", async () => {
  await using world = await scene();
  const dry = { ...HELLO, dryRun: true };
  const length = (bytes: number) => {
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, bytes);
    return head;
  };
  const attacks: [string, (client: RawClient) => Promise<unknown>][] = [
    ["a length of 4 GiB", (client) => client.send(length(0xffffffff))],
    ["a length above the limit", (client) => client.send(length(MAX_MESSAGE_BYTES + 1))],
    ["a length of nothing", (client) => client.send(length(0))],
    ["random bytes", (client) => client.flood(() => crypto.getRandomValues(new Uint8Array(65536)), 16 << 20)],
    ["a hello twice", (client) => client.send(frameOf(dry, dry))],
    ["a commit before a hello", (client) => client.send(frameOf({ type: "commit" }))],
    ["a push beside a push", (client) => client.send(frameOf(HELLO, { type: "commit" }))],
    ["a step in a dry run", (client) => client.send(frameOf(dry, { type: "drop", slot: 1 }))],
    [
      "the end of a file that was not begun",
      (client) => client.send(frameOf(dry, { type: "fileEnd", content: "0".repeat(64) })),
    ],
  ];
  for (const [what, attack] of attacks) {
    using client = await RawClient.connect(world.address);
    await client.upgrade();
    await attack(client);
    await ended([client], SLACK_MS).catch((error) => {
      throw new Error(`${what}: ${error.message}`);
    });
  }
  // Messages that are begun and not ended: nothing is kept but what came.
  const begun = await Promise.all(Array.from({ length: 60 }, () => RawClient.connect(world.address)));
  for (const client of begun) {
    await client.upgrade();
    await client.send(length(MAX_MESSAGE_BYTES));
  }
  await world.check();
  close(begun);
  await Promise.all(begun.map((client) => client.ended));
  // Questions whose answers nobody takes.
  using deaf = await RawClient.connect(world.address);
  await deaf.upgrade();
  await deaf.send(frameOf(dry));
  const questions = frameOf(...Array.from({ length: 2000 }, () => ({ type: "list", path: "" }) as never));
  await deaf.flood(() => questions, 8 << 20);
  await world.check();
});

Deno.test({
  name: "hostile: large files that are begun and given up start no threads without end, and others get in at once",
  ignore: navigator.hardwareConcurrency < 3,
}, async () => {
  await using scene = new Scene();
  const { server, address } = await scene.server();
  const port = address.replace(/^.*:/, "127.0.0.1:"), before = memoryOf(server);
  const average = 16 << 10, bytes = new Uint8Array(1000).fill(7), lengths = [1000];
  const content = contentOf({ average, lengths, digests: [digestOf(bytes)] }), attributes = plain(0o644, 1n);
  const path = parsePath("a"),
    whole = { type: "whole", path, attributes, sparse: false, average, content, lengths } as const;
  const given = frameOf(
    { type: "file", path: parsePath("b"), attributes, sparse: false, size: SECOND_FROM_BYTES, average, base: path },
    { type: "keep", index: 0, count: 1 },
    { type: "fileAbort" },
  );
  using client = await RawClient.connect(port);
  await client.upgrade();
  await client.send(frameOf(HELLO, { ...whole, bytes }, { type: "commit" }));
  for (let i = 0; i < 20_000; i++) if (!await client.send(given)) break;
  using next = await RawClient.connect(port);
  await next.upgrade();
  const end = Date.now() + SLACK_MS;
  while (!next.text && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  assertMatch(next.text, /^HTTP\/1\.1 101 /);
  assert(memoryOf(server) - before < MAX_GROWTH);
});
