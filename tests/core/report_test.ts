// What a person reads and what a program gets, event by event; the terminal is a list of strings, the clock a number.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Clock } from "../../core/clock.ts";
import type { SyncEvent } from "../../core/events.ts";
import { createReport, toJson } from "../../core/report.ts";

interface Setup {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  isTerminal?: boolean;
  color?: boolean;
  columns?: number;
}

const START = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

/** A report whose output is kept: `out` for stdout, `err` for stderr, `screen` for what a terminal would show of both. */
function record(setup: Setup = {}) {
  const { json = false, quiet = false, verbose = false, isTerminal = false, color = false, columns = 80 } = setup;
  let now = START;
  const texts = { out: "", err: "", both: "" };
  const clock: Clock = { now: () => now, date: () => now, sleep: () => Promise.resolve() };
  const report = createReport({
    output: { json, quiet, verbose },
    terminal: { isTerminal, color, columns: () => columns },
    write: (text) => (texts.out += text, texts.both += text),
    warn: (text) => (texts.err += text, texts.both += text),
    clock,
  });
  return {
    texts,
    close: report.close,
    emit: (...events: SyncEvent[]) => events.forEach(report.emit),
    wait: (ms: number) => now += ms,
    /** The lines on the screen: "\r" goes back to the start of a line, "\x1b[K" clears what follows. */
    screen: () => texts.both.split("\n").map((line) => line.split("\r\x1b[K").at(-1)),
  };
}

/** What the events print: [stdout, stderr]. */
function print(setup: Setup, ...events: SyncEvent[]): [string, string] {
  const recorded = record(setup);
  recorded.emit(...events);
  recorded.close();
  return [recorded.texts.out, recorded.texts.err];
}

const LISTENING = {
  event: "listening",
  dir: "./Storage",
  address: "localhost:5000",
  loopback: true,
  tls: false,
  token: false,
} as const;
const OPEN = { ...LISTENING, address: "0.0.0.0:5000", loopback: false } as const;
const SYNCED = {
  event: "synced",
  entries: 20000,
  changed: 1234,
  sent: 83.2e6,
  elapsedMs: 1500,
  problems: 0,
  held: 0,
  verified: true,
} as const;
const PROBLEM = { event: "problem", path: "a/b", message: "permission denied" } as const;

function progress(elapsedMs: number, share: number, totals = true): SyncEvent {
  const event = { event: "progress", entries: 2000 * share, bytes: 1e8 * share, elapsedMs } as const;
  return totals ? { ...event, entriesTotal: 2000, bytesTotal: 1e8 } : event;
}

