// One client's connection: its messages in, steps gathered, answers out. Whatever the client sends, the worst that it can do
// is to lose its connection.

import type { Clock } from "../core/clock.ts";
import { Writer } from "../core/codec.ts";
import { isDamaged } from "../core/database.ts";
import { DisconnectedError, isOfDatabase, isOfSystem, ProblemError, ProtocolError, reasonOf } from "../core/errors.ts";
import { type Emit, tellChanges } from "../core/events.ts";
import { SOURCE_CLIENT, SOURCE_ID, SOURCE_NAME, SOURCE_ROOT } from "../core/facts.ts";
import { NO_ID } from "../core/fs.ts";
import {
  ANSWER_BYTES,
  HELLO_MS,
  MAX_COMMIT_BYTES,
  MAX_NAMED_PROBLEMS,
  MAX_STEPS,
  PEER_SILENCE_MS,
} from "../core/limits.ts";
import { FrameReader } from "../core/frame_reader.ts";
import type { Grant } from "../core/grant.ts";
import type { Link } from "../core/link.ts";
import { canPack, PACKING, unpack } from "../core/pack.ts";
import { encodePrints } from "../core/patch.ts";
import type { RelPath } from "../core/path.ts";
import { digestOf } from "../core/recipe.ts";
import type { StartHasher } from "../core/second_thread.ts";
import type { Digest, DirEntry, Problem } from "../core/types.ts";
import { type ClientMessage, type ListedEntry, PROTOCOL, ROOTS, type ServerMessage } from "../core/wire.ts";
import { writeMessage } from "../core/wire_writer.ts";
import { readClientMessage } from "../core/wire_reader.ts";
import { formatAmount } from "../core/text.ts";
import { decodeXattrs } from "../core/xattrs.ts";
import { byName } from "../core/tree_index.ts";
import type { IndexedStep } from "./commit.ts";
import { Hunger } from "./hunger.ts";
import type { Mirror } from "./mirror.ts";
import { Rules } from "./rules.ts";
import { type NotStaged, Stage, type Staged } from "./stage.ts";

/** What a session works with. */
export interface SessionDeps {
  readonly mirror: Mirror;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Name of the mirror for people. */
  readonly name: string;
  /** Average chunk size to wish for, 0 for none. */
  readonly average: number;
  readonly fsync: boolean;
  /** Tell every change by name, however many there are. */
  readonly everyChange: boolean;
  /** Starts a thread that shares the work on a large file, where there can be one. */
  readonly secondThread?: StartHasher;
  /** What the client may do; everything where nobody is asked who they are. */
  readonly grant: Grant | undefined;
}

/** Steps that move or remove what may be a directory. */
const MOVING: ReadonlySet<IndexedStep["op"]> = new Set(["move", "park", "unpark", "remove"]);
/** What a dry run may send. */
const HARMLESS: ReadonlySet<string> = new Set<ClientMessage["type"]>(["list", "ask", "prove", "ping", "packed"]);
/** In the place of a directory that is not there. */
const NO_DIR: DirEntry = { kind: "dir", mode: 0, mtimeNs: 0n, uid: NO_ID, gid: NO_ID, xattrs: "", link: 0 };
/** Entries in one part of a listing. */
const LISTING_PART = 4096;
/** A client that waits is told so this often (ms). */
const WAITING_MS = 5_000;

