// What a program asked of the system, as strace tells it: the calls of all its threads, in the order in which they were done.

import { canRun, type Program } from "./program.ts";

/** One call that succeeded. */
export interface Call {
  readonly name: string;
  /** The text between its parentheses: strings and paths of handles are hexadecimal (`decoded`). */
  readonly args: string;
  readonly result: number;
}

/** Calls that change files or names, make them last, or send. */
const TRACED =
  "openat,openat2,pwrite64,write,ftruncate,mkdirat,mkdir,symlinkat,linkat,unlinkat,unlink,rmdir,rename,renameat," +
  "renameat2,copy_file_range,fsync,fdatasync,syncfs,sendto,writev,sendmsg";
/** `-ff`: each thread into a file of its own, so no line is cut in two; `-xx`: all strings in hexadecimal; `-y`: paths of handles. */
const FLAGS = ["-ff", "-y", "-xx", "-s", "4000000", "-ttt", "-T", "-e", `trace=${TRACED}`];

/** Why nothing can be traced here; undefined where it can. */
export function whyNoStrace(): string | undefined {
  if (Deno.build.os !== "linux") return "strace is for Linux";
  if (!canRun("strace", "--version")) return "there is no strace here";
  return canRun("strace", "-o", "/dev/null", "true") ? undefined : "nothing may be traced here";
}

/** The program under strace, which writes to files that begin with `prefix`. */
export function traced(prefix: string, program: Program): Program {
  return ["strace", ...FLAGS, "-o", prefix, ...program];
}

/** Ends the program that strace with this process id runs; strace ends with it. */
export function endTraced(pid: number): void {
  for (const child of Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ")) {
    Deno.kill(Number(child), "SIGTERM");
  }
}

/** The calls that strace has written down in `dir`, in files that begin with `name`. */
export function readTrace(dir: string, name: string): Call[] {
  const calls: { at: number; call: Call }[] = [];
  for (const file of Deno.readDirSync(dir)) {
    if (!file.name.startsWith(name)) continue;
    for (const line of Deno.readTextFileSync(`${dir}/${file.name}`).split("\n")) {
      const parts = /^(\d+\.\d+) (\w+)\((.*)\) += (\d+).*<(\d+\.\d+)>$/.exec(line);
      if (!parts) continue;
      const [, begun, name, args, result, took] = parts as unknown as [string, string, string, string, string, string];
      // What is sent may arrive as soon as the call begins; what it changes is changed when it ends.
      const at = Number(begun) + (isSent(name) ? 0 : Number(took));
      calls.push({ at, call: { name, args, result: Number(result) } });
    }
  }
  return calls.sort((a, b) => a.at - b.at).map(({ call }) => call);
}

/** Whether a call sends something through a socket or a pipe: dirsync writes to files at an offset. */
export function isSent(name: string): boolean {
  return name === "sendto" || name === "writev" || name === "sendmsg" || name === "write";
}

/** The paths of the handles in a call's arguments, in order. */
export function handlesOf({ args }: Call): string[] {
  return [...args.matchAll(/\b(?:\d+|AT_FDCWD)<([^>]*)>/g)].map(([, path]) => new TextDecoder().decode(decoded(path!)));
}

/** The strings in a call's arguments, in order. */
export function stringsOf({ args }: Call): Uint8Array<ArrayBuffer>[] {
  return [...args.matchAll(/"([^"]*)"/g)].map(([, text]) => decoded(text!));
}

function decoded(text: string): Uint8Array<ArrayBuffer> {
  // What names no file, such as a socket, is told in plain letters.
  return text.startsWith("\\x") ? Uint8Array.fromHex(text.replaceAll("\\x", "")) : new TextEncoder().encode(text);
}
