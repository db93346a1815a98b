// Which way a client takes to a server, from what is said now and what was stored.

import { assertEquals, assertThrows } from "@std/assert";
import { findRoute, type RouteOptions, storeRoute } from "../../client/route.ts";
import { FatalError } from "../../core/errors.ts";
import { encode256, parseServer } from "../../core/invitation.ts";
import { TempDir } from "../support/temp_dir.ts";

const TOKEN = encode256(new Uint8Array(32).fill(1)), PIN = encode256(new Uint8Array(32).fill(2));
const ADDRESS = { host: "nas", port: 5000 };

/** How a client with this state goes. */
function ways(state: string) {
  return (server: string | undefined, options: Partial<RouteOptions> = {}) => {
    const { trust, token } = findRoute({ state, ...(server && { server: parseServer(server) }), ...options });
    return [trust.kind, token];
  };
}

Deno.test("the address of a server that was met is enough, and what protects it gets weaker only where the user says so", () => {
  using dir = new TempDir();
  const way = ways(dir.path);
  storeRoute(dir.path, { address: ADDRESS, trust: { kind: "pin", fingerprint: PIN }, token: TOKEN, certificate: "x" });
  assertEquals(way("nas:5000"), ["pin", TOKEN]);
  // A token is for the server that it came with: known otherwise, or not at all, it may be another one.
  assertEquals(way("https://nas:5000"), ["ca", undefined]);
  assertEquals(way("http://nas:5000"), ["plain", undefined]);
  assertEquals(way(`dirsync://nas:5000/${TOKEN}/${encode256(new Uint8Array(32).fill(3))}`)[0], "pin");
  assertEquals(way("nas:5001"), ["plain", undefined]);
  assertEquals(way("other:5000"), ["plain", undefined]);
});

Deno.test("a token does not go out without TLS but on this machine", () => {
  using dir = new TempDir();
  const way = ways(dir.path);
  assertThrows(() => way("nas:5000", { secret: TOKEN }), FatalError, "without TLS");
  assertThrows(() => way("http://nas:5000", { secret: TOKEN }), FatalError, "without TLS");
  assertEquals(way("https://nas:5000", { secret: TOKEN }), ["ca", TOKEN]);
  assertEquals(way("localhost:5000", { secret: TOKEN }), ["plain", TOKEN]);
});

Deno.test("an invitation from the environment goes to its server, by another address only where that can be told by its certificate", () => {
  using dir = new TempDir();
  const way = ways(dir.path);
  const pinned = `dirsync://nas:5000/${TOKEN}/${PIN}`, known = `dirsync://nas:5000/${TOKEN}/ca`;
  assertEquals(way(undefined, { secret: known }), ["ca", TOKEN]);
  assertEquals(way("nas:7000", { secret: known }), ["ca", TOKEN]);
  // Through a tunnel, say.
  assertEquals(way("localhost:7000", { secret: pinned }), ["pin", TOKEN]);
  for (const server of ["other:5000", "https://other", "localhost:5000"]) {
    assertThrows(() => way(server, { secret: known }), FatalError, "Cannot use DIRSYNC_TOKEN for");
  }
  // Of another server nothing is used but what was said of it.
  assertEquals(way(`dirsync://other:5000/${PIN}/ca`, { secret: known }), ["ca", PIN]);
});