Deno.test("a report has one line for each event", () => {
  const table: [SyncEvent, string, string][] = [
    [{ event: "mirroring", dir: "./src", server: "nas:5000" }, "mirroring ./src to nas:5000\n", ""],
    [
      { event: "waiting", server: "nas:5000", reason: "connection refused" },
      "",
      "waiting for nas:5000: connection refused; trying again until it answers\n",
    ],
    [{ event: "connected", peer: "nas:5000" }, "connected: nas:5000\n", ""],
    [{ event: "disconnected", peer: "nas:5000", reason: "it is gone" }, "disconnected: nas:5000 (it is gone)\n", ""],
    [{ event: "scanning", dir: "./src" }, "", ""],
    [{ event: "change", change: "create", kind: "file", path: "a", size: 12345 }, "+ a (12.3 kB)\n", ""],
    [{ event: "change", change: "create", kind: "dir", path: "d" }, "+ d/\n", ""],
    [{ event: "change", change: "create", kind: "symlink", path: "l", size: 3 }, "+ l (link)\n", ""],
    [{ event: "change", change: "update", kind: "file", path: "a", size: 0 }, "~ a (0 B)\n", ""],
    [{ event: "change", change: "delete", kind: "file", path: "a", size: 5 }, "- a\n", ""],
    [{ event: "change", change: "delete", kind: "dir", path: "d" }, "- d/\n", ""],
    [{ event: "change", change: "move", kind: "file", path: "b", from: "a" }, "> a -> b\n", ""],
    [{ event: "change", change: "move", kind: "dir", path: "e", from: "d" }, "> d/ -> e/\n", ""],
    [{ event: "change", change: "metadata", kind: "file", path: "a", size: 5 }, "= a\n", ""],
    [{ event: "change", change: "metadata", kind: "dir", path: "" }, "= ./\n", ""],
    [
      { event: "changes", created: 1200, updated: 1, deleted: 0, moved: 2, metadata: 3, bytes: 5e6 },
      "1,200 new, 1 changed, 2 moved, 3 with other time or permissions (5.0 MB)\n",
      "",
    ],
    [SYNCED, "in step: 20,000 entries (1,234 changed, 83.2 MB sent in 1.5 s)\n", ""],
    [{ ...SYNCED, entries: 1, changed: 0 }, "in step: 1 entry (nothing to send, 1.5 s)\n", ""],
    [
      { ...SYNCED, problems: 2 },
      "in step but for 2 paths with a problem: 20,000 entries (1,234 changed, 83.2 MB sent in 1.5 s)\n",
      "",
    ],
    [
      { ...SYNCED, problems: 1, held: 1200 },
      "in step but for 1 path with a problem and 1,200 entries held: 20,000 entries (1,234 changed, 83.2 MB sent in 1.5 s)\n",
      "",
    ],
    [
      { event: "released", source: "here:/s", how: "back" },
      "",
      "released: here:/s: nothing is missing any more; it goes on\n",
    ],
    [{ event: "approved", dir: "/s", held: null }, "nothing is held for /s\n", ""],
    [PROBLEM, "", "problem: a/b: permission denied\n"],
    [{ event: "solved", path: "a/b" }, "", ""],
    [{ event: "warning", message: "the clock is wrong" }, "", "warning: the clock is wrong\n"],
    [{ event: "detail", message: "3 packs" }, "", ""],
    [{ event: "stopped" }, "stopped\n", ""],
  ];
  for (const [event, out, err] of table) assertEquals(print({}, event), [out, err]);
});

const HELD = {
  event: "held",
  source: "here:/my dir",
  reason: "too many",
  detail: "",
  deleted: 1200,
  emptied: 1,
  replaced: 0,
  entries: 2000,
  sample: ["a", "b\x1b[2J"],
} as const;

Deno.test("what is held is told with what to do, on either side, --quiet or not", () => {
  const rest = "1,200 to delete, 1 to make empty of the 2,000 entries in the mirror.\n    a\n    b\\x1b[2J\n" +
    "  The mirror keeps them; all else goes on. If that is not what you want: bring them back, and it goes on by itself.\n";
  assertEquals(
    print({ quiet: true }, HELD)[1],
    `held: this would delete more than is allowed at once: ${rest}` +
      '  If it is: dirsync approve "/my dir", or start the client with another --max-delete\n',
  );
  const [, onServer] = print({ quiet: true }, LISTENING, HELD);
  assertEquals(
    onServer,
    `held: here:/my dir: this would delete more than is allowed at once: ${rest}` +
      '  If it is: on here: dirsync approve "/my dir", or start the client with another --max-delete\n',
  );
  const [, other] = print({}, {
    ...HELD,
    reason: "another source",
    detail: "old:/x",
    deleted: 0,
    emptied: 0,
    replaced: 7,
  });
  assertStringIncludes(other, "the mirror was made from old:/x, this is another source: 7 to replace of the 2,000");
  assert(!other.includes("--max-delete"));
  const [, missing] = print({}, { ...HELD, reason: "missing", detail: "it does not exist" });
  assertEquals(
    missing,
    "held: the source /my dir cannot be looked at: it does not exist.\n" +
      "  Nothing is deleted. It goes on by itself once the source is there again.\n",
  );
});

