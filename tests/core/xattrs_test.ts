import { assertEquals, assertThrows } from "@std/assert";
import { Writer } from "../../core/codec.ts";
import { ProtocolError } from "../../core/errors.ts";
import { decodeXattrs } from "../../core/xattrs.ts";

/** The bytes of attributes of these names, in this order. */
function bytesOf(...names: string[]): Uint8Array {
  const out = new Writer();
  for (const name of names) {
    out.text(name);
    out.uint(1);
    out.raw(Uint8Array.of(7));
  }
  return out.take();
}

Deno.test("a peer sets attributes of users and access lists, and no others", () => {
  assertEquals([...decodeXattrs(bytesOf("system.posix_acl_access", "user.a", "user.b")).keys()].length, 3);
  const others = [
    "security.capability",
    "security.selinux",
    "trusted.overlay.opaque",
    "system.nfs4_acl",
    "user.",
    "USER.a",
    "user.a\0b",
    "",
  ];
  for (const name of others) assertThrows(() => decodeXattrs(bytesOf(name)), ProtocolError, "is not mirrored", name);
  for (const names of [["user.b", "user.a"], ["user.a", "user.a"]]) {
    assertThrows(() => decodeXattrs(bytesOf(...names)), ProtocolError, "not in order");
  }
});