/** Serves a client until it goes away. Never throws. */
export async function serve(link: Link, deps: SessionDeps): Promise<void> {
  const session = new Session(link, deps);
  const abort = () => link.close();
  deps.signal.addEventListener("abort", abort);
  try {
    await session.run();
    session.left("it disconnected");
  } catch (error) {
    const { message, stack = message } = error as Error;
    const failing = isOfSystem(error) || isOfDatabase(error);
    // What is wrong with our own disk as a whole (the journal, the index) is nobody's path: all is tried again from the start.
    const reason = failing ? `the server cannot work on its disk: ${reasonOf(error)}` : message;
    if (failing || error instanceof ProtocolError || error instanceof ProblemError) await session.refuse(reason, true);
    session.left(reason);
    if (isDamaged(error)) deps.mirror.discardIndex();
    if (deps.signal.aborted || error instanceof DisconnectedError || error instanceof ProtocolError) return;
    if (failing || error instanceof ProblemError) {
      deps.emit({ event: "warning", message: `${reason}; the client will try again` });
    } else deps.emit({ event: "warning", message: `a client's session ended: ${stack}` });
  } finally {
    deps.signal.removeEventListener("abort", abort);
    await session.close();
    link.close();
  }
}

class Session {
  readonly #link: Link;
  readonly #deps: SessionDeps;
  readonly #frames: FrameReader;
  readonly #out = new Writer();
  readonly #ended = new AbortController();
  readonly #hunger: Hunger;
  #stage: Stage | undefined;
  #rules: Rules | undefined;
  #steps: IndexedStep[] = [];
  #problems: Problem[] = [];
  /** Memory that the steps take, about (bytes). */
  #weight = 0;
  /** Paths whose problems people were told of. */
  readonly #told = new Set<string>();
  #peer: string | undefined;
  #release: (() => void) | undefined;
  /** How long the client may say nothing (ms). */
  #patienceMs = HELLO_MS;
  #heardAt: number;
  #toldAt: number;

  constructor(link: Link, deps: SessionDeps) {
    this.#link = link;
    this.#deps = deps;
    this.#frames = new FrameReader(link);
    this.#heardAt = this.#toldAt = deps.clock.now();
    this.#hunger = new Hunger(deps.clock);
  }