Deno.test("--verbose adds details, --quiet leaves only what is wrong", () => {
  assertEquals(print({ verbose: true }, { event: "detail", message: "3 packs" })[0], "3 packs\n");
  assertEquals(print({ verbose: true }, { event: "scanning", dir: "./src" })[0], "looking through ./src\n");
  assertStringIncludes(print({ verbose: true }, SYNCED)[0], "sent in 1.5 s, verified)");
  const quiet = print(
    { quiet: true, isTerminal: true },
    LISTENING,
    { event: "scanning", dir: "d" },
    progress(0, 0),
    progress(20_000, 0.5),
    { event: "change", change: "delete", kind: "file", path: "a" },
    PROBLEM,
    SYNCED,
    { event: "warning", message: "w" },
    { event: "solved", path: "a/b" },
    { event: "stopped" },
  );
  assertEquals(quiet, ["", "problem: a/b: permission denied\nwarning: w\nsolved: a/b\n"]);
});

Deno.test("a problem is told once until it is solved or becomes another", () => {
  const { emit, texts } = record();
  emit(PROBLEM, PROBLEM, { ...PROBLEM, path: "c" }, PROBLEM);
  assertEquals(texts.err, "problem: a/b: permission denied\nproblem: c: permission denied\n");
  texts.err = "";
  emit(
    { ...PROBLEM, message: "no space left" },
    { event: "solved", path: "a/b" },
    { event: "solved", path: "a/b" },
    PROBLEM,
  );
  assertEquals(texts.err, "problem: a/b: no space left\nsolved: a/b\nproblem: a/b: permission denied\n");
});

Deno.test("being in step still is told only after a new connection", () => {
  const { emit, texts } = record();
  const still = { ...SYNCED, changed: 0 };
  emit(still, still, still);
  assertEquals(texts.out.match(/in step/g)?.length, 1);
  emit({ event: "connected", peer: "nas" }, still, { ...still, problems: 1 }, SYNCED, still);
  assertEquals(texts.out.match(/in step/g)?.length, 4);
});

Deno.test("listening says who can reach the mirror, and warns when nothing protects it", () => {
  assertEquals(print({}, LISTENING), [
    "the mirror is in ./Storage\n" +
    "listening on localhost:5000, which only this machine can reach\n" +
    "from afar: ssh -N -L 5000:localhost:5000 THIS_HOST, then dirsync client DIR\n",
    "",
  ]);
  const warning =
    "warning: 0.0.0.0:5000 is open (--insecure): anyone who can reach it can read and change the mirror\n";
  for (const quiet of [false, true]) {
    const [out, err] = print({ quiet }, OPEN);
    assert(!out.includes("only this machine") && !out.includes("ssh"));
    assertEquals(err, warning);
  }
  const [out, err] = print({}, { ...OPEN, tls: true, token: true });
  assertStringIncludes(out, "listening on 0.0.0.0:5000, for clients that were invited (TLS and a token)\n");
  assertEquals(err, "");
});

Deno.test("nothing that came from elsewhere gets out unescaped", () => {
  const evil = "a\x1b[2J\r\n\x07\x9b\u202e\u2028\udc9b\ud83d";
  const events: SyncEvent[] = [
    { ...LISTENING, dir: evil, address: evil },
    { ...OPEN, dir: evil, address: evil },
    { event: "invitation", name: evil, access: "full", invitation: "dirsync://nas:5000/x/y" },
    { event: "client", name: evil, access: "full", created: 0 },
    { event: "revoked", name: evil },
    { event: "mirroring", dir: evil, server: evil },
    { event: "waiting", server: evil, reason: evil },
    { event: "connected", peer: evil },
    { event: "disconnected", peer: evil, reason: evil },
    { event: "scanning", dir: evil },
    { event: "change", change: "create", kind: "file", path: evil, size: 1 },
    { event: "change", change: "move", kind: "file", path: evil, from: evil },
    { event: "change", change: "delete", kind: "symlink", path: evil },
    { event: "problem", path: evil, message: evil },
    { event: "solved", path: evil },
    { event: "warning", message: evil },
    { event: "detail", message: evil },
  ];
  for (const json of [false, true]) {
    for (const event of events) {
      const { emit, texts } = record({ json, verbose: true });
      emit(...(event.event === "solved" ? [{ event: "problem", path: evil, message: "m" } as const, event] : [event]));
      assert(texts.both.endsWith("\n"), event.event);
      // deno-lint-ignore no-control-regex
      assert(!/[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]|\p{Surrogate}/u.test(texts.both), event.event);
      const lines = texts.both.trimEnd().split("\n");
      if (json) { for (const line of lines) assertEquals(typeof JSON.parse(line), "object"); }
      else if (event.event !== "listening") {
        assertEquals(lines.length, ["solved", "invitation"].includes(event.event) ? 2 : 1);
      }
    }
  }
});

