// What entries of the source are to have in the mirror beside their content, and whether the index vouches for what lstat
// says. What this machine has no notion of (owners and modes on Windows, extended attributes without --xattrs) stays as the
// mirror has it. The mirror is told the names behind numbers, and the attributes behind digests, before it gets the first of each.

import type { Accounts } from "../core/accounts.ts";
import { type FileTree, linkOf, NO_ID, type Stat } from "../core/fs.ts";
import type { RelPath } from "../core/path.ts";
import { digestOf } from "../core/recipe.ts";
import type { Node } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Attributes, Digest } from "../core/types.ts";
import type { AccountName, ClientMessage } from "../core/wire.ts";
import { accountsIn, encodeXattrs } from "../core/xattrs.ts";

/** What of the source's metadata is looked at. */
export interface AttributeOptions {
  /** Extended attributes too. */
  readonly xattrs: boolean;
  /** Names of users and groups; none with `--numeric-ids`. */
  readonly accounts: Accounts;
}

/** What of the source's metadata the index knows: the name of that fact. */
const LOOKED_AT = "looked at";
/** So many sets of extended attributes are remembered as told. */
const MAX_TOLD = 100_000;

/** Attributes of one source, for one connection. */
export class SourceAttributes {
  readonly #fs: FileTree;
  readonly #index: TreeIndex;
  readonly #accounts: Accounts;
  /** Whether extended attributes are asked for, whatever this machine can tell of them. */
  readonly #wantsXattrs: boolean;
  readonly #users = new Set([NO_ID]);
  readonly #groups = new Set([NO_ID]);
  readonly #told = new Set<Digest>();
  #untold: { users: AccountName[]; groups: AccountName[]; xattrs: Uint8Array[] } = {
    users: [],
    groups: [],
    xattrs: [],
  };
  #lookAtAll: boolean;

  constructor(fs: FileTree, index: TreeIndex, { xattrs, accounts }: AttributeOptions) {
    this.#fs = fs;
    this.#index = index;
    this.#accounts = accounts;
    this.#wantsXattrs = xattrs;
    this.#lookAtAll = xattrs && index.fact(LOOKED_AT) !== "xattrs";
  }

  /** Whether every entry is to be looked at, whatever the index says: what is looked at of them has changed. */
  get lookAtAll(): boolean {
    return this.#lookAtAll;
  }

  /** All has been looked at: from now on, the index knows of all entries what is asked for. */
  lookedAtAll(keep: boolean): void {
    this.#lookAtAll = false;
    if (keep) this.#index.setFact(LOOKED_AT, this.#wantsXattrs ? "xattrs" : "");
  }

  /** Whether the mirror has, or will have, all that lstat says and what it vouches for. */
  isSame(node: Node | undefined, stat: Stat): boolean {
    return node !== undefined && !this.#lookAtAll && this.isLevel(node, stat);
  }

  /** The same of an entry that has been looked at, whatever is to be looked at anew. */
  isLevel(node: Node, stat: Stat): boolean {
    return vouches(node, stat) && this.#fits(node, stat);
  }

  /** Whether the mirror has, or will have, the file with this stat there: another name of it needs no more than a link. */
  isTwin(node: Node | undefined, stat: Stat): boolean {
    return node !== undefined && isSeen(node, stat) && this.#fits(node, stat);
  }

  #fits(node: Node, stat: Stat): boolean {
    const { entry } = node;
    const { modes, owners } = this.#fs.features;
    if (entry.mtimeNs !== stat.mtimeNs || owners && (entry.uid !== stat.uid || entry.gid !== stat.gid)) return false;
    if (modes && entry.kind !== "symlink" && entry.mode !== stat.mode) return false;
    return entry.link === this.#linkOf(node, stat);
  }

  /** What has now one name may keep the number that it had with others, which are to go. What came in its place has none. */
  #linkOf(node: Node | undefined, stat: Stat): number {
    if (hasNames(stat)) return linkOf(stat);
    if (node?.entry.kind !== stat.kind || node.seen?.ino !== stat.ino) return 0;
    return this.#index.isLinkedElsewhere(node, stat.ino) ? 0 : node.entry.link;
  }

  /**
   * What the entry at `path` is to have.
   * @param node What the mirror has there, of the same kind.
   * @throws {Error} What the file system says where extended attributes cannot be read.
   */
  of(path: RelPath, stat: Stat, node: Node | undefined): Attributes {
    const { modes, owners, xattrs } = this.#fs.features;
    const known = node?.entry.kind === stat.kind ? node.entry : undefined;
    const uid = owners ? stat.uid : known?.uid ?? NO_ID, gid = owners ? stat.gid : known?.gid ?? NO_ID;
    this.#tellNames([uid], [gid]);
    return {
      mode: stat.kind === "symlink" ? 0o777 : modes ? stat.mode : known?.mode ?? stat.mode,
      mtimeNs: stat.mtimeNs,
      uid,
      gid,
      link: this.#linkOf(node, stat),
      xattrs: this.#wantsXattrs && xattrs && stat.kind !== "symlink" ? this.#xattrs(path) : known?.xattrs ?? "",
    };
  }

  /** What the mirror must be told before it gets attributes that were asked for here. */
  *untold(): Generator<ClientMessage> {
    const { users, groups, xattrs } = this.#untold;
    if (users.length + groups.length + xattrs.length === 0) return;
    this.#untold = { users: [], groups: [], xattrs: [] };
    if (users.length + groups.length > 0) yield { type: "names", users, groups };
    for (const bytes of xattrs) yield { type: "xattrs", bytes };
  }

  #xattrs(path: RelPath): Digest | "" {
    const xattrs = this.#fs.xattrs(path);
    if (xattrs.size === 0) return "";
    const bytes = encodeXattrs(xattrs);
    const digest = digestOf(bytes);
    if (this.#told.has(digest)) return digest;
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.add(digest);
    this.#untold.xattrs.push(bytes);
    const { users, groups } = accountsIn(xattrs);
    this.#tellNames(users, groups);
    return digest;
  }

  #tellNames(uids: readonly number[], gids: readonly number[]): void {
    const accounts = this.#accounts;
    for (const id of uids) {
      if (this.#users.has(id)) continue;
      this.#users.add(id);
      const name = accounts.userName(id);
      if (name !== undefined) this.#untold.users.push({ id, name });
    }
    for (const id of gids) {
      if (this.#groups.has(id)) continue;
      this.#groups.add(id);
      const name = accounts.groupName(id);
      if (name !== undefined) this.#untold.groups.push({ id, name });
    }
  }
}

/** Whether nothing has happened to an entry since it was seen, so that its content is what the index says. */
export function vouches(node: Node, stat: Stat): boolean {
  return !node.seen?.racy && isSeen(node, stat);
}

/** Whether lstat says what it said. */
export function isSeen({ entry, seen }: Node, stat: Stat): boolean {
  if (!seen || entry.kind !== stat.kind) return false;
  return seen.ino === stat.ino && seen.mtimeNs === stat.mtimeNs && seen.ctimeNs === stat.ctimeNs &&
    seen.mode === stat.mode && seen.uid === stat.uid && seen.gid === stat.gid &&
    (entry.kind !== "file" || entry.size === stat.size);
}

/** Whether an entry may have other names. */
export function hasNames(stat: Stat): boolean {
  return stat.nlink > 1 && stat.kind !== "dir" && stat.ino !== 0n;
}
