// The few errors that somebody catches by class. Everything else is a built-in error, or a bug.

/** Wrong arguments on the command line; exit status 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** The program cannot start, or cannot go on at all; exit status 1. */
export class FatalError extends Error {
  override name = "FatalError";
}

/** A path that dirsync does not accept. */
export class PathError extends Error {
  override name = "PathError";
  constructor(readonly path: string, reason: string) {
    super(`Cannot use the path ${JSON.stringify(path.slice(0, 200))}: ${reason}`);
  }
}

/** The peer sent something that the protocol does not allow. The connection ends; nothing that it began is committed. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** The peer refuses us, with its reason; trying again at once is of no use. */
export class RefusedError extends Error {
  override name = "RefusedError";
  /** @param retry Whether it may be otherwise later (another client is connected, say). */
  constructor(message: string, readonly retry: boolean) {
    super(message);
  }
}

/** What answers is not the server that it should be; nothing was sent to it. */
export class IdentityError extends Error {
  override name = "IdentityError";
}

/** The connection is gone. */
export class DisconnectedError extends Error {
  override name = "DisconnectedError";
}

/** One path failed, for this reason; the rest goes on. */
export class ProblemError extends Error {
  override name = "ProblemError";
}

/** An entry is of a kind that this file system, or the rights of this user, cannot hold. */
export class CannotHoldError extends ProblemError {
  override name = "CannotHoldError";
}

/** The file was written to while it was read; nothing of it may be sent. */
export class ChangedWhileReadError extends ProblemError {
  override name = "ChangedWhileReadError";
  constructor() {
    super("it is being written to; it is sent once it can be read whole");
  }
}

/** What was to be read has made way for something else, which is to be looked at first. */
export class ReplacedError extends ProblemError {
  override name = "ReplacedError";
  constructor() {
    super("something else has taken its place");
  }
}

/** The source is not there, or cannot be looked at: nothing is known of what is in it. */
export class SourceGoneError extends ProblemError {
  override name = "SourceGoneError";
}

/** Whether an error is one path's own: everything that the file system says, and our own problems. */
export function isOfPath(error: unknown): boolean {
  if (error instanceof DisconnectedError || error instanceof RefusedError || error instanceof ProtocolError) {
    return false;
  }
  if (error instanceof ProblemError) return true;
  return isOfSystem(error);
}

/** Whether the system refused to do something, as against a fault of this program. */
export function isOfSystem(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return Object.values(Deno.errors).some((type) => error instanceof type) ||
    typeof code === "string" && /^E[A-Z0-9]+$/.test(code);
}

/** What a database says that it cannot do, which may be for want of room or rights: worth another try. */
export function isOfDatabase(error: unknown): boolean {
  return (error as { code?: unknown })?.code === "ERR_SQLITE_ERROR";
}

/** What went wrong in one short sentence, without paths of this machine: for problems and for the wire. */
export function reasonOf(error: unknown): string {
  if (error instanceof ProblemError || error instanceof PathError) return error.message;
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.AlreadyExists) return "something is there already";
  const code = (error as { code?: unknown })?.code;
  if (code === "ENOSPC") return "no space left on the device";
  if (code === "EDQUOT") return "the disk quota is used up";
  if (code === "EOPNOTSUPP" || code === "ENOTSUP") return "the file system does not support it";
  if (code === "ENAMETOOLONG") return "its name is too long";
  if (code === "EROFS") return "the file system is read-only";
  if (code === "ENOTEMPTY") return "the directory is not empty";
  if (code === "EMFILE" || code === "ENFILE") return "too many open files";
  // Deno appends the call and the path to what the system says.
  if (error instanceof Error) return error.message.replace(/: [a-z_]+ '.*/s, "");
  return String(error);
}
