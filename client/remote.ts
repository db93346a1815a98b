// The server as the client sees it: messages go out one behind the other and are not waited for, answers come back in
// order. One instance a connection.

import type { Clock } from "../core/clock.ts";
import { Writer } from "../core/codec.ts";
import { DisconnectedError, ProtocolError, RefusedError } from "../core/errors.ts";
import { KEEP_ALIVE_MS, LINK_WINDOW_BYTES, MAX_LISTED, PEER_SILENCE_MS } from "../core/limits.ts";
import { FrameReader } from "../core/frame_reader.ts";
import type { Link } from "../core/link.ts";
import { canPack, levelFor, pack, PACKING } from "../core/pack.ts";
import { decodePieces, type Sketched } from "../core/patch.ts";
import type { RelPath } from "../core/path.ts";
import type { Digest, Problem } from "../core/types.ts";
import { type ClientMessage, type ListedEntry, PROTOCOL, ROOTS, type ServerMessage } from "../core/wire.ts";
import { writeMessage } from "../core/wire_writer.ts";
import { readServerMessage } from "../core/wire_reader.ts";
import { Pace } from "./pace.ts";
import { Probe } from "./probe.ts";

/** Who we are, for the server's eyes. */
export interface Introduction {
  /** Name of this source for people: "host:/path". */
  readonly source: string;
  /** Random id of this source's state. */
  readonly sourceId: string;
  /** Nothing will be pushed. */
  readonly dryRun: boolean;
}

/** What the server said of itself. */
export type Welcome = ServerMessage & { type: "welcome" };

type Answer<T extends ServerMessage["type"]> = ServerMessage & { type: T };

interface Expected {
  readonly type: ServerMessage["type"];
  readonly resolve: (message: ServerMessage) => void;
  readonly reject: (error: Error) => void;
}

/** Messages are gathered up to this size before they go out together (bytes); where they are packed, up to the second. */
const TOGETHER_BYTES = 256 << 10;
const PACKED_BYTES = 2560 << 10;

/** From so many on (bytes), and at this level, they are packed while a line is measured that had to be waited for. */
const TRIED_BYTES = 64 << 10;
const TRIED_LEVEL = 3;

/** So many bytes may be in the buffers of links and systems between here and the server. */
const IN_FLIGHT_BYTES = 2 * LINK_WINDOW_BYTES + (6 << 20);

/** A server that waits for so much of its time (percent) waits for the line. */
const HUNGRY_SHARE = 50;

/** One connection to a server. */
export class Remote {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #frames: FrameReader;
  readonly #out = new Writer();
  readonly #pace: Pace;
  readonly #probe: Probe;
  readonly #pack = new Writer();
  /** Whether the server takes packed messages, and the level at which the line wants them. */
  #packs = false;
  #level: number | undefined;
  #isHungry = false;
  readonly #expected: Expected[] = [];
  readonly #ended = new AbortController();
  /** Entries of a listing whose end has not come yet. */
  #listed: ListedEntry[] = [];
  #error: Error | undefined;
  #lastHeard: number;
  /** Bytes sent so far. */
  sent = 0;

  /** @param maxListed Most entries of one directory that are believed. */
  constructor(link: Link, clock: Clock, readonly maxListed: number = MAX_LISTED) {
    this.#link = link;
    this.#clock = clock;
    this.#frames = new FrameReader(link);
    this.#pace = new Pace(clock);
    this.#probe = new Probe(clock);
    this.#lastHeard = clock.now();
    this.#receive();
    this.#keepAlive();
  }

  /** Aborted once the connection is over. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Why it is over, if it is. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Introduces us. @throws {RefusedError | DisconnectedError | ProtocolError} */
  async hello({ source, sourceId, dryRun }: Introduction): Promise<Welcome> {
    const features = canPack ? [PACKING, ROOTS] : [ROOTS];
    const hello = { type: "hello", protocol: PROTOCOL, features, source, sourceId, dryRun } as const;
    const welcome = await this.#request(hello, "welcome");
    this.#packs = canPack && welcome.features.includes(PACKING);
    return welcome;
  }

  /** A directory of the mirror and its entries; none where there is no such directory. */
  list(path: RelPath): Promise<Answer<"listing">> {
    return this.#request({ type: "list", path }, "listing");
  }

  /** Which of these chunks the mirror holds: one bit each. */
  async ask(digests: Digest[]): Promise<Uint8Array> {
    const { bits } = await this.#request({ type: "ask", digests }, "holds");
    if (bits.length !== Math.ceil(digests.length / 8)) throw new ProtocolError("An answer has the wrong length");
    return bits;
  }

  /** Of what pieces these chunks of the mirror's file at `path` are. */
  async sketch(path: RelPath, index: number, count: number): Promise<Sketched[]> {
    const { lengths, prints } = await this.#request({ type: "sketch", path, index, count }, "sketched");
    return decodePieces(lengths, prints);
  }

