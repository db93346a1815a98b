import type { FileTree, Stat } from "../../core/fs.ts";
import { isPrivateName, joinPath, type RelPath, ROOT } from "../../core/path.ts";

/** All that is to be the same of a source and of what its mirror gives back, by path. */
export function everythingIn(tree: FileTree): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const note = (path: RelPath, { kind, mode, mtimeNs, uid, gid, size }: Stat) => {
    const content = () => {
      using file = tree.openFile(path);
      const bytes = new Uint8Array(size);
      file.readAt(0, bytes);
      return bytes.join();
    };
    const about = kind === "file" ? content() : kind === "symlink" ? tree.readLink(path) : "";
    found[path] = [kind, kind === "symlink" ? "" : mode.toString(8), mtimeNs, uid, gid, about];
    if (kind !== "dir") return;
    for (const { name, stat } of tree.list(path)) if (!isPrivateName(name)) note(joinPath(path, name), stat);
  };
  note(ROOT, tree.lstat(ROOT)!);
  return found;
}
