// Gives entries of the mirror their attributes, as far as this machine lets us. What it does not let us set stays in the index,
// which keeps what is wanted beside what lstat said: nothing is forgotten, and once somebody with the right serves the mirror
// it can be set.

import {
  type FileSystem,
  type Meta,
  SETGID,
  SETUID,
  type Stat,
  USUAL_MODES,
  type WritableFile,
  type Xattrs,
} from "../core/fs.ts";
import type { RelPath } from "../core/path.ts";
import type { Attributes, Digest, Kind } from "../core/types.ts";
import { decodeXattrs, mapAccounts } from "../core/xattrs.ts";
import { isKnown, type Owners } from "./owners.ts";

/** What metadata are set with. */
export interface MetadataDeps {
  readonly fs: FileSystem;
  readonly owners: Owners;
  /** Extended attributes by their digest, encoded. */
  readonly xattrsOf: (digest: string) => Uint8Array | undefined;
  /** Tells people something, once. */
  readonly warn: (message: string) => void;
}

/** What an entry has before it is given what it shall have. */
export interface Present {
  /** Its owner and group now. */
  readonly owner: Pick<Stat, "uid" | "gid">;
  /** Its mode now, where that is sure. */
  readonly mode?: number | undefined;
  /** Digest of its extended attributes now; undefined where they are not known. */
  readonly xattrs: Digest | "" | undefined;
}

/** Sets metadata in one mirror. */
export class Metadata {
  readonly #deps: MetadataDeps;
  /** Owners that we were not allowed to set. */
  readonly #denied = new Set<string>();
  /** What was told. */
  readonly #warned = new Set<string>();

  constructor(deps: MetadataDeps) {
    this.#deps = deps;
  }

  /**
   * Gives the entry at `path` its attributes; all else about it is as it shall be.
   * @returns What it is then; undefined if it is not what it was given, because somebody else is at work there.
   */
  apply(path: RelPath, kind: Kind, wanted: Attributes, present: Present): Stat | undefined {
    const has = this.#give(path, kind, wanted, present);
    if (has.isAsGiven) return has.stat;
    if (has.stat.kind !== kind) return undefined;
    const again = this.#give(path, kind, wanted, { owner: has.stat, xattrs: undefined });
    // What a second time makes the same of it, the disk cannot keep any better.
    return again.isAsGiven || isAlike(again.stat, has.stat) ? again.stat : undefined;
  }

