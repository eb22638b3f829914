"""Servers that break STARTTLS in every way there is, many at a time: each message goes at its first attempt,
without TLS, and no session hangs.

What each of them does follows from its number, which a failure names. The server's side of a real handshake is
made in memory, so that it can be cut, changed and mixed up octet by octet.
"""

import multiprocessing
import os
import random
import ssl

from relay_net import net, shared_net  # noqa: F401 (fixtures)
from smtp_peer import CLOSE, EXTENSIONS, HANG, RESET

# The handshake has a second; what waits for a command's time, longer than anybody waits here, is a session that hangs.
NET_OPTIONS = """timeouts = { relay_connect = "1s"; relay_command = "10m"; };
"""
MINIMUM = 11  # octets of a flight that are its first record's header, and what nobody looks at


def half_close(session):
    session.socket.shutdown(1)
    return HANG


class Breaker:
    """The answer to STARTTLS: 220, and then what the seed says."""

    def __init__(self, seed, context):
        self.rng = random.Random(seed)
        self.context = context
        self.how = self.rng.choice([self.nothing, self.garbage, self.plain_text, self.cut, self.changed, self.twice,
                                    self.dripped, self.alert, self.gone_when_done])
        self.end = self.rng.choice([CLOSE, RESET, half_close, HANG])
        self.name = f"number {seed}: {self.how.__name__}, {getattr(self.end, '__name__', self.end)}"

    def __call__(self, session):
        session.send(b"220 2.0.0 go\r\n")
        if self.rng.random() < 0.2:  # it does not even wait for the hello
            return self.end
        self.ours, self.theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.theirs, self.ours, server_side=True)
        self.how(session)
        return self.end

    def flight(self, session):
        """What a good server says to what came; empty when the handshake is over."""
        while not self.ours.pending:
            octets = session.socket.recv(65536)
            if not octets:
                break
            self.theirs.write(octets)
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                continue
            break
        return self.ours.read()

    def nothing(self, session):
        self.flight(session)

    def garbage(self, session):
        self.flight(session)
        session.send(self.rng.randbytes(self.rng.randrange(1, 70_000)))

    def plain_text(self, session):
        session.send(b"250 2.0.0 ok\r\n" * self.rng.randrange(1, 9))

    def cut(self, session):
        octets = self.flight(session)
        session.send(octets[:self.rng.randrange(len(octets))])

    def changed(self, session):
        octets = bytearray(self.flight(session))
        octets[self.rng.randrange(MINIMUM, len(octets))] ^= 1 << self.rng.randrange(8)
        session.send(octets)

    def twice(self, session):
        session.send(self.flight(session) * 2)

    def dripped(self, session):
        octets = self.flight(session)
        for octet in octets[:self.rng.randrange(1, 200)]:
            session.send(bytes([octet]))

    def alert(self, session):
        self.flight(session)
        session.send(b"\x15\x03\x03\x00\x02\x02" + bytes([self.rng.choice([10, 40, 70, 80, 112])]))

    def gone_when_done(self, session):
        """A handshake like any other; then not one word. It must not hang: that is another's fault."""
        session.send(self.flight(session))
        session.send(self.flight(session))
        self.end = CLOSE if self.end == HANG else self.end


def burn():
    while True:
        pass


def break_them(net, seeds):
    breakers = [Breaker(seed, net.tls()) for seed in seeds]
    peers = [net.peer(extensions=(*EXTENSIONS, "STARTTLS"), STARTTLS=breaker) for breaker in breakers]
    numbers = [net.send(f"bob@{peer.domain}") for peer in peers]
    for peer, breaker, number in zip(peers, breakers, numbers):
        assert net.wait_attempt(number) == (1, 0, 0), (breaker.name, net.trace(number))
        assert len(peer.sessions) == 2 and len(peer.taken) == len(peer.received) == 1, breaker.name
        assert "STARTTLS" not in peer.sessions[1].commands, breaker.name


def test_every_way_to_break_it(net):
    break_them(net, range(60))


def test_while_the_machine_is_busy(net, long):
    """Others have the processors: nothing may depend on who comes first."""
    others = [multiprocessing.Process(target=burn, daemon=True) for _ in range(2 * os.cpu_count() if long else 1)]
    for each in others:
        each.start()
    try:
        for first in range(1000, 1600 if long else 1030, 60 if long else 30):
            break_them(net, range(first, first + (60 if long else 30)))
    finally:
        for each in others:
            each.terminate()
            each.join()
