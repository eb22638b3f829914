"""Frames of ipc for tests, and the links of processes that they take over."""

import contextlib
import ctypes
import os
import re
import socket
import struct

from server import open_files, wait_for
from wire import TIMEOUT

PIDFD_OPEN, PIDFD_GETFD = 434, 438
NETLINK_SOCK_DIAG, BY_FAMILY, REQUEST_DUMP, DONE = 4, 20, 0x301, 3
ALL_STATES, SHOW_PEER, PEER = 0xFFFFFFFF, 4, 2
NLMSG = struct.Struct("=IHHII")  # size, kind, flags, sequence, port
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


def unix_inodes():
    with open("/proc/net/unix", encoding="ascii") as table:
        next(table)
        return {int(row.split()[6]) for row in table if len(row.split()) == 7}  # those without a path


@contextlib.contextmanager
def taken_socket(pid, fd):
    """A socket of another process, as one of our own."""
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    assert pidfd >= 0
    ours = libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
    os.close(pidfd)
    assert ours >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=ours) as link:
        link.settimeout(TIMEOUT)
        yield link


def links_of(pid, count):
    """Descriptors of its links, once it has so many: the kernel's table is read in parts, and may miss some of what
    is there while others come and go."""
    unnamed = unix_inodes()
    links = sorted(fd for inode, fd in sockets_of(pid).items() if inode in unnamed and fd != SUPERVISOR)
    return links if len(links) == count else None


@contextlib.contextmanager
def taken_over(server, role, number=None, pid=None):
    """The socket that joins the process of this role (or that of them) with store: of a relay, which has one to
    the resolver too, the one that came first. Or the one of that number."""
    pid = pid or server.pids(role)[0]
    if number is None:
        number = wait_for(f"the links of {role}", lambda: links_of(pid, 2 if role == "relay" else 1))[0]
    with taken_socket(pid, number) as link:
        yield link


def pairs_of_sockets():
    """{inode: inode of its other end} of Unix sockets, as the kernel tells by sock_diag(7)."""
    request = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, ALL_STATES, 0, SHOW_PEER, 0, 0)
    head = struct.pack("=IHHII", NLMSG.size + len(request), BY_FAMILY, REQUEST_DUMP, 1, 0)
    pairs = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(head + request)
        while True:
            data = kernel.recv(1 << 16)
            while data:
                size, kind, *_ = NLMSG.unpack_from(data)
                if kind == DONE:
                    return pairs
                assert kind == BY_FAMILY, kind
                inode, = struct.unpack_from("=I", data, NLMSG.size + 4)
                at = NLMSG.size + 16
                while at < size:
                    length, attribute = struct.unpack_from("=HH", data, at)
                    if attribute == PEER:
                        pairs[inode], = struct.unpack_from("=I", data, at + 4)
                    at += length + 3 & ~3
                data = data[size + 3 & ~3:]


def sockets_of(pid):
    """{inode: descriptor}"""
    return {int(target[8:-1]): fd for fd, target in open_files(pid).items() if target.startswith("socket:[")}


def find_link(server, role, other):
    """The number of the process of this role and its descriptor of the link; None while one of both is not there."""
    ours, theirs = server.pids(role), server.pids(other)
    if len(ours) != 1 or len(theirs) != 1:
        return None
    try:
        pairs, there, here = pairs_of_sockets(), sockets_of(theirs[0]), sockets_of(ours[0])
    except FileNotFoundError:
        return None  # it has ended meanwhile
    return next(((ours[0], fd) for inode, fd in here.items() if pairs.get(inode) in there), None)


@contextlib.contextmanager
def far_end(server, role, other):
    """The end that the process of this role has of its link to another one: what is sent there reaches the
    other one as if this one had said it."""
    pid, fd = wait_for(f"a link of {role} to {other}", lambda: find_link(server, role, other))
    with taken_socket(pid, fd) as link:
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
