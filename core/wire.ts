// The protocol: which messages there are. Their bytes: core/wire_writer.ts, core/wire_reader.ts.
//
// A connection starts as an HTTP/1.1 upgrade and is then two streams of frames: a 32-bit big-endian length, a type byte,
// a body (the length counts type and body). The client sends steps as it plans them, with the content of files in
// between, and `commit` where the mirror shall make them visible; it does not wait for an answer before it goes on. The
// server answers `list`, `ask`, `commit`, `prove` and `ping` in the order in which they came.
import type { Held, Release } from "./events.ts";
import type { RelPath } from "./path.ts";
import type { Attributes, Digest, DirEntry, Entry, Problem, SymlinkEntry } from "./types.ts";

/** Counts up with every change that an older peer would misread (the chunker's cuts are no part of it). */
export const PROTOCOL = 5;
/** A feature: the mirror remembers which root its content came from (`rooted`, `welcome.lastRoot`). */
export const ROOTS = "roots";
/** A sample holds no longer paths than this (UTF-16 code units, of up to three bytes): they fit into a text. */
export const MAX_SAMPLE_LENGTH = 1000;

/** An entry of a directory of the mirror; `hash` is a directory's Merkle hash. */
export interface ListedEntry {
  readonly name: string;
  readonly entry: Entry;
  readonly hash?: Digest;
}

/** The name that goes with the number of a user or group. */
export interface AccountName {
  readonly id: number;
  readonly name: string;
}

/** A stretch of a chunk: bytes of the base, or new ones. */
export type PatchPart = { readonly offset: number; readonly length: number } | { readonly bytes: Uint8Array };

/** What the client sends. */
export type ClientMessage =
  | { type: "hello"; protocol: number; features: string[]; source: string; sourceId: string; dryRun: boolean }
  | { type: "list"; path: RelPath }
  /** Which of these chunks does the mirror hold? */
  | { type: "ask"; digests: Digest[] }
  /** Names of users and groups whose numbers will follow. */
  | { type: "names"; users: AccountName[]; groups: AccountName[] }
  /** Extended attributes, encoded (core/xattrs.ts), whose digest will follow. */
  | { type: "xattrs"; bytes: Uint8Array }
  | { type: "mkdir"; path: RelPath; entry: DirEntry }
  /** A small file in full, cut into chunks of these lengths. `sparse`: where it is zeros it may be holes. */
  | {
    type: "whole";
    path: RelPath;
    attributes: Attributes;
    sparse: boolean;
    average: number;
    content: Digest;
    lengths: readonly number[];
    bytes: Uint8Array;
  }
  /** Begins a file; `keep` refers to the file that the mirror holds at `base`. Its `content` comes with `fileEnd`. */
  | {
    type: "file";
    path: RelPath;
    attributes: Attributes;
    sparse: boolean;
    size: number;
    average: number;
    base: RelPath;
  }
  /** The next chunk, in full. */
  | { type: "literal"; bytes: Uint8Array }
  /** The next `count` chunks are those of the base from number `index` on. */
  | { type: "keep"; index: number; count: number }
  /** From here on, `keep` refers to the file that the mirror holds at `path`. */
  | { type: "base"; path: RelPath }
  /** Of what pieces are `count` chunks of the file that the mirror has at `path`, from number `index` on? */
  | { type: "sketch"; path: RelPath; index: number; count: number }
  /** The next chunk, put together from ranges of the file's first base and new bytes. */
  | { type: "patch"; digest: Digest; parts: readonly PatchPart[] }
  /** The next chunk is one that the mirror said it holds. */
  | { type: "known"; digest: Digest; length: number }
  | { type: "fileEnd"; content: Digest }
  /** The file begun is not to be: it changed while it was read. */
  | { type: "fileAbort" }
  | { type: "symlink"; path: RelPath; entry: SymlinkEntry }
  | { type: "link"; path: RelPath; to: RelPath }
  | { type: "meta"; path: RelPath; attributes: Attributes }
  | { type: "move"; from: RelPath; to: RelPath }
  | { type: "park"; path: RelPath; slot: number; stays: boolean }
  | { type: "unpark"; slot: number; below: RelPath; to: RelPath }
  | { type: "remove"; path: RelPath }
  | { type: "drop"; slot: number }
  | { type: "commit" }
  /** The mirror is in step with this source, or as near as it gets, and nothing is held: it is this source's now. */
  | { type: "adopt" }
  /** What comes from now on comes from this root (client/source_root.ts); only to a server that knows `ROOTS`. */
  | { type: "rooted"; root: string }
  /** Deletions are held (the brake); so that people on the server's side learn of it. */
  | { type: "held" } & Omit<Held, "source">
  /** Nothing is held any more. */
  | { type: "released"; how: Release }
  /** Whole frames of so many bytes together, packed (core/pack.ts); there is no pack in a pack. */
  | { type: "packed"; size: number; bytes: Uint8Array }
  /** What is the mirror's root hash? */
  | { type: "prove" }
  | { type: "ping" };

