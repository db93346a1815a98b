import { assertEquals, assertThrows } from "@std/assert";
import { FatalError } from "../../core/errors.ts";
import { isCurrentRuntime, requireTls } from "../../core/tls.ts";

Deno.test("a runtime that cannot do TLS as it is promised does none", () => {
  for (const version of ["1.46.3", "2.6.10", "2.8.99"]) {
    assertEquals(isCurrentRuntime(version), false, version);
    assertThrows(() => requireTls(version), FatalError, `TLS needs Deno 2.9 or later, and this is ${version}`);
  }
  for (const version of ["2.9.0", "2.10.1", "3.0.0"]) requireTls(version);
});
