// A client by hand: messages sent as they are, in whatever order.

import { Writer } from "../../core/codec.ts";
import { type Message, PROTOCOL } from "../../core/wire.ts";
import { writeMessage } from "../../core/wire_writer.ts";
import { readServerMessage } from "../../core/wire_reader.ts";
import type { World } from "./world.ts";

/**
 * Sends bytes to a server.
 * @param hangUp Whether to end the connection when they are answered; else that is left to the server.
 * @returns What it answers, as message types, but for receipts.
 */
export async function converse(
  world: World,
  frames: Uint8Array<ArrayBuffer>[],
  hangUp = false,
): Promise<string[]> {
  const link = await world.dial();
  for (const frame of frames) await link.send(frame);
  const answers: string[] = [];
  const reading = (async () => {
    for (let bytes = await link.receive(); bytes; bytes = await link.receive()) {
      for (let at = 0; at < bytes.length;) {
        const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
        const message = readServerMessage(bytes.subarray(at + 4, at + 4 + length));
        if (message.type !== "received") {
          answers.push(message.type === "refuse" ? `refuse: ${message.message}` : message.type);
        }
        at += 4 + length;
      }
    }
  })();
  if (hangUp) {
    await world.clock.idle();
    link.close();
  }
  await world.clock.until(reading.catch(() => {}));
  return answers;
}

/** The frames of messages. */
export function frameOf(...messages: Message[]): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  for (const message of messages) writeMessage(out, message);
  return out.take();
}

/** How a client introduces itself. */
export const HELLO: Message & { type: "hello" } = {
  type: "hello",
  protocol: PROTOCOL,
  features: [],
  source: "evil",
  sourceId: "x",
  dryRun: false,
};
