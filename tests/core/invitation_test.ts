import { assert, assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../core/errors.ts";
import { encode256, formatInvitation, isToken, parseInvitation } from "../../core/invitation.ts";
import { withoutSecrets } from "../../core/text.ts";

const TOKEN = encode256(Uint8Array.from({ length: 32 }, (_, i) => i * 7));
const OTHER = encode256(Uint8Array.from({ length: 32 }, (_, i) => 255 - i));

Deno.test("an invitation is read as it was written", () => {
  for (const host of ["nas", "10.0.0.7", "fe80::1", "xn--bcher-kva.example"]) {
    for (const trust of [{ kind: "pin", fingerprint: OTHER }, { kind: "ca" }] as const) {
      const invitation = { host, port: 5000, token: TOKEN, trust };
      assertEquals(parseInvitation(formatInvitation(invitation)), invitation);
    }
  }
  const plain = { host: "localhost", port: 7, token: TOKEN, trust: { kind: "plain" } } as const;
  assertEquals(parseInvitation(`${formatInvitation(plain)}/`), plain);
});

Deno.test("what is not an invitation is refused, without repeating it", () => {
  const good = `dirsync://nas:5000/${TOKEN}/${OTHER}`;
  const table = [
    "",
    "dirsync://",
    "dirsync://nas",
    `dirsync://nas:5000/${TOKEN}`,
    `dirsync://nas:5000/${TOKEN}/`,
    `dirsync://nas:5000/${TOKEN.slice(1)}/${OTHER}`,
    `dirsync://nas:5000/${TOKEN}/${OTHER.slice(1)}`,
    `dirsync://nas:5000/${TOKEN}/CA`,
    `dirsync://nas:5000/${TOKEN}/none`,
    // The same 256 bits written otherwise.
    `dirsync://nas:5000/${TOKEN.slice(0, -1)}B/${OTHER}`,
    // Without TLS on the way to another machine.
    `dirsync://nas:5000/${TOKEN}/plain`,
    `dirsync://localhost.example:5000/${TOKEN}/plain`,
    `dirsync://nas:99999/${TOKEN}/ca`,
    `dirsync://a b/${TOKEN}/ca`,
    `dirsync://me@nas/${TOKEN}/ca`,
    `${good}/more`,
    `${good}?x`,
    `${good}\n`,
    ` ${good}`,
    `http://nas/${TOKEN}/ca`,
    `dirsync://${"n".repeat(2000)}/${TOKEN}/ca`,
  ];
  for (const text of table) {
    const error = assertThrows(() => parseInvitation(text), UsageError, "Cannot use the invitation", text);
    assert(!error.message.includes(TOKEN.slice(1, -1)), error.message);
  }
});

Deno.test("a token is 256 bits in their one form", () => {
  assert(isToken(TOKEN) && isToken("A".repeat(43)));
  for (const text of ["", "A".repeat(42), "A".repeat(44), `${"A".repeat(42)}B`, `${"A".repeat(42)}+`, `${TOKEN} `]) {
    assert(!isToken(text), text);
  }
});

Deno.test("withoutSecrets() hides tokens wherever they are", () => {
  const texts = [
    `dirsync://nas:5000/${TOKEN}/${OTHER}`,
    `x "dirsync://nas/${TOKEN}/ca"`,
    TOKEN,
    `--token-file=${TOKEN}`,
    `${TOKEN}, ${OTHER}`,
  ];
  for (const text of texts) {
    const hidden = withoutSecrets(text);
    assert(!hidden.includes(TOKEN) && !hidden.includes(OTHER), hidden);
  }
  assertEquals(withoutSecrets("a/b-c_d dirsync://nas"), "a/b-c_d dirsync://nas");
});
