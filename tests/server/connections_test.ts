import { assert, assertEquals } from "@std/assert";
import { MAX_PENDING, MAX_SESSIONS, MAX_SESSIONS_OF_ONE } from "../../core/limits.ts";
import type { KnownClient } from "../../server/clients.ts";
import { Connections, groupOf, type Peer } from "../../server/connections.ts";

/** A socket that notes its end. */
class FakeSocket {
  destroyed = false;
  #closed = () => {};
  constructor(readonly remoteAddress: string, readonly remotePort: number) {}
  on(_: string, closed: () => void): this {
    this.#closed = closed;
    return this;
  }
  destroy(): this {
    if (!this.destroyed) this.#closed();
    this.destroyed = true;
    return this;
  }
}
let port = 0;
const from = (address: string) => new FakeSocket(address, ++port);
const add = (connections: Connections, socket: FakeSocket) => (connections.add(socket as unknown as Peer), socket);
const letIn = (connections: Connections, socket: FakeSocket) => connections.letIn(socket as unknown as Peer, undefined);

Deno.test("too many that are not let in: the oldest of the address with the most goes, others stay", () => {
  const connections = new Connections();
  const real = add(connections, from("10.0.0.9"));
  const flood = Array.from({ length: 10_000 }, () => add(connections, from("10.0.0.1")));
  assertEquals(connections.pending, MAX_PENDING);
  assert(!real.destroyed && letIn(connections, real));
  assertEquals(flood.filter(({ destroyed }) => !destroyed).length, MAX_PENDING - 1);
  assert(flood[0]!.destroyed && !flood.at(-1)!.destroyed);
  // What was let in is not pending any more.
  for (let i = 0; i < 1000; i++) add(connections, from(`10.1.${i >> 8}.${i & 255}`));
  assert(!real.destroyed);
  connections.close();
  assert(real.destroyed && flood.at(-1)!.destroyed);
  assertEquals(connections.pending, 0);
});

Deno.test("whoever has all addresses of a network is one, and whoever goes is forgotten", () => {
  const connections = new Connections();
  const real = add(connections, from("2001:db8:1::1"));
  for (let i = 0; i < 1000; i++) add(connections, from(`2001:db8:2:0:${i.toString(16)}::1`));
  assert(!real.destroyed);
  for (let i = 0; i < 1000; i++) add(connections, from("10.0.0.1")).destroy();
  assertEquals(connections.pending, MAX_PENDING - 1);
});

Deno.test("no more are let in than can be served", () => {
  const connections = new Connections();
  for (let i = 0; i < MAX_SESSIONS; i++) assert(letIn(connections, add(connections, from("10.0.0.1"))));
  const one = add(connections, from("10.0.0.1"));
  assert(!letIn(connections, one));
});

Deno.test("one token does not take the place of others", () => {
  const connections = new Connections();
  const client = (id: number): KnownClient => ({ id, name: `client-${id}`, access: "read-only", created: 0 });
  const come = (id: number) => {
    const socket = add(connections, from("10.0.0.1"));
    return connections.letIn(socket as unknown as Peer, client(id)) && socket;
  };
  const first = come(1);
  for (let i = 1; i < MAX_SESSIONS_OF_ONE; i++) assert(come(1));
  assert(!come(1));
  assert(come(2));
  // Who goes makes room.
  (first as FakeSocket).destroy();
  assert(come(1) && !come(1));
});

Deno.test("who is not connected any more, or never was, is not let in", () => {
  const connections = new Connections();
  const gone = add(connections, from("10.0.0.2"));
  gone.destroy();
  assert(!letIn(connections, gone));
  assert(!letIn(connections, from("10.0.0.3")));
  assert(!letIn(connections, new FakeSocket(undefined as never, undefined as never)));
});

Deno.test("groupOf() takes addresses of one user for one", () => {
  assertEquals(groupOf("10.0.0.1"), "10.0.0.1");
  assertEquals(groupOf("::ffff:10.0.0.1"), "10.0.0.1");
  assertEquals(groupOf("2001:db8::1"), groupOf("2001:DB8:0:0:ffff::2"));
  assert(groupOf("2001:db8::1") !== groupOf("2001:db8:0:1::1"));
  assertEquals(groupOf("fe80::1%eth0"), groupOf("fe80::2"));
});

Deno.test("a runtime that tells of no connections lets in what it does not know, up to what can be served, and can end it", () => {
  const untold = () => new FakeSocket(undefined as never, undefined as never);
  const connections = new Connections(false);
  const sockets = Array.from({ length: MAX_SESSIONS }, untold);
  assert(sockets.every((socket) => letIn(connections, socket)));
  assert(!letIn(connections, untold()));
  // One that goes makes room for another.
  sockets[0]!.destroy();
  const next = untold();
  assert(letIn(connections, next));
  connections.close();
  assert(next.destroyed && sockets.every(({ destroyed }) => destroyed));
});
