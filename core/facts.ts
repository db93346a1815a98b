// What the index knows beside entries: the keys of its facts.

/** The id of a mirror. */
export const MIRROR_ID = "mirror id";

/** What the source calls its user with this number. */
export function userFact(uid: number): string {
  return `user ${uid}`;
}

/** What the source calls its group with this number. */
export function groupFact(gid: number): string {
  return `group ${gid}`;
}
