// The command line: what it means, and one clear line for everything that it cannot mean.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UsageError } from "../../core/errors.ts";
import { formatAddress, isLoopback } from "../../core/address.ts";
import { COMMANDS, FLAGS } from "../../core/flags.ts";
import { type ClientOptions, parseCommandLine, type ServerOptions } from "../../core/options.ts";

function server(...args: string[]): ServerOptions {
  const command = parseCommandLine(["server", ...args]);
  assert(command.command === "server");
  return command.options;
}

function client(...args: string[]): ClientOptions {
  const command = parseCommandLine(["client", ...args]);
  assert(command.command === "client");
  return command.options;
}

function help(...args: string[]): string {
  const command = parseCommandLine(args);
  assert(command.command === "help");
  return command.text;
}

const PLAIN = { json: false, quiet: false, verbose: false };

Deno.test("parseCommandLine() fills in the defaults", () => {
  assertEquals(server(), {
    dir: "./Storage",
    host: "localhost",
    port: 5000,
    historyDays: 30,
    insecure: false,
    token: false,
    output: PLAIN,
    fsync: true,
  });
  assertEquals(client("src"), {
    dir: "src",
    once: false,
    xattrs: false,
    numericIds: false,
    dryRun: false,
    exclude: [],
    maxDelete: { percent: 50 },
    output: PLAIN,
    fsync: true,
  });
  assertEquals(parseCommandLine(["approve", "src", "--state", "/s"]), {
    command: "approve",
    options: { dir: "src", output: PLAIN, state: "/s" },
  });
});

Deno.test("parseCommandLine() reads every option, before and behind the directory", () => {
  assertEquals(
    server(
      "-i",
      "[::1]:7000",
      "mirror",
      "-b",
      "64K",
      "--token",
      "--cert=c",
      "--key=k",
      "--json",
      "--quiet",
      "--state",
      "/s",
      "--no-fsync",
      "--address=nas:9",
    ),
    {
      dir: "mirror",
      host: "::1",
      port: 7000,
      blocksize: 65536,
      historyDays: 30,
      insecure: false,
      token: true,
      certificate: { cert: "c", key: "k" },
      address: { host: "nas", port: 9 },
      output: { json: true, quiet: true, verbose: false },
      state: "/s",
      fsync: false,
    },
  );
  const args =
    "-s nas:7000 -u 0.5 --once --exclude *.log src --exclude=!keep.log --max-delete 50% --xattrs --numeric-ids --verbose " +
    "--state=x=y";
  assertEquals(client(...args.split(" ")), {
    dir: "src",
    server: { host: "nas", port: 7000 },
    updatemaxMs: 500,
    once: true,
    xattrs: true,
    numericIds: true,
    dryRun: false,
    exclude: ["*.log", "!keep.log"],
    maxDelete: { percent: 50 },
    output: { json: false, quiet: false, verbose: true },
    state: "x=y",
    fsync: true,
  });
});

Deno.test("parseCommandLine() takes a value in each usual form", () => {
  for (const args of [["-s", "nas:1"], ["-snas:1"], ["-s=nas:1"], ["--server", "nas:1"], ["--server=nas:1"]]) {
    assertEquals(client("d", ...args).server, { host: "nas", port: 1 });
  }
  assertEquals(client("d", "--exclude=-x").exclude, ["-x"]);
  assertEquals(client("d", "--exclude", "-").exclude, ["-"]);
});

Deno.test("parseCommandLine() keeps directory names as they are", () => {
  for (const name of ["1e3", "0x10", "007", "-", "a b", "5000", "..", "a=b", "\x1b", "ä"]) {
    assertEquals(client(name).dir, name);
    assertEquals(server(name).dir, name);
  }
  for (const name of ["-x", "--once", "--help", "--", "client"]) {
    assertEquals(client("--", name).dir, name);
    assertEquals(client("--once", "--", name), { ...client("d", "--once"), dir: name });
  }
});

