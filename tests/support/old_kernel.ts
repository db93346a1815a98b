// The C library as it answers on an older kernel: calls that this one does not have yet fail as they do there.

import { C, E, type Libc } from "../../core/libc.ts";

/** Calls by number that came after Linux 5.5. */
const NEWER: ReadonlySet<number> = new Set([C.SYS_openat2, C.SYS_fchmodat2, C.SYS_listxattrat]);

/** `libc` on Linux 5.5: without openat2 (5.6), `AT_EMPTY_PATH` for utimensat (5.8), fchmodat2 (6.6) and listxattrat (6.13). */
export function onOldKernel(libc: Libc): Libc {
  let refused: number | undefined;
  const refuse = (errno: number) => {
    refused = errno;
    return -1;
  };
  const call: Libc["call"] = { ...libc.call };
  // Whatever else is called sets the error anew.
  for (const [name, real] of Object.entries(libc.call) as [string, (...args: unknown[]) => unknown][]) {
    Object.assign(call, {
      [name]: (...args: unknown[]) => {
        refused = undefined;
        return real(...args);
      },
    });
  }
  const { syscall, utimensat } = call;
  return {
    ...libc,
    call: {
      ...call,
      syscall: (number, ...args) => NEWER.has(number) ? refuse(E.ENOSYS) : syscall(number, ...args),
      utimensat: (fd, path, times, flags) =>
        (flags & C.AT_EMPTY_PATH) !== 0 ? refuse(E.EINVAL) : utimensat(fd, path, times, flags),
    },
    errno: () => refused ?? libc.errno(),
  };
}
