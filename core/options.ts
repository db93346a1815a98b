// The command line: args -> taken apart (core/arguments.ts) -> values checked one by one -> Command. Pure: reads no file, no
// environment.

import { type Address, parseAddress, wrong } from "./address.ts";
import { type Arguments, asksFor, closest, readArguments, valueOf } from "./arguments.ts";
import { UsageError } from "./errors.ts";
import { type CommandName, COMMANDS } from "./flags.ts";
import type { Access } from "./grant.ts";
import { helpOf, OVERVIEW } from "./help.ts";
import { parseServer, type ServerChoice } from "./invitation.ts";
import { MAX_AVERAGE, MIN_AVERAGE } from "./limits.ts";
import { parseWhen, type When } from "./when.ts";

/** What the two commands print, and where. */
export interface OutputOptions {
  /** Events as JSON, one a line, on stdout. */
  readonly json: boolean;
  /** Only what is wrong. */
  readonly quiet: boolean;
  /** More than usual. */
  readonly verbose: boolean;
}

/** Options of `dirsync server`. */
export interface ServerOptions {
  /** The mirror, as given: not resolved, not looked at. */
  readonly dir: string;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Average chunk size in bytes, a power of two from MIN_AVERAGE to MAX_AVERAGE; a hint. */
  readonly blocksize?: number;
  /** How long replaced and deleted files are kept, in days; 0 = not at all. */
  readonly historyDays: number;
  /** At most how many bytes of them are kept; undefined = as the mirror's size has it. */
  readonly historyBytes?: number;
  /** Neither TLS nor a token, whatever the interface is. */
  readonly insecure: boolean;
  /** A token on the loopback too. */
  readonly token: boolean;
  /** Files of an own certificate and its key. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** Where clients find the server; port 0 = the one that it listens on. */
  readonly address?: Address;
  readonly output: OutputOptions;
  /** Folder for private state, instead of the user's state folder. */
  readonly state?: string;
  readonly fsync: boolean;
}

/** A limit of deletions (client/brake.ts): a number of entries, or a percentage (0..100) of all entries. */
export type MaxDelete = { readonly entries: number } | { readonly percent: number };

/** Options of `dirsync client`. */
export interface ClientOptions {
  /** The source, as given: not resolved, not looked at. */
  readonly dir: string;
  /** Undefined where it was not said. */
  readonly server?: ServerChoice;
  /** A file that holds a token or an invitation. */
  readonly tokenFile?: string;
  /** Shortest time between two versions of one file that are sent, in ms; undefined = adaptive. */
  readonly updatemaxMs?: number;
  /** Ends when the mirror is up to date. Set by --dry-run too. */
  readonly once: boolean;
  readonly dryRun: boolean;
  /** gitignore patterns, in the order given. */
  readonly exclude: readonly string[];
  /** Bytes a second. */
  readonly bwlimit?: number;
  readonly maxDelete: MaxDelete;
  /** Extended attributes and access control lists too. */
  readonly xattrs: boolean;
  /** Owners go by their numbers, not by their names. */
  readonly numericIds: boolean;
  readonly output: OutputOptions;
  /** Folder for private state, instead of the user's state folder. */
  readonly state?: string;
  readonly fsync: boolean;
}

/** Options of `dirsync approve`. */
export interface ApproveOptions {
  /** The source, as given. */
  readonly dir: string;
  readonly output: OutputOptions;
  /** Folder for private state, instead of the user's state folder. */
  readonly state?: string;
}

/** Options of `dirsync history`. */
export interface HistoryOptions {
  /** What is asked for, in a mirror's directory; as given. */
  readonly path: string;
  /** One JSON object a line. */
  readonly json: boolean;
}

/** Options of `dirsync restore`. */
export interface RestoreOptions extends HistoryOptions {
  /** The moment, ms since the epoch or before now; undefined = before the last change. */
  readonly at?: When;
  /** The directory to copy to, as given; undefined = back to its place. */
  readonly to?: string;
}

/** What the commands about clients of a server are told. */
export interface DoorOptions {
  /** The mirror, as given. */
  readonly dir: string;
  readonly json: boolean;
  /** Folder for private state, instead of the user's state folder. */
  readonly state?: string;
}

