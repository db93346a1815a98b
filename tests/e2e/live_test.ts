// A live client and a server as real processes on real directories.

import { assert, assertEquals } from "@std/assert";
import { noise, Scene } from "../support/scene.ts";
import { until } from "../support/trees.ts";

/** A scene with a live client that is level. */
async function liveScene(prepare: (scene: Scene) => void = () => {}, ...args: string[]) {
  const scene = new Scene();
  prepare(scene);
  const { server, address } = await scene.server();
  const client = scene.client(address, ...args);
  await client.event("synced");
  return { scene, server, client, address };
}

Deno.test("live: names are swapped, nested the other way round and moved about", async () => {
  const { scene } = await liveScene(manyNames);
  await using _ = scene;
  renameAll(scene);
  await scene.level();
});

Deno.test("once: names were swapped, nested the other way round and moved about; nothing is sent again", async () => {
  const { scene, client, address } = await liveScene(manyNames);
  await using _ = scene;
  await client.stop();
  renameAll(scene);
  const { client: again, status } = await scene.once(address);
  assertEquals(status, 0);
  const { sent } = await again.event("synced");
  assert(sent < 5_000, `${sent} bytes were sent`);
  await scene.level();
});

function manyNames(scene: Scene): void {
  const files = ["a", "b", "c", "one/file", "two/file", "outer/inner/file"];
  files.forEach((path, i) => scene.write(path, noise(200_000, i)));
}

function renameAll(scene: Scene): void {
  const rename = (from: string, to: string) => Deno.renameSync(scene.here(from), scene.here(to));
  rename("a", "t"), rename("b", "a"), rename("c", "b"), rename("t", "c");
  rename("one", "t"), rename("two", "one"), rename("t", "two");
  rename("outer/inner", "t"), rename("outer", "t/outer"), rename("t", "inner");
}

Deno.test("live: trees come in, go out, become files and the reverse; symbolic links and empty directories too", async () => {
  const { scene } = await liveScene();
  await using _ = scene;
  const outside = `${scene.path}/outside`;
  Deno.mkdirSync(`${outside}/tree/with/depth`, { recursive: true });
  Deno.writeTextFileSync(`${outside}/tree/with/depth/file`, "x");
  Deno.renameSync(`${outside}/tree`, scene.here("tree"));
  Deno.mkdirSync(scene.here("empty/er"), { recursive: true });
  Deno.symlinkSync("tree/with", scene.here("link"));
  Deno.symlinkSync("/nowhere", scene.here("dangling"));
  await scene.level();
  Deno.renameSync(scene.here("tree"), `${outside}/tree`);
  Deno.removeSync(scene.here("empty"), { recursive: true });
  Deno.writeTextFileSync(scene.here("empty"), "a file now");
  Deno.removeSync(scene.here("link"));
  Deno.mkdirSync(scene.here("link"));
  Deno.writeTextFileSync(scene.here("link/file"), "in what was a link");
  await scene.level();
});

Deno.test("live: editors' atomic saves, writes in place, appends, truncation", async () => {
  const { scene } = await liveScene((scene) => scene.write("text", noise(100_000)));
  await using _ = scene;
  for (let i = 0; i < 20; i++) {
    Deno.writeTextFileSync(scene.here("text.tmp"), `saved ${i}\n`.repeat(1000 + i));
    Deno.renameSync(scene.here("text.tmp"), scene.here("text"));
    Deno.writeTextFileSync(scene.here("log"), `line ${i}\n`, { append: true });
  }
  await scene.level();
  Deno.truncateSync(scene.here("text"), 17);
  await scene.level();
});

