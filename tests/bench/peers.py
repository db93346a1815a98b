#!/usr/bin/env python3
"""dirsync beside its peers: ../shared/bench/peers.py, told that a mirror keeps its private folder in .dirsync, and with more
ways to change a large file or many.

  tests/bench/peers.py --only small,noop-small --systems rsync,dirsync --dirsync-cmd "deno run -A main.ts"

  scatter    1,000 times 16 bytes overwritten, all over the file of `big`
  pages      2,000 of its 4 KiB pages rewritten, as a database does
  swap       two stretches of 1/16 of it change places
  prepend    1 KiB before it
  move-edit  another name, and one byte of it
  edit-many  one byte in each of 1,000 files of 100 KiB
  wan-text   the files of `text` over a line of 100 Mbit/s, 50 ms away
"""
import importlib.util, os, random, shutil, sys

here = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("peers", os.path.join(here, "../../../shared/bench/peers.py"))
peers = importlib.util.module_from_spec(spec)
sys.modules["peers"] = peers
spec.loader.exec_module(peers)
peers.HERE = os.path.abspath(__file__)              # it starts itself again within a network namespace
peers.Dirsync.skip = (".dirsync",)
if os.environ.get("DIRSYNC_FS") == "portable":      # the layer reads and sets times to the millisecond
    peers.Dirsync.ignore = frozenset({"mtime-ns", "dir-mtime-ns", "link-mtime-ns"})

EDITS = ("scatter", "pages", "swap", "prepend", "move-edit")
peers.WORKLOADS += [*EDITS, "edit-many", "wan-text"]
peers.HEAVY |= set(EDITS)
peers.RsyncInplace.only += (*EDITS, "edit-many")
PAGE = 4096


def overwrite(path, at, data):
    later = os.stat(path).st_mtime_ns + 1_500_000_000       # rsync takes the same size in the same second for the same file
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)
    os.utime(path, ns=(later, later))


def swapped(path, a, b, size):
    with open(path, "rb") as f:
        parts = []
        for at in (a, b):
            f.seek(at)
            parts.append(f.read(size))
    for at, part in zip((b, a), parts):
        overwrite(path, at, part)


def prepended(path, data):
    with open(path, "rb") as f, open(path + ".new", "wb") as g:
        g.write(data)
        shutil.copyfileobj(f, g, peers.MIB)
    os.replace(path + ".new", path)


def mk_hundred(self, p):
    for i in range(self.n(1000)):
        os.makedirs(f"{p}/d{i // 100}", exist_ok=True)
        peers.make_random(f"{p}/d{i // 100}/f{i}.bin", 100 << 10)


def g_edits(self, cls, want):
    with self.session(cls, self.data.get("big"), seed_dst=True) as s:
        s.quiet_sync()
        big, r = s.src + "/big.bin", random.Random(11)
        size = os.path.getsize(big)
        for w in EDITS:
            for _ in self.reps(want, w):
                if w == "scatter":
                    for _ in range(self.data.n(1000)):
                        overwrite(big, r.randrange(size - 16), r.randbytes(16))
                elif w == "pages":
                    for _ in range(self.data.n(2000)):
                        overwrite(big, PAGE * r.randrange(size // PAGE), r.randbytes(PAGE))
                elif w == "swap":
                    part = size // 16
                    swapped(big, r.randrange(size // 2 - part), size // 2 + r.randrange(size // 2 - part), part)
                elif w == "prepend":
                    prepended(big, r.randbytes(1024))
                else:
                    there = os.path.join(s.src, f"moved-{r.randrange(10**9)}.bin")
                    os.rename(big, there)
                    big = there
                    overwrite(big, r.randrange(size), b"\0\1")
                s.sync_step(w)


def g_edit_many(self, cls, want):
    with self.session(cls, self.data.get("hundred"), seed_dst=True) as s:
        s.quiet_sync()
        r = random.Random(12)
        for _ in self.reps(want, "edit-many"):
            for d, _, files in os.walk(s.src):
                for f in files if os.path.basename(d).startswith("d") else ():
                    overwrite(f"{d}/{f}", r.randrange(100 << 10), r.randbytes(1))
            s.sync_step("edit-many")


def g_wan_text(self, cls, want):
    self.start_wan()
    with self.session(cls, self.data.get("text"), wan=True) as s:
        s.sync_step("wan-text")


peers.Data.mk_hundred = mk_hundred
peers.Bench.g_edits, peers.Bench.g_edit_many, peers.Bench.g_wan_text = g_edits, g_edit_many, g_wan_text
peers.Bench.GROUPS += (("g_edits", EDITS, "once"), ("g_edit_many", ("edit-many",), "once"),
                       ("g_wan_text", ("wan-text",), "once"))

if __name__ == "__main__":
    peers.main()
