// On a file system that shares blocks, what an edited file has kept takes no room again, in the mirror or in its history.

import { assert, assertEquals } from "@std/assert";
import { canRun } from "../support/program.ts";
import { noise, Scene } from "../support/scene.ts";

const MIB = 1 << 20;

/** Runs a command. @returns What it printed. */
function run(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  assert(success, `${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** A mirror on an XFS of its own, in a file. */
class XfsScene extends Scene {
  constructor() {
    super();
    const image = `${this.path}/image`;
    Deno.mkdirSync(this.mirror);
    Deno.writeFileSync(image, new Uint8Array());
    Deno.truncateSync(image, 400 * MIB);
    run("mkfs.xfs", "-q", "-m", "reflink=1", image);
    run("mount", "-o", "loop", image, this.mirror);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAll();
    new Deno.Command("umount", { args: ["-l", this.mirror] }).outputSync();
    await super[Symbol.asyncDispose]();
  }

  /** Bytes taken on it. */
  used(): number {
    return Number(run("df", "--output=used", "-B1", this.mirror).trim().split("\n")[1]);
  }
}

const mayMount = Deno.build.os === "linux" && Deno.uid() === 0 && canRun("mkfs.xfs", "-V") && canRun("losetup", "-f") &&
  (Deno.readTextFileSync("/proc/filesystems").includes("xfs") || canRun("modprobe", "xfs"));

Deno.test({
  name: "an edited file shares its blocks with its old version where the file system can",
  ignore: !mayMount,
  async fn() {
    await using scene = new XfsScene();
    const content = noise(40 * MIB, 1);
    scene.write("f", content);
    const { address } = await scene.server();
    assertEquals((await scene.once(address)).status, 0);
    const before = scene.used();
    for (const at of [10 * MIB, 30 * MIB + 7]) content[at]! ^= 1;
    scene.write("f", content);
    assertEquals((await scene.once(address)).status, 0);
    await scene.level();
    const more = scene.used() - before;
    assert(more < 4 * MIB, `${more} bytes more`);
  },
});
