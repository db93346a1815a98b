"""Random directory trees of every kind of entry, and an independent answer to whether two are equal.

    tree.py make SEED DIR [OPTIONS]      fills an empty directory
    tree.py change SEED DIR [OPTIONS]    changes it at random
    tree.py compare A B [OPTIONS]        prints what differs, and exits with 1 if anything does
    tree.py selftest DIR                 proves that compare sees each kind of difference

It shares nothing with the program under test: what the system calls say is compared to the nanosecond and the byte. The entry
.dirsync at the top is left out, and so is what is not mirrored (FIFOs, sockets, devices).
"""

import argparse
import hashlib
import os
import random
import stat
import struct
import sys

NAMES = [b"a", b"b", b"c d", b"-rf", b"new\nline", b"\xff\xfe", b"caf\xc3\xa9", b"cafe\xcc\x81", b"A", b"\xe2\x82", b"...",
         b"'q'\"", b"tab\t", b"n" * 255, b"\xed\xb3\xbf", b"%41", b"back\\slash", b"*", b".hidden", b"con", b"x:y"]
TARGETS = [b"a", b"../a", b"/etc/passwd", b"gone", b".", b"loop", b"\xff", b"t" * 300, b"a/../b//c/"]
MODES = [0o644, 0o600, 0o755, 0o444, 0o400, 0o664, 0o777, 0o4755, 0o2755, 0o6711, 0o1644, 0o666]
DIR_MODES = [0o755, 0o700, 0o775, 0o1777, 0o2755, 0o711, 0o500, 0o555]
OWNERS = [0, 1, 1000, 65534, 123456]
ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"
DEEP = b"deep"


def below(fd, name):
    """A path of any entry of an open directory, for what has no *at call, however deep the directory is."""
    return b"/proc/self/fd/%d/%s" % (fd, name)


def is_text(name):
    try:
        return bool(name.decode())
    except UnicodeDecodeError:
        return False


def open_dir(name, dir_fd=None):
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)


