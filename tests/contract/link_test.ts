// What every link does, whatever carries it.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers";
import { DisconnectedError } from "../../core/errors.ts";
import { handleLink } from "../../core/handle_link.ts";
import { ownCalls } from "../../core/open_fs.ts";
import { type Link, pipe } from "../../core/link.ts";
import { portLink } from "../../core/port_link.ts";
import { socketLink } from "../../core/socket_link.ts";
import { seeded } from "../support/seed.ts";

const libc = ownCalls();

/** Two sockets that are connected. */
async function sockets(): Promise<[Socket, Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const accepted = new Promise<Socket>((resolve) => server.on("connection", resolve));
  const made = connect((server.address() as { port: number }).port, "127.0.0.1");
  await new Promise<void>((resolve) => made.on("connect", () => resolve()));
  const ends: [Socket, Socket] = [made, await accepted];
  server.close();
  return ends;
}

/** A link by the handle of a socket, which is closed with it. */
function byHandle(socket: Socket): Link & { readonly closed: Promise<void> } {
  const link = socketLink(socket, new Uint8Array());
  const given = link.handOver!();
  assert(given, "it was not handed over");
  const own = handleLink(given.handle, libc!, () => link.close());
  return {
    send: (bytes) => own.send(bytes),
    receive: () => own.receive(),
    close: () => own.close(),
    closed: given.closed,
  };
}

/** The side that did not end a link leaves its port to the garbage collector. */
const ports: MessagePort[] = [];

const EMPTY = new Uint8Array();
const WAYS: Record<string, () => Promise<[Link, Link]>> = {
  "in memory": () => Promise.resolve(pipe()),
  "through a port": () => {
    const { port1, port2 } = new MessageChannel();
    ports.push(port1, port2);
    return Promise.resolve([portLink(port1), portLink(port2)]);
  },
  "over a socket": async () => {
    const [a, b] = await sockets();
    return [socketLink(a, EMPTY), socketLink(b, EMPTY)];
  },
  ...libc && {
    "over the handle of a socket": async () => {
      const [a, b] = await sockets();
      return [byHandle(a), byHandle(b)];
    },
  },
};

function test(title: string, body: (a: Link, b: Link) => Promise<void>): void {
  for (const [way, make] of Object.entries(WAYS)) {
    Deno.test(`a link ${way}: ${title}`, async () => {
      const ends = await make();
      try {
        await body(...ends);
      } finally {
        for (const end of ends) {
          end.close();
          // Waits for nobody.
          end.close();
          await (end as { closed?: Promise<void> }).closed;
        }
        for (const port of ports.splice(0)) port.close();
      }
    });
  }
}

/** All that comes until the end, or until there are `most` bytes. */
async function all(link: Link, most = Infinity): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < most) {
    const bytes = await link.receive();
    if (!bytes) break;
    parts.push(bytes.slice());
    length += bytes.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    const next = (left: number) => left === 0 ? resolve() : void setImmediate(next, left - 1);
    next(count);
  });
}

function bytesOf(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const random = seeded(seed), bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 997) bytes[i] = random(256);
  return bytes;
}

test("bytes arrive in order and whole, both ways at once", async (a, b) => {
  const send = async (link: Link, bytes: Uint8Array, seed: number) => {
    const random = seeded(seed);
    for (let at = 0; at < bytes.length;) {
      const length = 1 + random(random(3) === 0 ? 400_000 : 300);
      await link.send(bytes.slice(at, at + length));
      at += length;
    }
  };
  const there = bytesOf(5_000_000, 1), back = bytesOf(4_000_000, 2);
  const [, , atB, atA] = await Promise.all([
    send(a, there, 3),
    send(b, back, 4),
    all(b, there.length),
    all(a, back.length),
  ]);
  assert(atB.every((byte, i) => byte === there[i]) && atB.length === there.length);
  assert(atA.every((byte, i) => byte === back[i]) && atA.length === back.length);
});

test("a buffer that is given back at once has gone as it was", async (a, b) => {
  let buffer = new Uint8Array(100_000);
  const got = all(b, 200 * buffer.length);
  for (let i = 0; i < 200; i++) {
    const sending = a.send(buffer.fill(i));
    if (sending) buffer = new Uint8Array(100_000);
    await sending;
  }
  assert((await got).every((byte, at) => byte === Math.floor(at / 100_000)));
});

test("who sends waits for who does not read", async (a, b) => {
  const most = 64 << 20, part = 256 << 10;
  let sent = 0;
  for (let isRoom = true; isRoom && sent < most; sent += part) {
    const room = Promise.resolve(a.send(new Uint8Array(part))).then(() => true);
    isRoom = await Promise.race([room, turns(200).then(() => false)]);
    room.catch(() => {});
  }
  assert(sent < most, "all of it went out");
  assertEquals((await all(b, sent)).length, sent);
});

test("what was sent before the end arrives, then the end", async (a, b) => {
  const sent = bytesOf(12_000_000, 5);
  const room = a.send(sent.slice());
  room?.catch(() => {});
  a.close();
  const got = await all(b);
  assert(got.every((byte, i) => byte === sent[i]));
  assertEquals(got.length, sent.length);
  assertEquals(await a.receive(), undefined);
  await assertRejects(async () => await a.send(new Uint8Array(1)), DisconnectedError);
});

test("who waits for bytes learns of the end, whoever ends it", async (a, b) => {
  const atA = a.receive(), atB = b.receive();
  a.close();
  assertEquals(await atA, undefined);
  assertEquals(await atB, undefined);
});

Deno.test({
  name: "a socket is handed over only while nobody has read from it, and not with bytes that came with the handshake",
  ignore: !libc,
  async fn() {
    const [a, b] = await sockets();
    const read = socketLink(a, EMPTY), withHead = socketLink(b, Uint8Array.of(1));
    const waiting = read.receive();
    assertEquals([read.handOver!(), withHead.handOver!()], [undefined, undefined]);
    assertEquals(await withHead.receive(), Uint8Array.of(1));
    await withHead.send(Uint8Array.of(2));
    assertEquals(await waiting, Uint8Array.of(2));
    const closed = Promise.all(
      [a, b].map((socket) => new Promise<void>((resolve) => socket.on("close", () => resolve()))),
    );
    read.close();
    withHead.close();
    await closed;
  },
});

Deno.test({
  name: "a link over a handle: nothing stays open, also when the other end does not read",
  ignore: !libc,
  async fn() {
    const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = open();
    const [a, b] = await sockets();
    const link = byHandle(a);
    link.send(new Uint8Array(32 << 20))?.catch(() => {});
    link.close();
    await turns(100);
    assert(open() > before, "it did not wait for what was sent before");
    link.close();
    await link.closed;
    const closed = new Promise<void>((resolve) => b.on("close", () => resolve()));
    b.destroy();
    await closed;
    await turns(10);
    assertEquals(open(), before);
  },
});
