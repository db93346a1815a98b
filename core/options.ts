// The command line. One table of flags is the source of parsing and of --help (and later of completions and man page).
//
// args -> tokens (table decides what takes a value) -> values checked one by one -> Command. Pure: reads no file, no
// environment. Why not @std/cli/parse-args: it cannot tell `--server` without a value from `--server=`, drops all but the
// last of a repeated option without a word, cuts `--updatemax -1` to pieces and takes `--once=yes`; each of these shall be
// one clear message here.

import { type Address, parseAddress, parseServer, wrong } from "./address.ts";
import { UsageError } from "./errors.ts";
import { MAX_AVERAGE, MIN_AVERAGE } from "./limits.ts";

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
  /** How long replaced and deleted files are kept, in days. */
  readonly historyDays: number;
  /** The user knows that the interface is not protected. */
  readonly insecure: boolean;
  readonly output: OutputOptions;
  /** Folder for private state, instead of the user's state folder. */
  readonly state?: string;
  readonly fsync: boolean;
}

/** A limit of deletions: a number of entries, or a percentage (0..100) of all entries. */
export type MaxDelete = { readonly entries: number } | { readonly percent: number };

/** Options of `dirsync client`. */
export interface ClientOptions {
  /** The source, as given: not resolved, not looked at. */
  readonly dir: string;
  readonly server: Address;
  /** Shortest time between two versions of one file that are sent, in ms; undefined = adaptive. */
  readonly updatemaxMs?: number;
  /** Ends when the mirror is up to date. Set by --dry-run too. */
  readonly once: boolean;
  readonly dryRun: boolean;
  /** gitignore patterns, in the order given. */
  readonly exclude: readonly string[];
  /** Bytes a second. */
  readonly bwlimit?: number;
  readonly maxDelete?: MaxDelete;
  /** Extended attributes and access control lists too. */
  readonly xattrs: boolean;
  /** Owners go by their numbers, not by their names. */
  readonly numericIds: boolean;
  readonly output: OutputOptions;
  /** Folder for private state, instead of the user's state folder. */
  readonly state?: string;
  readonly fsync: boolean;
}

/** What the command line asks for. */
export type Command =
  | { readonly command: "server"; readonly options: ServerOptions }
  | { readonly command: "client"; readonly options: ClientOptions }
  | { readonly command: "help"; readonly text: string }
  | { readonly command: "version" };

/** The commands that have options. */
export type CommandName = "server" | "client";

/** One option. */
export interface Flag {
  readonly commands: readonly CommandName[];
  /** Without the leading "--". */
  readonly name: string;
  /** One letter, without the leading "-". */
  readonly short?: string;
  /** What the value is called in the help; a flag without one is a switch. */
  readonly value?: string;
  readonly repeatable?: true;
  readonly default?: string;
  readonly help: string;
}

const BOTH = ["server", "client"] as const;

