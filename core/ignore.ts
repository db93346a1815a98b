// Which paths are not mirrored: gitignore's rules, from `--exclude` and from `.dirsyncignore` files. The library `ignore`
// knows the patterns of one directory; here every file's patterns are anchored to the directory that they come from, so that
// one list holds the rules of a directory and of all above it, and the last that matches decides.

import ignore from "ignore";
import { ProblemError } from "./errors.ts";
import { isPrivateName, type RelPath, ROOT } from "./path.ts";

/** Name of the files with patterns. */
export const IGNORE_FILE = ".dirsyncignore";
/** Largest such file (bytes of UTF-8). */
export const MAX_IGNORE_BYTES = 1 << 20;
/** Longest pattern (UTF-16 code units), and most patterns that apply to one directory; each is tried on each path. */
const MAX_PATTERN_LENGTH = 4096;
const MAX_PATTERNS = 10_000;
/** The library remembers all it was asked; after so many paths it begins anew. */
const MAX_REMEMBERED = 4096;

/** A bracket expression is closed and its classes exist; no backslash ends the pattern. Git lets others match nothing. */
const WELL_FORMED = (() => {
  const classes = "alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit";
  const member = String.raw`(?:\\.|\[:(?:${classes}):\]|\[(?!:[^\]]*:\])|[^\\\][])`;
  return new RegExp(String.raw`^(?:\\.|[^\\[]|\[(?:[!^]|(?![!^]))(?:\]|${member})${member}*\])*$`, "s");
})();

/**
 * The rules that apply to a directory and all below it. Immutable: a scan hands an extended copy down the tree.
 *
 * As in git, the last pattern that matches decides: those of a deeper file come after those of a shallower one, and those of
 * the command line after all files (git's order). "!" includes again, but nothing below an ignored directory. Case matters everywhere. What
 * is called `.dirsync`, in any case, at the root is always ignored.
 *
 * @example Usage
 * ```ts
 * import { assert } from "@std/assert";
 * import { parsePath } from "./path.ts";
 * const rules = new IgnoreRules(["*.iso"]).withFile(parsePath("src"), "*.o\n!keep.o\n/build/\n");
 * assert(rules.ignores(parsePath("big.iso"), false));
 * assert(rules.ignores(parsePath("src/lib/a.o"), false));
 * assert(!rules.ignores(parsePath("src/keep.o"), false));
 * assert(rules.ignores(parsePath("src/build/x"), false));
 * assert(!rules.ignores(parsePath("build"), true));
 * ```
 */
export class IgnoreRules {
  /** Patterns of the command line, and of the files from the root downwards. */
  #excludes: readonly string[];
  #files: ignore.Ignore | undefined;
  #fileCount = 0;
  /** All of them, files first; undefined if there is none. */
  #rules: ignore.Ignore | undefined;
  #asked = 0;

  /**
   * The rules of the command line alone.
   *
   * @param excludes Patterns as of the root.
   * @throws {ProblemError} If one is not well formed.
   */
  constructor(excludes: readonly string[] = []) {
    this.#excludes = excludes.flatMap((pattern) => readPattern(pattern, ROOT, () => `The pattern ${quote(pattern)}`));
    this.#join();
  }

  /**
   * These rules and those of a file in the directory `dir`. Call it from the root downwards.
   *
   * @param text Content of the file; a byte order mark and the ends of lines of Windows are fine.
   * @throws {ProblemError} If the file is too large, holds too many patterns or one that is not well formed.
   */
  withFile(dir: RelPath, text: string): IgnoreRules {
    if (text.length > MAX_IGNORE_BYTES || new TextEncoder().encode(text).length > MAX_IGNORE_BYTES) {
      throw new ProblemError(`it is larger than ${MAX_IGNORE_BYTES} bytes, the most that dirsync reads`);
    }
    const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
    const patterns = lines.flatMap((line, i) => readPattern(line, dir, () => `its line ${i + 1}, ${quote(line)},`));
    if (patterns.length === 0) return this;
    const rules = new IgnoreRules();
    rules.#excludes = this.#excludes;
    rules.#files = newIgnore(this.#files).add(patterns);
    rules.#fileCount = this.#fileCount + patterns.length;
    rules.#join();
    return rules;
  }

  /**
   * Whether `path` is not mirrored, by itself or because a directory above it is not.
   *
   * @param isDir Whether it is a directory: some patterns mean only these.
   */
  ignores(path: RelPath, isDir: boolean): boolean {
    if (path === ROOT) return false;
    if (isPrivateName(topOf(path))) return true;
    if (!this.#rules) return false;
    if (++this.#asked > MAX_REMEMBERED) {
      this.#asked = 0;
      this.#rules = newIgnore(this.#rules);
    }
    return this.#rules.ignores(isDir ? `${path}/` : path);
  }

  #join(): void {
    const count = this.#fileCount + this.#excludes.length;
    if (count > MAX_PATTERNS) {
      throw new ProblemError(`more than ${MAX_PATTERNS} patterns apply here, with those of the directories above`);
    }
    if (count > 0) this.#rules = newIgnore(this.#files).add(this.#excludes);
  }
}

/** A new instance, with the rules (not the memory) of another one. */
function newIgnore(rules?: ignore.Ignore): ignore.Ignore {
  const fresh = ignore({ ignoreCase: false });
  return rules ? fresh.add(rules) : fresh;
}

/** The pattern in `line` as one anchored to the root, or nothing if there is none. */
function readPattern(line: string, dir: RelPath, where: () => string): string[] {
  if (line.startsWith("#")) return [];
  const negative = line.startsWith("!");
  const body = trimEnd(negative ? line.slice(1) : line);
  if (/^\/*$/.test(body)) return [];
  if (body.length > MAX_PATTERN_LENGTH) {
    throw new ProblemError(`${where()} is longer than ${MAX_PATTERN_LENGTH} characters`);
  }
  if (body.includes("\0")) throw new ProblemError(`${where()} contains NUL, which no name does`);
  if (!WELL_FORMED.test(body)) {
    throw new ProblemError(`${where()} is not a pattern: a "[" is not closed, names no known class, or a "\\" ends it`);
  }
  return [(negative ? "!" : "") + anchor(body, dir)];
}

/** A pattern that means below the root what `body` means in `dir`. */
function anchor(body: string, dir: RelPath): string {
  if (dir === ROOT) return body;
  const prefix = "/" + dir.replace(/[\\*?[]/g, "\\$&");
  if (body.startsWith("/")) return prefix + body;
  return body.slice(0, -1).includes("/") ? `${prefix}/${body}` : `${prefix}/**/${body}`;
}

/** Without the spaces at the end, but for one that a backslash protects. */
function trimEnd(text: string): string {
  let end = text.length;
  while (text[end - 1] === " ") end--;
  if (end === text.length) return text;
  let slashes = 0;
  while (text[end - 1 - slashes] === "\\") slashes++;
  return text.slice(0, end + slashes % 2);
}

function topOf(path: RelPath): string {
  const end = path.indexOf("/");
  return end < 0 ? path : path.slice(0, end);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
