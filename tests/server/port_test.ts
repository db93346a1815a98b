// The port as those see it who were not invited: requests by hand, whatever they ask for.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Link } from "../../core/link.ts";
import { Door } from "../../server/door.ts";
import { Port } from "../../server/port.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { RawClient } from "../support/raw_client.ts";

/** A port of the loopback, without tokens. */
async function scene() {
  const links: Link[] = [];
  const door = new Door({
    clients: undefined,
    loopback: true,
    clock: new FakeClock(),
    emit: () => {},
    signal: new AbortController().signal,
  });
  const port = new Port(door, undefined, (link) => links.push(link));
  const address = `127.0.0.1:${await port.listen("127.0.0.1", 0)}`;
  /** What comes of a request, until the server ends the connection. */
  const ask = async (request: string) => {
    using client = await RawClient.connect(address);
    await client.send(request);
    await client.ended;
    return client.text;
  };
  const dispose = () => {
    for (const link of links) link.close();
    port.stop();
    port.close();
  };
  return { links, ask, [Symbol.dispose]: dispose };
}

const HOST = "Host: localhost\r\n";
const UPGRADE = "Connection: Upgrade\r\nUpgrade: dirsync\r\n";

Deno.test("a request that is no upgrade is turned away as one that is, by Host and Origin", async () => {
  using port = await scene();
  for (const path of ["/", "/dirsync"]) {
    assertMatch(
      await port.ask(`GET ${path} HTTP/1.1\r\n${HOST}Origin: http://evil.example\r\n\r\n`),
      /^HTTP\/1\.1 403 /,
    );
    assertMatch(await port.ask(`GET ${path} HTTP/1.1\r\nHost: evil.example\r\n\r\n`), /^HTTP\/1\.1 403 /);
    assertMatch(await port.ask(`GET ${path} HTTP/1.1\r\n${HOST}Sec-Fetch-Site: none\r\n\r\n`), /^HTTP\/1\.1 403 /);
    assertMatch(await port.ask(`GET ${path} HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 403 /);
  }
  assertMatch(await port.ask(`GET / HTTP/1.1\r\n${HOST}\r\n`), /^HTTP\/1\.1 404 [^]*dirsync client DIR\n/);
  assertMatch(await port.ask(`GET /dirsync HTTP/1.1\r\n${HOST}\r\n`), /^HTTP\/1\.1 426 /);
  assertMatch(await port.ask(`GET / HTTP/1.1\r\n${HOST}Origin: null\r\n${UPGRADE}\r\n`), /^HTTP\/1\.1 403 /);
  assertEquals(port.links, []);
});

Deno.test("whatever else a request is, it is answered at most once, and its connection ends", async () => {
  using port = await scene();
  const requests = [
    "CONNECT evil.example:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    `POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Expect: more\r\nContent-Length: 10\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 99999999999\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HOST}\r\nGET /dirsync HTTP/1.1\r\n${HOST}${UPGRADE}\r\n`,
    `GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(3),
    `GET /dirsync HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
    `GET /dirsync HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: dirsync, websocket\r\n\r\n`,
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  ];
  for (const request of requests) {
    const text = await port.ask(request);
    assert(text === "" || /^HTTP\/1\.1 4\d\d /.test(text), `${JSON.stringify(request)}: ${text}`);
    assert(text.split("HTTP/1.1 ").length <= 2, text);
  }
  assertEquals(port.links, []);
});