Deno.test("parseCommandLine() reads who may connect", () => {
  const full = "-- d".split(" ");
  assertEquals(parseCommandLine(["invite", ...full]), {
    command: "invite",
    options: { dir: "d", json: false, access: "full" },
  });
  const args = "--name laptop --add-only --quota 1.5K --expires 0.5 --address nas --state s --json".split(" ");
  assertEquals(parseCommandLine(["invite", ...args]), {
    command: "invite",
    options: {
      dir: "./Storage",
      json: true,
      state: "s",
      access: "add-only",
      name: "laptop",
      quotaBytes: 1536,
      expiresDays: 0.5,
      address: { host: "nas", port: 0 },
    },
  });
  assertEquals(parseCommandLine(["clients"]), { command: "clients", options: { dir: "./Storage", json: false } });
  assertEquals(parseCommandLine(["revoke", "laptop", "d"]), {
    command: "revoke",
    options: { dir: "d", json: false, name: "laptop" },
  });
});

Deno.test("--dry-run implies --once", () => {
  const { once, dryRun } = client("d", "--dry-run");
  assertEquals([once, dryRun], [true, true]);
});

Deno.test("parseCommandLine() reads addresses", () => {
  const table: [string, string, number][] = [
    ["localhost", "localhost", 5000],
    ["localhost.:7", "localhost", 7],
    ["NAS.lan:80", "nas.lan", 80],
    ["my_host-1:65535", "my_host-1", 65535],
    ["127.1", "127.0.0.1", 5000],
    ["0.0.0.0:1", "0.0.0.0", 1],
    ["[::1]", "::1", 5000],
    ["[0:0:0:0:0:0:0:1]:9", "::1", 9],
    ["[::]:5000", "::", 5000],
    ["bücher.example", "xn--bcher-kva.example", 5000],
  ];
  for (const [text, host, port] of table) {
    assertEquals(client("d", "-s", text).server, { host, port });
    const { host: h, port: p } = server("-i", text);
    assertEquals([h, p], [host, port]);
  }
  const urls: [string, string, number][] = [
    ["http://nas:5000/", "nas", 5000],
    ["HTTP://nas:5000", "nas", 5000],
    ["http://nas", "nas", 80],
    ["http://[::1]:7/", "::1", 7],
    ["https://nas/", "nas", 443],
    ["https://nas:5000", "nas", 5000],
  ];
  for (const [text, host, port] of urls) {
    const trust = { kind: text.startsWith("https") ? "ca" : "plain" } as const;
    assertEquals(client("d", "-s", text).server, { host, port, trust });
  }
  assertEquals(server("-i", "localhost:0").port, 0);
  assertEquals(formatAddress({ host: "::1", port: 5 }), "[::1]:5");
  assertEquals(formatAddress({ host: "nas", port: 5 }), "nas:5");
});

Deno.test("--history takes days, --history-size a size", () => {
  for (const [text, days] of [["0", 0], ["7", 7], ["0.5", 0.5], [".25", 0.25], ["36500", 36_500]] as const) {
    assertEquals(server("--history", text).historyDays, days);
  }
  assertEquals(server().historyBytes, undefined);
  for (const [text, bytes] of [["0", 0], ["1000", 1000], ["1.5K", 1536], ["10G", 10 * 1024 ** 3]] as const) {
    assertEquals(server("--history-size", text).historyBytes, bytes);
  }
});

Deno.test("parseCommandLine() reads numbers", () => {
  const sizes: [string, number][] = [["2048", 2048], ["2K", 2048], ["48k", 65536], ["40KiB", 32768], ["0.25M", 262144]];
  for (const [text, bytes] of sizes) assertEquals(server("-b", text).blocksize, bytes);
  const times: [string, number][] = [["0", 0], ["0.0", 0], [".5", 500], ["2.", 2000], ["0.00001", 1], [
    "86400",
    86_400_000,
  ]];
  for (const [text, ms] of times) assertEquals(client("d", "-u", text).updatemaxMs, ms);
  const rates: [string, number][] = [["8K", 8192], ["1.5M", 1_572_864], ["10000", 10_000], ["2GiB/s", 2 ** 31]];
  for (const [text, rate] of rates) assertEquals(client("d", "--bwlimit", text).bwlimit, rate);
  assertEquals(client("d", "--max-delete", "0").maxDelete, { entries: 0 });
  assertEquals(client("d", "--max-delete", "12.5%").maxDelete, { percent: 12.5 });
});

