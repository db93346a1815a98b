/** A directory of its own for a test, removed with all that is in it at the end of the scope. */
export class TempDir implements Disposable {
  /** Absolute path without symbolic links. */
  readonly path: string;

  /** @param dir Where it is made. @default {the system's place for such} */
  constructor(dir?: string) {
    this.path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "dirsync_", ...dir === undefined ? {} : { dir } }));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