/** Every option there is, in the order of the help. */
export const FLAGS: readonly Flag[] = [
  {
    commands: ["server"],
    name: "interface",
    short: "i",
    value: "HOST[:PORT]",
    default: "localhost:5000",
    help: "where to listen; port 0 takes a free one",
  },
  {
    commands: ["server"],
    name: "blocksize",
    short: "b",
    value: "BYTES",
    help: "average size of the pieces that files are compared in, 2K to 256K. A hint, rounded to a power of two " +
      "(default: chosen for each file from its size)",
  },
  {
    commands: ["server"],
    name: "insecure",
    help: "you know that an interface other than localhost is open: this version has neither encryption nor passwords",
  },
  {
    commands: ["client"],
    name: "server",
    short: "s",
    value: "HOST[:PORT]",
    default: "localhost:5000",
    help: "where the server is, http://HOST:PORT/ too; the client waits for one that is not there yet",
  },
  {
    commands: ["client"],
    name: "updatemax",
    short: "u",
    value: "SECONDS",
    help: "send a file that keeps changing at most once in so many seconds (0.5, say; 0: at once). Its last state is " +
      "always sent (default: adaptive, cheap files at once, costly ones rarely)",
  },
  {
    commands: ["client"],
    name: "once",
    help: "bring the mirror up to date, then end",
  },
  {
    commands: ["client"],
    name: "dry-run",
    help: "print what --once would do, change nothing",
  },
  {
    commands: ["client"],
    name: "exclude",
    value: "PATTERN",
    repeatable: true,
    help: "leave out what matches, in the syntax of .gitignore; may be given more than once",
  },
  {
    commands: ["client"],
    name: "max-delete",
    value: "N|P%",
    help: "the most entries, or percent of all, that may be deleted at once. Accepted; the brake itself comes in a " +
      "later version",
  },
  {
    commands: ["client"],
    name: "xattrs",
    help: "mirror extended attributes (user.*) and access control lists too",
  },
  {
    commands: ["client"],
    name: "numeric-ids",
    help: "owners and groups go by their numbers (default: by name where both machines know it, else by number)",
  },
  { commands: BOTH, name: "json", help: "print events on stdout, one JSON object a line" },
  { commands: BOTH, name: "quiet", help: "print only what is wrong" },
  { commands: BOTH, name: "verbose", help: "print more: every path, and details" },
  {
    commands: ["client"],
    name: "state",
    value: "DIR",
    help: "where dirsync keeps its own notes (default: the user's state folder)",
  },
  {
    commands: ["server"],
    name: "state",
    value: "DIR",
    help: "accepted; a server keeps its own notes in .dirsync in its DIR",
  },
  { commands: ["client"], name: "no-fsync", help: "accepted; give it to the server, which is the side that writes" },
  {
    commands: ["server"],
    name: "no-fsync",
    help: "do not wait for the disk: faster, but a power cut may lose the latest changes",
  },
  { commands: BOTH, name: "help", short: "h", help: "print this" },
  { commands: BOTH, name: "version", help: "print the version" },
];

/** What the help of a command says besides its flags. Lines are at most 80 characters. */
const TEXTS: Record<CommandName, { operand: string; about: string; after: string }> = {
  server: {
    operand: "[DIR]",
    about: `Holds the mirror: DIR (default: ./Storage, made if it is not there) becomes
an exact copy of what a client sends. What is in DIR but not in the client's
directory is removed.`,
    after: `Examples:
  dirsync server                      mirror in ./Storage, this machine only
  dirsync server /srv/mirror          the same in another place
  dirsync server -i localhost:7000    another port

From another machine, safely, through ssh:
  ssh -N -L 5000:localhost:5000 HOST  leave it running there, and then
  dirsync client DIR                  in a second terminal

Ctrl+C ends it. Exit status: 0 ended, 1 cannot start, 2 wrong usage.`,
  },
  client: {
    operand: "DIR",
    about: `Watches DIR and keeps the mirror on a server equal to it. DIR itself is only
read. What is in the mirror but not in DIR is removed from the mirror.`,
    after: `Examples:
  dirsync client ./project            to the server on this machine
  dirsync client ./project -s nas     to a server in a network you trust
  dirsync client ./project --exclude node_modules --exclude '*.log'
  dirsync client ./project --once     once, for scripts
  dirsync client -- -odd-name         a directory that starts with "-"

What the lines mean:
  + new   ~ changed   - removed   > moved   = time or permissions only

Ctrl+C ends it. Exit status: 0 done, 1 cannot start, 2 wrong usage,
3 done but some paths could not be mirrored (--once).`,
  },
};

const OVERVIEW = `dirsync keeps an exact mirror of a directory, on this machine or another

Usage:
  dirsync server [DIR]    hold the mirror; run it where the copy shall be
  dirsync client DIR      watch DIR and keep the mirror equal to it

Try it in two terminals:
  dirsync server ./mirror
  dirsync client ./project

More:
  dirsync server --help   options and examples of the server
  dirsync client --help   options and examples of the client
  dirsync --version       the version
`;