/** Options of `dirsync invite`. */
export interface InviteOptions extends DoorOptions {
  readonly name?: string;
  readonly access: Access;
  readonly quotaBytes?: number;
  readonly expiresDays?: number;
  /** Where clients find the server; port 0 = the one that it listens on. */
  readonly address?: Address;
}

/** What the command line asks for. */
export type Command =
  | { readonly command: "server"; readonly options: ServerOptions }
  | { readonly command: "client"; readonly options: ClientOptions }
  | { readonly command: "approve"; readonly options: ApproveOptions }
  | { readonly command: "history"; readonly options: HistoryOptions }
  | { readonly command: "restore"; readonly options: RestoreOptions }
  | { readonly command: "invite"; readonly options: InviteOptions }
  | { readonly command: "clients"; readonly options: DoorOptions }
  | { readonly command: "revoke"; readonly options: DoorOptions & { readonly name: string } }
  | { readonly command: "help"; readonly text: string }
  | { readonly command: "version" };

/** Where the mirror is when the server is not told. */
const DEFAULT_DIR = "./Storage";
/** Longest --history (days): a hundred years. */
const MAX_HISTORY_DAYS = 36_500;
/** Smallest --bwlimit (bytes a second): with less, what one message holds would take longer than a peer may be silent. */
const MIN_RATE = 8 << 10;
/** Longest --updatemax (s): a day. */
const MAX_UPDATEMAX_S = 86_400;
/** Longest --expires (days): ten years. */
const MAX_EXPIRES_DAYS = 3650;
/** Names of clients: short, visible, safe in a shell and a log. */
const CLIENT_NAME = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}._@-]{0,63}$/u;

/**
 * Reads a command line (without the program's name).
 *
 * @throws {UsageError} With one line that names what is wrong and what to do. It may hold any character of `args`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const command = parseCommandLine(["client", "./project", "--once"]);
 * assert(command.command === "client" && command.options.once);
 * ```
 */
export function parseCommandLine(args: readonly string[]): Command {
  const [first, ...rest] = args;
  if (first === undefined) return { command: "help", text: OVERVIEW };
  if (!isCommandName(first)) return withoutCommand(first, rest);
  if (asksFor(rest, "--help", "-h")) return { command: "help", text: helpOf(first) };
  if (asksFor(rest, "--version")) return { command: "version" };
  const given = readArguments(first, rest);
  switch (first) {
    case "server":
      return { command: first, options: serverOptions(given) };
    case "client":
      return { command: first, options: clientOptions(given) };
    case "approve":
      return { command: first, options: approveOptions(given) };
    case "history":
      return { command: first, options: { path: operandOf(given) ?? ".", json: given.values.has("json") } };
    case "restore":
      return { command: first, options: restoreOptions(given) };
    case "invite":
      return { command: first, options: inviteOptions(given) };
    case "clients":
      return { command: first, options: doorOptions(given) };
    case "revoke":
      return { command: first, options: revokeOptions(given) };
  }
}

function isCommandName(text: string): text is CommandName {
  return (COMMANDS as readonly string[]).includes(text);
}

/** A command line whose first word is no command that does something. */
function withoutCommand(first: string, rest: readonly string[]): Command {
  if (first === "--version") return { command: "version" };
  if (first === "help" || asksFor([first, ...rest], "--help", "-h")) {
    const about = rest.find((arg) => !arg.startsWith("-"));
    if (about === undefined) return { command: "help", text: OVERVIEW };
    if (isCommandName(about)) return { command: "help", text: helpOf(about) };
    throw unknownCommand(about);
  }
  if (first.startsWith("-")) {
    throw new UsageError(`"${first}" comes before the command; write dirsync server [DIR] or dirsync client DIR first`);
  }
  throw unknownCommand(first);
}

function unknownCommand(text: string): UsageError {
  const close = closest(text, COMMANDS);
  const hint = close ? `did you mean "${close}"?` : `the commands are: ${COMMANDS.join(", ")}`;
  return new UsageError(`Unknown command "${text}"; ${hint}`);
}

