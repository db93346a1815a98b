// Takes a command line apart by the table of flags, which decides what takes a value. Why not @std/cli/parse-args: it cannot
// tell `--server` without a value from `--server=`, drops all but the last of a repeated option without a word, cuts
// `--updatemax -1` to pieces and takes `--once=yes`; each of these shall be one clear message here.

import { UsageError } from "./errors.ts";
import { type CommandName, type Flag, FLAGS } from "./flags.ts";

/** Whether one of `options` is among the options. They can never be the value of another: see `readArguments`. */
export function asksFor(args: readonly string[], ...options: string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((arg) => options.includes(arg));
}

/** A command line taken apart. */
export interface Arguments {
  readonly command: CommandName;
  readonly operands: readonly string[];
  /** Values of each option that was given, by its long name; "" for a switch. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** Takes arguments apart: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`; after `--` only operands. */
export function readArguments(command: CommandName, args: readonly string[]): Arguments {
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
export function closest(text: string, words: readonly string[]): string | undefined {
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

/** The value of a single option, or its default. */
export function valueOf(given: Arguments, name: string): string | undefined {
  return given.values.get(name)?.[0] ?? FLAGS.find((flag) => flag.name === name)?.default;
}