def acl(rng):
    """A POSIX access control list as the kernel takes it: version 2, then tag, permissions and id of each entry."""
    entries = [(1, 7, -1), (2, rng.choice([4, 6, 7]), rng.choice([1, 1000])), (4, 4, -1), (16, 7, -1), (32, rng.choice([0, 4]), -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


class Maker:
    """Builds and changes a tree with one source of randomness."""

    def __init__(self, rng, root, options):
        self.rng, self.root, self.options = rng, os.fsencode(root), options
        self.names = NAMES if options.bytes else [name for name in NAMES if is_text(name)]
        self.targets = TARGETS if options.bytes else [target for target in TARGETS if is_text(target)]
        # Second names of files given in this run. What is changed by such a name that goes in the same run nobody can see
        # who watches directories; it is found by the next full scan, for which no test waits.
        self.fresh = set()
        self.may_chown = os.geteuid() == 0 and options.owners

    def dirs(self):
        """Every directory that can be worked in by path."""
        found = [self.root]
        for at in found:
            for entry in os.scandir(at):
                if entry.is_dir(follow_symlinks=False) and entry.name not in (DEEP, b".dirsync"):
                    found.append(entry.path)
        return found

    def entries(self):
        return [entry.path for at in self.dirs() for entry in os.scandir(at) if entry.name not in (DEEP, b".dirsync")]

    def files(self):
        return [path for path in self.entries() if stat.S_ISREG(os.lstat(path).st_mode)]

    def content(self):
        size = self.rng.choice([0, 1, 100, 5000, 40_000, 300_000])
        return self.rng.randbytes(self.rng.randint(0, size))

    def time(self):
        early = -1_500_000_001 if self.options.ns else -2_000_000_000
        return self.rng.choice([0, 1, 999_999_999, early, 4_102_444_800_123_456_789, self.rng.randint(10**18, 18 * 10**17)])

    def place(self):
        return os.path.join(self.rng.choice(self.dirs()), self.rng.choice(self.names))

    def workable(self, path):
        """As somebody who is not root: makes a directory writable, as who works in it would have to."""
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        if os.geteuid() != 0 and mode & 0o700 != 0o700:
            os.chmod(path, mode | 0o700)

    def metadata(self, path):
        rng, mode = self.rng, os.lstat(path).st_mode
        if self.may_chown and rng.random() < 0.4:
            os.chown(path, rng.choice(OWNERS), rng.choice(OWNERS), follow_symlinks=False)
        if self.options.xattrs and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and rng.random() < 0.4:
            try:
                names = [name for name in os.listxattr(path) if name.startswith("user.")]
                if names and rng.random() < 0.5:
                    os.removexattr(path, rng.choice(names))
                else:
                    os.setxattr(path, rng.choice(["user.a", "user.b.c", "user.\u00e9"]), rng.randbytes(rng.randint(0, 300)))
                if rng.random() < 0.3:
                    os.setxattr(path, ACL, acl(rng))
                if stat.S_ISDIR(mode) and rng.random() < 0.3:
                    os.setxattr(path, DEFAULT_ACL, acl(rng))
            except OSError:
                # Not ours to change, or an account that this user namespace does not have.
                pass
        if not stat.S_ISLNK(mode) and rng.random() < 0.6:
            modes = DIR_MODES if stat.S_ISDIR(mode) else MODES
            os.chmod(path, rng.choice(modes))
        if rng.random() < 0.7:
            os.utime(path, ns=(0, self.time()), follow_symlinks=False)

    def make_one(self):
        rng, path = self.rng, self.place()
        if os.path.lexists(path):
            return
        self.workable(os.path.dirname(path))
        kind = rng.choice(["file"] * 4 + ["dir"] * 3 + ["symlink"] * 2 + ["link"] * 2 + ["sparse", "fifo"])
        if kind == "file":
            with open(path, "wb") as file:
                file.write(self.content())
        elif kind == "dir":
            os.mkdir(path)
        elif kind == "symlink":
            os.symlink(rng.choice(self.targets), path)
        elif kind == "sparse":
            with open(path, "wb") as file:
                for _ in range(rng.randint(1, 4)):
                    file.seek(rng.randint(0, 3_000_000), os.SEEK_CUR)
                    file.write(self.content())
                file.truncate(file.tell() + rng.randint(0, 2_000_000))
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            others = [other for other in self.entries() if not stat.S_ISDIR(os.lstat(other).st_mode)]
            if not others:
                return
            os.link(rng.choice(others), path, follow_symlinks=False)
            self.fresh.add(path)
        self.metadata(path)

    def stays(self, *paths):
        """Whether none of these is a fresh second name, or holds one."""
        return not any((name + b"/").startswith(path + b"/") for name in self.fresh for path in paths)

    def change_one(self):
        rng, entries, files = self.rng, self.entries(), self.files()
        what = rng.choice(["make"] * 3 + ["edit", "append", "save", "rename", "rename", "remove", "metadata", "metadata", "swap"] + ["sly"] * self.options.ns)
        if what == "make" or not entries:
            return self.make_one()
        path = rng.choice(files) if files else None
        if what in ("edit", "append", "save", "sly"):
            if not path:
                return
            self.workable(os.path.dirname(path))
            before = os.lstat(path)
            if os.geteuid() != 0:
                os.chmod(path, 0o600)
            if what == "append":
                with open(path, "ab") as file:
                    file.write(self.content())
            elif what == "save" and self.stays(path):
                temporary = os.path.join(os.path.dirname(path), b".save~")
                with open(temporary, "wb") as file:
                    file.write(self.content())
                os.rename(temporary, path)
            elif what in ("edit", "sly"):
                with open(path, "r+b") as file:
                    size = before.st_size
                    if size:
                        file.seek(rng.randint(0, size - 1))
                        file.write(b"!")
            if what == "sly":
                # Other content, the same size, and the time put back.
                os.utime(path, ns=(0, before.st_mtime_ns))
        elif what in ("rename", "swap"):
            source, target = rng.choice(entries), self.place() if what == "rename" else rng.choice(entries)
            if (target + b"/").startswith(source + b"/") or (source + b"/").startswith(target + b"/"):
                return
            if not self.stays(source, target):
                return
            for each in (source, target):
                self.workable(os.path.dirname(each))
                if os.path.isdir(each) and not os.path.islink(each):
                    self.workable(each)
            if what == "rename":
                try:
                    os.rename(source, target)
                except (NotADirectoryError, IsADirectoryError, OSError):
                    pass
            else:
                temporary = os.path.join(self.root, b".swap~")
                os.rename(source, temporary)
                os.rename(target, source)
                os.rename(temporary, target)
        elif what == "remove":
            path = rng.choice(entries)
            if self.stays(path):
                self.remove(path)
        else:
            self.metadata(rng.choice(entries))

    def remove(self, path):
        self.workable(os.path.dirname(path))
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return os.unlink(path)
        self.workable(path)
        for name in os.listdir(path):
            self.remove(os.path.join(path, name))
        os.rmdir(path)

    def settle(self):
        """Who is not root must be able to read what is to be mirrored."""
        if os.geteuid() == 0:
            return
        for path in self.entries():
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode):
                os.chmod(path, stat.S_IMODE(mode) | 0o500)
            elif stat.S_ISREG(mode):
                os.chmod(path, stat.S_IMODE(mode) | 0o400)

    def deep(self):
        """A chain of directories whose paths are longer than PATH_MAX, with something in the last."""
        fd = open_dir(self.root)
        for name in [DEEP] + [b"d%d" % i + b"x" * 200 for i in range(25)]:
            os.mkdir(name, dir_fd=fd)
            inner = open_dir(name, fd)
            os.close(fd)
            fd = inner
        file = os.open(b"file", os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=fd)
        os.write(file, self.content())
        os.close(file)
        os.symlink(b"file", b"link", dir_fd=fd)
        os.link(b"file", b"other", src_dir_fd=fd, dst_dir_fd=fd)
        os.utime(b"file", ns=(0, 123_456_789_987_654_321), dir_fd=fd)
        os.close(fd)


def listing(root, options):
    """All that can be told of each entry below a directory, by path."""
    found, inodes = {}, {}

    def describe(fd, name, path):
        info = os.stat(name, dir_fd=fd, follow_symlinks=False) if name else os.fstat(fd)
        mode = info.st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            return
        entry = {"type": stat.S_IFMT(mode)}
        entry["mtime"] = info.st_mtime_ns // (1 if options.ns else 1_000_000)
        if not stat.S_ISLNK(mode):
            entry["mode"] = oct(stat.S_IMODE(mode))
        if options.owners:
            entry["owner"] = (info.st_uid, info.st_gid)
        at = below(fd, name) if name else b"/proc/self/fd/%d" % fd
        if options.xattrs and not stat.S_ISLNK(mode):
            try:
                names = [attr for attr in os.listxattr(at) if attr.startswith("user.") or attr in (ACL, DEFAULT_ACL)]
                entry["xattrs"] = {attr: os.getxattr(at, attr) for attr in sorted(names)}
            except PermissionError:
                entry["xattrs"] = "unreadable"
        if stat.S_ISLNK(mode):
            entry["target"] = os.readlink(name, dir_fd=fd)
        elif stat.S_ISREG(mode):
            entry["size"] = info.st_size
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
            digest = hashlib.sha256()
            while block := os.read(file, 1 << 20):
                digest.update(block)
            os.close(file)
            entry["content"] = digest.hexdigest()
            found_blocks[path] = info.st_blocks * 512
        if not stat.S_ISDIR(mode) and info.st_nlink > 1 and options.links:
            inodes.setdefault((info.st_dev, info.st_ino), []).append(path)
        found[path] = entry
        if stat.S_ISDIR(mode):
            inner = open_dir(name, fd) if name else os.dup(fd)
            for child in sorted(os.fsencode(each) for each in os.listdir(inner)):
                if path or child != b".dirsync":
                    describe(inner, child, path + b"/" + child if path else child)
            os.close(inner)

    found_blocks = {}
    top = open_dir(os.fsencode(root))
    describe(top, b"", b"")
    os.close(top)
    for names in inodes.values():
        for path in names:
            found[path]["names"] = sorted(names)
    return found, found_blocks


def compare(a, b, options):
    """Every difference of two directories, a line each."""
    (want, room), (have, taken) = listing(a, options), listing(b, options)
    lines = []
    for path in sorted(want.keys() | have.keys()):
        one, other = want.get(path), have.get(path)
        if one is None or other is None:
            lines.append(f"{path!r}: only in {a if other is None else b}")
            continue
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                lines.append(f"{path!r}: {key} {one.get(key)!r} / {other.get(key)!r}")
        # Holes may be laid out otherwise, but what has large ones may not take much more room than it did.
        if path in room and path in taken and options.sparse and taken[path] > room[path] + 262_144:
            lines.append(f"{path!r}: takes {taken[path]} bytes, not {room[path]}")
    return lines


def selftest(directory, options):
    """Changes one thing at a time in one of two equal trees, and expects that to be found and named."""
    a, b = os.path.join(directory, "a"), os.path.join(directory, "b")
    for each in (a, b):
        os.makedirs(os.path.join(each, "dir"))
        for name in ("f", "g", "h"):
            with open(os.path.join(each, name), "wb") as file:
                file.write(b"content")
        os.link(os.path.join(each, "f"), os.path.join(each, "twin"))
        os.symlink("target", os.path.join(each, "link"))
        with open(os.path.join(each, "holes"), "wb") as file:
            file.truncate(10_000_000)
        for name in ("f", "g", "h", "link", "holes", "dir", ""):
            os.utime(os.path.join(each, name), ns=(0, 10**18), follow_symlinks=False)
    at = lambda name: os.path.join(b, name)
    time = lambda name, ns=10**18: os.utime(at(name), ns=(0, ns), follow_symlinks=False)

    def fill():
        with open(at("holes"), "wb") as file:
            file.write(bytes(10_000_000))
            os.fsync(file.fileno())
        time("holes")

    def write():
        with open(at("g"), "wb") as file:
            file.write(b"CONTENT")
        time("g")

    def relink(target):
        os.unlink(at("link"))
        os.symlink(target, at("link"))
        time("link"), time("")

    def separate():
        os.unlink(at("twin"))
        with open(at("twin"), "wb") as file:
            file.write(b"content")
        time("twin"), time("")

    steps = [("mtime", lambda: time("g", 10**18 + 1)), ("mtime", lambda: time("dir", 5)), ("mtime", lambda: time("link", 6)),
             ("mtime", lambda: time("", 7)), ("content", write), ("target", lambda: relink("TARGET")), ("names", separate),
             ("mode", lambda: os.chmod(at("h"), 0o4644)), ("takes", fill),
             ("xattrs", lambda: os.setxattr(at("h"), "user.a", b"x")), ("xattrs", lambda: os.setxattr(at("dir"), ACL, acl(random)))]
    if os.geteuid() == 0:
        steps += [("owner", lambda: os.chown(at("g"), 1, 0)), ("owner", lambda: os.chown(at("link"), 0, 1, follow_symlinks=False))]
    if compare(a, b, options):
        sys.exit("equal trees are found to differ: " + "\n".join(compare(a, b, options)))
    known = set()
    for key, step in steps:
        step()
        lines = compare(a, b, options)
        if not any(f": {key}" in line for line in lines if line not in known):
            sys.exit(f"a difference of {key} is not found: {lines}")
        known.update(lines)
    print(f"{len(steps)} kinds of difference are found")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["make", "change", "compare", "selftest"])
    parser.add_argument("rest", nargs="+")
    parser.add_argument("--count", type=int, default=60)
    for switch in ("owners", "xattrs", "links", "sparse", "ns", "deep", "bytes"):
        parser.add_argument(f"--no-{switch}", dest=switch, action="store_false")
    options = parser.parse_args()
    os.umask(0o022)
    if options.what == "compare":
        lines = compare(*options.rest, options)
        print("\n".join(lines[:40]))
        sys.exit(1 if lines else 0)
    if options.what == "selftest":
        return selftest(options.rest[0], options)
    maker = Maker(random.Random(int(options.rest[0])), options.rest[1], options)
    for _ in range(options.count):
        (maker.make_one if options.what == "make" else maker.change_one)()
    if options.what == "make" and options.deep:
        maker.deep()
    maker.settle()


main()