function serverOptions(given: Arguments): ServerOptions {
  const blocksize = valueOf(given, "blocksize"), historySize = valueOf(given, "history-size");
  const cert = valueOf(given, "cert"), key = valueOf(given, "key");
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError(`Options "--cert" and "--key" belong together; give both`);
  }
  const insecure = given.values.has("insecure");
  for (const protection of ["token", "cert"]) {
    if (insecure && given.values.has(protection)) {
      throw new UsageError(`Options "--insecure" and "--${protection}" exclude each other; choose one`);
    }
  }
  return {
    dir: operandOf(given) ?? DEFAULT_DIR,
    ...parseAddress("--interface", valueOf(given, "interface")!, { freePort: true }),
    ...(blocksize !== undefined && { blocksize: parseBlocksize(blocksize) }),
    historyDays: parseHistory(valueOf(given, "history")!),
    ...(historySize !== undefined && { historyBytes: parseHistorySize(historySize) }),
    insecure,
    token: given.values.has("token"),
    ...(cert !== undefined && { certificate: { cert, key: key! } }),
    ...addressOption(given),
    ...commonOptions(given),
  };
}

function approveOptions(given: Arguments): ApproveOptions {
  const { output, state } = commonOptions(given);
  return { dir: sourceOf(given), output, ...(state !== undefined && { state }) };
}

/** The source, which must be named. */
function sourceOf(given: Arguments): string {
  const dir = operandOf(given), { command } = given;
  if (dir !== undefined) return dir;
  throw new UsageError(`Which directory? Write dirsync ${command} DIR; dirsync ${command} --help tells more`);
}

function clientOptions(given: Arguments): ClientOptions {
  const dir = sourceOf(given);
  const server = given.values.get("server")?.[0], tokenFile = valueOf(given, "token-file");
  const updatemax = valueOf(given, "updatemax"), bwlimit = valueOf(given, "bwlimit");
  const dryRun = given.values.has("dry-run");
  return {
    dir,
    ...(server !== undefined && { server: parseServer(server) }),
    ...(tokenFile !== undefined && { tokenFile }),
    ...(updatemax !== undefined && { updatemaxMs: parseUpdatemax(updatemax) }),
    once: dryRun || given.values.has("once"),
    dryRun,
    exclude: given.values.get("exclude") ?? [],
    ...(bwlimit !== undefined && { bwlimit: parseRate(bwlimit) }),
    maxDelete: parseMaxDelete(valueOf(given, "max-delete")!),
    xattrs: given.values.has("xattrs"),
    numericIds: given.values.has("numeric-ids"),
    ...commonOptions(given),
  };
}

function restoreOptions(given: Arguments): RestoreOptions {
  const path = operandOf(given), at = valueOf(given, "at"), to = valueOf(given, "to");
  if (path === undefined) {
    throw new UsageError("Restore what? Write dirsync restore PATH; dirsync restore --help tells more");
  }
  return {
    path,
    json: given.values.has("json"),
    ...(at !== undefined && { at: parseWhen("--at", at) }),
    ...(to !== undefined && { to }),
  };
}

function commonOptions(given: Arguments): Pick<ServerOptions, "output" | "state" | "fsync"> {
  const state = valueOf(given, "state");
  const [json, quiet, verbose] = [given.values.has("json"), given.values.has("quiet"), given.values.has("verbose")];
  if (quiet && verbose) throw new UsageError(`Options "--quiet" and "--verbose" exclude each other; choose one`);
  return {
    output: { json, quiet, verbose },
    ...(state !== undefined && { state }),
    fsync: !given.values.has("no-fsync"),
  };
}

function inviteOptions(given: Arguments): InviteOptions {
  const { values } = given;
  const limits = (["no-delete", "add-only", "read-only"] as const).filter((limit) => values.has(limit));
  if (limits.length > 1) {
    throw new UsageError(`Options "--${limits[0]}" and "--${limits[1]}" exclude each other; choose one`);
  }
  const name = valueOf(given, "name"), quota = valueOf(given, "quota"), expires = valueOf(given, "expires");
  return {
    ...doorOptions(given),
    ...addressOption(given),
    access: limits[0] ?? "full",
    ...(name !== undefined && { name: parseClientName("--name", name) }),
    ...(quota !== undefined && { quotaBytes: parseQuota(quota) }),
    ...(expires !== undefined && { expiresDays: parseExpires(expires) }),
  };
}

