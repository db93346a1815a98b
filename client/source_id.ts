// The id of a source, by which a mirror knows it again: random, kept beside the indexes.

const FILE = "id";

/** The id that is kept in a source's state folder; made there if there is none. */
export function sourceIdIn(folder: string, randomId: () => string): string {
  const file = `${folder}/${FILE}`;
  try {
    const id = Deno.readTextFileSync(file).trim();
    if (/^[0-9a-f-]{36}$/.test(id)) return id;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const id = randomId();
  Deno.writeTextFileSync(file, `${id}\n`, { mode: 0o600 });
  return id;
}
