// Where private state is kept: in the user's state folder, never in the source, and of a server only what is not the mirror's.

import { createHash } from "node:crypto";

/** The folder for all of dirsync's state, by the customs of the system. @throws {Error} If the user has no home. */
export function stateFolder(env: (name: string) => string | undefined, windows: boolean): string {
  if (windows) {
    const local = env("LOCALAPPDATA");
    if (local) return `${local}\\dirsync`;
  } else {
    const xdg = env("XDG_STATE_HOME");
    if (xdg?.startsWith("/")) return `${xdg}/dirsync`;
    const home = env("HOME");
    if (home) return `${home}/.local/state/dirsync`;
  }
  throw new Error("there is no state folder for this user; name one with --state DIR");
}

/** The folder that the user wants, or the one by custom. @throws {Error} If there is none. */
export function stateFolderOf(wanted: string | undefined): string {
  return wanted ?? stateFolder((name) => Deno.env.get(name), Deno.build.os === "windows");
}

/** The folder of one source within it. */
export function sourceFolder(folder: string, source: string): string {
  return `${folder}/${createHash("sha256").update(source).digest("hex").slice(0, 16)}`;
}

/** The folder of the server of one mirror within it. */
export function mirrorFolder(folder: string, mirror: string): string {
  // No source has such a path.
  return sourceFolder(folder, `server:${mirror}`);
}

/** The folder for all of dirsync's state on this machine, made if it is not there. @returns Its real path. */
export function openState(wanted: string | undefined): string {
  const top = stateFolderOf(wanted);
  Deno.mkdirSync(top, { recursive: true, mode: 0o700 });
  return Deno.realPathSync(top);
}
