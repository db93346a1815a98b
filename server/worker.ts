// The server's Worker: builds the mirror's world out of this machine and serves the connections that the main thread accepts.

import { systemClock } from "../core/clock.ts";
import { removeDatabase } from "../core/database.ts";
import type { Grant } from "../core/grant.ts";
import { type EngineSide, runEngine } from "../core/host.ts";
import { describeFs, openAccounts, openFs } from "../core/open_fs.ts";
import { INDEX_FILE } from "../core/path.ts";
import { randomId } from "../core/random.ts";
import { TreeIndex } from "../core/tree_index.ts";
import type { HistoryLimits } from "./history.ts";
import { type Hold, holdMirror } from "./hold.ts";
import { Mirror } from "./mirror.ts";
import { requireOwnFolder } from "./own_folder.ts";
import { serve } from "./session.ts";

/** How to start. */
export interface ServerStart {
  /** The mirror, absolute. */
  readonly dir: string;
  /** Name of the mirror for people. */
  readonly name: string;
  /** Average chunk size to wish for, 0 for none. */
  readonly average: number;
  readonly fsync: boolean;
  readonly history: HistoryLimits;
  readonly everyChange: boolean;
}

runEngine<ServerStart, never, never, Grant | undefined>(
  async (
    { dir, name, average, fsync, history, everyChange },
    side: EngineSide<never, never, Grant | undefined>,
  ) => {
    const { emit, signal } = side;
    // Modes are set as the source has them, whatever this process was started with.
    if (Deno.build.os !== "windows") Deno.umask(0o022);
    requireOwnFolder(dir);
    let hold: Hold | undefined;
    const openIndex = (where: "folder" | "memory") => {
      if (where === "memory") return new TreeIndex(":memory:");
      // Until the end: nobody is to restore anything in place meanwhile.
      hold ??= holdMirror(dir);
      return new TreeIndex(`${dir}/${INDEX_FILE}`);
    };
    const removeIndex = () => removeDatabase(`${dir}/${INDEX_FILE}`);
    const clock = systemClock;
    const fs = openFs(dir);
    emit({ event: "detail", message: describeFs(fs) });
    using mirror = new Mirror({
      fs,
      accounts: openAccounts(),
      clock,
      emit,
      openIndex,
      removeIndex,
      randomId,
      fsync,
      history,
      name,
    });
    mirror.recover();
    const sessions = new Set<Promise<void>>();
    side.onLink = (link, grant) => {
      const { secondThread } = side;
      const deps = { mirror, clock, emit, signal, name, average, fsync, everyChange, grant, secondThread };
      const session = serve(link, deps);
      sessions.add(session);
      session.then(() => sessions.delete(session));
    };
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await Promise.all(sessions);
    hold?.[Symbol.dispose]();
    return 0;
  },
);