/** Where the mirror is when the server is not told. */
const DEFAULT_DIR = "./Storage";
/** How long replaced and deleted files are kept (days). */
const DEFAULT_HISTORY_DAYS = 30;
/** Longest --updatemax (s): a day. */
const MAX_UPDATEMAX_S = 86_400;

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
  return first === "server"
    ? { command: first, options: serverOptions(given) }
    : { command: first, options: clientOptions(given) };
}

/** The help of one command. */
function helpOf(command: CommandName): string {
  const { operand, about, after } = TEXTS[command];
  const rows = FLAGS.filter((flag) => flag.commands.includes(command)).map((flag) => {
    const short = flag.short ? `-${flag.short}, ` : "    ";
    const fallback = flag.default ? ` (default: ${flag.default})` : "";
    return [`  ${short}--${flag.name}${flag.value ? ` ${flag.value}` : ""}`, flag.help + fallback] as const;
  });
  const indent = Math.max(...rows.map(([left]) => left.length)) + 2;
  const options = rows.flatMap(([left, right]) =>
    wrap(right, 80 - indent).map((line, index) => (index === 0 ? left : "").padEnd(indent) + line)
  );
  return `Usage: dirsync ${command} ${operand} [OPTION]...\n\n${about}\n\nOptions:\n${
    options.join("\n")
  }\n\n${after}\n`;
}

/** Breaks text into lines of at most `width` characters. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function isCommandName(text: string): text is CommandName {
  return text === "server" || text === "client";
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
  const close = closest(text, ["server", "client"]);
  const hint = close ? `did you mean "${close}"?` : "the commands are: dirsync server [DIR], dirsync client DIR";
  return new UsageError(`Unknown command "${text}"; ${hint}`);
}

/** Whether one of `options` is among the options. They can never be the value of another: see `readArguments`. */
function asksFor(args: readonly string[], ...options: string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((arg) => options.includes(arg));
}

/** A command line taken apart. */
interface Arguments {
  readonly command: CommandName;
  readonly operands: readonly string[];
  /** Values of each option that was given, by its long name; "" for a switch. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** Takes arguments apart: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`; after `--` only operands. */
function readArguments(command: CommandName, args: readonly string[]): Arguments {
  const operands: string[] = [];
  const values = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") {
      operands.push(...args.slice(index + 1));
      break;
    }
    if (arg === "-" || !arg.startsWith("-")) {
      operands.push(arg);
      continue;
    }
    const { flag, attached } = findFlag(command, arg);
    let value = attached;
    if (flag.value === undefined) {
      if (value !== undefined) throw new UsageError(`Option "--${flag.name}" takes no value, but "${arg}" has one`);
    } else if (value === undefined && args[index + 1] !== undefined && !isOptionLike(args[index + 1]!)) {
      value = args[++index]!;
    }
    if (flag.value !== undefined && !value) throw missingValue(flag, args[index + 1]);
    if (flag.value !== undefined && !flag.repeatable && values.has(flag.name)) {
      throw new UsageError(`Option "--${flag.name}" is given more than once; give it once`);
    }
    values.set(flag.name, [...values.get(flag.name) ?? [], value ?? ""]);
  }
  return { command, operands, values };
}

/** Whether a word is an option rather than the value of the one before it. A number below zero is a value. */
function isOptionLike(text: string): boolean {
  return /^-[^\d.]/.test(text);
}

function missingValue(flag: Flag, next: string | undefined): UsageError {
  const hint = next !== undefined && isOptionLike(next)
    ? `; for a value that starts with "-" write --${flag.name}=VALUE`
    : "";
  return new UsageError(`Option "--${flag.name}" needs a value: --${flag.name} ${flag.value}${hint}`);
}

