import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { SyncEvent } from "../../core/events.ts";
import { LONGEST_WRONG_TOKEN_MS, MAX_SUSPECTS, WRONG_TOKEN_MS } from "../../core/limits.ts";
import { Clients } from "../../server/clients.ts";
import { Door } from "../../server/door.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TempDir } from "../support/temp_dir.ts";

const UPGRADE = { host: "localhost:5000", connection: "Upgrade", upgrade: "dirsync" };

/** A door with one client, whose token is `token`. */
function scene(options: { loopback?: boolean; tokens?: boolean; expires?: number } = {}) {
  const dir = new TempDir();
  const clock = new FakeClock();
  const events: SyncEvent[] = [];
  const clients = new Clients(dir.path);
  const expires = options.expires === undefined ? {} : { expires: clock.now() + options.expires };
  const { token } = clients.add(
    { name: "laptop", access: "full", ...expires },
    new Uint8Array(32).fill(9),
    clock.now(),
  );
  const door = new Door({
    clients: options.tokens ?? true ? clients : undefined,
    loopback: options.loopback ?? false,
    clock,
    emit: (event) => events.push(event),
    signal: new AbortController().signal,
  });
  const ask = (headers: Record<string, string> = {}, from = "10.0.0.1", url = "/dirsync") =>
    door.admit({ url, headers: { ...UPGRADE, ...headers }, from });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  /** What comes of it, and after how many ms. */
  const timed = async (answer: ReturnType<typeof ask>) => {
    const start = clock.now();
    const result = await clock.until(answer);
    return ["status" in result ? result.status : result.client?.name, clock.now() - start] as const;
  };
  return {
    ask,
    bearer,
    timed,
    token,
    events,
    clock,
    [Symbol.dispose]: () => (clients[Symbol.dispose](), dir[Symbol.dispose]()),
  };
}

Deno.test("a web page cannot drive a server on the loopback, by whatever name it calls it", async () => {
  using door = scene({ loopback: true, tokens: false });
  const table: [Record<string, string>, number | undefined][] = [
    [{}, undefined],
    [{ host: "127.0.0.1:5000" }, undefined],
    [{ host: "[::1]:5000" }, undefined],
    [{ host: "localhost" }, undefined],
    [{ host: "LOCALHOST:7" }, undefined],
    [{ origin: "http://localhost:5000" }, 403],
    [{ origin: "null" }, 403],
    [{ origin: "" }, 403],
    [{ "sec-fetch-site": "same-origin" }, 403],
    [{ host: "evil.example" }, 403],
    [{ host: "evil.example:5000" }, 403],
    [{ host: "localhost.evil.example" }, 403],
    [{ host: "127.0.0.1.evil.example:5000" }, 403],
    [{ host: "localhost:5000:5000" }, 403],
    [{ host: "localhost@evil.example" }, 403],
    [{ host: "" }, 403],
    [{ upgrade: "websocket" }, 400],
    [{ upgrade: "" }, 400],
  ];
  for (const [headers, status] of table) {
    assertEquals((await door.timed(door.ask(headers)))[0], status, JSON.stringify(headers));
  }
  for (
    const url of ["/", "/dirsync/", "/dirsync?x", "//dirsync", "/DIRSYNC", "/%64irsync", "http://localhost/dirsync"]
  ) {
    assertEquals((await door.timed(door.ask({}, "127.0.0.1", url)))[0], 400, url);
  }
});

Deno.test("off the loopback a server has any name, but pages are refused all the same", async () => {
  using door = scene();
  const token = door.bearer(door.token);
  assertEquals(await door.timed(door.ask({ ...token, host: "nas.example" })), ["laptop", 0]);
  assertEquals((await door.timed(door.ask({ ...token, origin: "https://nas.example" })))[0], 403);
});

Deno.test("without its token nobody is let in; in another place than the header it is none", async () => {
  using door = scene();
  assertEquals(await door.timed(door.ask(door.bearer(door.token))), ["laptop", 0]);
  assertEquals(await door.timed(door.ask({})), [401, 0]);
  assertEquals(await door.timed(door.ask({ authorization: `Basic ${door.token}` })), [401, 0]);
  assertEquals((await door.timed(door.ask({}, "10.0.0.1", `/dirsync?token=${door.token}`)))[0], 400);
  for (const wrong of ["", "x", "A".repeat(43), door.token.slice(1), `${door.token}A`, door.token.toLowerCase()]) {
    assertEquals((await door.timed(door.ask(door.bearer(wrong))))[0], 401, wrong);
  }
});