Deno.test("live: a log that is written all the time is mirrored meanwhile, and is right in the end", async () => {
  const { scene } = await liveScene();
  await using _ = scene;
  const file = Deno.openSync(scene.here("log"), { write: true, create: true, append: true });
  let written = 0, seen = 0;
  const end = Date.now() + 1500;
  while (Date.now() < end) {
    file.writeSync(new TextEncoder().encode(`line ${written++}\n`));
    await new Promise((resolve) => setTimeout(resolve, 1));
    try {
      const text = Deno.readTextFileSync(scene.there("log"));
      assert(text === "" || text.endsWith("\n"), "a line is torn");
      seen = Math.max(seen, text.split("\n").length - 1);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  file.close();
  assert(seen > 0, "nothing came while it was written");
  await scene.level();
});

Deno.test("live: more events than fit into the system's queue, as fast as can be, and the last state of all is there in the end", async () => {
  const { scene, client } = await liveScene((scene) => {
    for (let f = 0; f < 300; f++) scene.write(`${f % 10}/${f}`, "first");
  });
  await using _ = scene;
  // Each write is at least two events: the file is emptied, and written.
  for (let round = 0; round < 40; round++) {
    for (let f = 0; f < 300; f++) Deno.writeTextFileSync(scene.here(`${f % 10}/${f}`), `${round} of ${f}`);
  }
  await scene.level(60_000);
  assertEquals(client.events.filter(({ event }) => event === "warning" || event === "problem"), []);
});

Deno.test("live: the server goes away and comes back; what changed meanwhile on either side is put right", async () => {
  await using scene = new Scene();
  scene.write("file", "1");
  const first = await scene.server();
  const client = scene.client(first.address);
  await client.event("synced");
  await first.server.stop("SIGKILL");
  await client.event("waiting");
  scene.write("file", "2");
  scene.write("new", "new");
  Deno.writeTextFileSync(scene.there("stray"), "only in the mirror");
  Deno.writeTextFileSync(scene.there("file"), "changed behind our back");
  const from = client.events.length;
  await scene.server(first.address);
  await client.event("synced", { from });
  await scene.level();
});

Deno.test("live: the client waits for a server that is not there yet", async () => {
  await using scene = new Scene();
  scene.write("file", "content");
  const port = freePort();
  const client = scene.client(`127.0.0.1:${port}`);
  await client.event("waiting");
  await scene.server(`127.0.0.1:${port}`);
  await scene.level();
});

Deno.test("live: no file of the mirror's own is ever to be seen, and no file is ever torn", async () => {
  const { scene } = await liveScene();
  await using _ = scene;
  const sizes = new Set([0]);
  const content = (i: number) => noise(300_000 + 1000 * i, i);
  for (let i = 0; i < 30; i++) {
    sizes.add(content(i).length);
    Deno.writeFileSync(scene.here("t"), content(i));
    Deno.renameSync(scene.here("t"), scene.here("file"));
    for (const { name } of Deno.readDirSync(scene.mirror)) {
      assert(["t", "file", ".dirsync"].includes(name), name);
      if (name === ".dirsync") continue;
      try {
        const bytes = Deno.readFileSync(scene.there(name));
        // The temporary one may rest at any size; the other one never has a size but these.
        assert(name === "t" || sizes.has(bytes.length), `a file of ${bytes.length} bytes`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await scene.level();
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name: `live: ${signal} ends client and server within 2 s with status 0`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const { scene, server, client } = await liveScene((scene) => scene.write("file", noise(5_000_000)));
      await using _ = scene;
      for (const running of [client, server]) {
        const begun = Date.now();
        assertEquals(await running.stop(signal), 0);
        assert(Date.now() - begun < 2000, "it took too long");
      }
    },
  });
}

Deno.test("live: a second client is refused by name, and comes in when the first has gone", async () => {
  const { scene, client, address } = await liveScene((scene) => scene.write("file", "1"));
  await using _ = scene;
  scene.state = `${scene.path}/other`;
  const other = scene.client(address);
  const { reason } = await other.event("waiting");
  assert(reason.includes(scene.source), reason);
  await client.stop();
  await other.event("synced");
});

Deno.test("live: many files made at once in fresh directories all arrive", async () => {
  const { scene } = await liveScene(() => {}, "--max-delete", "100%");
  await using _ = scene;
  for (let i = 0; i < 1000; i++) scene.write(`fresh/${i % 7}/${i % 50}/file ${i}`, `content ${i}`);
  await scene.level();
  Deno.removeSync(scene.here("fresh"), { recursive: true });
  await until(() => [...Deno.readDirSync(scene.mirror)].length === 1 ? "" : "something is left");
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
