// What TLS costs: the same file sent to a new mirror over plain HTTP and over TLS, in turn; prints MB/s and their ratio.
//
//   deno run -A tests/bench/tls.ts [MIB] [ROUNDS]

import { noise, Scene } from "../support/scene.ts";

const mib = Number(Deno.args[0] ?? 256), rounds = Number(Deno.args[1] ?? 3);
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const bytes = noise(mib << 20);

/** MB/s of the first mirroring, as the client tells it. */
async function speed(secured: boolean): Promise<number> {
  await using scene = new Scene();
  scene.write("large", bytes);
  const where = secured ? (await scene.guarded()).invitation : (await scene.server()).address;
  const { client, status } = await scene.once(where);
  if (status !== 0) throw new Error(client.stderr);
  const { sent, elapsedMs } = await client.event("synced");
  return sent / elapsedMs / 1000;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
const plain: number[] = [], secured: number[] = [], ratios: number[] = [];
for (let round = 0; round < rounds; round++) {
  plain.push(await speed(false));
  secured.push(await speed(true));
  ratios.push(secured.at(-1)! / plain.at(-1)!);
}
print(
  `plain ${median(plain).toFixed(0)} MB/s, TLS ${median(secured).toFixed(0)} MB/s, ratio ${
    median(ratios).toFixed(2)
  } (${mib} MiB, ${rounds} rounds)`,
);
