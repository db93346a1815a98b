// Programs that once found a fault, or find a mutant of its remedy (tests/simulate/mutants.ts), made small: each fails again where the
// fault comes back, as long as tests/support/user.ts does the same with the same seeds.

import type { Program } from "./program.ts";

/** By the fault that they find. */
export const FOUND: Record<string, Program> = {
  "staged files are not on the disk before they are committed": [
    { do: "user", seed: 16006797, count: 6 },
    { do: "user", seed: 845351067, count: 3 },
    { do: "crash", side: "client", power: false, calls: 12, seed: 1337099592 },
    { do: "user", seed: 1251917134, count: 2 },
    { do: "crash", side: "client", power: false, calls: 13, seed: 1702786459 },
    { do: "user", seed: 1116039098, count: 2 },
    { do: "crash", side: "server", power: true, calls: 19, seed: 2000414681 },
    { do: "user", seed: 1218013489, count: 4 },
  ],
  "the journal is not on the disk before the first step": [
    { do: "user", seed: 1152175567, count: 7 },
    { do: "user", seed: 713845227, count: 7 },
    { do: "crash", side: "server", power: true, calls: 12, seed: 460196485 },
    { do: "user", seed: 957810824, count: 1 },
  ],
  "there is no journal": [
    { do: "user", seed: 1121658124, count: 10 },
    { do: "user", seed: 787402424, count: 6 },
    { do: "crash", side: "server", power: false, calls: 19, seed: 2109195092 },
    { do: "user", seed: 133889334, count: 18 },
  ],
  "directories are not on the disk before the acknowledgement": [
    { do: "user", seed: 1320700031, count: 4 },
    { do: "crash", side: "server", power: true, calls: 53, seed: 2026079343 },
    { do: "user", seed: 88119557, count: 20 },
  ],
  "the history is not on the disk before the acknowledgement": [
    { do: "user", seed: 1375979527, count: 1 },
    { do: "user", seed: 1443396856, count: 4 },
    { do: "crash", side: "server", power: true, calls: 10, seed: 1390753144 },
    { do: "pass", ms: 1000 },
  ],
  "slots are not on the disk before the places that they were filled from": [
    { do: "user", seed: 466226006, count: 7 },
    { do: "cut" },
    { do: "user", seed: 794470044, count: 5 },
    { do: "crash", side: "server", power: true, calls: 36, seed: 1461195345 },
    { do: "pass", ms: 1000 },
    { do: "user", seed: 779689076, count: 2 },
  ],
  "what a redo has done is not made to last": [
    { do: "user", seed: 1571607321, count: 2 },
    { do: "crash", side: "server", power: false, calls: 19, seed: 409363304 },
    { do: "user", seed: 1333979746, count: 2 },
    { do: "crash", side: "server", power: true, calls: 10, seed: 1000869535 },
    { do: "unmount", leaves: "an empty directory", ms: 30000 },
  ],
  "what is replaced is deleted, and does not go to the history": [
    { do: "user", seed: 1576791896, count: 2 },
    { do: "user", seed: 84183781, count: 3 },
    { do: "user", seed: 15259082, count: 6 },
    { do: "crash", side: "server", power: false, calls: 13, seed: 1004942962 },
    { do: "user", seed: 113035149, count: 2 },
  ],
  "there is no last look at what is moved": [
    { do: "user", seed: 2133174543, count: 5 },
    { do: "user", seed: 938379360, count: 3 },
    { do: "meddle", seed: 117962845 },
    { do: "user", seed: 1186868095, count: 7 },
  ],
  "content of the mirror that a new version is made of is not checked": [
    { do: "user", seed: 1673377056, count: 11 },
    { do: "user", seed: 1328186206, count: 2 },
    { do: "meddle", seed: 785517728 },
    { do: "user", seed: 1935573456, count: 5 },
  ],
  "a missing source is not looked for over a new connection": [
    { do: "unmount", leaves: "nothing", ms: 30000 },
  ],
  "which directory the source is, is not on the disk at once": [
    { do: "user", seed: 1248576183, count: 5 },
    { do: "weather", latencyMs: 1, piece: 100 },
    { do: "crash", side: "client", power: true, calls: 15, seed: 1659754902 },
    { do: "unmount", leaves: "an empty directory", ms: 3000 },
  ],
  "a source that is another directory may empty the mirror": [
    { do: "user", seed: 1284060965, count: 2 },
    { do: "unmount", leaves: "a few files", ms: 10 },
  ],
  "slots of a client that went away are not emptied": [
    { do: "user", seed: 71579989, count: 10 },
    { do: "user", seed: 983089372, count: 7 },
    { do: "user", seed: 1125160271, count: 2 },
    { do: "user", seed: 1152114532, count: 1 },
    { do: "crash", side: "server", power: true, calls: 33, seed: 838268903 },
    { do: "user", seed: 931453579, count: 3 },
  ],
  "what a client was told of a failed step is not looked at again": [
    { do: "pass", ms: 0 },
    { do: "meddle", seed: 1332398864 },
    { do: "user", seed: 1664103844, count: 6 },
    { do: "user", seed: 1814185962, count: 2 },
  ],
  "the sync of a directory failed, and the files in it were acknowledged": [
    { do: "user", seed: 524196322, count: 1 },
    { do: "fault", side: "server", calls: 27, times: 1, code: "EACCES" },
    { do: "user", seed: 555722209, count: 2 },
    { do: "crash", side: "server", power: true, calls: 19, seed: 1619881374 },
    { do: "user", seed: 1227671880, count: 4 },
  ],
  "the same, for a file that was empty": [
    { do: "user", seed: 1426628814, count: 5 },
    { do: "crash", side: "server", power: true, calls: 26, seed: 1419748462 },
    { do: "fault", side: "server", calls: 17, times: 2, code: "EMFILE" },
    { do: "user", seed: 2056451878, count: 4 },
    { do: "pass", ms: 5000 },
  ],
  "a file moved into a directory of the same commit, between two syncs": [
    { do: "user", seed: 503563378, count: 4 },
    { do: "user", seed: 1387501364, count: 17 },
    { do: "crash", side: "server", power: true, calls: 55, seed: 1567548018 },
    { do: "user", seed: 1749831723, count: 3 },
    { do: "user", seed: 1023357594, count: 19 },
  ],
  "the second of two failures in a replacement made the old version pass for the new one": [
    { do: "user", seed: 484027039, count: 9 },
    { do: "user", seed: 2049250842, count: 2 },
    { do: "user", seed: 1749684783, count: 2 },
    { do: "fault", side: "server", calls: 21, times: 2, code: "EACCES" },
    { do: "user", seed: 1381548041, count: 8 },
  ],
  "a directory is taken for one of another drive that has its inode number": [
    { do: "user", seed: 1113894875, count: 5 },
    { do: "user", seed: 1776262475, count: 6 },
    { do: "user", seed: 1892305855, count: 3 },
    { do: "user", seed: 946759664, count: 2 },
    { do: "unmount", leaves: "a few files", ms: 3000 },
  ],
  "a client that has lost its state takes another drive for the source": [
    { do: "user", seed: 175214366, count: 2 },
    { do: "weather", latencyMs: 1, piece: 0 },
    { do: "forget", side: "client" },
    { do: "unmount", leaves: "a few files", ms: 10 },
  ],
  "a client that has lost its state before it was in step again takes another drive for the source": [
    { do: "user", seed: 1730628075, count: 1 },
    { do: "crash", side: "server", power: false, calls: 37, seed: 1596641171 },
    { do: "meddle", seed: 300780199 },
    { do: "user", seed: 1495824810, count: 2 },
    { do: "user", seed: 1210681120, count: 1 },
    { do: "forget", side: "client" },
    { do: "pass", ms: 0 },
    { do: "unmount", leaves: "a few files", ms: 3000 },
  ],
};
