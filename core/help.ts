// What `--help` says.

import { type CommandName, FLAGS } from "./flags.ts";

/** What the help of a command says besides its flags. Lines are at most 80 characters. */
const TEXTS: Record<CommandName, { operand: string; about: string; after: string }> = {
  server: {
    operand: "[DIR]",
    about: `Holds the mirror: DIR (default: ./Storage, made if it is not there) becomes
an exact copy of what a client sends. What is in DIR but not in the client's
directory is removed; it goes to DIR/.dirsync/history.`,
    after: `Examples:
  dirsync server                      mirror in ./Storage, this machine only
  dirsync server /srv/mirror          the same in another place
  dirsync server -i localhost:7000    another port
  dirsync server -i 0.0.0.0           for other machines: TLS and a token; the
                                      line that it prints at first is for the
                                      client, dirsync invite makes more

From another machine, safely, through ssh:
  ssh -N -L 5000:localhost:5000 HOST  leave it running there, and then
  dirsync client DIR                  in a second terminal

Ctrl+C ends it. Exit status: 0 ended, 1 cannot start, 2 wrong usage.`,
  },
  client: {
    operand: "DIR",
    about: `Watches DIR and keeps the mirror on a server equal to it. DIR itself is only
read. What is in the mirror but not in DIR is removed from the mirror.`,
    after: `Examples:
  dirsync client ./project            to the server on this machine
  dirsync client ./project -s INVITATION
                                      to a server elsewhere, the first time
  dirsync client ./project -s nas     the same server from then on
  dirsync client ./project --exclude node_modules --exclude '*.log'
  dirsync client ./project --once     once, for scripts
  dirsync client -- -odd-name         a directory that starts with "-"

What the lines mean:
  + new   ~ changed   - removed   > moved   = time or permissions only

Ctrl+C ends it. Exit status: 0 done, 1 cannot start, 2 wrong usage,
3 done but some paths could not be mirrored, or deletions are held (--once).`,
  },
  approve: {
    operand: "DIR",
    about: `Lets the client of DIR do what it holds: deletions that are more than
--max-delete allows, or of a source that is another one than before. Exactly
what is held now is approved of, and no more; a client that runs goes on within
a second, another at its next start. Run it on the client's machine.`,
    after: `Example:
  dirsync approve ./project

Exit status: 0 approved or nothing held, 1 no client has mirrored DIR from here,
2 wrong usage.`,
  },
  history: {
    operand: "[PATH]",
    about: `Lists what the history keeps of PATH (default: the current directory), which
is, or was, in the directory of a server: what was replaced or deleted, when,
and how large it was; the newest first. Run it on the server's machine.`,
    after: `Examples:
  dirsync history /srv/mirror/notes.txt
  dirsync history                     of the directory that you are in

Each line is a version that is kept, and when it went. dirsync restore with
that time brings it back. They lie in .dirsync/history at the top of the
mirror, where any program can read them.

Exit status: 0 done, 1 not in a mirror, 2 wrong usage.`,
  },
  restore: {
    operand: "PATH",
    about: `Brings back a file or directory as it was just before a moment, from the
history of the mirror that it is, or was, in. Run it on the server's machine.
Nothing is overwritten: what is there now goes to the history first.`,
    after: `Examples:
  dirsync restore /srv/mirror/notes.txt --to /tmp
  dirsync restore /srv/mirror --at 2h --to /tmp/two-hours-ago
  dirsync restore notes.txt --at 2026-11-25T18:30 --to .. --json

A client that is connected makes the mirror equal to its source again: while a
server is running, --to DIR is the way, and from there to the source.

Exit status: 0 done, 1 cannot, 2 wrong usage, 3 some of it could not be
brought back.`,
  },
  invite: {
    operand: "[DIR]",
    about: `Prints an invitation: the line by which one more client may push to the mirror
in DIR (default: ./Storage). It is a secret, and is not shown again.`,
    after: `Examples:
  dirsync invite /srv/mirror --name laptop
  dirsync invite /srv/mirror --name backup --add-only --quota 100G --expires 30`,
  },
  clients: {
    operand: "[DIR]",
    about: `Lists who may connect to the server of the mirror in DIR (default: ./Storage),
what each may do, and when it was there last.`,
    after: `Example:
  dirsync clients /srv/mirror`,
  },
  revoke: {
    operand: "NAME [DIR]",
    about: `Ends what the client NAME may do on the server of the mirror in DIR (default:
./Storage), at once, also where it is connected.`,
    after: `Example:
  dirsync revoke laptop /srv/mirror`,
  },
};

/** What dirsync says of itself. */
export const OVERVIEW = `dirsync keeps an exact mirror of a directory, on this machine or another

Usage:
  dirsync server [DIR]    hold the mirror; run it where the copy shall be
  dirsync client DIR      watch DIR and keep the mirror equal to it
  dirsync approve DIR     let the client of DIR do the deletions that it holds
  dirsync history [PATH]  list what was replaced or deleted in a mirror
  dirsync restore PATH    bring it back as it was
  dirsync invite [DIR]    let one more client connect to a server
  dirsync clients [DIR]   list who may connect
  dirsync revoke NAME     let one connect no more

Try it in two terminals:
  dirsync server ./mirror
  dirsync client ./project

More:
  dirsync server --help   options and examples of the server
  dirsync client --help   options and examples of the client, and so on
  dirsync --version       the version
`;

/** The help of one command. */
export function helpOf(command: CommandName): string {
  const { operand, about, after } = TEXTS[command];
  const rows = FLAGS.filter((flag) => flag.commands.includes(command)).map((flag) => {
    const short = flag.short ? `-${flag.short}, ` : "    ";
    const fallback = flag.default ? ` (default: ${flag.default})` : "";
    return [`  ${short}--${flag.name}${flag.value ? ` ${flag.value}` : ""}`, flag.help + fallback] as const;
  });
  const indent = Math.max(...rows.map(([left]) => left.length)) + 2;
  const options = rows.flatMap(([left, right]) =>
    wrap(right, 80 - indent).map((line, index) => (index === 0 ? left : "").padEnd(indent) + line)
  );
  return `Usage: dirsync ${command} ${operand} [OPTION]...\n\n${about}\n\nOptions:\n${
    options.join("\n")
  }\n\n${after}\n`;
}

/** Breaks text into lines of at most `width` characters. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