function doorOptions(given: Arguments): DoorOptions {
  const state = valueOf(given, "state");
  return {
    dir: operandOf(given) ?? DEFAULT_DIR,
    json: given.values.has("json"),
    ...(state !== undefined && { state }),
  };
}

function revokeOptions(given: Arguments): DoorOptions & { name: string } {
  const [name, ...operands] = given.operands;
  if (name === undefined) {
    throw new UsageError("Which client? Write dirsync revoke NAME [DIR]; dirsync clients lists them");
  }
  return { ...doorOptions({ ...given, operands }), name: parseClientName("NAME", name) };
}

function addressOption(given: Arguments): { address?: Address } {
  const address = valueOf(given, "address");
  return address === undefined ? {} : { address: parseAddress("--address", address, { defaultPort: 0 }) };
}

function parseClientName(option: string, name: string): string {
  if (CLIENT_NAME.test(name)) return name;
  throw wrong(option, name, "write 1 to 64 letters, digits, dots, hyphens, _ or @, with a letter or digit first");
}

function parseQuota(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined || !Number.isSafeInteger(Math.ceil(bytes)) || bytes < 1) {
    throw wrong("--quota", text, "it must be a number of bytes, 500M or 10G for example");
  }
  return Math.ceil(bytes);
}

function parseExpires(text: string): number {
  const days = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(days > 0 && days <= MAX_EXPIRES_DAYS)) {
    throw wrong("--expires", text, `it must be a number of days up to ${MAX_EXPIRES_DAYS}, 30 for example`);
  }
  return days;
}

/** The one directory. */
function operandOf({ command, operands }: Arguments): string | undefined {
  if (operands.length > 1) {
    throw new UsageError(
      `dirsync ${command} takes one ${command === "restore" || command === "history" ? "path" : "directory"}, but "${
        operands[1]
      }" comes after "${operands[0]}"; quote names with spaces`,
    );
  }
  if (operands[0] === "") throw new UsageError(`The directory is an empty text; write . for the current one`);
  return operands[0];
}

/** A number of bytes, with K, M or G (times 1024) behind it; undefined when it is none. */
function parseBytes(text: string): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([kmg]?)(?:i?b)?$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * 1024 ** ["", "k", "m", "g"].indexOf(unit!.toLowerCase());
}

function parseBlocksize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined || bytes < MIN_AVERAGE || bytes > MAX_AVERAGE) {
    throw wrong("--blocksize", text, `it must be from ${MIN_AVERAGE >> 10}K to ${MAX_AVERAGE >> 10}K, 64K for example`);
  }
  return 2 ** Math.round(Math.log2(bytes));
}

function parseHistory(text: string): number {
  const days = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : NaN;
  if (!(days <= MAX_HISTORY_DAYS)) {
    throw wrong("--history", text, `it must be a number of days from 0 to ${MAX_HISTORY_DAYS}, 30 for example`);
  }
  return days;
}

function parseHistorySize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined || !Number.isSafeInteger(Math.floor(bytes))) {
    throw wrong("--history-size", text, "it must be a size such as 500M or 10G");
  }
  return Math.floor(bytes);
}

function parseRate(text: string): number {
  const bytes = parseBytes(text.replace(/\/s$/i, ""));
  if (bytes === undefined || bytes < MIN_RATE) {
    throw wrong("--bwlimit", text, `it must be bytes a second, at least ${MIN_RATE >> 10}K; 10M for example`);
  }
  return bytes;
}

function parseUpdatemax(text: string): number {
  const seconds = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : NaN;
  if (!(seconds <= MAX_UPDATEMAX_S)) {
    throw wrong("--updatemax", text, `it must be a number of seconds from 0 to ${MAX_UPDATEMAX_S}, 0.5 for example`);
  }
  return seconds > 0 ? Math.max(1, Math.round(seconds * 1000)) : 0;
}

function parseMaxDelete(text: string): MaxDelete {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent !== undefined && Number(percent) <= 100) return { percent: Number(percent) };
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return { entries: Number(text) };
  throw wrong("--max-delete", text, "it must be a number of entries such as 1000, or a percentage such as 50%");
}