Deno.test("colour is for the signs on a terminal that welcomes it", () => {
  const change = { event: "change", change: "create", kind: "dir", path: "d" } as const;
  assertEquals(print({ isTerminal: true, color: true }, change)[0], "\x1b[32m+\x1b[0m d/\n");
  assertEquals(print({ isTerminal: true, color: false }, change)[0], "+ d/\n");
  assertEquals(print({ isTerminal: false, color: true }, change)[0], "+ d/\n");
});

Deno.test("on a terminal progress is one line, rewritten in place and below all others", () => {
  const { emit, wait, screen, close, texts } = record({ isTerminal: true });
  emit(progress(0, 0));
  assertEquals(screen(), ["[>                       ]   0%  0 B of 100 MB  0 of 2,000 entries"]);
  wait(1000);
  emit(progress(1000, 0.25));
  assertEquals(screen(), ["[======>                 ]  25%  25.0 MB of 100 MB  25.0 MB/s  3.0 s left"]);
  emit({ event: "change", change: "delete", kind: "file", path: "a" }, PROBLEM);
  assertEquals(screen(), [
    "- a",
    "problem: a/b: permission denied",
    "[======>                 ]  25%  25.0 MB of 100 MB  25.0 MB/s  3.0 s left",
  ]);
  assertEquals(texts.err, "problem: a/b: permission denied\n");
  emit(SYNCED);
  assertEquals(screen().slice(2), ["in step: 20,000 entries (1,234 changed, 83.2 MB sent in 1.5 s)", ""]);
  emit(progress(0, 0.5));
  assertStringIncludes(screen().at(-1)!, " 50%");
  close();
  close();
  assertEquals(screen().at(-1), "");
});

Deno.test("the status line is drawn ten times a second at most", () => {
  const { emit, wait, texts } = record({ isTerminal: true });
  for (let ms = 0; ms < 1000; ms++) {
    emit(progress(ms, ms / 1000));
    wait(1);
  }
  assertEquals(texts.out.split("%").length - 1, 10);
});

Deno.test("the status line fits a terminal of any width", () => {
  for (const columns of [0, 1, 8, 20, 40, 60, 80, 200]) {
    const { emit, wait, screen } = record({ isTerminal: true, columns });
    for (const ms of [0, 1000, 2000]) {
      emit(progress(ms, 0.3 + ms / 10_000));
      wait(1000);
      assert(screen().at(-1)!.length <= Math.max(0, columns - 1));
    }
    emit(SYNCED);
    assertEquals(screen().length, 2);
  }
});

Deno.test("progress without totals has no bar, and scanning is shown until something follows", () => {
  const { emit, wait, screen } = record({ isTerminal: true });
  emit({ event: "scanning", dir: "./src" });
  assertEquals(screen(), ["looking through the directory"]);
  wait(200);
  emit(progress(200, 0.5, false));
  assertEquals(screen(), ["working  50.0 MB  1,000 entries"]);
});

