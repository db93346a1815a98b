// The client's Worker: builds the engine's world out of this machine and runs it.

import { type Accounts, noAccounts } from "../core/accounts.ts";
import { systemClock } from "../core/clock.ts";
import { openToRead, removeDatabase } from "../core/database.ts";
import { DisconnectedError, RefusedError } from "../core/errors.ts";
import type { FileTree } from "../core/fs.ts";
import { runEngine } from "../core/host.ts";
import { IgnoreRules } from "../core/ignore.ts";
import type { Link } from "../core/link.ts";
import type { MaxDelete } from "../core/options.ts";
import { describeFs, openAccounts, openSource } from "../core/open_fs.ts";
import { ID_FILE, INDEX_FILE, type RelPath } from "../core/path.ts";
import { readSmallFile } from "../core/private_files.ts";
import { random, randomId } from "../core/random.ts";
import { throttled } from "../core/throttle.ts";
import { TreeIndex } from "../core/tree_index.ts";
import { DirtySet } from "./dirty.ts";
import { HeldFiles } from "./held_files.ts";
import { RememberedTree } from "./remembered.ts";
import { sourceIdIn } from "./source_id.ts";
import { relative } from "./relative.ts";
import { Engine } from "./engine.ts";

/** How to start. */
export interface ClientStart {
  /** The source, absolute. */
  readonly dir: string;
  /** Name of the source for people. */
  readonly source: string;
  /** Name of the server for people. */
  readonly server: string;
  /** Folder for the indexes of this source; it is there. */
  readonly state: string;
  readonly once: boolean;
  readonly dryRun: boolean;
  readonly updatemaxMs: number | undefined;
  readonly exclude: readonly string[];
  readonly xattrs: boolean;
  readonly numericIds: boolean;
  readonly maxDelete: MaxDelete;
  readonly everyChange: boolean;
  /** Bytes a second that may be sent. */
  readonly bwlimit: number | undefined;
}

/** What the engine is told: paths that may have changed, or with undefined that anything may have; or how dialling failed. */
export type ClientNote =
  | { readonly about: "dirty"; readonly paths: readonly string[] | undefined }
  | { readonly about: "dialled"; readonly refused: boolean; readonly retry: boolean; readonly reason: string };

/** What the engine asks for: a connection; that somebody looks whether it is the root that is watched. */
export type ClientRequest = "dial" | "doubt root";

/** Longer files hold no id of a mirror. */
const MAX_ID_BYTES = 100;

runEngine<ClientStart, ClientNote, ClientRequest>((start, side) => {
  const dirty = new DirtySet();
  let dialled: { resolve: (link: Link) => void; reject: (error: Error) => void } | undefined;
  side.onNote = (note) => {
    if (note.about === "dialled") {
      const { refused, retry, reason } = note;
      dialled?.reject(refused ? new RefusedError(reason, retry) : new DisconnectedError(reason));
    } else if (note.paths) dirty.addPaths(note.paths as RelPath[]);
    else dirty.addAll();
  };
  const { bwlimit } = start;
  side.onLink = (link) => {
    if (!dialled) link.close();
    else dialled.resolve(bwlimit ? throttled(link, bwlimit, systemClock) : link);
  };
  const dial = (signal: AbortSignal) =>
    new Promise<Link>((resolve, reject) => {
      dialled = { resolve, reject };
      signal.addEventListener("abort", () => reject(new DisconnectedError("stopped")), { once: true });
      side.request("dial");
    });
  const { source, server, once, updatemaxMs, everyChange, dryRun, xattrs, maxDelete, state } = start;
  const layer = openSource(start.dir);
  side.emit({ event: "detail", message: describeFs(layer) });
  const { fs, accounts } = remembering(layer, start);
  const indexFile = (mirrorId: string) => `${state}/${mirrorId}.sqlite`;
  const engine = new Engine({
    source: { source, sourceId: sourceIdIn(state, randomId), dryRun },
    server,
    once,
    updatemaxMs,
    everyChange,
    rules: new IgnoreRules(start.exclude),
    xattrs,
    maxDelete,
  }, {
    fs,
    accounts,
    clock: systemClock,
    prng: random,
    emit: side.emit,
    dirty,
    secondThread: side.secondThread,
    doubtRoot: () => side.request("doubt root"),
    dial,
    overlap: (mirror, mirrorId) => overlap(start.dir, mirror, mirrorId),
    lastMirror: () => onlyIndexIn(state),
    openIndex: (mirrorId) => new TreeIndex(indexFile(mirrorId)),
    removeIndex: (mirrorId) => removeDatabase(indexFile(mirrorId)),
    heldRecords: (mirrorId) => new HeldFiles(state, mirrorId),
    signal: side.signal,
  });
  return engine.run();
});

/** Id of the mirror whose index is the only one in a folder. */
function onlyIndexIn(folder: string): string | undefined {
  const ids = Array.from(Deno.readDirSync(folder), ({ name }) => /^(.*)\.sqlite$/.exec(name)?.[1]);
  const [id, ...others] = ids.filter((id) => id !== undefined);
  return others.length === 0 ? id : undefined;
}

/** The source, with what its index remembers of an original if it is a mirror itself. */
function remembering(fs: FileTree, { dir, numericIds }: ClientStart): { fs: FileTree; accounts: Accounts } {
  const accounts = numericIds ? noAccounts : openAccounts();
  try {
    const tree = new RememberedTree(fs, new TreeIndex(`${dir}/${INDEX_FILE}`, openToRead), accounts);
    return { fs: tree, accounts: tree.accounts };
  } catch {
    // It is none, or one that no server of this version has opened.
    return { fs, accounts };
  }
}

/** The id of the mirror at a path that a server told us, whatever else may be there. */
function idIn(mirror: string): string | undefined {
  const file = `${mirror}/${ID_FILE}`;
  try {
    // A pipe would not let go of whoever opens it.
    return Deno.lstatSync(file).isFile ? readSmallFile(file, MAX_ID_BYTES)?.trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Why the source cannot be mirrored to a mirror that is (also) on this machine: one of them lies within the other. */
function overlap(source: string, mirrorName: string, mirrorId: string): string | undefined {
  const mirror = mirrorName.slice(mirrorName.indexOf(":") + 1);
  const mirrorInside = relative(source, mirror) !== undefined, sourceInside = relative(mirror, source) !== undefined;
  if (!mirrorInside && !sourceInside) return undefined;
  // The same path on another machine is another place: only the id tells.
  if (idIn(mirror) !== mirrorId) return undefined;
  if (mirror === source) return `The mirror "${mirror}" is the source itself; give the server another directory`;
  return mirrorInside
    ? `The mirror "${mirror}" lies inside the source "${source}"; give the server a directory outside of it`
    : `The source "${source}" lies inside the mirror "${mirror}"; give the server a directory that does not hold it`;
}
