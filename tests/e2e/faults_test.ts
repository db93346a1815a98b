// What goes wrong on real disks: full, read-only, an index that is damaged. Each is told, nothing is lost, and all heals by itself.

import { assert, assertEquals } from "@std/assert";
import { canRun } from "../support/program.ts";
import { noise, Scene } from "../support/scene.ts";
import { treeOf } from "../support/trees.ts";

/** A mirror on a file system of its own, in memory, of 20 MB. */
class SmallScene extends Scene {
  constructor() {
    super();
    Deno.mkdirSync(this.mirror);
    this.mount("size=20m");
  }

  mount(options: string): void {
    const args = ["-t", "tmpfs", "-o", options, "tmpfs", this.mirror];
    assert(new Deno.Command("mount", { args }).outputSync().success, `mount ${args.join(" ")}`);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAll();
    new Deno.Command("umount", { args: ["-l", this.mirror] }).outputSync();
    await super[Symbol.asyncDispose]();
  }
}

const mayMount = Deno.build.os === "linux" && Deno.uid() === 0 &&
  canRun("unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt");

Deno.test({
  name: "a full disk is one problem of the file that has no room; the rest arrives, and it heals once there is room",
  ignore: !mayMount,
  async fn() {
    await using scene = new SmallScene();
    scene.write("first", noise(3_000_000, 1));
    const { address } = await scene.server();
    const client = scene.client(address);
    await client.event("synced");
    const before = treeOf(scene.mirror).get("first");
    scene.write("too large", noise(30_000_000, 2));
    scene.write("small", "fits");
    const { path, message } = await client.event("problem");
    assertEquals([path, message], ["too large", "on the server: no space left on the device"]);
    await client.event("change", { where: ({ path }) => path === "small" });
    assertEquals(treeOf(scene.mirror).get("first"), before);
    scene.mount("remount,size=80m");
    // It is tried again at growing intervals.
    await client.event("solved", { where: ({ path }) => path === "too large", withinMs: 90_000 });
    await scene.level();
  },
});

Deno.test({
  name: "a mirror that is read-only is told and waited for",
  ignore: !mayMount,
  async fn() {
    await using scene = new SmallScene();
    scene.write("first", "1");
    const first = await scene.server();
    assertEquals((await scene.once(first.address)).status, 0);
    await first.server.stop();
    scene.mount("remount,ro");
    scene.write("second", "2");
    const { server, address } = await scene.server();
    const client = scene.client(address);
    const { reason } = await client.event("waiting");
    assertEquals(reason, "the server cannot work on its disk: the file system is read-only");
    await server.event("warning", { where: ({ message }) => message.startsWith(reason) });
    scene.mount("remount,rw");
    await scene.level();
  },
});

for (const side of ["server", "client"] as const) {
  Deno.test(`a damaged index of the ${side} is made anew, at its start and later`, async () => {
    await using scene = new Scene();
    for (let i = 0; i < 400; i++) scene.write(`dir ${i % 7}/file ${i}`, noise(200, i));
    const first = await scene.server();
    assertEquals((await scene.once(first.address)).status, 0);
    await first.server.stop();
    const damage = (from: number) => {
      const [index] = indexes(side === "server" ? `${scene.mirror}/.dirsync` : scene.state);
      using file = Deno.openSync(index!, { write: true });
      file.seekSync(from, Deno.SeekMode.Start);
      file.writeSync(noise(20_000, 7));
    };
    damage(0);
    const second = await scene.server();
    scene.write("one more", "1");
    await onceFine(scene, second.address);
    await second.server.stop();
    // Its first pages are right: what is wrong shows only when it is used.
    damage(8192);
    const third = await scene.server();
    scene.write("and one more", "2");
    await onceFine(scene, third.address);
    await scene.level();
  });
}

async function onceFine(scene: Scene, address: string): Promise<void> {
  const { client, status } = await scene.once(address);
  assertEquals(status, 0, client.stderr + JSON.stringify(client.events));
}

/** Index files below a folder. */
function indexes(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory && name !== "history") found.push(...indexes(`${folder}/${name}`));
    else if (name.endsWith(".sqlite")) found.push(`${folder}/${name}`);
  }
  return found;
}
