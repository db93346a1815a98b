// A source that is itself a mirror: what its file system could not keep of the original (owners that its server may not set,
// programs that run as their owner, attributes), its index remembers. Mirrored back, it is as the original was. An entry that
// somebody has changed here since is as it is here.

import type { Accounts } from "../core/accounts.ts";
import { groupFact, userFact } from "../core/facts.ts";
import type { FileTree, Listed, ReadableFile, Stat, Survey, Xattrs } from "../core/fs.ts";
import type { RelPath } from "../core/path.ts";
import { surveyOf } from "../core/survey.ts";
import type { Node } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Digest } from "../core/types.ts";
import { decodeXattrs, mapAccounts } from "../core/xattrs.ts";
import { isSeen } from "./attributes.ts";

/** The source `fs`, as the index of the mirror that it is remembers it. */
export class RememberedTree implements FileTree {
  readonly #fs: FileTree;
  readonly #index: TreeIndex;
  readonly #accounts: Accounts;

  /** @param accounts Those of this machine. */
  constructor(fs: FileTree, index: TreeIndex, accounts: Accounts) {
    this.#fs = fs;
    this.#index = index;
    this.#accounts = accounts;
  }

  get features(): FileTree["features"] {
    return { ...this.#fs.features, modes: true, owners: true, xattrs: true };
  }

  list(dir: RelPath): Listed[] {
    const listed = this.#fs.list(dir);
    const node = this.#index.find(dir);
    if (node?.entry.kind !== "dir") return listed;
    const children = this.#index.childrenByName(node.id);
    return listed.map(({ name, stat }) => ({ name, stat: this.#remembered(children.get(name), stat) }));
  }

  survey(dir: RelPath, known: Digest | undefined): Survey {
    return surveyOf(dir, this.list(dir), known);
  }

  lstat(path: RelPath): Stat | undefined {
    const stat = this.#fs.lstat(path);
    return stat && this.#remembered(this.#index.find(path), stat);
  }

  readLink(path: RelPath): string {
    return this.#fs.readLink(path);
  }

  openFile(path: RelPath): ReadableFile {
    const file = this.#fs.openFile(path);
    return {
      stat: () => this.#remembered(this.#index.find(path), file.stat()),
      readAt: (offset, into) => file.readAt(offset, into),
      dataFrom: (offset) => file.dataFrom(offset),
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  }

  xattrs(path: RelPath): Xattrs {
    const node = this.#index.find(path), stat = this.#fs.lstat(path);
    if (!node || !stat || !isSeen(node, stat)) return this.#fs.xattrs(path);
    const { xattrs } = node.entry;
    const encoded = xattrs === "" ? undefined : this.#index.xattrs(xattrs);
    const remembered: Xattrs = encoded ? decodeXattrs(encoded) : new Map();
    return mapAccounts(remembered, (uid) => this.#user(uid), (gid) => this.#group(gid));
  }

  /** The names of users and groups here, and the original's for numbers that have none here. */
  get accounts(): Accounts {
    const accounts = this.#accounts, index = this.#index;
    return {
      userId: (name) => accounts.userId(name),
      groupId: (name) => accounts.groupId(name),
      userName: (uid) => accounts.userName(uid) ?? index.fact(userFact(uid)),
      groupName: (gid) => accounts.groupName(gid) ?? index.fact(groupFact(gid)),
    };
  }

  /** Of what somebody has changed, that is remembered which the file system has no notion of. */
  #remembered(node: Node | undefined, stat: Stat): Stat {
    if (!node || node.entry.kind !== stat.kind) return stat;
    const { modes, owners } = this.#fs.features;
    const same = isSeen(node, stat);
    const { mode, mtimeNs, uid, gid } = node.entry;
    return {
      ...stat,
      ...(same ? { mtimeNs } : {}),
      ...(same || !modes ? { mode } : {}),
      ...(same || !owners ? { uid: this.#user(uid), gid: this.#group(gid) } : {}),
    };
  }

  /** The user of this machine who has the name that the original has for this number; the number itself where nobody has. */
  #user(uid: number): number {
    const name = this.#index.fact(userFact(uid));
    return (name === undefined ? undefined : this.#accounts.userId(name)) ?? uid;
  }

  #group(gid: number): number {
    const name = this.#index.fact(groupFact(gid));
    return (name === undefined ? undefined : this.#accounts.groupId(name)) ?? gid;
  }
}