Deno.test("parseCommandLine() says in one line what is wrong and what to do", () => {
  const table: [string[], string][] = [
    [["serve"], `Unknown command "serve"; did you mean "server"?`],
    [["./dir"], `Unknown command "./dir"; the commands are: server, client, approve, history, restore`],
    [["constructor"], `Unknown command "constructor"`],
    [["help", "x"], `Unknown command "x"`],
    [[""], `Unknown command ""`],
    [["--once", "client", "d"], `"--once" comes before the command`],
    [["server", "--foo"], `Unknown option "--foo"; dirsync server --help lists them`],
    [["server", "--foo=1"], `Unknown option "--foo";`],
    [["client", "d", "--exlude", "x"], `Unknown option "--exlude"; did you mean "--exclude"?`],
    [["client", "d", "-once"], `Unknown option "-once"; did you mean "--once"?`],
    [["server", "-insecure"], `did you mean "--insecure"?`],
    [["client", "d", "-x"], `Unknown option "-x"`],
    [["client", "d", "-5"], `Unknown option "-5"`],
    [["client", "d", "--__proto__"], `Unknown option "--__proto__"`],
    [["client", "d", "--fsync"], `Unknown option "--fsync"`],
    [["client", "d", "--no-once"], `Unknown option "--no-once"`],
    [["server", "--historic", "3"], `Unknown option "--historic"`],
    [["server", "--bwlimit", "1M"], `belongs to dirsync client`],
    [["server", "--once"], `Option "--once" belongs to dirsync client, not to dirsync server`],
    [["client", "d", "--insecure"], `belongs to dirsync server`],
    [["client", "d", "--server"], `Option "--server" needs a value: --server HOST[:PORT]`],
    [["client", "d", "--server="], `needs a value`],
    [["client", "d", "-s", ""], `needs a value`],
    [["client", "d", "-s", "--once"], `for a value that starts with "-" write --server=VALUE`],
    [["client", "d", "--exclude", "--", "x"], `Option "--exclude" needs a value`],
    [["client", "d", "--once=yes"], `Option "--once" takes no value`],
    [["client", "d", "--help=me"], `Option "--help" takes no value`],
    [["client", "d", "-s", "a", "--server", "b"], `Option "--server" is given more than once`],
    [["client", "d", "--state", "a", "--state=b"], `Option "--state" is given more than once`],
    [["client"], `Which directory? Write dirsync client DIR`],
    [["client", "--"], `Which directory?`],
    [["client", ""], `The directory is an empty text`],
    [["server", ""], `The directory is an empty text`],
    [["client", "a", "b"], `takes one directory, but "b" comes after "a"`],
    [["server", "a", "--", "b"], `takes one directory`],
    [["server", "--quiet", "--verbose"], `exclude each other`],
    [["server", "-i", "5000"], `it names no host; write localhost:5000`],
    [["server", "-i", ":7000"], `it names no host; write localhost:7000`],
    [["server", "-i", "*:5000"], `0.0.0.0`],
    [["server", "-i", "::1"], `an IPv6 address in brackets`],
    [["server", "-i", "[::1]5000"], `an IPv6 address in brackets`],
    [["server", "-i", "[::g]:5000"], `"::g" is neither`],
    [["server", "-i", "1.2.3.256"], `"1.2.3.256" is neither the name of a host nor an IP address`],
    [["server", "-i", "a b:1"], `"a b" is neither`],
    [["server", "-i", "http://localhost"], `write HOST:PORT`],
    [["client", "d", "-s", ".."], `".." is neither`],
    [["client", "d", "-s", "./x"], `write HOST:PORT, localhost:5000 for example`],
    [["client", "d", "-s", "nas:"], `the port must be a number from 1 to 65535`],
    [["client", "d", "-s", "nas:0"], `the port must be`],
    [["client", "d", "-s", "nas:65536"], `the port must be`],
    [["client", "d", "-s", "nas:http"], `the port must be`],
    [["client", "d", "-s", "nas:-1"], `the port must be`],
    [["client", "d", "-s", "dirsync://x"], `Cannot use the invitation: it must be the whole line`],
    [["client", "d", "-s", "ftp://nas"], `write HOST:PORT, https://HOST:PORT/ or the invitation`],
    [["client", "d", "-s", "https://nas/x"], `write only https://HOST:PORT/`],
    [["server", "--insecure", "--token"], `exclude each other`],
    [["server", "--insecure", "--cert", "c", "--key", "k"], `exclude each other`],
    [["server", "--cert", "c"], `belong together`],
    [["server", "--key", "k"], `belong together`],
    [["invite", "--add-only", "--no-delete"], `exclude each other`],
    [["invite", "--name", "a b"], `Cannot use --name "a b"`],
    [["invite", "--name=-x"], `Cannot use --name`],
    [["invite", "--quota", "0"], `Cannot use --quota "0"`],
    [["invite", "--quota", "lots"], `Cannot use --quota "lots"`],
    [["invite", "--expires", "0"], `Cannot use --expires "0"`],
    [["invite", "--expires", "4000"], `Cannot use --expires "4000"`],
    [["invite", "--once"], `belongs to dirsync client`],
    [["revoke"], `Which client? Write dirsync revoke NAME`],
    [["revoke", "a", "b", "c"], `takes one directory`],
    [["client", "d", "-s", "http://nas/path"], `write only http://HOST:PORT/`],
    [["client", "d", "-s", "http://me:pw@nas"], `write only http://HOST:PORT/`],
    [["client", "d", "-s", "http://nas?"], `write only http://HOST:PORT/`],
    [["client", "d", "-s", "http://"], `it names no host`],
    [["approve"], `Which directory? Write dirsync approve DIR`],
    [["approve", "d", "--once"], `Option "--once" belongs to dirsync client`],
    [["client", "d", "-u", "-1"], `Cannot use --updatemax "-1": it must be a number of seconds from 0 to 86400`],
    [["client", "d", "-u", "soon"], `Cannot use --updatemax "soon"`],
    [["client", "d", "-u", "1e3"], `Cannot use --updatemax`],
    [["client", "d", "-u", "."], `Cannot use --updatemax`],
    [["client", "d", "-u", "Infinity"], `Cannot use --updatemax`],
    [["client", "d", "-u", "86401"], `Cannot use --updatemax`],
    [["server", "--history", "-1"], `Cannot use --history "-1": it must be a number of days`],
    [["server", "--history", "1w"], `Cannot use --history "1w"`],
    [["server", "--history", "40000"], `Cannot use --history "40000"`],
    [["server", "--history-size", "much"], `Cannot use --history-size "much": it must be a size`],
    [["client", "d", "--bwlimit", "0"], `Cannot use --bwlimit "0": it must be bytes a second, at least 8K`],
    [["client", "d", "--bwlimit", "fast"], `Cannot use --bwlimit "fast"`],
    [["server", "-b", "2047"], `Cannot use --blocksize "2047": it must be from 2K to 256K`],
    [["server", "-b", "257K"], `Cannot use --blocksize`],
    [["server", "-b", "64X"], `Cannot use --blocksize`],
    [["server", "-b", "-4K"], `Cannot use --blocksize`],
    [["server", "-b", "0x1000"], `Cannot use --blocksize`],
    [["client", "d", "--max-delete", "101%"], `Cannot use --max-delete "101%"`],
    [["client", "d", "--max-delete", "1.5"], `Cannot use --max-delete`],
    [["client", "d", "--max-delete", "%"], `Cannot use --max-delete`],
    [["client", "d", "--max-delete", "-5"], `Cannot use --max-delete`],
    [["client", "d", "--max-delete", "9007199254740993"], `Cannot use --max-delete`],
  ];
  for (const [args, message] of table) {
    const error = assertThrows(() => parseCommandLine(args), UsageError, message, args.join(" "));
    assert(!error.message.includes("\n") && !error.message.endsWith("."), error.message);
  }
});

