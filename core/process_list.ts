// A secret on the command line shows in the list of processes, to every user of the machine. On Linux what is listed is the
// process's own memory, so it is overwritten there as soon as it has been read. (What started this process, a shell's history or
// npx for example, is out of reach: see SECURITY.md.)

/** Where /proc/PID/stat tells the address of the arguments, counted behind the name in parentheses, which is field 2. */
const ARG_START_FIELD = 48 - 3;

/** Overwrites `secret` wherever it is in the listed arguments of this process. Does what it can; never throws. */
export function hideArgument(secret: string): void {
  if (Deno.build.os !== "linux" || secret === "") return;
  try {
    const stat = Deno.readTextFileSync("/proc/self/stat");
    const start = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[ARG_START_FIELD]);
    const listed = Deno.readFileSync("/proc/self/cmdline");
    // One byte a character, so that what is found is where it is found.
    const text = Array.from(listed, (byte) => String.fromCharCode(byte)).join("");
    using memory = Deno.openSync("/proc/self/mem", { write: true });
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
      memory.seekSync(start + at, Deno.SeekMode.Start);
      memory.writeSync(new TextEncoder().encode("x".repeat(secret.length)));
    }
  } catch {
    // It stays listed.
  }
}
