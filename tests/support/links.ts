import { TempDir } from "./temp_dir.ts";

/**
 * Whether symbolic links can be made here: Windows' users need the right to, and Wine 8 says that it makes them and does not
 * (its CreateSymbolicLinkW is a stub that returns TRUE).
 */
export const makesLinks: boolean = (() => {
  using dir = new TempDir();
  try {
    Deno.symlinkSync("gone", `${dir.path}/link`, { type: "file" });
    return Deno.lstatSync(`${dir.path}/link`).isSymlink;
  } catch {
    return false;
  }
})();

/** What is said of tests that are left out where they cannot. */
export const NO_LINKS = " [left out: no symbolic links can be made here]";
