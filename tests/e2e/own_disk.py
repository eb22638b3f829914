"""Small disks: file systems in memory, of a size that a test gives, or ext4 in a file.

Root mounts them as they are. An ordinary user has a process hold those in memory that is in a mount namespace of
its own, and reaches them through its /proc/PID/root; a server must run in there.
"""

import contextlib
import os
import shutil
import subprocess
import sys

import pytest
from conftest import new_folder


class Disk:
    """Its folder, as tests and commands name it."""

    def __init__(self, folder, inner=None, inside=()):
        self.folder = folder
        self.inner = inner or folder  # as the server names it, which runs by the words of inside
        self.inside = inside

    def serve_words(self, server):
        return [*self.inside, server.binary, "serve", "--data", server.data.replace(self.folder, self.inner)]

HOLD = """
import ctypes, sys
if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", sys.argv[1].encode(), b"tmpfs", 0, sys.argv[2].encode()):
    sys.exit("mount: error %d" % ctypes.get_errno())
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def mounted_by_root(folder, options):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    yield Disk(folder)
    subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def held_by_a_process(folder, options):
    words = ["unshare", "--map-current-user", "--keep-caps", "--mount", sys.executable, "-c", HOLD, folder, options]
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if holder.stdout.readline() != "ready\n":
            pytest.skip(f"mounting is not allowed here: {holder.communicate()[1].strip()}")
        pid = str(holder.pid)
        yield Disk(f"/proc/{pid}/root{folder}", folder,
                   ["nsenter", "--target", pid, "--user", "--preserve-credentials", "--mount"])
    finally:
        holder.communicate()


@contextlib.contextmanager
def small_disk(size):
    folder = new_folder()
    mounted = mounted_by_root if os.getuid() == 0 else held_by_a_process
    try:
        with mounted(folder, f"size={size},mode=755") as disk:
            yield disk
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def small_ext4(size, block):
    """In a file: blocks of 1024 octets are what mke2fs chooses for small disks."""
    if os.getuid() != 0:
        pytest.skip("only root may mount a real file system")
    folder = new_folder()
    image, mounted = os.path.join(folder, "image"), os.path.join(folder, "disk")
    os.mkdir(mounted)
    try:
        subprocess.run(["truncate", "-s", size, image], check=True)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-b", str(block), image], check=True)
        done = subprocess.run(["mount", "-o", "loop", image, mounted], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        os.rmdir(os.path.join(mounted, "lost+found"))
        try:
            yield Disk(mounted)
        finally:
            subprocess.run(["umount", mounted], check=True)
    finally:
        shutil.rmtree(folder)
