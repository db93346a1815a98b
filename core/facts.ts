// What the index knows beside entries: the keys of its facts.

/** The id of a mirror. */
export const MIRROR_ID = "mirror id";

/** Which root the mirror's content comes from: the first that was mirrored, then the one that it was last in step with (client/source_root.ts). */
export const SOURCE_ROOT = "source root";

/** On the client: that deletions are held, and how many went just before. */
export const HELD = "held";

/** On the server: the id and the name of the source that the mirror was last in step with. */
export const SOURCE_ID = "source id", SOURCE_NAME = "source name";

/** On the server: the name of the client (core/grant.ts) as which that source came; "" where no token was asked for. */
export const SOURCE_CLIENT = "source client";

/** What the source calls its user with this number. */
export function userFact(uid: number): string {
  return `user ${uid}`;
}

/** What the source calls its group with this number. */
export function groupFact(gid: number): string {
  return `group ${gid}`;
}