/** The flag that `arg` ("--name", "--name=value", "-n", "-nvalue") stands for, and the value that hangs on it. */
function findFlag(command: CommandName, arg: string): { flag: Flag; attached: string | undefined } {
  const flags = FLAGS.filter((flag) => flag.commands.includes(command));
  if (arg.startsWith("--")) {
    const equals = arg.indexOf("=");
    const name = arg.slice(2, equals < 0 ? arg.length : equals);
    const flag = flags.find((flag) => flag.name === name);
    if (!flag) throw unknownOption(command, `--${name}`);
    return { flag, attached: equals < 0 ? undefined : arg.slice(equals + 1) };
  }
  const flag = flags.find((flag) => flag.short === arg[1]);
  // "-insecure" is a slip of the hand, not the interface "nsecure".
  if (!flag || FLAGS.some((flag) => `-${flag.name}` === arg)) throw unknownOption(command, arg);
  const rest = arg.slice(2);
  return { flag, attached: rest === "" ? undefined : rest.replace(/^=/, "") };
}

function unknownOption(command: CommandName, option: string): UsageError {
  const name = option.replace(/^-+/, "");
  const other = FLAGS.find((flag) => flag.name === name && !flag.commands.includes(command));
  if (other) {
    return new UsageError(`Option "--${name}" belongs to dirsync ${other.commands[0]}, not to dirsync ${command}`);
  }
  const names = FLAGS.filter((flag) => flag.commands.includes(command)).map((flag) => flag.name);
  const close = closest(name, names);
  const hint = close ? `did you mean "--${close}"? ` : "";
  return new UsageError(`Unknown option "${option}"; ${hint}dirsync ${command} --help lists them`);
}

/** The word that `text` is most likely a slip of; undefined when none is near. */
function closest(text: string, words: readonly string[]): string | undefined {
  if (text.length > 30) return undefined;
  const near = words.map((word) => ({ word, distance: word === text ? 0 : distanceOf(text.toLowerCase(), word) }))
    .filter(({ word, distance }) => distance <= Math.min(2, Math.floor(word.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.word;
}

/** Edits (insert, remove, replace a letter) between two words: Levenshtein's distance, row by row. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

function serverOptions(given: Arguments): ServerOptions {
  const blocksize = valueOf(given, "blocksize");
  return {
    dir: operandOf(given) ?? DEFAULT_DIR,
    ...parseAddress("--interface", valueOf(given, "interface")!, { freePort: true }),
    ...(blocksize !== undefined && { blocksize: parseBlocksize(blocksize) }),
    historyDays: DEFAULT_HISTORY_DAYS,
    insecure: given.values.has("insecure"),
    ...commonOptions(given),
  };
}

function clientOptions(given: Arguments): ClientOptions {
  const dir = operandOf(given);
  if (dir === undefined) {
    throw new UsageError("Which directory? Write dirsync client DIR; dirsync client --help tells more");
  }
  const updatemax = valueOf(given, "updatemax"), maxDelete = valueOf(given, "max-delete");
  const dryRun = given.values.has("dry-run");
  return {
    dir,
    server: parseServer(valueOf(given, "server")!),
    ...(updatemax !== undefined && { updatemaxMs: parseUpdatemax(updatemax) }),
    once: dryRun || given.values.has("once"),
    dryRun,
    exclude: given.values.get("exclude") ?? [],
    ...(maxDelete !== undefined && { maxDelete: parseMaxDelete(maxDelete) }),
    xattrs: given.values.has("xattrs"),
    numericIds: given.values.has("numeric-ids"),
    ...commonOptions(given),
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

/** The value of a single option, or its default. */
function valueOf(given: Arguments, name: string): string | undefined {
  return given.values.get(name)?.[0] ?? FLAGS.find((flag) => flag.name === name)?.default;
}

/** The one directory. */
function operandOf({ command, operands }: Arguments): string | undefined {
  if (operands.length > 1) {
    throw new UsageError(
      `dirsync ${command} takes one directory, but "${operands[1]}" comes after "${
        operands[0]
      }"; quote names with spaces`,
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
