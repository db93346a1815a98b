// What answers a client that dials, and what it makes of it.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createServer } from "node:net";
import { dial } from "../../client/dial.ts";
import { RefusedError } from "../../core/errors.ts";
import { loadLibc } from "../../core/libc.ts";
import { MAX_HEAD_BYTES } from "../../core/limits.ts";

// Loaded once for this thread, not by the first test that happens to want it.
loadLibc();

/** So much is said to somebody who takes it (bytes): more than the buffers between the two hold. */
const MOST = 4000 * MAX_HEAD_BYTES;
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\n";

/** Dials somebody who says `answer`, over and over if `forEver`. @returns Why that failed, and how much was said. */
async function dialled(answer: string, forEver = false): Promise<{ error?: RefusedError; said: number }> {
  let said = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => {});
    const say = () => {
      said += answer.length;
      socket.write(answer, "latin1", (error) => !error && forEver && said < MOST ? say() : undefined);
    };
    say();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  try {
    const route = { address: { host: "127.0.0.1", port }, trust: { kind: "plain" } } as const;
    const { link } = await dial(route, AbortSignal.timeout(10_000));
    link.close();
    return { said };
  } catch (error) {
    assert(error instanceof RefusedError, String(error));
    return { error, said };
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

Deno.test("only what speaks the protocol is taken for a server", async () => {
  assertEquals((await dialled(`${SWITCH}Connection: Upgrade\r\nUpgrade: dirsync\r\n\r\n`)).error, undefined);
  const others = [
    "HTTP/1.1 200 OK\r\nUpgrade: dirsync\r\n\r\n",
    `${SWITCH}Upgrade: websocket\r\n\r\n`,
    `${SWITCH}Upgrade: dirsync2\r\n\r\n`,
    `${SWITCH}\r\nUpgrade: dirsync\r\n\r\n`,
    "SSH-2.0-OpenSSH\r\n\r\n\x1b[2J",
  ];
  for (const answer of others) {
    const { error } = await dialled(answer);
    assertStringIncludes(error!.message, "no dirsync server of this protocol");
    assert(error!.retry && !error!.message.includes("\x1b"), error!.message);
  }
});

Deno.test("a refusal says what to do, and whether it may be otherwise later", async () => {
  const table: [answer: string, message: string, retry: boolean][] = [
    ["HTTP/1.1 401 Unauthorized\r\n\r\n", "it asks for a token: use the invitation", false],
    ["HTTP/1.1 403 Forbidden\r\n\r\n", "use the name or address", false],
    ["HTTP/1.1 410 Gone\r\n\r\n", "has expired", false],
    ["HTTP/1.1 500 Internal Server Error\r\n\r\n", "cannot read who may connect", true],
    ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "too many clients", true],
    // A TLS alert: plain HTTP is not what it speaks.
    ["\x15\x03\x01\x00\x02\x02\x46", "asks for TLS and a token", false],
  ];
  for (const [answer, message, retry] of table) {
    const { error } = await dialled(answer);
    assertStringIncludes(error!.message, message);
    assertEquals(error!.retry, retry, answer);
  }
});

Deno.test("an answer without end is not kept", async () => {
  const { error, said } = await dialled("X".repeat(65536), true);
  assertStringIncludes(error!.message, "no dirsync server");
  assert(said < MOST);
});

Deno.test("a client that is stopped while it dials stops", async () => {
  const route = { address: { host: "127.0.0.1", port: 1 }, trust: { kind: "plain" } } as const;
  await assertRejects(() => dial(route, AbortSignal.abort()), Error, "stopped");
});