  async run(): Promise<void> {
    this.#watchSilence();
    const hello = await this.#first();
    if (!hello) return;
    const { mirror, emit, fsync, name, average, grant, secondThread } = this.#deps;
    if (!hello.dryRun) {
      if (grant?.access === "read-only") {
        return await this.refuse("this client may only compare: use --dry-run, or another invitation", false);
      }
      if (mirror.pusher !== undefined) {
        return await this.refuse(`another client pushes to this mirror: ${mirror.pusher}`, true);
      }
      this.#release = mirror.claim(hello.source);
      this.#peer = grant ? `${hello.source} (as ${grant.name})` : hello.source;
      emit({ event: "connected", peer: this.#peer });
    }
    await mirror.open(!hello.dryRun, () => this.#waiting());
    const rules = this.#rules = grant && new Rules(grant, mirror.index);
    const refusalOf = (path: RelPath, size: number) => rules?.refusalOf(path, size);
    this.#stage = new Stage(mirror.fs, mirror.index, mirror.metadata, {
      fsync,
      name: mirror.newId(),
      makeRoom: (bytes) => mirror.makeRoom(bytes),
      leftovers: mirror.leftovers,
      secondThread,
      refusalOf,
    });
    const { index, id } = mirror;
    const root = index.rootHash(), holdsContent = index.hasChunks() || mirror.leftovers.any;
    const features = canPack ? [PACKING, ROOTS] : [ROOTS];
    const lastId = index.fact(SOURCE_ID) ?? "", lastSource = index.fact(SOURCE_NAME) ?? "";
    const own = { features, mirror: name, mirrorId: id, root, lastId, lastSource };
    const lastRoot = hello.features.includes(ROOTS) ? { lastRoot: index.fact(SOURCE_ROOT) ?? "" } : {};
    this.#answer({ type: "welcome", ...own, holdsContent, average, ...lastRoot });
    await this.#flush();
    this.#patienceMs = PEER_SILENCE_MS;
    do {
      for (let frame = this.#frames.take(); frame; frame = this.#frames.take()) {
        const work = this.#handle(readClientMessage(frame), hello);
        if (work) await work;
        if (this.#out.length >= ANSWER_BYTES) await this.#flush();
      }
      await this.#flush();
    } while (await this.#fill());
  }

  /** Tells the client why it is sent away. */
  async refuse(message: string, retry: boolean): Promise<void> {
    this.#answer({ type: "refuse", message, retry });
    await this.#flush().catch(() => {});
  }

  /** Tells people that the client has gone. */
  left(reason: string): void {
    if (this.#peer !== undefined) this.#deps.emit({ event: "disconnected", peer: this.#peer, reason });
    this.#peer = undefined;
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#stage?.leave();
    await this.#bringBack();
    this.#release?.();
    if (this.#release) this.#deps.mirror.rest();
  }

  /** Brings back what a client that may not remove anything has left between two places. Never throws. */
  async #bringBack(): Promise<void> {
    const { mirror, emit, signal } = this.#deps;
    const steps = this.#rules?.leftovers() ?? [];
    if (steps.length === 0) return;
    try {
      const { problems } = await mirror.commit(steps, new Set(), () => Promise.resolve());
      for (const problem of problems) emit({ event: "problem", ...problem });
    } catch (error) {
      if (!signal.aborted) {
        emit({ event: "warning", message: `what a client left could not be brought back: ${reasonOf(error)}` });
      }
    }
  }

  async #first(): Promise<ClientMessage & { type: "hello" } | undefined> {
    let frame = this.#frames.take();
    while (!frame) {
      if (!await this.#fill()) return undefined;
      frame = this.#frames.take();
    }
    const hello = readClientMessage(frame);
    if (hello.type !== "hello") throw new ProtocolError("The first message must be a hello");
    if (hello.protocol !== PROTOCOL) {
      const newer = hello.protocol > PROTOCOL
        ? "the server is older than the client"
        : "the client is older than the server";
      await this.refuse(`${newer} (protocol ${PROTOCOL} here, ${hello.protocol} there): update it`, false);
      return undefined;
    }
    return hello;
  }

  /** @returns A promise only where there is something to wait for. */
  #handle(message: ClientMessage, hello: ClientMessage & { type: "hello" }): Promise<void> | void {
    const { mirror, emit } = this.#deps;
    const stage = this.#stage!;
    if (hello.dryRun && !HARMLESS.has(message.type)) {
      throw new ProtocolError("A dry run changes nothing");
    }
    switch (message.type) {
      case "hello":
        throw new ProtocolError("A second hello");
      case "ping":
        return this.#answer({ type: "pong" });
      case "list":
        return this.#list(message.path);
      case "ask":
        return this.#answer({ type: "holds", bits: this.#holds(message.digests) });
      case "prove":
        return this.#answer({ type: "proof", root: mirror.index.rootHash() });
      case "adopt":
        return this.#adopt(hello);
      case "rooted":
        return this.#root(hello, message.root);
      case "held": {
        const { type, ...held } = message;
        return emit({ event: type, ...held, source: hello.source });
      }
      case "released":
        return emit({ event: message.type, source: hello.source, how: message.how });
      case "names":
        return mirror.learn(message.users, message.groups);
      case "xattrs":
        decodeXattrs(message.bytes);
        return mirror.index.addXattrs(digestOf(message.bytes), message.bytes);
      case "whole":
        this.#checkXattrs(message.attributes.xattrs);
        return this.#staged(stage.whole(message));
      case "file":
        this.#checkXattrs(message.attributes.xattrs);
        return stage.begin(message);
      case "literal":
        return stage.literal(message.bytes);
      case "keep":
        return stage.keep(message.index, message.count);
      case "base":
        return stage.base(message.path);
      case "known":
        return stage.known(message.digest, message.length);
      case "patch":
        return stage.patch(message.digest, message.parts);
      case "sketch": {
        const pieces = stage.sketch(message.path, message.index, message.count);
        const lengths = pieces.map(({ length }) => length);
        return this.#answer({ type: "sketched", lengths, prints: encodePrints(pieces) });
      }
      case "fileAbort":
        return stage.abort();
      case "fileEnd":
        return this.#staged(stage.end(message.content));
      case "packed":
        return this.#unpack(message.bytes, message.size, hello);
      case "commit":
        return this.#commit();
      case "mkdir": {
        const { path, entry } = message;
        this.#checkXattrs(entry.xattrs);
        // What a client may do to each of the files is looked at when it is put to its place.
        const stagedDir = this.#rules ? undefined : stage.makeDir(path, entry.mode);
        return this.#add({ op: "mkdir", path, entry, ...(stagedDir && { stagedDir }) });
      }
      case "symlink":
        this.#checkXattrs(message.entry.xattrs);
        return this.#add({ op: "symlink", path: message.path, entry: message.entry });
      case "meta":
        this.#checkXattrs(message.attributes.xattrs);
        return this.#add({ op: "meta", path: message.path, attributes: message.attributes });
      default: {
        const { type, ...rest } = message;
        return this.#add({ op: type, ...rest } as IndexedStep);
      }
    }
  }

  /** Whether the mirror is this source's, or may become it: who may not do everything does not take it away from another. */
  #mayOwn({ sourceId }: ClientMessage & { type: "hello" }): boolean {
    const { mirror: { index }, grant } = this.#deps;
    if (!grant || grant.access === "full") return true;
    return (index.fact(SOURCE_ID) ?? sourceId) === sourceId || index.fact(SOURCE_CLIENT) === grant.name;
  }

  /** Whose the mirror is: another's deletions are held. */
  #adopt(hello: ClientMessage & { type: "hello" }): void {
    if (!this.#mayOwn(hello)) return;
    const { mirror: { index }, grant } = this.#deps;
    index.setFact(SOURCE_CLIENT, grant?.name ?? "");
    index.setFact(SOURCE_ID, hello.sourceId);
    index.setFact(SOURCE_NAME, hello.source);
  }

  /** Which root the mirror's content comes from. */
  #root(hello: ClientMessage & { type: "hello" }, root: string): void {
    if (!this.#mayOwn(hello)) return;
    const { index } = this.#deps.mirror;
    index.setFact(SOURCE_ROOT, root);
    // A power cut must not make the mirror forget what its source is.
    index.checkpoint();
  }

  async #unpack(packed: Uint8Array, size: number, hello: ClientMessage & { type: "hello" }): Promise<void> {
    for (const frame of unpack(packed, size)) {
      const message = readClientMessage(frame);
      if (message.type === "packed") throw new ProtocolError("A pack holds a pack");
      const work = this.#handle(message, hello);
      if (work) await work;
      // Few bytes may ask for many.
      if (this.#out.length >= ANSWER_BYTES) await this.#flush();
    }
  }

  #staged(staged: Staged | NotStaged): void {
    if (!("reason" in staged)) return this.#add({ op: "file", ...staged });
    this.#weigh(500 + 2 * staged.path.length);
    this.#problems.push({ path: staged.path, message: `on the server: ${staged.reason}` });
  }

  /** Extended attributes come before whatever has them. */
  #checkXattrs(digest: Digest | ""): void {
    if (digest !== "" && !this.#deps.mirror.index.xattrs(digest)) {
      throw new ProtocolError("Extended attributes are missing");
    }
  }

