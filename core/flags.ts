// Every option of every command, in one table: what parsing and help (and later completions and man page) are made of.

/** The commands. */
export const COMMANDS = [
  "server",
  "client",
  "approve",
  "history",
  "restore",
  "invite",
  "clients",
  "revoke",
] as const;
/** A command. */
export type CommandName = typeof COMMANDS[number];

/** One option. */
export interface Flag {
  readonly commands: readonly CommandName[];
  /** Without the leading "--". */
  readonly name: string;
  /** One letter, without the leading "-". */
  readonly short?: string;
  /** What the value is called in the help; a flag without one is a switch. */
  readonly value?: string;
  readonly repeatable?: true;
  readonly default?: string;
  readonly help: string;
}

/** Those that tell events as they happen. */
const TELLING = ["server", "client", "approve"] as const;
/** Those that print lines of their own. */
const LISTING = ["history", "restore", "invite", "clients", "revoke"] as const;
/** Those that say who may connect to a server. */
const DOOR = ["invite", "clients", "revoke"] as const;

/** Every option there is, in the order of the help. */
export const FLAGS: readonly Flag[] = [
  {
    commands: ["server"],
    name: "interface",
    short: "i",
    value: "HOST[:PORT]",
    default: "localhost:5000",
    help: "where to listen; port 0 takes a free one",
  },
  {
    commands: ["server"],
    name: "blocksize",
    short: "b",
    value: "BYTES",
    help: "average size of the pieces that files are compared in, 2K to 256K. A hint, rounded to a power of two " +
      "(default: chosen for each file from its size)",
  },
  {
    commands: ["server"],
    name: "history",
    value: "DAYS",
    default: "30",
    help: "how long what is replaced or deleted in the mirror is kept in its .dirsync/history; 0 keeps none",
  },
  {
    commands: ["server"],
    name: "history-size",
    value: "SIZE",
    help: "at most how much of it is kept (10G, say); the oldest goes first " +
      "(default: a fifth of the mirror, at least 1G, and in any case all of the last day)",
  },
  {
    commands: ["server"],
    name: "insecure",
    help:
      "an interface other than localhost without TLS and without a token: everybody who can reach it may read and " +
      "change the mirror",
  },
  {
    commands: ["server"],
    name: "token",
    help: "ask for a token on localhost too (elsewhere one is always needed)",
  },
  {
    commands: ["server"],
    name: "cert",
    value: "FILE",
    help: "an own certificate (PEM, with its chain), by which clients know the server through an authority (default: " +
      "one that the server makes, which clients know by its fingerprint)",
  },
  { commands: ["server"], name: "key", value: "FILE", help: "the key of --cert (PEM)" },
  {
    commands: ["server", "invite"],
    name: "address",
    value: "HOST[:PORT]",
    help: "where clients find the server, for invitations (default: where it listens, or the name of this machine)",
  },
  {
    commands: ["client"],
    name: "server",
    short: "s",
    value: "HOST[:PORT]",
    default: "localhost:5000",
    help:
      "where the server is: HOST:PORT, https://HOST:PORT/, or at first the invitation that the server printed; the " +
      "client waits for one that is not there yet",
  },
  {
    commands: ["client"],
    name: "token-file",
    value: "FILE",
    help: "a file that holds the token or the invitation, so that it does not show in the list of processes; the " +
      "environment variable DIRSYNC_TOKEN does the same",
  },
  {
    commands: ["client"],
    name: "updatemax",
    short: "u",
    value: "SECONDS",
    help: "send a file that keeps changing at most once in so many seconds (0.5, say; 0: at once). Its last state is " +
      "always sent (default: adaptive, cheap files at once, costly ones rarely)",
  },
  {
    commands: ["client"],
    name: "once",
    help: "bring the mirror up to date, then end",
  },
  {
    commands: ["client"],
    name: "dry-run",
    help: "print what --once would do, change nothing",
  },
  {
    commands: ["client"],
    name: "exclude",
    value: "PATTERN",
    repeatable: true,
    help: "leave out what matches, in the syntax of .gitignore; may be given more than once",
  },
  {
    commands: ["client"],
    name: "bwlimit",
    value: "RATE",
    help: "send at most so many bytes a second: 500K, 10M",
  },
  {
    commands: ["client"],
    name: "max-delete",
    value: "N|P%",
    default: "50%",
    help:
      "hold back and ask when more entries than this, or more percent of at least 100 entries, would be deleted or " +
      "become empty within a minute. 0: always, 100%: never; a source that is missing, unmounted or another one is held " +
      "whatever this says",
  },
  {
    commands: ["client"],
    name: "xattrs",
    help: "mirror extended attributes (user.*) and access control lists too",
  },
  {
    commands: ["client"],
    name: "numeric-ids",
    help: "owners and groups go by their numbers (default: by name where both machines know it, else by number)",
  },
  {
    commands: ["restore"],
    name: "at",
    value: "TIME",
    help:
      "as it was at this moment: 2026-11-25, '2026-11-25 18:30' (local time), 2026-11-25T18:30:05Z, or an age such " +
      "as 90s, 30m, 2h, 3d (default: before its last change)",
  },
  {
    commands: ["restore"],
    name: "to",
    value: "DIR",
    help:
      "copy it into DIR, which is made, outside of the mirror (default: back to its place, if no server is running)",
  },
  {
    commands: ["invite"],
    name: "name",
    value: "NAME",
    help: "what the client is called in dirsync clients and revoke (default: client-1, client-2, ...)",
  },
  { commands: ["invite"], name: "no-delete", help: "it may change files, but not remove them" },
  { commands: ["invite"], name: "add-only", help: "it may only add files; what is there stays as it is" },
  { commands: ["invite"], name: "read-only", help: "it may only compare: dirsync client --dry-run" },
  {
    commands: ["invite"],
    name: "quota",
    value: "SIZE",
    help: "the most that the files of the mirror may take when it has pushed, 10G for example",
  },
  {
    commands: ["invite"],
    name: "expires",
    value: "DAYS",
    help: "it may come for so many days (default: until revoked)",
  },
  { commands: LISTING, name: "json", help: "print one JSON object a line" },
  { commands: TELLING, name: "json", help: "print events on stdout, one JSON object a line" },
  { commands: TELLING, name: "quiet", help: "print only what is wrong" },
  { commands: TELLING, name: "verbose", help: "print more: every path, and details" },
  {
    commands: ["client", "approve"],
    name: "state",
    value: "DIR",
    help: "where dirsync keeps its own notes (default: the user's state folder)",
  },
  {
    commands: ["server"],
    name: "state",
    value: "DIR",
    help:
      "where the server keeps its key and who may connect (default: the user's state folder); all else that it notes " +
      "is in .dirsync in its DIR",
  },
  {
    commands: DOOR,
    name: "state",
    value: "DIR",
    help: "the --state of the server",
  },
  { commands: ["client"], name: "no-fsync", help: "accepted; give it to the server, which is the side that writes" },
  {
    commands: ["server"],
    name: "no-fsync",
    help: "do not wait for the disk: faster, but a power cut may lose the latest changes",
  },
  { commands: COMMANDS, name: "help", short: "h", help: "print this" },
  { commands: COMMANDS, name: "version", help: "print the version" },
];
