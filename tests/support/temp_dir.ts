/** A directory of its own for a test, removed with all that is in it at the end of the scope. */
export class TempDir implements Disposable {
  /** Absolute path without symbolic links. */
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "dirsync_" }));

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
