// Who gets in, over what, and who does not: real servers and clients, TLS, invitations, revocation, secrets.

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { Running } from "../support/program.ts";
import { noise, Scene } from "../support/scene.ts";
import { differenceOf } from "../support/trees.ts";

const posix = Deno.build.os !== "windows";

/** Where a secret must not be: all that was printed but for the invitation itself, and the files below `folders`. */
function findSecret(secret: string, folders: readonly string[], printed: readonly Running[]): string[] {
  const found: string[] = [];
  for (const { events, stderr } of printed) {
    for (const event of events) {
      if (event.event !== "invitation" && JSON.stringify(event).includes(secret)) found.push(event.event);
    }
    if (stderr.includes(secret)) found.push("stderr");
  }
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) walk(path);
      else if (new TextDecoder("latin1").decode(Deno.readFileSync(path)).includes(secret)) found.push(path);
    }
  };
  for (const folder of folders) walk(folder);
  return found;
}

/** The token in an invitation. */
function tokenIn(invitation: string): string {
  return invitation.split("/")[3]!;
}

/** The end of a client that is turned away: its status and what it said. */
async function refused(client: Running): Promise<string> {
  assertEquals(await client.ended(), 1, JSON.stringify(client.events));
  return client.stderr;
}

Deno.test("private: off the loopback a server asks for TLS and a token, and its first invitation is all that a client needs", async () => {
  await using scene = new Scene();
  scene.write("dir/large", noise(3_000_000));
  const { server, port, invitation } = await scene.guarded();
  const listening = await server.event("listening");
  assertEquals([listening.loopback, listening.tls, listening.token], [false, true, true]);
  assertMatch(invitation, new RegExp(`^dirsync://127\\.0\\.0\\.1:${port}/[\\w-]{43}/[\\w-]{43}$`));
  assertEquals((await scene.once(invitation, "--verbose")).status, 0);
  assertEquals(differenceOf(scene.source, scene.mirror), "");
  // From then on the address is enough, live too, and the connection comes back after the server was away.
  const client = scene.client(`127.0.0.1:${port}`, "--verbose");
  await client.event("synced");
  scene.write("new", "new");
  await scene.level();
  await server.stop();
  await client.event("waiting");
  const again = await scene.server(`0.0.0.0:${port}`);
  scene.write("newer", "newer");
  await scene.level();
  assertEquals(again.server.events.filter(({ event }) => event === "invitation"), [], "invited once only");
  assertEquals(await client.stop(), 0);
  assertEquals(findSecret(tokenIn(invitation), [scene.mirror], [server, client, again.server]), []);
});

Deno.test("private: without a token, with a wrong one, without TLS or with another's nobody gets in, and nothing is made", async () => {
  await using scene = new Scene();
  scene.write("a", "a");
  const { server, port, invitation } = await scene.guarded();
  const [, , place, , fingerprint] = invitation.split("/");
  const wrong = "A".repeat(43);
  const said = async (address: string, ...args: string[]) => await refused((await scene.once(address, ...args)).client);
  assertStringIncludes(await said(`127.0.0.1:${port}`), "asks for TLS and a token: use the invitation");
  assertStringIncludes(await said(`http://127.0.0.1:${port}`), "asks for TLS and a token");
  assertStringIncludes(await said(`dirsync://${place}/${wrong}/${fingerprint}`), "does not know our token");
  assertStringIncludes(
    await said(`dirsync://${place}/${tokenIn(invitation)}/${wrong}`),
    "not the server of the invitation",
  );
  assertStringIncludes(await said(`dirsync://${place}/${tokenIn(invitation)}/ca`), "cannot prove that it is 127.0.0.1");
  assertStringIncludes(await said(`https://127.0.0.1:${port}`), "cannot prove that it is 127.0.0.1");
  await server.event("warning", { where: ({ message }) => message.includes("wrong token from 127.0.0.1") });
  assertEquals([...Deno.readDirSync(scene.mirror)], []);
  // What failed is not stored: the address alone is as good as before.
  assertStringIncludes(await said(`127.0.0.1:${port}`), "asks for TLS and a token");
  assertEquals((await scene.once(invitation)).status, 0);
});

