// Everything that reads what somebody else may have written: with valid examples to begin with, and the one error that may come
// out. What is accepted must be exactly what would have been written.

import fc from "fast-check";
import { createHash } from "node:crypto";
import { parseStored } from "../../client/route.ts";
import { Reader, Writer } from "../../core/codec.ts";
import { PathError, ProblemError, ProtocolError, UsageError } from "../../core/errors.ts";
import { IgnoreRules } from "../../core/ignore.ts";
import { encode256, formatInvitation, parseInvitation } from "../../core/invitation.ts";
import { fromBytes, parsePath, ROOT, toBytes } from "../../core/path.ts";
import { decodeRecipe, digestOf, encodeRecipe } from "../../core/recipe.ts";
import { type Message, PROTOCOL } from "../../core/wire.ts";
import { writeEntry, writeMessage } from "../../core/wire_writer.ts";
import { readClientMessage, readEntry, readServerMessage } from "../../core/wire_reader.ts";
import { decodeXattrs, encodeXattrs } from "../../core/xattrs.ts";
import { decodeJournal } from "../../server/journal.ts";
import { clientMessage, serverMessage } from "../support/arbitraries.ts";
import { plain } from "../support/entries.ts";

/** A decoder under test. */
export interface Decoder {
  readonly name: string;
  /** Decodes; encodes what came out again where that must give the same bytes. */
  readonly decode: (bytes: Uint8Array) => Uint8Array | void;
  /** The error that it may throw; none where it has another way to say no. */
  readonly error?: new (...args: never[]) => Error;
  readonly seeds: readonly Uint8Array[];
  /** Makes bytes that a mutation has broken whole again as far as a checksum goes. */
  readonly seal?: (bytes: Uint8Array) => Uint8Array;
}

const encoder = new TextEncoder();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function frame(message: Message): Uint8Array {
  const out = new Writer();
  writeMessage(out, message);
  return out.take().subarray(4);
}

function samples(messages: fc.Arbitrary<Message>): Uint8Array[] {
  const byType = new Map(fc.sample(messages, { numRuns: 400, seed: 1 }).map((message) => [message.type, message]));
  return [...byType.values()].map(frame);
}

function entryBytes(entry: Parameters<typeof writeEntry>[1]): Uint8Array {
  const out = new Writer();
  writeEntry(out, entry);
  return out.take();
}

const DIGEST = digestOf(new Uint8Array());
const TOKEN = encode256(new Uint8Array(32).fill(7));
const FILE = { kind: "file", ...plain(0o644, 1n), size: 5, average: 2048, content: DIGEST } as const;
const DIR = { kind: "dir", ...plain(0o755, -1n) } as const;
const LINK = { kind: "symlink", ...plain(0o777, 1n), target: "a/b" } as const;

function sealed(body: string): Uint8Array {
  return encoder.encode(`${createHash("sha256").update(body).digest("hex")}\n${body}`);
}

const JOURNAL = JSON.stringify({
  stamp: "2026-11-25T03-21-34.000Z",
  steps: [
    { op: "mkdir", path: "d", entry: DIR },
    { op: "file", path: "d/f", entry: FILE, at: ".dirsync/stage/x-1", ino: 5n },
    { op: "symlink", path: "s", entry: LINK },
    { op: "link", path: "l", to: "d/f" },
    { op: "meta", path: "d", attributes: plain(0o700, 3n) },
    { op: "move", from: "a", to: "b", was: { ino: 4n, mtimeNs: 9n } },
    { op: "park", path: "p", slot: 1, stays: true, was: { ino: 4n } },
    { op: "unpark", slot: 1, below: "", to: "q" },
    { op: "remove", path: "r" },
    { op: "drop", slot: 2, had: "h" },
  ],
}, (_, value) => typeof value === "bigint" ? { ns: String(value) } : value);

/** All of them. */
export const DECODERS: readonly Decoder[] = [
  {
    name: "client-message",
    decode: (bytes) => {
      const message = readClientMessage(bytes);
      // Of another version's hello only the version is read.
      if (message.type !== "hello" || message.protocol === PROTOCOL) return frame(message);
    },
    error: ProtocolError,
    seeds: samples(clientMessage),
  },
  {
    name: "server-message",
    decode: (bytes) => frame(readServerMessage(bytes)),
    error: ProtocolError,
    seeds: samples(serverMessage),
  },
  {
    name: "entry",
    decode: (bytes) => {
      const read = new Reader(bytes);
      const entry = readEntry(read);
      read.end();
      return entryBytes(entry);
    },
    error: ProtocolError,
    seeds: [FILE, DIR, LINK].map(entryBytes),
  },
  {
    name: "recipe",
    decode: (bytes) => encodeRecipe(decodeRecipe(bytes)),
    error: ProtocolError,
    seeds: [[], [300], [2048, 8192, 1]].map((lengths) =>
      encodeRecipe({ average: 2048, lengths, digests: lengths.map(() => DIGEST) })
    ),
  },
  {
    name: "xattrs",
    decode: (bytes) => encodeXattrs(decodeXattrs(bytes)),
    error: ProtocolError,
    seeds: [
      encodeXattrs(new Map([["user.a", encoder.encode("x")], ["user.b", new Uint8Array(200)]])),
      encodeXattrs(new Map([["system.posix_acl_access", new Uint8Array(28)]])),
    ],
  },
  {
    name: "path",
    decode: (bytes) => toBytes(parsePath(fromBytes(bytes))),
    error: PathError,
    seeds: ["a/b", "é/ü", "..x"].map((path) => encoder.encode(path)),
  },
  {
    name: "invitation",
    decode: (bytes) => {
      const invitation = parseInvitation(text(bytes));
      if (parseInvitation(formatInvitation(invitation)).token !== invitation.token) throw new Error("another token");
    },
    error: UsageError,
    seeds: [`nas:5000/${TOKEN}/${TOKEN}`, `[::1]:7/${TOKEN}/plain`, `nas/${TOKEN}/ca`].map((rest) =>
      encoder.encode(`dirsync://${rest}`)
    ),
  },
  {
    name: "stored-server",
    decode: (bytes) => void parseStored(text(bytes)),
    error: SyntaxError,
    seeds: [{ trust: TOKEN, token: TOKEN, certificate: "x" }, { trust: "ca" }].map((stored) =>
      encoder.encode(JSON.stringify(stored))
    ),
  },
  {
    name: "ignore-file",
    decode: (bytes) =>
      void new IgnoreRules(["*.o"]).withFile(ROOT, text(bytes)).ignores(parsePath("some/file.o"), false),
    error: ProblemError,
    seeds: ["*.log\n!keep\n/build/\n", "**/a[b-c]?\\*\n# note\n\\!x \n", "a/**/b\r\n[!a]\n"].map((file) =>
      encoder.encode(file)
    ),
  },
  {
    name: "journal",
    decode: (bytes) => void decodeJournal(bytes),
    seeds: [sealed(JOURNAL)],
    seal: (bytes) => sealed(text(bytes.subarray(65))),
  },
];
