import { assertEquals, assertThrows } from "@std/assert";
import { ProblemError } from "../../core/errors.ts";
import { parsePath as p, ROOT } from "../../core/path.ts";
import { windowsPath } from "../../core/windows_path.ts";

Deno.test("windowsPath() makes one path of root and names", () => {
  assertEquals(windowsPath("C:\\tree", ROOT), "C:\\tree");
  assertEquals(windowsPath("C:/tree", p("a/b c")), "C:\\tree\\a\\b c");
  assertEquals(windowsPath("C:\\", p("a")), "C:\\a");
  assertEquals(windowsPath("\\\\host\\share", p("a")), "\\\\host\\share\\a");
});

Deno.test("windowsPath() marks long paths, and refuses those that are too long for Windows", () => {
  const long = p(`${"x".repeat(200)}/${"y".repeat(200)}`);
  const tail = long.replace("/", "\\");
  assertEquals(windowsPath("C:\\tree", long), `\\\\?\\C:\\tree\\${tail}`);
  assertEquals(windowsPath("\\\\host\\share", long), `\\\\?\\UNC\\host\\share\\${tail}`);
  assertEquals(windowsPath("\\\\?\\C:\\tree", long), `\\\\?\\C:\\tree\\${tail}`);
  const names = (count: number) => p(Array(count).fill("x".repeat(200)).join("/"));
  assertEquals(windowsPath("C:\\", names(162)).length, 7 + 162 * 201 - 1);
  assertThrows(() => windowsPath("C:\\", names(163)), ProblemError, "longer than the 32,767 characters");
});

Deno.test("windowsPath() refuses names that lead elsewhere or that Windows would change, and says what is wrong with them", () => {
  const REFUSED = [
    ["a\\b", "it has a \\"],
    ["..\\..\\x", "it has a \\"],
    ["C:", "it has a :"],
    ["a:stream", "it has a :"],
    ["a?", "it has a ?"],
    ["a*", "it has a *"],
    ['a"', 'it has a "'],
    ["a<b", "it has a <"],
    ["a>b", "it has a >"],
    ["a|b", "it has a |"],
    ["a\nb", "it has the control character U+000A"],
    ["\x1f", "it has the control character U+001F"],
    ["dot.", "it ends with a dot"],
    ["...", "it ends with a dot"],
    ["nul.", "it ends with a dot"],
    ["space ", "it ends with a space"],
    ["con", "CON is a device there"],
    ["NUL", "NUL is a device there"],
    ["nul.txt", "NUL is a device there"],
    ["nul.tar.gz", "NUL is a device there"],
    ["nul .txt", "NUL is a device there"],
    ["Com1", "COM1 is a device there"],
    ["lpt².log", "LPT² is a device there"],
    ["CONIN$", "CONIN$ is a device there"],
  ] as const;
  for (const [name, why] of REFUSED) {
    const message = `Windows does not allow the name ${JSON.stringify(name)}: ${why}`;
    for (const path of [name, `${name}/file`, `dir/${name}`]) {
      const error = assertThrows(() => windowsPath("C:\\tree", p(path)), ProblemError);
      assertEquals(error.message, message);
    }
  }
  for (const name of ["console", "com", "com10", "null", ".con", "a.con", "-x", "ü", " a", ".a", "\x7f", "con x"]) {
    assertEquals(windowsPath("C:\\tree", p(name)), `C:\\tree\\${name}`);
  }
});