Deno.test("private: a revoked client is out at once, an expired one too, others stay", async () => {
  await using scene = new Scene();
  scene.write("a", "a");
  const { server, invitation } = await scene.guarded();
  const other = await scene.invite("--name", "other");
  const brief = await scene.invite("--name", "brief", "--expires", "0.00000001");
  assertStringIncludes(await refused((await scene.once(brief)).client), "our invitation has expired");
  const client = scene.client(invitation);
  await client.event("synced");
  const from = server.events.length;
  const revoked = await scene.run("revoke", "client-1", scene.mirror, "--state", scene.state);
  assertEquals(revoked.status, 0, revoked.stderr);
  await server.event("disconnected", { from });
  assertStringIncludes(await refused(client), "does not know our token, or not any more");
  assertEquals((await scene.once(other)).status, 0);
  const { stdout } = await scene.run("clients", scene.mirror, "--state", scene.state);
  assertMatch(
    stdout,
    /^other: may change everything, invited .*, last used .*\nbrief: may change everything, expired, .*never used\n$/,
  );
  const unknown = await scene.run("revoke", "client-1", scene.mirror, "--state", scene.state);
  assertEquals([unknown.status, unknown.stdout], [1, ""]);
});

Deno.test("private: what an invitation does not allow is not done", async () => {
  await using scene = new Scene();
  scene.write("kept", "first");
  scene.write("dir/file", "x");
  const { invitation } = await scene.guarded();
  assertEquals((await scene.once(invitation)).status, 0);
  const compare = await scene.invite("--name", "compare", "--read-only");
  const add = await scene.invite("--name", "add", "--add-only");
  scene.write("kept", "second");
  scene.write("added", "added");
  Deno.removeSync(scene.here("dir"), { recursive: true });
  assertStringIncludes(await refused((await scene.once(compare)).client), "may only compare");
  const dry = await scene.once(compare, "--dry-run");
  assertEquals(dry.status, 0);
  assert((await dry.client.event("planned")).changes >= 3);
  assertEquals((await scene.once(add)).status, 3);
  assertEquals(Deno.readTextFileSync(scene.there("kept")), "first");
  assertEquals(Deno.readTextFileSync(scene.there("dir/file")), "x");
  assertEquals(Deno.readTextFileSync(scene.there("added")), "added");
});

Deno.test("private: on the loopback --token asks for a token, kept in state, over plain HTTP for this machine only", async () => {
  await using scene = new Scene();
  scene.write("a", "a");
  const { server, address } = await scene.server("127.0.0.1:0", "--token");
  const { invitation } = await server.event("invitation");
  assertMatch(invitation, /^dirsync:\/\/127\.0\.0\.1:\d+\/[\w-]{43}\/plain$/);
  assertStringIncludes(await refused((await scene.once(address)).client), "it asks for a token: use the invitation");
  assertEquals((await scene.once(invitation)).status, 0);
  assertEquals((await scene.once(address)).status, 0);
  const client = scene.client(address);
  await client.event("synced");
  const from = server.events.length;
  assertEquals((await scene.run("revoke", "client-1", scene.mirror, "--state", scene.state)).status, 0);
  await server.event("disconnected", { from });
  // Without TLS anybody on the way can say no: it is asked again.
  await client.event("waiting", { where: ({ reason }) => reason.includes("does not know our token") });
  assertEquals(await client.stop(), 0);
  const wrong = invitation.replace(/[^/]+\/plain$/, `${"A".repeat(43)}/plain`);
  assertStringIncludes(await refused((await scene.once(wrong)).client), "does not know our token");
  const secured = invitation.replace(/plain$/, "A".repeat(43));
  assertStringIncludes(await refused((await scene.once(secured)).client), "does not speak TLS");
  const far = await scene.once(invitation.replace("127.0.0.1", "10.0.0.1"));
  assertEquals(far.status, 2);
});

Deno.test("private: a token or an invitation may come from a file or the environment, and never goes out without TLS", async () => {
  await using scene = new Scene();
  scene.write("a", "a");
  const { port, invitation } = await scene.guarded();
  const file = `${scene.path}/secret`;
  Deno.writeTextFileSync(file, `${invitation}\n`);
  const run = (state: string, args: string[], env: Record<string, string> = {}) =>
    scene.runWith({ env }, "client", scene.source, "--once", "--state", `${scene.path}/${state}`, ...args);
  assertEquals((await run("s1", ["--token-file", file])).status, 0);
  assertEquals((await run("s2", [], { DIRSYNC_TOKEN: invitation })).status, 0);
  assertEquals((await run("s2", ["-s", `127.0.0.1:${port}`])).status, 0);
  // A token alone, for a server whose certificate is known already.
  const other = tokenIn(await scene.invite());
  assertEquals((await run("s2", ["-s", `127.0.0.1:${port}`], { DIRSYNC_TOKEN: other })).status, 0);
  const open = await run("s3", ["-s", "192.0.2.1:5000"], { DIRSYNC_TOKEN: other });
  assertEquals(open.status, 1);
  assertStringIncludes(open.stderr, "Cannot send a token to 192.0.2.1:5000 without TLS");
  Deno.writeTextFileSync(file, "no token\n");
  const bad = await run("s3", ["--token-file", file]);
  assertEquals([bad.status, bad.stderr.includes("no token")], [2, false]);
  assertEquals((await run("s3", ["--token-file", `${file}-missing`])).status, 1);
});

