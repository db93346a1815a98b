// Where a client and `dirsync approve` meet: in the folder of the source's state. The client notes there what it holds, the
// command, which may run while no client does, what the user approves of.

import type { HeldRecord, HeldRecords } from "./guard.ts";

const HELD_END = ".held.json", APPROVED_END = ".approved";

/** The records of one mirror in a source's folder. */
export class HeldFiles implements HeldRecords {
  readonly #held: string;
  readonly #approved: string;

  /** @param folder The source's folder. */
  constructor(folder: string, mirrorId: string) {
    this.#held = `${folder}/${mirrorId}${HELD_END}`;
    this.#approved = `${folder}/${mirrorId}${APPROVED_END}`;
  }

  note(record: HeldRecord | undefined): void {
    remove(this.#approved);
    if (record) write(this.#held, JSON.stringify(record));
    else remove(this.#held);
  }

  approval(): string | undefined {
    return read(this.#approved)?.trim();
  }

  /** What is held; undefined if nothing is, or nothing that can be read. */
  record(): HeldRecord | undefined {
    const text = read(this.#held);
    if (text === undefined) return undefined;
    try {
      const record = JSON.parse(text) as HeldRecord;
      return typeof record.code === "string" && typeof record.held?.source === "string" ? record : undefined;
    } catch {
      return undefined;
    }
  }

  approve({ code }: HeldRecord): void {
    write(this.#approved, `${code}\n`);
  }

  /** The records of all mirrors for which something is held. @throws {Deno.errors.NotFound} If there is no such folder. */
  static in(folder: string): HeldFiles[] {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => name.endsWith(HELD_END)).sort()
      .map((name) => new HeldFiles(folder, name.slice(0, -HELD_END.length)));
  }
}

function read(file: string): string | undefined {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whoever reads it meanwhile finds the one or the other. */
function write(file: string, text: string): void {
  Deno.writeTextFileSync(`${file}.new`, text, { mode: 0o600 });
  Deno.renameSync(`${file}.new`, file);
}

function remove(file: string): void {
  try {
    Deno.removeSync(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
