// A mirror in memory with some files, to which commits are made as a session makes them.

import { noAccounts } from "../../core/accounts.ts";
import type { SyncEvent } from "../../core/events.ts";
import type { FileSystem } from "../../core/fs.ts";
import { joinPath, parsePath as path } from "../../core/path.ts";
import { digestOf } from "../../core/recipe.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import type { Attributes, Step } from "../../core/types.ts";
import type { IndexedStep } from "../../server/commit.ts";
import type { HistoryLimits } from "../../server/history.ts";
import { Mirror } from "../../server/mirror.ts";
import { HISTORY_DIR, STAGE_DIR } from "../../server/places.ts";
import { plain } from "./entries.ts";
import { FakeClock } from "./fake_clock.ts";
import { watchedFs } from "./fault_fs.ts";
import { type FsUser, MemoryFs, SUPERUSER } from "./memory_fs.ts";

/** Attributes of files that are about something else. */
export const FILE: Attributes = plain(0o644, 1n);

/** What a scene can be made with. */
export interface MirrorSceneOptions {
  readonly history?: HistoryLimits;
  readonly user?: FsUser;
  /** Called before every call to the file system. */
  readonly before?: (fs: MemoryFs, call: string) => void;
}

/** A mirror with some files, the commits that are made in it, and what they keep. */
export async function mirrorScene(
  { history = { days: 30 }, user = SUPERUSER, before = () => {} }: MirrorSceneOptions = {},
) {
  const clock = new FakeClock(Date.parse("2026-11-25T10:00:00Z"));
  const fs = new MemoryFs(clock.nowNs, user);
  fs.mkdir(path("d"), 0o755);
  fs.mkdir(path("d/sub"), 0o555);
  for (const name of ["a", "b", "d/x", "d/sub/y"]) fs.writeFile(path(name), `was ${name}`);
  const index = new TreeIndex(":memory:");
  const events: SyncEvent[] = [];
  const watched: FileSystem = watchedFs(fs as FileSystem, (call) => before(fs, call));
  const mirror = new Mirror({
    fs: watched,
    accounts: noAccounts,
    clock,
    emit: (event) => events.push(event),
    openIndex: () => index,
    removeIndex: () => {},
    randomId: () => "00000000-0000-4000-8000-000000000001",
    fsync: true,
    history,
    name: "there:/mirror",
  });
  await mirror.open(true, () => Promise.resolve());
  let staged = 0;
  const file = (name: string, content: string, attributes: Attributes = FILE): Step => {
    const at = joinPath(STAGE_DIR, String(staged++));
    fs.writeFile(at, content);
    const bytes = new TextEncoder().encode(content);
    const recipe = { average: 16384, lengths: [bytes.length], digests: [digestOf(bytes)] };
    const entry = {
      kind: "file",
      ...attributes,
      size: bytes.length,
      average: 16384,
      content: "ab".repeat(32),
    } as const;
    const stat = fs.lstat(at)!;
    return { op: "file", path: path(name), entry, at, ino: stat.ino, staged: stat, recipe } as unknown as Step;
  };
  const commit = async (...steps: Step[]) => {
    const { problems } = await mirror.commit(steps as IndexedStep[], new Set(), () => Promise.resolve());
    return problems.map(({ path, message }) => `${path}: ${message}`);
  };
  return { fs, clock, index, mirror, events, file, commit, [Symbol.dispose]: () => index[Symbol.dispose]() };
}

/** What lies in the history, the logs left out, by place. */
export function kept(fs: MemoryFs): Record<string, string | undefined> {
  const entries = Object.entries(fs.tree()).filter(([name]) => name.startsWith(`${HISTORY_DIR}/`))
    .map(([name, entry]) => [name.slice(HISTORY_DIR.length + 1), entry] as const)
    .filter(([name, { kind }]) => kind !== "dir" && !name.endsWith(".log"));
  return Object.fromEntries(entries.map(([name, { content, target }]) => [name, content ?? target]));
}

/** What the files and symbolic links of the mirror hold, by path. */
export function mirrored(fs: MemoryFs): Record<string, string | undefined> {
  const entries = Object.entries(fs.tree({ withoutPrivate: true })).filter(([, { kind }]) => kind !== "dir");
  return Object.fromEntries(entries.map(([name, { content, target }]) => [name, content ?? target]));
}

/** What people were warned of. */
export function warnings(events: readonly SyncEvent[]): string[] {
  return events.flatMap((event) => event.event === "warning" ? [event.message] : []);
}
