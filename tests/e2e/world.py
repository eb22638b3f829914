"""What the store stands on, in a test's hands: a disk whose calls fail, a clock that jumps (world_preload.c)."""

import errno
import mmap
import os
import struct

import pytest
from conftest import new_folder, preload
from server import binary_path

OPEN, WRITE, SYNC, SIZE, NAME = range(5)
ANY, LOG, DATABASE, PACK = range(4)
KILL_BEFORE, KILL_AFTER = -1, -2  # errors that are none: the process dies
HANG = -3  # nor this: the call waits until heal(), and goes well then
FOR_EVER = 1 << 40
FAULT = struct.Struct("=5q")  # error, file, after, count, fired
CLOCKS = struct.Struct("=3q")  # wall, steady, the same and on in a sleep
MEMORY, MEMORY_AT = struct.Struct("=16s2q"), 2048  # role, after, fired


class World:
    """The page that the processes share. Calls are those of the store process."""

    def __init__(self, path):
        with open(path, "w+b") as file:
            file.truncate(4096)
            self.page = mmap.mmap(file.fileno(), 4096)

    def fail(self, *kinds, error=errno.EIO, file=ANY, after=0, count=FOR_EVER):
        """Lets count calls of these kinds fail, after as many that go well."""
        for kind in kinds:
            FAULT.pack_into(self.page, CLOCKS.size + kind * FAULT.size, 0, file, after, count, 0)
            FAULT.pack_into(self.page, CLOCKS.size + kind * FAULT.size, error, file, after, count, 0)

    def heal(self):
        self.page[CLOCKS.size:CLOCKS.size + 5 * FAULT.size] = bytes(5 * FAULT.size)

    def fired(self, kind):
        return FAULT.unpack_from(self.page, CLOCKS.size + kind * FAULT.size)[4]

    def read_only(self):
        """As a file system that was mounted anew, or has done so itself for an error."""
        self.fail(OPEN, WRITE, SIZE, NAME, error=errno.EROFS)

    def fail_allocation(self, role, after):
        """One, of processes of this role, after as many that go well."""
        MEMORY.pack_into(self.page, MEMORY_AT, b"", after, 0)
        MEMORY.pack_into(self.page, MEMORY_AT, role.encode(), after, 0)

    def allocations_failed(self):
        return MEMORY.unpack_from(self.page, MEMORY_AT)[2]

    def set_clock(self, seconds):
        """So much ahead of the true time, or behind it."""
        self.page[:8] = struct.pack("=q", int(seconds * 1_000_000_000))

    def sleep(self, seconds):
        """The whole machine: its steady clock stands still."""
        wall, steady, boot = CLOCKS.unpack_from(self.page)
        CLOCKS.pack_into(self.page, 0, wall + int(seconds * 1_000_000_000), steady, boot + int(seconds * 1_000_000_000))

    def let_pass(self, seconds):
        """By all clocks: whoever runs stood still, and the machine did not."""
        moved = (old + int(seconds * 1_000_000_000) for old in CLOCKS.unpack_from(self.page))
        CLOCKS.pack_into(self.page, 0, *moved)


@pytest.fixture
def world(monkeypatch):
    """Holds for servers and commands that are started from here on."""
    folder = new_folder()
    path = os.path.join(folder, "world")
    made = World(path)
    monkeypatch.setenv("GODWIT_TEST_WORLD", path)
    for name, value in preload("world").items():
        monkeypatch.setenv(name, value)
    yield made
    os.unlink(path)
    os.rmdir(folder)


@pytest.fixture
def memory(world, monkeypatch):
    """The same, and its allocations fail."""
    with open(binary_path(), "rb") as file:
        if b"__asan_init" in file.read():
            pytest.skip("AddressSanitizer has an allocator of its own")
    monkeypatch.setenv("LD_PRELOAD", preload("world", "memory")["LD_PRELOAD"])
    return world
