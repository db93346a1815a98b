// The main thread's half of an engine that runs in a Worker: starts it, passes its events on, hands it connections, stops it.

import { systemClock } from "./clock.ts";
import { FatalError } from "./errors.ts";
import type { Emit, SyncEvent } from "./events.ts";
import { handleLink } from "./handle_link.ts";
import { loadLibc } from "./libc.ts";
import { type Handover, type Link, relay } from "./link.ts";
import { portLink } from "./port_link.ts";
import { SpareThread, type StartHasher } from "./second_thread.ts";

/** What an engine tells its host; `Request` is what this engine asks for. */
export type FromEngine<Request> =
  | { readonly kind: "event"; readonly event: SyncEvent }
  | { readonly kind: "request"; readonly request: Request }
  | { readonly kind: "second thread"; readonly shared: SharedArrayBuffer }
  | { readonly kind: "done"; readonly status: number }
  | { readonly kind: "failed"; readonly fatal: boolean; readonly message: string; readonly stack: string };

/** What a host tells its engine: first how to start, last to stop; `Note` is what this engine is told in between,
 * `Peer` what it is told of who is at the other end of a link. */
export type ToEngine<Start, Note, Peer> =
  | { readonly kind: "start"; readonly start: Start }
  | { readonly kind: "note"; readonly note: Note }
  | { readonly kind: "link"; readonly port: MessagePort; readonly handle: number | undefined; readonly peer: Peer }
  | { readonly kind: "stop" };

/** An engine in its Worker. */
export class EngineHost<Start, Note, Request, Peer = undefined> {
  readonly #worker: Worker;
  /** Resolves with the exit status. @throws {FatalError} */
  readonly done: Promise<number>;

  /** @param worker Its module calls `runEngine`; it may still be loading. */
  constructor(worker: Worker, start: Start, emit: Emit, onRequest: (request: Request) => void = () => {}) {
    this.#worker = worker;
    this.done = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<FromEngine<Request>>) => {
        if (data.kind === "event") emit(data.event);
        else if (data.kind === "request") onRequest(data.request);
        else if (data.kind === "second thread") startSecond(data.shared);
        else if (data.kind === "done") resolve(data.status);
        else reject(errorOf(data));
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
    this.#post({ kind: "start", start });
  }

  /** Tells the engine something. */
  note(note: Note): void {
    this.#post({ kind: "note", note });
  }

  /** Hands a connection over, its socket itself where that can be; else it is passed on until either end closes it. */
  link(link: Link, peer: Peer): void {
    const { port1, port2 } = new MessageChannel();
    const given = link.handOver?.();
    if (given) closeTogether(link, given, port1);
    else relay(link, portLink(port1));
    this.#post({ kind: "link", port: port2, handle: given?.handle, peer }, [port2]);
  }

  /** Asks the engine to end; `done` tells when it has. */
  stop(): void {
    this.#post({ kind: "stop" });
  }

  /** Ends the Worker at once. */
  terminate(): void {
    this.#worker.terminate();
  }

  #post(message: ToEngine<Start, Note, Peer>, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}

/** Started by this thread: a Worker of a Worker's takes a second to start. */
function startSecond(shared: SharedArrayBuffer): void {
  try {
    const worker = new Worker(new URL("./digest_worker.ts", import.meta.url), { type: "module" });
    worker.onerror = (event) => event.preventDefault();
    worker.postMessage(shared);
  } catch {
    // Nobody waits for a thread that is not there.
  }
}

function errorOf({ fatal, message, stack }: FromEngine<unknown> & { kind: "failed" }): Error {
  if (fatal) return new FatalError(message);
  const error = new Error(message);
  error.stack = stack;
  return error;
}

/** Through the port each side tells the other only that it has ended the connection. */
function closeTogether(link: Link, { closed }: Handover, port: MessagePort): void {
  port.onmessage = () => {
    link.close();
    port.close();
  };
  closed.then(() => port.postMessage(null));
}

function takeOver(handle: number, port: MessagePort): Link {
  const link = handleLink(handle, loadLibc()!, () => port.postMessage(null));
  port.onmessage = () => {
    link.close();
    port.close();
  };
  return link;
}

/** What an engine gets from its host. */
export interface EngineSide<Note, Request, Peer = undefined> {
  readonly emit: Emit;
  readonly signal: AbortSignal;
  readonly request: (request: Request) => void;
  /** Lends this engine's second thread. */
  readonly secondThread: StartHasher;
  /** Set these before the first `await`. */
  onNote: (note: Note) => void;
  onLink: (link: Link, peer: Peer) => void;
}

/** With fewer processors a second thread takes one from somebody else: the other side on the same machine, or the user. */
const PROCESSORS = 3;

/** The Worker's half: runs `engine` with what its host sends. @param processors How many the machine has. */
export function runEngine<Start, Note, Request, Peer = undefined>(
  engine: (start: Start, side: EngineSide<Note, Request, Peer>) => Promise<number>,
  processors: number = navigator.hardwareConcurrency,
): void {
  const scope = self as unknown as DedicatedWorkerGlobalScope;
  const stop = new AbortController();
  const post = (message: FromEngine<Request>) => scope.postMessage(message);
  const spare = new SpareThread((shared) => post({ kind: "second thread", shared }), systemClock);
  const side: EngineSide<Note, Request, Peer> = {
    emit: (event) => post({ kind: "event", event }),
    signal: stop.signal,
    request: (request) => post({ kind: "request", request }),
    // It reads by handles, which only the POSIX layer has.
    secondThread: (size) => processors >= PROCESSORS && loadLibc() ? spare.lend(size) : undefined,
    onNote: () => {},
    onLink: (link) => link.close(),
  };
  scope.onmessage = async ({ data }: MessageEvent<ToEngine<Start, Note, Peer>>) => {
    if (data.kind === "note") return side.onNote(data.note);
    if (data.kind === "link") {
      const { port, handle, peer } = data;
      return side.onLink(handle === undefined ? portLink(port) : takeOver(handle, port), peer);
    }
    if (data.kind === "stop") return stop.abort();
    try {
      // The thread goes before its engine is said to have gone.
      post({ kind: "done", status: await engine(data.start, side).finally(() => spare.end()) });
    } catch (error) {
      const { message, stack = "" } = error as Error;
      post({ kind: "failed", fatal: error instanceof FatalError, message, stack });
    }
  };
}
