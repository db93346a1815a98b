import { assertEquals, assertStringIncludes } from "@std/assert";
import type { SyncEvent } from "../../core/events.ts";
import { Clients } from "../../server/clients.ts";
import type { Connected } from "../../server/connections.ts";
import { keepOut, type KeepOutDeps } from "../../server/keep_out.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TempDir } from "../support/temp_dir.ts";

/** A server with two connected clients, "stays" and "goes". */
function scene(expires?: number) {
  const dir = new TempDir();
  const clock = new FakeClock(), stop = new AbortController();
  const clients = new Clients(dir.path);
  const cut: string[] = [], events: SyncEvent[] = [];
  for (const [i, name] of ["stays", "goes"].entries()) {
    const ends = name === "goes" && expires !== undefined ? { expires: clock.date() + expires } : {};
    clients.add({ name, access: "full", ...ends }, new Uint8Array(32).fill(i), clock.date());
  }
  const connected: Connected[] = clients.all().map((client) => ({ client, cut: () => cut.push(client.name) }));
  const run = (deps: Partial<KeepOutDeps> = {}) =>
    keepOut({
      clients,
      sessions: () => connected.filter(({ client }) => !cut.includes(client.name)),
      clock,
      emit: (event) => events.push(event),
      signal: stop.signal,
      ...deps,
    });
  return {
    clients,
    clock,
    cut,
    events,
    stop,
    run,
    [Symbol.dispose]: () => (clients[Symbol.dispose](), dir[Symbol.dispose]()),
  };
}

Deno.test("a client that is revoked while it is connected is cut off within a second, others stay", async () => {
  using server = scene();
  const running = server.run();
  await server.clock.pass(5_000);
  assertEquals(server.cut, []);
  server.clients.remove("goes");
  await server.clock.pass(1_000);
  assertEquals(server.cut, ["goes"]);
  server.stop.abort();
  await running;
});

Deno.test("a client whose time is over while it is connected is cut off within a second", async () => {
  using server = scene(60_000);
  const running = server.run();
  await server.clock.pass(59_000);
  assertEquals(server.cut, []);
  await server.clock.pass(2_000);
  assertEquals(server.cut, ["goes"]);
  assertEquals(server.clients.all().map(({ lastUsed }) => lastUsed !== undefined), [true, false]);
  server.stop.abort();
  await running;
});

Deno.test("a client of whom nobody can tell whether it may be here is cut off, and it is told why", async () => {
  using server = scene();
  const running = server.run({
    clients: {
      get: () => {
        throw new Error("disk I/O error");
      },
      used: () => {},
    },
  });
  await server.clock.pass(1_000);
  assertEquals(server.cut, ["stays", "goes"]);
  assertStringIncludes(JSON.stringify(server.events), "cannot read who may connect: disk I/O error");
  server.stop.abort();
  await running;
});