Deno.test("private: what was stored and is damaged is not passed over", async () => {
  await using scene = new Scene();
  scene.write("a", "a");
  const { port, invitation } = await scene.guarded();
  assertEquals((await scene.once(invitation)).status, 0);
  for (const { name } of Deno.readDirSync(`${scene.state}/servers`)) {
    Deno.writeTextFileSync(`${scene.state}/servers/${name}`, "{}");
  }
  assertStringIncludes(await refused((await scene.once(`127.0.0.1:${port}`)).client), "it is damaged");
});

Deno.test({
  name: "private: state is for its owner only",
  ignore: !posix,
  fn: async () => {
    await using scene = new Scene();
    scene.write("a", "a");
    const { invitation } = await scene.guarded();
    assertEquals((await scene.once(invitation)).status, 0);
    const modes = new Map<string, number>();
    const walk = (folder: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(folder)) {
        const path = `${folder}/${name}`;
        modes.set(path.slice(scene.state.length), Deno.lstatSync(path).mode! & 0o777);
        if (isDirectory) walk(path);
      }
    };
    walk(scene.state);
    const names = [...modes.keys()].join("\n");
    for (const name of ["identity.pem", "clients.sqlite", "servers/", ".sqlite"]) assertStringIncludes(names, name);
    for (const [path, mode] of modes) {
      assertEquals(mode.toString(8), Deno.statSync(scene.state + path).isDirectory ? "700" : "600", path);
    }
    assertEquals(Deno.lstatSync(scene.state).mode! & 0o777, 0o700);
    assertEquals(Deno.lstatSync(scene.there(".dirsync")).mode! & 0o777, 0o700);
    assertEquals(Deno.lstatSync(scene.there(".dirsync/index.sqlite")).mode! & 0o777, 0o600);
  },
});

Deno.test({
  name: "private: an invitation does not stay in the list of processes",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using scene = new Scene();
    scene.write("a", "a");
    const { invitation } = await scene.guarded();
    const client = scene.client(invitation);
    await client.event("synced");
    const listed = Deno.readTextFileSync(`/proc/${client.pid}/cmdline`);
    assertStringIncludes(listed, "dirsync://127.0.0.1");
    assert(!listed.includes(tokenIn(invitation)));
  },
});

Deno.test("private: no message repeats an invitation", async () => {
  await using scene = new Scene();
  const token = "B".repeat(43), invitation = `dirsync://nas:5000/${token}/ca`;
  for (
    const args of [
      ["client", invitation],
      ["client", scene.source, "-s", `${invitation}/x`],
      ["client", scene.source, invitation],
      ["client", scene.source, "--token-file", token],
      [invitation],
      ["client", `--${invitation}`],
    ]
  ) {
    const { status, stdout, stderr } = await scene.run(...args, ...(args.length > 1 ? ["--state", scene.state] : []));
    assert(status === 1 || status === 2, args.join(" "));
    assert(stderr !== "" && !(stdout + stderr).includes(token), stderr);
  }
});

Deno.test("private: a client that is told to go without TLS warns", async () => {
  await using scene = new Scene();
  // Nobody is there: an address that is for documentation.
  const client = scene.client("http://192.0.2.1:5000");
  const { message } = await client.event("warning");
  assertStringIncludes(message, "nothing protects the connection to 192.0.2.1:5000");
});

Deno.test("private: a server keeps its secrets out of its mirror, or does not start", async () => {
  await using scene = new Scene();
  Deno.mkdirSync(scene.mirror);
  for (const state of [scene.mirror, scene.there("state"), scene.there("deep/state")]) {
    scene.state = state;
    await assertRejects(() => scene.server("0.0.0.0:0"), Error, "it would be inside of the mirror");
  }
});

Deno.test("private: --insecure is plain HTTP without a token, and warns; the loopback alone makes no state", async () => {
  await using scene = new Scene();
  scene.write("a", "a");
  const open = await scene.server("0.0.0.0:0", "--insecure");
  const { tls, token, loopback } = await open.server.event("listening");
  assertEquals([tls, token, loopback], [false, false, false]);
  assertEquals((await scene.once(open.address.replace("0.0.0.0", "127.0.0.1"))).status, 0);
  await open.server.stop();
  await using quiet = new Scene();
  await quiet.server();
  assertEquals([...Deno.readDirSync(quiet.path)].map(({ name }) => name).sort(), ["mirror", "source"]);
});
