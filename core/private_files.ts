// Files that only their owner may read: keys, tokens, what a client remembers of a server. Written whole or not at all.

import { randomId } from "./random.ts";

/** Makes a folder, and what it lies in, that only its owner may enter, also if it was there. @returns Its real path. */
export function makePrivateFolder(path: string): string {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  requireOwn(path);
  if (Deno.build.os !== "windows") Deno.chmodSync(path, 0o700);
  return Deno.realPathSync(path);
}

/** @throws {Error} If what is at `path` is somebody else's, who could read and change what is in it. */
export function requireOwn(path: string, me: number | null = Deno.uid()): void {
  let uid: number | null;
  try {
    ({ uid } = Deno.statSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (uid === null || me === null || uid === me) return;
  throw new Error(`"${path}" belongs to another user; name another folder with --state DIR`);
}

/** Makes an empty file that others may not read, if there is none. SQLite gives its other files the mode of the database. */
export function makePrivateFile(path: string): void {
  if (path === ":memory:" || Deno.build.os === "windows") return;
  Deno.openSync(path, { create: true, append: true, mode: 0o600 }).close();
}

/** Writes a file of which others see nothing, over one that may be there. */
export function writePrivately(path: string, text: string): void {
  const temporary = `${path}.${randomId()}`;
  try {
    const file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
    try {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncSync();
    } finally {
      file.close();
    }
    Deno.renameSync(temporary, path);
  } catch (error) {
    try {
      Deno.removeSync(temporary);
    } catch {
      // It was not made.
    }
    throw error;
  }
}

/** The text of a file, or undefined if there is none. @throws {Error} If it has more than `most` bytes or cannot be read. */
export function readSmallFile(path: string, most: number): string | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(most + 1);
    let length = 0;
    for (let count; length < bytes.length && (count = file.readSync(bytes.subarray(length))); length += count);
    if (length > most) throw new Error(`it is longer than ${most} bytes`);
    return new TextDecoder().decode(bytes.subarray(0, length));
  } finally {
    file.close();
  }
}