  #give(path: RelPath, kind: Kind, wanted: Attributes, present: Present): { stat: Stat; isAsGiven: boolean } {
    const { fs } = this.#deps;
    const { owner, meta, isThere } = this.#prepare(path, kind, wanted, present);
    const { mtimeNs, mode } = meta;
    const stat = fs.setMeta(path, isThere ? { mtimeNs } : meta);
    const isAsGiven = stat.kind === kind && stat.mtimeNs === mtimeNs &&
      (!fs.features.modes || mode === undefined || stat.mode === mode) &&
      (!fs.features.owners || stat.uid === owner.uid && stat.gid === owner.gid);
    return { stat, isAsGiven };
  }

  /** The same for a file of ours that is open; nobody else is at work there. */
  applyTo(file: WritableFile, path: RelPath, wanted: Attributes, present: Present): void {
    file.setMeta(this.#prepare(path, "file", wanted, present).meta);
  }

  /** Sets all but the mode and the time. @returns These, the owner that it has then, and whether it has that mode already. */
  #prepare(
    path: RelPath,
    kind: Kind,
    wanted: Attributes,
    present: Present,
  ): { meta: Meta; owner: Present["owner"]; isThere: boolean } {
    this.#tellLosses(kind, wanted);
    const owner = this.#own(path, wanted, present.owner), { mtimeNs } = wanted;
    if (kind === "symlink") return { meta: { mtimeNs }, owner, isThere: true };
    const mode = safeMode(wanted, this.#deps.owners, owner);
    const isGiven = owner.uid !== present.owner.uid || owner.gid !== present.owner.gid;
    // Before the mode, as it may be one that forbids it; an access list and the mode say the same about the group.
    const isDressed = present.xattrs !== wanted.xattrs;
    if (isDressed) this.#setXattrs(path, wanted);
    return { meta: { mode, mtimeNs }, owner, isThere: mode === present.mode && !isGiven && !isDressed };
  }

  /** @returns The owner that it has then. */
  #own(path: RelPath, wanted: Attributes, now: Present["owner"]): Present["owner"] {
    const { fs, owners } = this.#deps;
    if (!fs.features.owners) return now;
    const uid = isKnown(wanted.uid) ? owners.user(wanted.uid) : now.uid;
    const gid = isKnown(wanted.gid) ? owners.group(wanted.gid) : now.gid;
    if (this.#chown(path, { uid, gid }, now)) return { uid, gid };
    this.#warn(
      "this server may not give files to their owners (only root may); the mirror's index remembers whose they are",
    );
    // The group may be one of ours.
    return this.#chown(path, { uid: now.uid, gid }, now) ? { uid: now.uid, gid } : now;
  }

  #chown(path: RelPath, { uid, gid }: Present["owner"], now: Present["owner"]): boolean {
    if (uid === now.uid && gid === now.gid) return true;
    const key = `${uid === now.uid ? "" : uid}:${gid}`;
    if (this.#denied.has(key)) return false;
    try {
      this.#deps.fs.chown(path, uid, gid);
      return true;
    } catch (error) {
      // EINVAL: a number that this user namespace does not have. ENOTSUP: a file system without owners.
      const { code } = error as { code?: unknown };
      if (code !== "EPERM" && code !== "EINVAL" && code !== "ENOTSUP" && code !== "EOPNOTSUPP") throw error;
      this.#denied.add(key);
      return false;
    }
  }

  #setXattrs(path: RelPath, { xattrs: digest }: Attributes): void {
    const { fs, owners, xattrsOf } = this.#deps;
    const encoded = digest === "" ? undefined : xattrsOf(digest);
    const xattrs: Xattrs = encoded ? decodeXattrs(encoded) : new Map();
    let refused = !fs.features.xattrs && xattrs.size > 0;
    try {
      fs.setXattrs(path, mapAccounts(xattrs, (uid) => owners.user(uid), (gid) => owners.group(gid)));
    } catch (error) {
      const { code } = error as { code?: unknown };
      // EINVAL: an access list for somebody whom this user namespace does not have.
      if (code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "EPERM" && code !== "EINVAL") throw error;
      refused = true;
    }
    if (refused) {
      this.#warn("the mirror's file system does not keep these extended attributes; the mirror's index remembers them");
    }
  }

  /** Says so where the file system has no notion of what an entry is to have. */
  #tellLosses(kind: Kind, { mode, uid, gid }: Attributes): void {
    const { features } = this.#deps.fs;
    const losesMode = !features.modes && mode !== USUAL_MODES[kind],
      losesOwner = !features.owners && (isKnown(uid) || isKnown(gid));
    if (!losesMode && !losesOwner) return;
    const lost = features.owners ? "permission bits" : features.modes ? "owners" : "permission bits and owners";
    this.#warn(`the mirror's file system keeps no ${lost}; the mirror's index remembers them`);
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#deps.warn(message);
  }
}

/** Whether two looks saw the same. */
function isAlike(a: Stat, b: Stat): boolean {
  return a.ino === b.ino && a.kind === b.kind && a.mtimeNs === b.mtimeNs && a.mode === b.mode && a.uid === b.uid &&
    a.gid === b.gid;
}

/**
 * The mode that is safe to set: a program that runs as its owner or group must belong to the very one that the source says, else
 * whoever can write to the source could run programs as the mirror's user.
 */
function safeMode(wanted: Attributes, owners: Owners, has: Present["owner"]): number {
  let { mode } = wanted;
  if ((mode & SETUID) !== 0 && (!isKnown(wanted.uid) || owners.user(wanted.uid) !== has.uid)) mode &= ~SETUID;
  if ((mode & SETGID) !== 0 && (!isKnown(wanted.gid) || owners.group(wanted.gid) !== has.gid)) mode &= ~SETGID;
  return mode;
}
