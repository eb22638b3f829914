"""The relay and a next host that answers before it can have the message.

What has not left the relay by then never does, the end of the message least of all: that host would have a message
that goes to the next one, or comes again.
"""

import contextlib
import socket
import sys

from relay_net import ALICE, net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import CLOSE
from wire import letter

PLAIN = ("8BITMIME",)  # content goes by DATA, and only behind its 354
STREAM = 64 * 1024  # the relay's engine gives its output away while fewer octets wait: a message of that size in full
DOT = b"\r\n.\r\n"
CONTENT = letter(sender=ALICE, body=["a line of a message that is larger than buffers"] * 1300)
NEXT, WAITING, RETURNED = (1, 0, 0), (0, 0, 1), (0, 1, 0)
REPLIES = {  # what becomes of the message, and what the trace says
    b"250 2.0.0 taken\r\n": (NEXT, "the server sent a reply to nothing"),
    b"banana\r\n": (NEXT, "the server sent what is no SMTP reply"),
    b"421 4.3.2 shutting down\r\n": (WAITING, "421 4.3.2 shutting down"),
    b"550 5.6.0 not this\r\n": (RETURNED, "550 5.6.0 not this"),
}


def endpoint(name):
    """As the kernel's table writes it."""
    return f"{int.from_bytes(socket.inet_aton(name[0]), sys.byteorder):08X}:{name[1]:04X}"


def on_the_way(session):
    """Octets that left the relay and were not read, at either end."""
    ours, theirs = endpoint(session.socket.getsockname()), endpoint(session.socket.getpeername())
    with open("/proc/net/tcp", encoding="ascii") as table:
        queues = {tuple(row[1:3]): row[4].split(":") for row in map(str.split, table)}
    sending, receiving = queues.get((theirs, ours)), queues.get((ours, theirs))
    return sending and receiving and int(sending[0], 16) + int(receiving[1], 16)


class Early:
    """What a host does that was told that content comes: it reads nothing until no more can come, answers, and reads
    then."""

    def __init__(self, server, reply):
        self.server, self.reply = server, reply
        self.sent = None  # by the relay, when it was answered
        self.octets = None  # all that came
        self.looks = []

    def is_stalled(self, session):
        """For longer than an acknowledgement may be put off, and nobody is about to send more."""
        now = on_the_way(session)
        self.looks = [*self.looks, now] if now and self.looks[-1:] == [now] else [now]
        return len(self.looks) > 20 and self.server.are_at_rest("relay", "store") and on_the_way(session) == now

    def __call__(self, session):
        wait_for("a kernel that takes no more", lambda: self.is_stalled(session))
        self.sent = self.looks[-1]
        session.send(self.reply)
        octets = bytearray()
        with contextlib.suppress(ConnectionError):
            while more := session.socket.recv(65536):
                octets += more
        self.octets = bytes(octets)
        return CLOSE


def answered_early(net, early):
    """Sends a message to such a host, behind which there is a good one; gives its id and both."""
    first, second = net.peer(extensions=PLAIN, content=[early]), net.peer()
    first.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # as little as there may be
    first.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 300)  # of loopback's own it keeps megabytes
    return net.send(f"bob@{net.domain(first.address, second.address)}", content=CONTENT), first, second


def test_answered_before_the_end_has_left(net):
    """The host cannot have it and does not get it, whatever it said; all at once. The message goes to the next one,
    waits or comes back, and nobody has it twice."""
    hosts = {reply: Early(net.server, reply) for reply in REPLIES}
    sent = {reply: answered_early(net, early) for reply, early in hosts.items()}
    for reply, (result, says) in REPLIES.items():
        (number, first, second), early = sent[reply], hosts[reply]
        assert net.wait_attempt(number) == result, net.trace(number)
        wait_for("the end of the connection", lambda early=early: early.octets is not None)
        assert early.sent < len(CONTENT), "the kernel took all of it, and nothing waited in the relay"
        assert DOT not in early.octets, reply
        assert says in net.trace(number)
        if result == WAITING:
            first.down()
            net.retry(number)
            assert net.wait_attempt(number, 2) == NEXT
        net.wait_gone(number)
        assert len(first.sessions) == 1 and not first.received
        taken = [message.content for message in second.received]
        assert len(taken) == (result != RETURNED) and all(each.endswith(CONTENT) for each in taken), reply
        assert "taken by mx1.d" in net.trace(number) or result == RETURNED
        assert all(len(each + b".\r\n") <= STREAM for each in taken)
