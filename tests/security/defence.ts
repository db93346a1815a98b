// What a defence is to these tests.

/** A defence of the code, and how it is taken out. */
export interface Defence {
  /** What happens without it. */
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Test files of which one at least must fail without it. */
  readonly tests: readonly string[];
}

/** A defence in one line. */
export function defence(name: string, file: string, from: string, to: string, ...tests: string[]): Defence {
  return { name, file, from, to, tests: tests.map((test) => `tests/${test}_test.ts`) };
}
