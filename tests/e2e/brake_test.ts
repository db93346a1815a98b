// The brake with real processes: drives that are really unmounted (as root), sources that are moved away, `dirsync approve`.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Scene } from "../support/scene.ts";
import { differenceOf, until } from "../support/trees.ts";

/** Mounting needs root, and a system that lets it. */
const MAY_MOUNT = Deno.build.os === "linux" && Deno.uid() === 0 && mayMount();

function mayMount(): boolean {
  const dir = Deno.makeTempDirSync();
  try {
    return sh("mount", "-t", "tmpfs", "none", dir) && sh("umount", dir);
  } finally {
    Deno.removeSync(dir);
  }
}

function sh(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

/** A scene whose source is a mount point with three files of its own. */
class DriveScene extends Scene {
  /** How many files were saved on the drive meanwhile. */
  saves = 0;

  constructor() {
    super();
    for (const name of ["desktop.ini", "Thumbs.db", "README"]) this.write(name, `default ${name}`);
    this.mount();
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    while (sh("umount", "-l", this.source));
    await super[Symbol.asyncDispose]();
  }

  /** Mounts a drive there that has its content already. */
  mount(): void {
    const drive = `${this.path}/drive`;
    Deno.mkdirSync(drive, { recursive: true });
    assert(sh("mount", "-t", "tmpfs", "none", drive));
    const photos = Array.from({ length: 20 }, (_, i) => `photos/${i % 3}/${i}.jpg`);
    for (const path of ["desktop.ini", ...photos]) {
      const file = `${drive}/${path}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(file, `the drive's ${path}`);
      Deno.utimeSync(file, 1_700_000_000, 1_700_000_000);
    }
    for (let round = 0; round < this.saves; round++) {
      Deno.writeTextFileSync(`${drive}/photos/new ${round}.jpg`, `a new save in round ${round}`);
    }
    assert(sh("mount", "--bind", drive, this.source) && sh("umount", drive));
  }

  /** Unmounts it, which must not need force. */
  async unmount(): Promise<void> {
    await until(() => sh("umount", this.source) ? "" : "the source is busy", 3000);
  }
}

for (const layer of ["posix", "portable"]) {
  Deno.test({
    name: `brake: a drive is unmounted under a live client, and mounted again (${layer} layer)`,
    ignore: !MAY_MOUNT,
    fn: async () => {
      await using scene = new DriveScene();
      scene.env = { DIRSYNC_FS: layer };
      const { server, address } = await scene.server();
      const client = scene.client(address, "--max-delete", "100%");
      await client.event("synced");
      await scene.level();
      const photos = () => differenceOf(`${scene.path}/mirrored`, `${scene.mirror}/photos`);
      assert(sh("cp", "-a", `${scene.mirror}/photos`, `${scene.path}/mirrored`));
      for (let round = 0; round < 2; round++) {
        let from = client.events.length;
        const serverFrom = server.events.length;
        await scene.unmount();
        const held = await client.event("held", { from });
        assertEquals([held.reason, held.deleted, held.replaced], ["another directory", 24 + round, 1]);
        assertEquals((await server.event("held", { from: serverFrom })).reason, "another directory");
        // What is only here does no harm.
        await until(() => Deno.readTextFileSync(scene.there("README")) === "default README" ? "" : "not yet");
        assertEquals(photos(), "");
        assertEquals(Deno.readTextFileSync(scene.there("desktop.ini")), "the drive's desktop.ini");
        from = client.events.length;
        scene.mount();
        assertEquals((await client.event("released", { from })).how, "back");
        await scene.level();
        scene.write(`photos/new ${round}.jpg`, `a new save in round ${round}`);
        scene.saves++;
        await scene.level();
        Deno.removeSync(`${scene.path}/mirrored`, { recursive: true });
        assert(sh("cp", "-a", `${scene.mirror}/photos`, `${scene.path}/mirrored`));
      }
      const deleted = client.events.filter((event) => event.event === "change" && event.change === "delete");
      assertEquals(deleted.map((event) => "path" in event && event.path).sort(), [
        "README",
        "README",
        "Thumbs.db",
        "Thumbs.db",
      ]);
    },
  });
}

Deno.test({
  name: "brake: --once with a drive that is not mounted deletes nothing, and ends with status 3",
  ignore: !MAY_MOUNT,
  fn: async () => {
    await using scene = new DriveScene();
    const { address } = await scene.server();
    assertEquals((await scene.once(address)).status, 0);
    await scene.unmount();
    const { client, status } = await scene.once(address, "--max-delete", "100%");
    assertEquals(status, 3);
    assertEquals((await client.event("held")).reason, "another directory");
    assertEquals([...Deno.readDirSync(scene.there("photos"))].length, 3);
  },
});

for (const layer of Deno.build.os === "linux" ? ["posix", "portable"] : ["portable"]) {
  Deno.test(`brake: a source that is moved away under a live client, and back (${layer} layer)`, async () => {
    await using scene = new Scene();
    scene.env = { DIRSYNC_FS: layer };
    scene.write("dir/file", "1");
    const { address } = await scene.server();
    const client = scene.client(address);
    await client.event("synced");
    Deno.renameSync(scene.source, `${scene.path}/elsewhere`);
    const held = await client.event("held");
    assertEquals([held.reason, held.detail], ["missing", "it does not exist"]);
    assertEquals(Deno.readTextFileSync(scene.there("dir/file")), "1");
    Deno.renameSync(`${scene.path}/elsewhere`, scene.source);
    await client.event("released");
    scene.write("dir/file", "2");
    await scene.level();
  });
}

Deno.test("brake: what is held is approved of by a command, for exactly that", async () => {
  await using scene = new Scene();
  const approve = (dir: string) => scene.run("approve", dir, "--state", scene.state);
  for (let i = 0; i < 120; i++) scene.write(`dir ${i % 3}/${i}`, "x");
  const { address } = await scene.server();
  const unknown = await approve(scene.source);
  assertEquals(unknown.status, 1);
  assertMatch(unknown.stderr, /^dirsync: Cannot approve: no client has mirrored ".*source" from here .*\n$/);
  assertEquals((await scene.once(address)).status, 0);
  const nothing = await approve(scene.source);
  assertEquals([nothing.status, nothing.stdout], [0, `nothing is held for ${Deno.realPathSync(scene.source)}\n`]);
  for (const dir of ["dir 0", "dir 1"]) Deno.removeSync(scene.here(dir), { recursive: true });
  assertEquals((await scene.once(address)).status, 3);
  assertEquals([...Deno.readDirSync(scene.mirror)].length, 4);
  const live = scene.client(address);
  const { deleted, sample } = await live.event("held");
  assertEquals([deleted, sample], [82, ["dir 0", "dir 1"]]);
  const approved = await approve(scene.source);
  assertEquals(approved.status, 0);
  assertMatch(approved.stdout, /^approved: 82 to delete; .*\n *dir 0\n *dir 1\n$/);
  assertEquals((await live.event("released")).how, "approved");
  await scene.level();
});
