// What a client may do: what its invitation was made with.

/** How much of pushing is allowed. */
export type Access =
  /** Everything. */
  | "full"
  /** No name of a file may vanish but by being moved; contents may be replaced. */
  | "no-delete"
  /** Only new names: what is there stays as it is. */
  | "add-only"
  /** Nothing is changed: comparing, and dry runs. */
  | "read-only";

/** The kinds of access, the widest first. */
export const ACCESS: readonly Access[] = ["full", "no-delete", "add-only", "read-only"];

/** What a client that was let in may do. */
export interface Grant {
  /** Its name in `dirsync clients`. */
  readonly name: string;
  readonly access: Access;
  /** Most bytes that the files of the mirror may have in all. */
  readonly quotaBytes?: number;
}
