// Programs that once found a fault, made small. Each fails again where the fault comes back (`deno task mutants`).

import type { Program } from "./program.ts";

/** By the fault that they found. */
export const FOUND: Record<string, Program> = {};
