import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { FatalError, ProblemError } from "../../core/errors.ts";
import { MAX_CLIENTS } from "../../core/limits.ts";
import { Clients, isExpired } from "../../server/clients.ts";
import { digestOf } from "../../core/recipe.ts";
import { TempDir } from "../support/temp_dir.ts";

const NOW = 1_800_000_000_000;
const bytes = (fill: number) => new Uint8Array(32).fill(fill);

Deno.test("a token lets its client in and is not kept, only its hash", () => {
  using dir = new TempDir();
  let token: string;
  {
    using clients = new Clients(dir.path);
    token = clients.add({ name: "laptop", access: "add-only", quotaBytes: 5, expires: NOW + 10 }, bytes(1), NOW).token;
    clients.add({ access: "full" }, bytes(2), NOW);
  }
  const files = [...Deno.readDirSync(dir.path)].map(({ name }) => Deno.readFileSync(`${dir.path}/${name}`));
  const text = files.map((file) => new TextDecoder("latin1").decode(file)).join("");
  assert(!text.includes(token) && text.includes(digestOf(new TextEncoder().encode(token))));
  using clients = new Clients(dir.path);
  const client = clients.withToken(token)!;
  assertEquals(client, { id: 1, name: "laptop", access: "add-only", quotaBytes: 5, expires: NOW + 10, created: NOW });
  assertEquals([isExpired(client, NOW + 9), isExpired(client, NOW + 10)], [false, true]);
  assertEquals(clients.withToken(`${token.slice(0, -1)}A`), undefined);
  assertEquals(clients.withToken(""), undefined);
  clients.used(client.id, NOW + 3);
  assertEquals(clients.all().map(({ name, lastUsed }) => [name, lastUsed]), [["laptop", NOW + 3], [
    "client-1",
    undefined,
  ]]);
});

Deno.test("a client that was revoked is one no more, and its number is not given to another", () => {
  using dir = new TempDir();
  using clients = new Clients(dir.path), other = new Clients(dir.path);
  const { token } = clients.add({ name: "a", access: "full" }, bytes(1), NOW);
  const { id } = clients.withToken(token)!;
  assert(other.remove("a"));
  assert(!other.remove("a"));
  other.add({ name: "b", access: "full" }, bytes(2), NOW);
  assertEquals([clients.withToken(token), clients.get(id)], [undefined, undefined]);
});

Deno.test("names are unique and not without end", () => {
  using dir = new TempDir();
  using clients = new Clients(dir.path);
  clients.add({ name: "client-1", access: "full" }, bytes(1), NOW);
  assertThrows(() => clients.add({ name: "client-1", access: "full" }, bytes(2), NOW), ProblemError, "already");
  assertEquals(clients.add({ access: "full" }, bytes(3), NOW).name, "client-2");
});

Deno.test("no more clients are invited than it may be", () => {
  using dir = new TempDir();
  using clients = new Clients(dir.path);
  {
    using db = new DatabaseSync(`${dir.path}/clients.sqlite`);
    db.exec("BEGIN");
    const insert = db.prepare("INSERT INTO client (name, hash, access, created) VALUES (?, ?, 'full', 0)");
    for (let i = 1; i < MAX_CLIENTS; i++) insert.run(`c${i}`, `hash ${i}`);
    db.exec("COMMIT");
  }
  clients.add({ access: "full" }, bytes(1), NOW);
  assertThrows(() => clients.add({ access: "full" }, bytes(2), NOW), ProblemError, "revoke one");
  clients.remove("c1");
  clients.add({ access: "full" }, bytes(2), NOW);
});

Deno.test("tokens are compared by their hashes, all of them, in constant time", () => {
  // No clock tells the difference reliably: it is looked for in the code.
  const code = Deno.readTextFileSync(new URL("../../server/clients.ts", import.meta.url));
  const [, withToken] = /\n {2}withToken\([^]*?\{\n([^]*?)\n {2}\}\n/.exec(code)!;
  assert(withToken!.includes("timingSafeEqual("));
  for (const shortcut of ["===", "WHERE", "break", "if (found"]) assert(!withToken!.includes(shortcut), shortcut);
});

Deno.test("a note that cannot be written ends nothing", () => {
  using dir = new TempDir();
  using clients = new Clients(dir.path);
  clients.add({ name: "a", access: "full" }, bytes(1), NOW);
  using other = new DatabaseSync(`${dir.path}/clients.sqlite`);
  other.exec("DROP TABLE client");
  clients.used(1, NOW);
});

Deno.test("a database that cannot be read lets nobody in, and what it does not know may do least", () => {
  using dir = new TempDir();
  const file = `${dir.path}/clients.sqlite`;
  {
    using clients = new Clients(dir.path);
    clients.add({ access: "full" }, bytes(1), NOW);
  }
  const db = new DatabaseSync(file);
  db.exec("UPDATE client SET access = 'everything'");
  db.close();
  {
    using clients = new Clients(dir.path);
    assertEquals(clients.all()[0]!.access, "read-only");
  }
  Deno.writeTextFileSync(file, "no database, but long enough to look like one".repeat(50));
  assertThrows(() => new Clients(dir.path), FatalError, "Cannot read who may connect");
  assert(Deno.readTextFileSync(file).startsWith("no database"), "it is left for its owner to look at");
});