Deno.test("an invitation ends when its time is over", async () => {
  using door = scene({ expires: 1000 });
  assertEquals((await door.timed(door.ask(door.bearer(door.token))))[0], "laptop");
  await door.clock.pass(1000);
  assertEquals((await door.timed(door.ask(door.bearer(door.token))))[0], 410);
});

Deno.test("wrong tokens of an address are slowed down more and more, and named, ever more rarely", async () => {
  using door = scene();
  const wrong = door.bearer("A".repeat(43));
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) waits.push((await door.timed(door.ask(wrong)))[1]);
  assertEquals(waits, [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
  assertEquals([waits[0], waits.at(-1)], [WRONG_TOKEN_MS, LONGEST_WRONG_TOKEN_MS]);
  const told = door.events.map((event) => event.event === "warning" ? event.message : event.event);
  assertEquals(told.length, 4);
  assertStringIncludes(told[3]!, "wrong token from 10.0.0.1 (8 times)");
  assert(!told.join().includes("AAAA"));
  // Others are not slowed, and whoever has the right one is not either, wherever it comes from.
  assertEquals((await door.timed(door.ask(wrong, "10.0.0.2")))[1], WRONG_TOKEN_MS);
  assertEquals(await door.timed(door.ask(door.bearer(door.token))), ["laptop", 0]);
  assertEquals((await door.timed(door.ask(wrong)))[1], WRONG_TOKEN_MS);
  // What it says of where it comes from is nobody's business.
  const forwarded = { ...wrong, "x-forwarded-for": "10.9.9.9", "forwarded": "for=10.9.9.8", "x-real-ip": "10.9.9.7" };
  assertEquals((await door.timed(door.ask(forwarded)))[1], 2 * WRONG_TOKEN_MS);
  // At the same time does not help.
  const all = await Promise.all([1, 2, 3].map(() => door.timed(door.ask(wrong, "10.0.0.3"))));
  assertEquals(Math.max(...all.map(([, ms]) => ms)), 4 * WRONG_TOKEN_MS);
  await door.clock.pass(600_000);
  assertEquals((await door.timed(door.ask(wrong, "10.0.0.3")))[1], WRONG_TOKEN_MS);
});

Deno.test("nobody is let in while it cannot be read who may, and that is told once", async () => {
  const events: SyncEvent[] = [];
  let broken = true;
  const door = new Door({
    clients: {
      withToken: () => {
        if (broken) throw new Error("disk I/O error");
        return { id: 1, name: "laptop", access: "full", created: 0 };
      },
    },
    loopback: false,
    clock: new FakeClock(),
    emit: (event) => events.push(event),
    signal: new AbortController().signal,
  });
  const headers = { ...UPGRADE, authorization: `Bearer ${"A".repeat(43)}` };
  const ask = () => door.admit({ url: "/dirsync", headers, from: "10.0.0.1" });
  for (let i = 0; i < 3; i++) assertEquals((await ask() as { status: number }).status, 500);
  assertEquals(events.length, 1);
  assertStringIncludes(JSON.stringify(events), "nobody is let in until that works again");
  broken = false;
  assert("client" in await ask());
});

Deno.test("no number of addresses makes the door remember without end", async () => {
  using door = scene();
  const wrong = door.bearer("A".repeat(43));
  const all: Promise<unknown>[] = [];
  for (let i = 0; i < MAX_SUSPECTS + 1; i++) all.push(door.ask(wrong, `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`));
  await door.clock.until(Promise.all(all));
  // The first has been forgotten, the last not; of IPv6 it is the network that counts.
  assertEquals((await door.timed(door.ask(wrong, "10.0.0.0")))[1], WRONG_TOKEN_MS);
  assertEquals((await door.timed(door.ask(wrong, "10.0.4.0")))[1], 2 * WRONG_TOKEN_MS);
  await door.timed(door.ask(wrong, "2001:db8::1"));
  assertEquals((await door.timed(door.ask(wrong, "2001:db8::2:3")))[1], 2 * WRONG_TOKEN_MS);
});
