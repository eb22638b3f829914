"""Frames of ipc for tests, and the links of processes that they take over. Only root may."""

import contextlib
import ctypes
import os
import re
import socket
import struct

from wire import TIMEOUT

PIDFD_OPEN, PIDFD_GETFD = 434, 438
SUPERVISOR = 3  # descriptor of the link to the supervisor
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")


def types_of(edge, *names):
    """Numbers of an edge's types, by their names in the one table of the source."""
    with open(os.path.join(ROOT, "src", "ipc", edge + ".c"), encoding="utf-8") as file:
        rows = re.findall(r'^\s+(?:ROW\(\w+, |\[\w+\] = \{)"(\w+)"', file.read(), re.MULTILINE)
    return [rows.index(name) for name in names]


REQUEST, REPLY, CHUNK, CREDIT, CANCEL, EVENT = range(6)
HEAD = struct.Struct(">IBBHI")  # size, kind, flags, type, number
libc = ctypes.CDLL(None, use_errno=True)


def is_link(entry):
    return os.path.basename(entry) != str(SUPERVISOR) and os.readlink(entry).startswith("socket:")


def unix_inodes():
    with open("/proc/net/unix", encoding="ascii") as table:
        next(table)
        return {row.split()[6] for row in table if len(row.split()) == 7}  # those without a path


@contextlib.contextmanager
def taken_over(server, role, number=None):
    """The socket that joins the process of this role with store: of a relay, which has one to the
    resolver too, the one that came first. Or the one of that number."""
    pid = server.pids(role)[0]
    unnamed = unix_inodes()
    entries = [f"/proc/{pid}/fd/{fd}" for fd in sorted(os.listdir(f"/proc/{pid}/fd"), key=int)]
    links = [e for e in entries if is_link(e) and os.readlink(e)[8:-1] in unnamed]
    assert number or len(links) == (2 if role == "relay" else 1), links
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    assert pidfd >= 0
    fd = libc.syscall(PIDFD_GETFD, pidfd, number or int(os.path.basename(links[0])), 0)
    os.close(pidfd)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=fd) as link:
        link.settimeout(TIMEOUT)
        yield link


def frame(kind, kind_type, payload=b"", number=77, flags=0, length=None):
    size = len(payload) if length is None else length
    return HEAD.pack(size, kind, flags, kind_type, number) + payload


def text(value):
    return struct.pack(">I", len(value)) + value


def receive(link, count):
    octets = b""
    while len(octets) < count:
        more = link.recv(count - len(octets))
        assert more, "the link was closed"
        octets += more
    return octets


def read_frame(link):
    """(kind, type, number, payload) of the next frame."""
    size, kind, _, kind_type, number = HEAD.unpack(receive(link, HEAD.size))
    return kind, kind_type, number, receive(link, size)