Deno.test("100% means that both bytes and entries are done", () => {
  const { emit, wait, screen } = record({ isTerminal: true });
  emit({ event: "progress", entries: 1999, entriesTotal: 2000, bytes: 10, bytesTotal: 10, elapsedMs: 0 });
  assertStringIncludes(screen().at(-1)!, "  99%");
  wait(100);
  emit({ event: "progress", entries: 2000, entriesTotal: 2000, bytes: 10, bytesTotal: 10, elapsedMs: 100 });
  assertStringIncludes(screen().at(-1)!, "[========================] 100%");
  wait(100);
  emit({ event: "progress", entries: 0, entriesTotal: 0, bytes: 0, bytesTotal: 0, elapsedMs: 200 });
  assertStringIncludes(screen().at(-1)!, "100%");
});

Deno.test("rate and time left follow the last seconds", () => {
  const { emit, wait, screen } = record({ isTerminal: true });
  const at = (elapsedMs: number, bytes: number) => {
    emit({ event: "progress", entries: 0, entriesTotal: 0, bytes, bytesTotal: 1e9, elapsedMs });
    wait(1000);
  };
  for (let s = 0; s <= 5; s++) at(s * 1000, s * 100e6);
  assertStringIncludes(screen().at(-1)!, "100 MB/s  5.0 s left");
  for (let s = 6; s <= 16; s++) at(s * 1000, 500e6 + (s - 5) * 10e6);
  assertStringIncludes(screen().at(-1)!, "10.0 MB/s  39 s left");
});

Deno.test("without a terminal progress is a plain line each ten seconds", () => {
  const { emit, wait, texts } = record();
  for (let s = 0; s <= 25; s++) {
    emit(progress(s * 1000, s / 50));
    wait(1000);
  }
  assertEquals(
    texts.out,
    "working: 20%, 20.0 MB of 100 MB, 2.0 MB/s, 40 s left, 400 of 2,000 entries\n" +
      "working: 40%, 40.0 MB of 100 MB, 2.0 MB/s, 30 s left, 800 of 2,000 entries\n",
  );
  texts.out = "";
  emit(SYNCED);
  texts.out = "";
  for (let s = 0; s < 9; s++) {
    emit(progress(s * 1000, s / 50));
    wait(1000);
  }
  assertEquals(texts.out, "");
});

Deno.test("--json passes events on, one a line, with their time", () => {
  const [out, err] = print({ json: true, isTerminal: true, color: true }, PROBLEM, PROBLEM, OPEN, SYNCED, {
    event: "stopped",
  });
  const time = "2026-01-02T03:04:05.678Z";
  const expected = [PROBLEM, PROBLEM, OPEN, SYNCED, { event: "stopped" }].map((event) => ({ time, ...event }));
  assertEquals(out.trimEnd().split("\n").map((line) => JSON.parse(line)), expected);
  assertEquals(err, "");
});

Deno.test("--json keeps to --quiet and --verbose, and tells progress once a second", () => {
  const detail = { event: "detail", message: "m" } as const;
  assertEquals(print({ json: true }, detail)[0], "");
  assertStringIncludes(print({ json: true, verbose: true }, detail)[0], `"detail"`);
  const waiting = { event: "waiting", server: "s", reason: "r" } as const;
  const [out] = print({ json: true, quiet: true }, LISTENING, SYNCED, waiting, PROBLEM, {
    event: "solved",
    path: "a/b",
  });
  assertEquals(out.trimEnd().split("\n").map((line) => JSON.parse(line).event), ["waiting", "problem", "solved"]);
  const { emit, wait, texts } = record({ json: true });
  for (let ms = 0; ms < 3000; ms += 100) {
    emit(progress(ms, 0.1));
    wait(100);
  }
  assertEquals(texts.out.split("\n").length - 1, 3);
});

Deno.test("toJson() survives bigints and names that are not Unicode", () => {
  const event = { event: "detail", message: "caf\udce9", mtimeNs: 2n ** 63n } as unknown as SyncEvent;
  assertEquals(JSON.parse(toJson(event, 0)), {
    time: "1970-01-01T00:00:00.000Z",
    event: "detail",
    message: "caf\udce9",
    mtimeNs: "9223372036854775808",
  });
});
