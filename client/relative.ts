// Absolute paths, as systems tell them, and what of them is below a directory.

/** The path below `dir` of an absolute path, "/" between names; undefined if it is not below. */
export function relative(dir: string, path: string, windows = Deno.build.os === "windows"): string | undefined {
  if (path === dir) return "";
  const root = /[/\\]$/.test(dir) ? dir : dir + (windows ? "\\" : "/");
  if (!path.startsWith(root)) return undefined;
  const below = path.slice(root.length);
  return windows ? below.replaceAll("\\", "/") : below;
}