Deno.test("parseCommandLine() ends in a command or a UsageError, whatever it is given", () => {
  const word = fc.oneof(
    fc.constantFrom(
      "server",
      "client",
      "-",
      "--",
      "",
      "-s",
      "-u",
      "--exclude",
      "--max-delete",
      "5%",
      "[::1]:1",
      "--once",
    ),
    fc.constantFrom(...FLAGS.map(({ name }) => `--${name}`)),
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.string({ maxLength: 6 }).map((text) => `--server=${text}`),
    fc.string({ maxLength: 6 }).map((text) => `-i${text}`),
  );
  fc.assert(
    fc.property(fc.constantFrom("server", "client", "x"), fc.array(word, { maxLength: 5 }), (first, rest) => {
      try {
        parseCommandLine([first, ...rest]);
      } catch (error) {
        assert(error instanceof UsageError, String(error));
      }
    }),
    { seed: 7, numRuns: 3000 },
  );
});

Deno.test("help and version are answered wherever they are asked for", () => {
  const overview = help();
  for (const args of [["--help"], ["-h"], ["help"], ["--verbose", "--help"]]) assertEquals(help(...args), overview);
  for (const args of [["--help"], ["-h"], ["a", "b", "--foo", "--help"], ["-s", "--help"], ["--version", "-h"]]) {
    assertEquals(help("client", ...args), help("help", "client"));
  }
  assertEquals(help("--help", "server"), help("server", "-h"));
  assertEquals(parseCommandLine(["--version"]), { command: "version" });
  assertEquals(parseCommandLine(["server", "x", "--version"]), { command: "version" });
});

