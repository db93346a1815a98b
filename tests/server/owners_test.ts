import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../core/errors.ts";
import { MAX_ACCOUNTS } from "../../core/limits.ts";
import { noAccounts } from "../../core/accounts.ts";
import { Owners } from "../../server/owners.ts";

Deno.test("a client names so many users and groups, and no more, until another comes", () => {
  const owners = new Owners({ ...noAccounts, userId: (name) => name === "anna" ? 7 : undefined });
  owners.learn([{ id: 1000, name: "anna" }, { id: 1001, name: "bert" }], []);
  assertEquals([1000, 1001, 1002].map((id) => owners.user(id)), [7, 1001, 1002]);
  const many = (from: number) => Array.from({ length: 8192 }, (_, i) => ({ id: from + i, name: "x" }));
  assertThrows(
    () => {
      for (let from = 10_000; from < 10_000 + 2 * MAX_ACCOUNTS; from += 8192) owners.learn(many(from), many(from));
    },
    ProtocolError,
    "Too many users and groups",
  );
  owners.forget();
  owners.learn(many(1), []);
});
