// TLS as others see it: which versions, and servers that are not who they should be. openssl plays the other side.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { createServer } from "node:tls";
import { encode256 } from "../../core/invitation.ts";
import { digestOf } from "../../core/recipe.ts";
import { run } from "../support/program.ts";
import { Scene } from "../support/scene.ts";

const openssl = async (...args: string[]) => await run(["openssl"], args);
const ignore = await openssl("version").then(() => false, () => true);

/** A key and a certificate for it, of an authority of their own or of `issuer`. */
async function certify(
  scene: Scene,
  name: string,
  host: string,
  issuer?: string,
): Promise<{ cert: string; key: string }> {
  const file = `${scene.path}/${name}`;
  const authority = issuer ? ["-CA", `${scene.path}/${issuer}.crt`, "-CAkey", `${scene.path}/${issuer}.key`] : [];
  const extensions = issuer || host
    ? ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", `subjectAltName=DNS:${host}`]
    : [];
  const { status, stderr } = await openssl(
    ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split(" "),
    ...["-keyout", `${file}.key`, "-out", `${file}.crt`, "-subj", `/CN=${name}`, ...extensions, ...authority],
  );
  if (status !== 0) throw new Error(stderr);
  return { cert: `${file}.crt`, key: `${file}.key` };
}

/** A TLS server that notes what it is sent after the handshake. */
async function listen(
  cert: string,
  key: string,
): Promise<{ port: number; heard: () => number; close: () => Promise<void> }> {
  let heard = 0;
  const server = createServer({ cert, key }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", ({ length }: Uint8Array) => heard += length);
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    port: (server.address() as { port: number }).port,
    heard: () => heard,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** `openssl s_server`, which prints what it is sent. */
async function serve(...args: string[]) {
  const process = new Deno.Command("openssl", {
    args: ["s_server", "-accept", "0", ...args],
    // At the end of its input it would not serve on.
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const server = { port: "", said: "", hears, stop, [Symbol.asyncDispose]: stop };
  let heard = () => {};
  let isOver = false;
  const reading = (async () => {
    for await (const bytes of process.stdout) {
      server.said += new TextDecoder().decode(bytes);
      heard();
    }
    isOver = true;
    heard();
  })();
  /** Waits for what it prints. @returns The first group. */
  async function hears(text: RegExp): Promise<string | undefined> {
    for (;;) {
      const found = text.exec(server.said);
      if (found) return found[1];
      if (isOver) throw new Error(`openssl s_server ended: ${server.said}`);
      await new Promise<void>((resolve) => heard = resolve);
    }
  }
  async function stop() {
    if (isOver) return;
    await process.stdin.close();
    process.kill("SIGKILL");
    await process.status;
    await reading;
  }
  server.port = (await hears(/ACCEPT \S*:(\d+)\s/))!;
  return server;
}

Deno.test({
  name: "tls: 1.3 only, and no weak suite",
  ignore,
  fn: async () => {
    await using scene = new Scene();
    const { port } = await scene.guarded();
    const handshake = async (...args: string[]) => {
      const { stdout, stderr } = await openssl("s_client", "-connect", `127.0.0.1:${port}`, ...args);
      return stdout + stderr;
    };
    for (const version of ["-tls1", "-tls1_1", "-tls1_2"]) {
      assertMatch(
        await handshake(version, "-cipher", "ALL:@SECLEVEL=0"),
        /alert|no protocols available|New, \(NONE\)/,
        version,
      );
    }
    assertStringIncludes(await handshake("-tls1_3"), "New, TLSv1.3, Cipher is TLS_");
    for (const suite of ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"]) {
      assertStringIncludes(await handshake("-tls1_3", "-ciphersuites", suite), "alert handshake failure", suite);
    }
  },
});

Deno.test({
  name: "tls: a server with another certificate, or with the right one but not its key, is told nothing",
  ignore,
  fn: async () => {
    await using scene = new Scene();
    scene.write("a", "a");
    const real = await scene.guarded();
    const [, , , token, fingerprint] = real.invitation.split("/");
    const other = await certify(scene, "other", "dirsync.internal");
    const stranger = await listen(Deno.readTextFileSync(other.cert), Deno.readTextFileSync(other.key));
    const { client, status } = await scene.once(`dirsync://127.0.0.1:${stranger.port}/${token}/${fingerprint}`);
    assertEquals([status, stranger.heard()], [1, 0]);
    assertStringIncludes(client.stderr, "not the server of the invitation");
    await stranger.close();

    const folder = [...Deno.readDirSync(scene.state)].find(({ name }) =>
      [...Deno.readDirSync(`${scene.state}/${name}`)].some(({ name }) =>
        name === "identity.pem"
      )
    )!.name;
    const identity = Deno.readTextFileSync(`${scene.state}/${folder}/identity.pem`);
    const cert = `${scene.path}/stolen.crt`, key = `${scene.path}/forged.key`;
    Deno.writeTextFileSync(cert, /-----BEGIN CERT[^]*/.exec(identity)![0]);
    Deno.writeTextFileSync(key, forge(identity, Deno.readTextFileSync(other.key)));
    await using impostor = await serve("-cert", cert, "-key", key, "-tls1_3");
    const { client: fooled, status: ended } = await scene.once(
      `dirsync://127.0.0.1:${impostor.port}/${token}/${fingerprint}`,
    );
    assertEquals(ended, 1);
    assertStringIncludes(fooled.stderr, "cannot prove that it is");
    await impostor.stop();
    assert(!impostor.said.includes("GET") && !impostor.said.includes(token!), impostor.said);
    // The real one is not suspected of anything.
    assertEquals((await scene.once(real.invitation)).status, 0);
  },
});

Deno.test({
  name: "tls: a client that meets its own server, but over TLS 1.2, says nothing to it",
  ignore,
  fn: async () => {
    await using scene = new Scene();
    const { cert, key } = await certify(scene, "old", "dirsync.internal");
    const token = "A".repeat(43);
    const pin = encode256(Uint8Array.fromHex(digestOf(new X509Certificate(Deno.readTextFileSync(cert)).raw)));
    for (const [version, isRefused] of [["-tls1_2", true], ["-tls1_3", false]] as const) {
      await using server = await serve("-cert", cert, "-key", key, version);
      const client = scene.client(`dirsync://127.0.0.1:${server.port}/${token}/${pin}`, "--once");
      const status = await Promise.race([client.ended(), server.hears(/GET \/dirsync/)]);
      if (isRefused) assertEquals(status, 1, client.stderr);
      await client.stop("SIGKILL");
      await server.stop();
      assertEquals(server.said.includes(token), !isRefused, version);
    }
  },
});

Deno.test({
  name: "tls: an own certificate is checked by its authority and by the name of the host",
  ignore,
  fn: async () => {
    await using scene = new Scene();
    scene.write("a", "a");
    await certify(scene, "authority", "");
    const { cert, key } = await certify(scene, "leaf", "localhost", "authority");
    const { server, address } = await scene.server(
      "127.0.0.1:0",
      "--cert",
      cert,
      "--key",
      key,
      "--address",
      "localhost",
    );
    const { invitation } = await server.event("invitation");
    assertMatch(invitation, /^dirsync:\/\/localhost:\d+\/[\w-]{43}\/ca$/);
    const port = address.split(":")[1];
    const once = (server: string, env: Record<string, string>) =>
      scene.runWith({ env }, "client", scene.source, "--once", "--state", scene.state, "-s", server);
    const trusting = { DENO_CERT: `${scene.path}/authority.crt` };
    const unknown = await once(invitation, {});
    assertEquals(unknown.status, 1);
    assertStringIncludes(unknown.stderr, "cannot prove that it is localhost");
    assertEquals((await once(invitation, trusting)).status, 0);
    assertEquals((await once(`https://localhost:${port}`, trusting)).status, 0);
    const renamed = await once(invitation.replace("localhost", "127.0.0.1"), trusting);
    assertEquals(renamed.status, 1);
    assertStringIncludes(renamed.stderr, "cannot prove that it is 127.0.0.1");
    const mixed = await scene.run(
      "server",
      scene.mirror,
      "-i",
      "127.0.0.1:0",
      "--cert",
      cert,
      "--key",
      `${scene.path}/authority.key`,
    );
    assertEquals(mixed.status, 1);
    assertStringIncludes(mixed.stderr, "they do not belong together");
  },
});

/** The key of another in the place of the one that belongs to a certificate: openssl compares the public halves only. */
function forge(own: string, other: string): string {
  const der = (pem: string) => Uint8Array.fromBase64(/-----BEGIN PRIVATE KEY-----([^-]+)-----/.exec(pem)![1]!);
  const forged = der(own), key = der(other);
  // An octet string of 32 bytes: the private number.
  const at = (bytes: Uint8Array) => bytes.findIndex((byte, i) => byte === 4 && bytes[i + 1] === 32) + 2;
  forged.set(key.subarray(at(key), at(key) + 32), at(forged));
  return `-----BEGIN PRIVATE KEY-----\n${forged.toBase64().match(/.{1,64}/g)!.join("\n")}\n-----END PRIVATE KEY-----\n`;
}