  /** Makes the steps sent since the last commit durable. @returns The paths that failed. */
  async commit(): Promise<Problem[]> {
    return (await this.#request({ type: "commit" }, "committed")).problems;
  }

  /** The mirror's root hash. */
  async prove(): Promise<Digest> {
    return (await this.#request({ type: "prove" }, "proof")).root;
  }

  /** Sends a message that has no answer. Returns a promise only where there is something to wait for. */
  send(message: ClientMessage): Promise<void> | undefined {
    if (this.#error) throw this.#error;
    writeMessage(this.#out, message);
    const enough = this.#level === undefined ? TOGETHER_BYTES : PACKED_BYTES;
    return this.#out.length >= enough ? this.flush() : undefined;
  }

  /** Lets what has been gathered go. */
  async flush(): Promise<void> {
    if (this.#error) throw this.#error;
    if (this.#out.length === 0) return;
    const frames = this.#out.take(), bytes = this.#packed(frames);
    this.sent += bytes.length;
    const sending = this.#link.send(bytes);
    if (!sending) this.#out.giveBack(frames);
    const room = this.#probe.sent(this.sent);
    await this.#pace.note(bytes.length, sending);
    if (room) await room;
    // A server that is busy gains nothing by having more to do; but one that is so since what comes is packed, would wait again.
    const isWorth = this.#packs && (this.#isHungry || this.#level !== undefined);
    this.#level = isWorth ? levelFor(this.#pace.rate) : undefined;
  }

  #packed(frames: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    // A line that is waited for may be slow: until that is known, packing is tried.
    const tries = this.#packs && this.#probe.isWaited && frames.length >= TRIED_BYTES;
    const level = this.#level ?? (tries ? TRIED_LEVEL : undefined);
    const bytes = level === undefined ? undefined : pack(frames, level);
    if (!bytes) return frames;
    writeMessage(this.#pack, { type: "packed", size: frames.length, bytes });
    return this.#pack.take();
  }

  close(): void {
    this.#end(new DisconnectedError("The connection is closed"));
  }

  async #request<T extends ServerMessage["type"]>(message: ClientMessage, type: T): Promise<Answer<T>> {
    const sending = this.send(message);
    // Answers come in the order of what was written.
    const answer = this.#expect(type);
    answer.catch(() => {});
    // Where there is nothing to wait for it goes at once: its sender may be about to work for long.
    if (sending) await sending;
    // Whoever waits for the answer learns of a broken connection there.
    this.flush().catch(() => {});
    return await answer;
  }

  #expect<T extends ServerMessage["type"]>(type: T): Promise<Answer<T>> {
    if (this.#error) return Promise.reject(this.#error);
    const answer = new Promise<ServerMessage>((resolve, reject) => this.#expected.push({ type, resolve, reject }));
    return answer as Promise<Answer<T>>;
  }

  async #receive(): Promise<void> {
    try {
      while (await this.#frames.fill()) {
        this.#lastHeard = this.#clock.now();
        for (let frame = this.#frames.take(); frame; frame = this.#frames.take()) this.#dispatch(frame);
      }
      this.#end(new DisconnectedError("the server closed the connection"));
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #dispatch(frame: Uint8Array): void {
    // Answers outlive the buffer that they came in.
    const message = readServerMessage(frame.slice());
    if (message.type === "refuse") throw new RefusedError(message.message, message.retry);
    if (message.type === "wait") return;
    if (message.type === "received") {
      this.#isHungry = message.share >= HUNGRY_SHARE;
      this.#pace.told(message.bytes);
      const rate = this.#probe.told(message.bytes, this.#isHungry);
      if (rate !== undefined) {
        this.#pace.measured(rate);
        // Of all that it has told so far it has mostly waited.
        this.#isHungry = true;
      }
      return;
    }
    const expected = this.#expected[0];
    if (expected?.type !== message.type) {
      throw new ProtocolError(`The server sent "${message.type}" when it was not asked for`);
    }
    if (message.type === "listing") {
      for (const entry of message.entries) this.#listed.push(entry);
      if (this.#listed.length > this.maxListed) throw new ProtocolError("A directory has too many entries");
      if (message.more) return;
      message.entries = this.#listed;
      this.#listed = [];
    }
    this.#expected.shift();
    expected.resolve(message);
  }

  async #keepAlive(): Promise<void> {
    while (!this.#error) {
      await this.#clock.sleep(KEEP_ALIVE_MS, this.#ended.signal);
      if (this.#error) return;
      const silent = this.#clock.now() - this.#lastHeard;
      // What the line is slow with comes before the question whether anybody is there.
      const patience = PEER_SILENCE_MS + IN_FLIGHT_BYTES * 1000 / this.#pace.rate;
      if (silent > patience) return this.#end(new DisconnectedError("the server does not answer any more"));
      if (silent >= KEEP_ALIVE_MS) this.#request({ type: "ping" }, "pong").catch(() => {});
    }
  }

  #end(error: Error): void {
    if (this.#error) return;
    this.#error = error;
    this.#probe.end();
    this.#link.close();
    for (const { reject } of this.#expected.splice(0)) reject(error);
    this.#ended.abort();
  }
}
