// syncfs(2): everything written to one file system so far, on the disk with one call. Deno has only fsync, one call a file,
// which on a disk makes the first mirroring of many small files several times slower.

/** Makes everything on the file system of `dir` durable. */
export type SyncFs = (dir: string) => void;

const O_RDONLY_DIRECTORY_CLOEXEC = Deno.build.arch === "x86_64" ? 0o2200000 : 0o2040000;
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

let loaded: SyncFs | undefined | null = null;

/** The call, or undefined where there is none: other systems than Linux, or no permission for foreign functions. */
export function loadSyncFs(): SyncFs | undefined {
  return loaded === null ? loaded = load() : loaded;
}

function load(): SyncFs | undefined {
  if (Deno.build.os !== "linux") return undefined;
  for (const name of LIBRARIES) {
    try {
      const { symbols } = Deno.dlopen(name, {
        open: { parameters: ["buffer", "i32"], result: "i32" },
        syncfs: { parameters: ["i32"], result: "i32" },
        close: { parameters: ["i32"], result: "i32" },
      });
      return (dir) => {
        const fd = symbols.open(new TextEncoder().encode(`${dir}\0`), O_RDONLY_DIRECTORY_CLOEXEC);
        if (fd < 0) throw new Error("the directory cannot be opened to make it durable");
        const failed = symbols.syncfs(fd) !== 0;
        symbols.close(fd);
        if (failed) throw new Error("the file system could not make what was written durable");
      };
    } catch {
      // Another library, or none.
    }
  }
  return undefined;
}
