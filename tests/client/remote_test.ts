// The server as a client sees it, if it does not keep to the protocol.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Remote } from "../../client/remote.ts";
import { PEER_SILENCE_MS } from "../../core/limits.ts";
import { DisconnectedError, ProtocolError } from "../../core/errors.ts";
import { pipe } from "../../core/link.ts";
import { parsePath, ROOT } from "../../core/path.ts";
import type { Message } from "../../core/wire.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { frameOf } from "../support/messages.ts";

const DIGEST = "ab".repeat(32);

/** A client with a server that says `answers`, whatever it is asked. */
async function answered(answers: Message[], ask: (remote: Remote) => Promise<unknown>): Promise<unknown> {
  const [near, far] = pipe(), clock = new FakeClock();
  const remote = new Remote(near, clock);
  const asked = ask(remote).then((answer) => answer, (error) => error);
  await far.send(frameOf(...answers));
  try {
    return await asked;
  } finally {
    remote.close();
    await clock.idle();
  }
}

Deno.test("an answer that was not asked for ends the connection, one before its turn too", async () => {
  const cases: [Message[], (remote: Remote) => Promise<unknown>][] = [
    [[{ type: "pong" }], (remote) => remote.prove()],
    [[{ type: "committed", problems: [] }], (remote) => remote.list(parsePath(""))],
    [[{ type: "proof", root: DIGEST }, { type: "pong" }], (remote) => remote.prove().then(() => remote.commit())],
  ];
  for (const [answers, ask] of cases) {
    const error = await answered(answers, ask);
    assert(error instanceof ProtocolError, String(error));
    assertStringIncludes(error.message, "when it was not asked for");
  }
});

Deno.test("an answer about chunks has one bit for each that was asked for", async () => {
  const ask = (remote: Remote) => remote.ask(Array(9).fill(DIGEST));
  assertEquals(await answered([{ type: "holds", bits: Uint8Array.of(1, 2) }], ask), Uint8Array.of(1, 2));
  for (const bytes of [0, 1, 3, 1000]) {
    const error = await answered([{ type: "holds", bits: new Uint8Array(bytes) }], ask);
    assert(error instanceof ProtocolError, `${bytes} bytes: ${error}`);
  }
});

Deno.test("a server that does not answer any more is given up, one that says it is at work is not", async () => {
  const [near, far] = pipe(), clock = new FakeClock();
  const remote = new Remote(near, clock);
  const commit = remote.commit().then(() => undefined, (error) => error);
  for (let waited = 0; waited < 10 * PEER_SILENCE_MS; waited += 10_000) {
    await far.send(frameOf({ type: "wait" }));
    await clock.pass(10_000);
  }
  assertEquals(remote.error, undefined);
  await clock.pass(3_600_000);
  const error = await commit;
  assert(error instanceof DisconnectedError);
  assertStringIncludes(error.message, "does not answer any more");
  far.close();
});

Deno.test("answers belong to the requests in the order in which these were written, however much goes out with one", async () => {
  const answers: Message[] = [
    { type: "holds", bits: Uint8Array.of(8) },
    { type: "sketched", lengths: [], prints: new Uint8Array() },
  ];
  const both = await answered(answers, (remote) => {
    // Nearly as much is gathered as goes out together.
    for (let i = 0; i < 4; i++) remote.send({ type: "literal", bytes: new Uint8Array(65_500) });
    return Promise.all([remote.ask(Array(8).fill(DIGEST)), remote.sketch(ROOT, 0, 1)]);
  });
  assertEquals(both, [Uint8Array.of(8), []]);
});

Deno.test("who waits for a receipt when the connection ends, waits no more", async () => {
  const clock = new FakeClock();
  const [near, far] = pipe();
  (async () => {
    while (await far.receive());
  })().catch(() => {});
  const remote = new Remote(near, clock);
  let over = false;
  const sending = (async () => {
    for (let i = 0; i < 20; i++) await remote.send({ type: "literal", bytes: new Uint8Array(200_000) });
  })().catch(() => {}).finally(() => over = true);
  await clock.idle();
  assert(!over);
  remote.close();
  await clock.until(sending);
});