/** What the server sends. */
export type ServerMessage =
  /**
   * `holdsContent`: whether it is worth asking for chunks; `average`: the size of chunks it would like, 0 = no wish;
   * `lastId` and `lastSource`: id and name of the source that the mirror was last in step with, "" if none was;
   * `lastRoot`: the root that what it holds came from, "" if none is known; only to a client that knows `ROOTS`.
   */
  | {
    type: "welcome";
    features: string[];
    mirror: string;
    mirrorId: string;
    root: Digest;
    holdsContent: boolean;
    average: number;
    lastId: string;
    lastSource: string;
    lastRoot?: string;
  }
  | { type: "refuse"; message: string; retry: boolean }
  /** Still at work on an answer; may come at any time, and says only that. */
  | { type: "wait" }
  /** How many bytes the server has received so far, and the share of its time that it waited for them lately (percent). */
  | { type: "received"; bytes: number; share: number }
  /** A part of a directory; with `more`, another part follows. A directory that is not there has no entries. */
  | { type: "listing"; dir: DirEntry; more: boolean; entries: ListedEntry[] }
  /** One bit for each digest asked for, the first in the lowest bit of the first byte. */
  | { type: "holds"; bits: Uint8Array }
  /** The pieces (core/patch.ts): lengths in order, and the fingerprint of each; none where there is no such base any more. */
  | { type: "sketched"; lengths: readonly number[]; prints: Uint8Array }
  /** The steps since the last commit are durable, but for those that failed. */
  | { type: "committed"; problems: Problem[] }
  | { type: "proof"; root: Digest }
  | { type: "pong" };

/** Any message. */
export type Message = ClientMessage | ServerMessage;

/** Types of what the client sends; the type byte counts from 1. */
export const CLIENT_TYPES = [
  "hello",
  "list",
  "ask",
  "mkdir",
  "file",
  "literal",
  "keep",
  "known",
  "fileEnd",
  "fileAbort",
  "symlink",
  "meta",
  "move",
  "park",
  "unpark",
  "remove",
  "drop",
  "commit",
  "prove",
  "ping",
  "whole",
  "link",
  "names",
  "xattrs",
  "base",
  "sketch",
  "patch",
  "adopt",
  "held",
  "released",
  "packed",
  "rooted",
] as const satisfies readonly ClientMessage["type"][]; // deno-fmt-ignore-line
/** Types of what the server sends. */
export const SERVER_TYPES = [
  "welcome",
  "refuse",
  "listing",
  "holds",
  "committed",
  "proof",
  "pong",
  "wait",
  "sketched",
  "received",
] as const satisfies readonly ServerMessage["type"][];
/** The type byte of server messages starts here. */
export const SERVER_BASE = 64;
/** Kinds of entries; their number is their place here. */
export const KINDS = ["dir", "file", "symlink"] as const;
/** How many numbers there are for a user or group; the last one is NO_ID, which is written as 0. */
export const IDS = 2 ** 32;
