// What can be done below a directory of a file system, for tests of what must not be done through it.

import type { FileSystem } from "../../core/fs.ts";
import { parsePath as p } from "../../core/path.ts";

/**
 * Everything that can be done with a directory, by name. It holds, or seems to hold, `file`, `link` and the directory `empty`; at
 * the root there is a file `own`.
 */
export const OPERATIONS: Record<string, (fs: FileSystem, path: string) => void> = {
  list: (fs, path) => fs.list(p(path)),
  survey: (fs, path) => fs.survey(p(path), undefined),
  readLink: (fs, path) => fs.readLink(p(`${path}/link`)),
  openFile: (fs, path) => fs.openFile(p(`${path}/file`))[Symbol.dispose](),
  createFile: (fs, path) => fs.createFile(p(`${path}/new`), 0o644)[Symbol.dispose](),
  mkdir: (fs, path) => fs.mkdir(p(`${path}/new`), 0o755),
  symlink: (fs, path) => fs.symlink(p(`${path}/new`), "x"),
  "link from": (fs, path) => fs.link(p(`${path}/file`), p("new")),
  "link to": (fs, path) => fs.link(p("own"), p(`${path}/new`)),
  "rename from": (fs, path) => fs.rename(p(`${path}/file`), p("new")),
  "rename to": (fs, path) => fs.rename(p("own"), p(`${path}/file`)),
  "renameNew from": (fs, path) => fs.renameNew(p(`${path}/file`), p("new")),
  "renameNew to": (fs, path) => fs.renameNew(p("own"), p(`${path}/new`)),
  appendTo: (fs, path) => fs.appendTo(p(`${path}/file`), 0o644)[Symbol.dispose](),
  "exchange first": (fs, path) => fs.exchange(p(`${path}/file`), p("own")),
  "exchange second": (fs, path) => fs.exchange(p("own"), p(`${path}/file`)),
  unlink: (fs, path) => fs.unlink(p(`${path}/file`)),
  rmdir: (fs, path) => fs.rmdir(p(`${path}/empty`)),
  setMeta: (fs, path) => fs.setMeta(p(`${path}/file`), { mode: 0o777, mtimeNs: 1n }),
  chown: (fs, path) => fs.chown(p(`${path}/file`), 1234, 1234),
  xattrs: (fs, path) => fs.xattrs(p(`${path}/file`)),
  setXattrs: (fs, path) => fs.setXattrs(p(`${path}/file`), new Map([["user.a", Uint8Array.of(1)]])),
  syncDir: (fs, path) => fs.syncDir(p(path)),
};
