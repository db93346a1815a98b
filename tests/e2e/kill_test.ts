// Real processes killed at random moments while a real tree changes: at no time is there a file in the mirror that is not, whole, a
// version that the source held, and what both sides are in the end is equal. Few kills by default; KILLS=500 for a night.

import { assert, assertEquals } from "@std/assert";
import { hash } from "node:crypto";
import { type Running } from "../support/program.ts";
import { noise, Scene } from "../support/scene.ts";
import { pick, seeded } from "../support/seed.ts";

const KILLS = Number(Deno.env.get("KILLS") ?? 16);
const SEED = Number(Deno.env.get("SEED") ?? 1);
/** What an editor has not finished is a state of the source too, but not one that can be told from a torn one. */
const HALF_WRITTEN = ["--exclude", "*.tmp~"];
const NAMES = ["a", "b", "c", "d/a", "d/b", "d/e/f", "large", "d/large"];

/** A user of a real tree, who notes what every file ever was. */
class User {
  readonly #random;
  readonly held = new Set<string>();

  constructor(readonly scene: Scene, seed: number) {
    this.#random = seeded(seed);
  }

  /** Does one thing: a save as editors make it, so that every file is a whole version at every moment; a rename; a deletion. */
  act(): void {
    const { scene } = this;
    const random = this.#random;
    const name = pick(random, NAMES), path = scene.here(name);
    const kind = random(10);
    if (kind < 6) {
      const bytes = noise(name.endsWith("large") ? 200_000 + random(3_000_000) : random(20_000), random(2 ** 30));
      this.held.add(hash("sha256", bytes));
      scene.write(`${name}.tmp~`, bytes);
      Deno.renameSync(`${path}.tmp~`, path);
    } else if (kind < 8) {
      tryTo(() => Deno.renameSync(path, scene.here(pick(random, NAMES))));
    } else if (kind === 8) tryTo(() => Deno.removeSync(path));
    else tryTo(() => Deno.renameSync(scene.here("d"), scene.here(`d${random(3)}`)));
  }
}

function tryTo(what: () => void): void {
  try {
    what();
  } catch (error) {
    // It is not there, or something else is.
    if ((error as { code?: unknown }).code === undefined) throw error;
  }
}

/** Files of the mirror that are no version of the source. */
function torn(dir: string, held: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    const path = `${dir}/${name}`;
    if (name === ".dirsync") continue;
    if (isDirectory) found.push(...torn(path, held));
    else if (!held.has(hash("sha256", Deno.readFileSync(path)))) found.push(path);
  }
  return found;
}

Deno.test({
  name: `processes killed ${KILLS} times, seed ${SEED}: no torn file at any time, and the mirror is equal in the end`,
  ignore: Deno.build.os === "windows",
  async fn() {
    await using scene = new Scene();
    const random = seeded(SEED), user = new User(scene, SEED);
    for (let i = 0; i < 10; i++) user.act();
    let { server, address } = await scene.server();
    let client: Running = scene.client(address, ...HALF_WRITTEN);
    await client.event("synced");
    for (let kill = 0; kill < KILLS; kill++) {
      for (let i = 3 + random(12); i > 0; i--) {
        user.act();
        // The kill is to come at any moment of what follows from this.
        await new Promise((resolve) => setTimeout(resolve, random(12)));
      }
      if (random(3) > 0) {
        await server.stop("SIGKILL");
        assertEquals(torn(scene.mirror, user.held), [], `kill ${kill} of the server`);
        ({ server } = await scene.server(address));
      } else {
        await client.stop("SIGKILL");
        client = scene.client(address, ...HALF_WRITTEN);
      }
    }
    await scene.level(60_000);
    assertEquals(torn(scene.mirror, user.held), []);
    await client.stop();
    const { status } = await scene.once(address, ...HALF_WRITTEN);
    assertEquals(status, 0);
    const litter = [...Deno.readDirSync(`${scene.mirror}/.dirsync/stage`)];
    assertEquals(litter, []);
    assert(user.held.size > 10);
  },
});
