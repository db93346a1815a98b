#!/usr/bin/env python3
"""dirsync beside its peers: ../shared/bench/peers.py, told that a mirror keeps its private folder in .dirsync.

  tests/bench/peers.py --only small,noop-small --systems rsync,dirsync --dirsync-cmd "deno run -A main.ts"
"""
import importlib.util, os, sys

here = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("peers", os.path.join(here, "../../../shared/bench/peers.py"))
peers = importlib.util.module_from_spec(spec)
sys.modules["peers"] = peers
spec.loader.exec_module(peers)
peers.HERE = os.path.abspath(__file__)              # it starts itself again within a network namespace
peers.Dirsync.skip = (".dirsync",)
if os.environ.get("DIRSYNC_FS") == "portable":      # the layer reads and sets times to the millisecond
    peers.Dirsync.ignore = frozenset({"mtime-ns", "dir-mtime-ns", "link-mtime-ns"})
if __name__ == "__main__":
    peers.main()
