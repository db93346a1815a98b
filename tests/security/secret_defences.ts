// What must not be told, and to whom.

import { type Defence, defence } from "./defence.ts";

const FILES = "core/private_files.ts";

export const SECRET: readonly Defence[] = [
  defence(
    "messages repeat an invitation",
    "main.ts",
    "escapeText(withoutSecrets(message))",
    "escapeText(message)",
    "e2e/private",
  ),
  defence(
    "an invitation stays in the list of processes",
    "main.ts",
    "hideArgument(command.options.server.token);",
    "void 0;",
    "e2e/private",
  ),
  defence(
    "files of secrets are for all",
    FILES,
    "createNew: true, mode: 0o600",
    "createNew: true, mode: 0o644",
    "e2e/private",
  ),
  defence("databases are for all", FILES, "append: true, mode: 0o600", "append: true, mode: 0o644", "e2e/private"),
  defence(
    "folders of secrets are for all",
    FILES,
    'Deno.build.os !== "windows") Deno.chmodSync(path, 0o700);',
    'Deno.build.os !== "windows") Deno.chmodSync(path, 0o755);',
    "e2e/private",
  ),
  defence(
    "secrets are kept in somebody else's folder",
    FILES,
    "if (uid === null || me === null || uid === me) return;",
    "return;",
    "core/private_files",
  ),
  defence(
    "a private folder that somebody else has made is used",
    "server/own_folder.ts",
    "uid === null || me === null || uid === me || uid === ownerOfNew()",
    "true",
    "server/own_folder",
  ),
  defence(
    "a mirror's private folder is for all",
    "server/mirror.ts",
    "fs.mkdir(PRIVATE_DIR, 0o700);",
    "fs.mkdir(PRIVATE_DIR, 0o755);",
    "e2e/private",
  ),
  defence(
    "a client may write the server's secrets",
    "server/access.ts",
    "if (inside) throw",
    "if (false) throw",
    "e2e/private",
  ),
  defence(
    "control characters reach the terminal",
    "core/text.ts",
    "[\\0-\\x1f\\x7f-\\x9f",
    "[\\0-\\x08",
    "core/report",
    "core/text",
  ),
  defence(
    "control characters reach the log as JSON",
    "core/report.ts",
    "return escapeJson(json);",
    "return json;",
    "core/report",
  ),
  defence(
    "control characters reach the terminal in messages of errors",
    "main.ts",
    "escapeText(withoutSecrets(message))",
    "withoutSecrets(message)",
    "e2e/terminal",
  ),
];
