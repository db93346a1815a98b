/** A directory of its own for a test, removed with all that is in it at the end of the scope. */
export class TempDir implements Disposable {
  /** Absolute path without symbolic links. */
  readonly path: string;

  /** @param dir Where it is made, if it is there; else where temporary files go. */
  constructor(dir?: string) {
    const isThere = dir !== undefined && canStat(dir);
    this.path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "dirsync_", ...(isThere && { dir }) }));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function canStat(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
