// `dirsync approve`: the user wants what the client of a source holds. The source itself need not be there.

import { resolve } from "node:path";
import { FatalError, reasonOf } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import type { ApproveOptions } from "../core/options.ts";
import { sourceFolder, stateFolderOf } from "../core/state.ts";
import { HeldFiles } from "./held_files.ts";

/**
 * Approves of what is held now, and of no more.
 * @returns The exit status: 0, also where nothing is held.
 * @throws {FatalError} If no client has ever mirrored this directory.
 */
export function runApprove(options: ApproveOptions, emit: Emit): number {
  const dir = realPath(options.dir);
  let approved = 0;
  try {
    const folder = sourceFolder(realPath(stateFolderOf(options.state)), dir);
    for (const files of HeldFiles.in(folder)) {
      const record = files.record();
      if (!record) continue;
      files.approve(record);
      emit({ event: "approved", dir, held: record.held });
      approved++;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw new FatalError(`Cannot approve: ${reasonOf(error)}`);
    throw new FatalError(`Cannot approve: no client has mirrored "${dir}" from here (or its --state is another)`);
  }
  if (approved === 0) emit({ event: "approved", dir, held: null });
  return 0;
}

/** The real path, or of what is not there what it would be. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return resolve(path);
  }
}