  #add(step: IndexedStep): void {
    this.#weigh(weightOf(step));
    this.#steps.push(step);
    if (step.op === "symlink" || step.op === "link") this.#stage!.dirs.take(step.path);
    else if (MOVING.has(step.op)) this.#stage!.dirs.close();
  }

  /** One thing more is kept until the commit, of so many bytes. */
  #weigh(bytes: number): void {
    if (this.#steps.length + this.#problems.length >= MAX_STEPS) throw new ProtocolError("A commit has too many steps");
    this.#weight += bytes;
    if (this.#weight > MAX_COMMIT_BYTES) throw new ProtocolError("A commit is too large");
  }

  async #commit(): Promise<void> {
    const { mirror, emit, everyChange } = this.#deps;
    const stage = this.#stage!;
    const steps = this.#steps, staged = this.#problems;
    stage.sync();
    this.#steps = [];
    this.#problems = [];
    this.#weight = 0;
    const { changes, problems } = await mirror.commit(steps, new Set(stage.wrong), () => this.#waiting(), this.#rules);
    stage.committed();
    this.#answer({ type: "committed", problems: [...staged, ...problems] });
    tellChanges(changes, emit, everyChange);
    for (const { path } of changes) if (this.#told.delete(path)) emit({ event: "solved", path });
    for (const problem of problems.slice(0, MAX_NAMED_PROBLEMS)) {
      if (this.#told.size < MAX_STEPS) this.#told.add(problem.path);
      emit({ event: "problem", ...problem });
    }
    const more = problems.length - MAX_NAMED_PROBLEMS;
    if (more > 0) emit({ event: "warning", message: `${formatAmount(more, "more path")} could not be changed` });
  }

  async #list(path: RelPath): Promise<void> {
    const { index } = this.#deps.mirror;
    const node = index.find(path);
    const dir = node?.entry.kind === "dir" ? node.entry : NO_DIR;
    const entries: ListedEntry[] = (node?.entry.kind === "dir" ? index.children(node.id).sort(byName) : []).map(
      (child) => {
        const { name, entry } = child;
        return entry.kind === "dir" ? { name, entry, hash: index.dirHash(child) } : { name, entry };
      },
    );
    do {
      const part = entries.splice(0, LISTING_PART);
      this.#answer({ type: "listing", dir, more: entries.length > 0, entries: part });
      if (entries.length > 0) await this.#flush();
    } while (entries.length > 0);
  }

  #holds(digests: readonly Digest[]): Uint8Array {
    const bits = new Uint8Array(Math.ceil(digests.length / 8));
    digests.forEach((digest, i) => {
      if (this.#stage!.holds(digest)) bits[i >> 3]! |= 1 << (i & 7);
    });
    return bits;
  }

  async #fill(): Promise<boolean> {
    const from = this.#deps.clock.now();
    const filled = await this.#frames.fill();
    const { received } = this.#frames;
    const share = this.#hunger.waited(from, received);
    if (share !== undefined && this.#stage) this.#answer({ type: "received", bytes: received, share });
    this.#heardAt = this.#deps.clock.now();
    return filled;
  }

  #answer(message: ServerMessage): void {
    writeMessage(this.#out, message);
  }

  async #flush(): Promise<void> {
    if (this.#out.length > 0) await this.#link.send(this.#out.take());
  }

  /** Tells a client whose answer takes long that we are still there. */
  async #waiting(): Promise<void> {
    const now = this.#deps.clock.now();
    this.#heardAt = now;
    if (this.#ended.signal.aborted || this.#deps.signal.aborted) throw new DisconnectedError("stopped");
    if (now - this.#toldAt < WAITING_MS) return;
    this.#toldAt = now;
    this.#answer({ type: "wait" });
    await this.#flush();
  }

  /** Ends the connection of a client that says nothing for longer than it may. */
  async #watchSilence(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#ended;
    for (;;) {
      const left = this.#heardAt + this.#patienceMs - clock.now();
      if (left <= 0) return this.#link.close();
      await clock.sleep(left, signal);
      if (signal.aborted) return;
    }
  }
}

/** Memory that a step takes, about: its texts, and of a file each chunk. */
function weightOf(step: IndexedStep): number {
  const paths = "from" in step ? step.from.length + step.to.length : "path" in step ? step.path.length : 0;
  return 500 + 2 * paths + (step.recipe ? step.recipe.lengths.length * 150 : 0);
}
