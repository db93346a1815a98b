// Each defence that SECURITY.md promises, how it is taken out, and the tests that must notice.

import { ACCESS } from "./access_defences.ts";
import { CLIENT } from "./client_defences.ts";
import type { Defence } from "./defence.ts";
import { PATHS } from "./path_defences.ts";
import { PEER } from "./peer_defences.ts";
import { SECRET } from "./secret_defences.ts";

/** All of them. */
export const DEFENCES: readonly Defence[] = [...ACCESS, ...PEER, ...PATHS, ...CLIENT, ...SECRET];