Deno.test("help fits 80 columns, holds every option of its command and no other", () => {
  for (const line of [help(), ...COMMANDS.map((command) => help("help", command))].join("").split("\n")) {
    assert(line.length <= 80 && line === line.trimEnd(), line);
  }
  for (const command of COMMANDS) {
    const text = help("help", command);
    const options = text.slice(text.indexOf("Options:"), text.indexOf("Examples:"));
    for (const flag of FLAGS) {
      const shown = new RegExp(`^  ${flag.short ? `-${flag.short}, ` : "    "}--${flag.name}( |$)`, "m").test(options);
      const meant = FLAGS.some(({ name, commands }) => name === flag.name && commands.includes(command));
      assertEquals(shown, meant, `${command} ${flag.name}`);
    }
    assertStringIncludes(help(), `dirsync ${command}`);
  }
});

Deno.test("the examples of the help are command lines that work", () => {
  const lines = [help(), ...COMMANDS.map((command) => help("help", command))].join("").split("\n");
  const examples = lines.map((line) => /^ {2}dirsync ((?:\S| (?! ))+)/.exec(line)?.[1]).filter((text) =>
    text !== undefined
  );
  assert(examples.length >= 12);
  for (const example of examples) parseCommandLine(example.replaceAll(/[[\]]/g, "").split(" "));
});

Deno.test("no two options of a command share a name or a letter", () => {
  for (const command of COMMANDS) {
    const flags = FLAGS.filter((flag) => flag.commands.includes(command));
    const names = flags.flatMap(({ name, short }) => short ? [name, short] : [name]);
    assertEquals(new Set(names).size, names.length);
  }
});

Deno.test("isLoopback() knows this machine from others", () => {
  for (const host of ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.255.0.3", "::1"]) {
    assert(isLoopback(host), host);
  }
  for (
    const host of ["0.0.0.0", "::", "127.evil.example", "localhost.evil.example", "128.0.0.1", "1127.0.0.1", "", "::11"]
  ) {
    assert(!isLoopback(host), host);
  }
});
