"""A relay that was taken over: on its link to store it may do what its leases allow, and no more."""

import contextlib
import os
import random
import re
import signal
import struct

import pytest
from ipc_frames import CANCEL, CHUNK, CREDIT, EVENT, REPLY, REQUEST, frame, read_frame, taken_over, text
from relay_net import net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import HANG

HELLO, LEASE, READ, EXTEND, RESULT, CALLOUT, CALLED, WAY = range(8)
DONE, STALE, TEMPORARY = range(3)
BODY, ACCEPTED = 9, 250  # a stage, a reply's code
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
TOKENS = range(1, 60)  # every lease there ever was

pytestmark = [
    pytest.mark.violates,
    pytest.mark.kills,
]

VIOLATIONS = {
    "garbage": random.Random(1).randbytes(4096),
    "zeros": bytes(64),
    "huge frame": frame(REQUEST, RESULT, length=0xFFFFFFF0),
    "payload too long": frame(REQUEST, LEASE, bytes(5)),
    "unknown kind": frame(9, LEASE),
    "unknown type": frame(REQUEST, 99),
    "reply to nobody": frame(REPLY, LEASE),
    "event as request": frame(REQUEST, HELLO, bytes(8)),
    "request as event": frame(EVENT, RESULT, bytes(64), number=0),
    "id 0": frame(REQUEST, LEASE, bytes(4), number=0),
    "descriptor that did not come": frame(REQUEST, LEASE, bytes(4), flags=2),
}
MOST_TELLING = ("garbage", "payload too long", "event as request", "request as event")


def number_of(message):
    """The id in digits."""
    value = 0
    for letter in message:
        value = value << 5 | ALPHABET.index(letter)
    return value


def handle(message, token):
    return struct.pack(">qq", number_of(message), token)


def outcome(recipient, code=ACCEPTED, reply=b"taken"):
    return struct.pack(">IBBHBHHI", recipient, BODY, 0, code, 2, 0, 0, 0) + text(reply)


def result(message, token, outcomes=None, count=2):
    return (handle(message, token) + text(b"evil.test") + bytes(16) + text(b"") + b"\0\0" + struct.pack(">I", count)
            + text(outcome(0) + outcome(1) if outcomes is None else outcomes) + text(b""))


@contextlib.contextmanager
def stopped(net):
    """The link of a relay that does nothing meanwhile, so that what comes on it is ours."""
    pid = net.server.pids("relay")[0]
    wait_for("answers to the relay to have come", lambda: net.server.are_at_rest("store", "relay"))
    with taken_over(net.server, "relay") as link:
        os.kill(pid, signal.SIGSTOP)
        try:
            yield link
        finally:
            os.kill(pid, signal.SIGCONT)


def ask(link, kind_type, payload, number=0x40000000):
    """Sends a request; gives the verdict of its reply, and how many octets came before it."""
    link.sendall(frame(REQUEST, kind_type, payload, number))
    octets = 0
    while True:
        kind, _, its, answer = read_frame(link)
        assert its == number, "a frame for the relay"
        if kind == REPLY:
            return answer[0] if answer else None, octets
        octets += len(answer)


def works(net):
    peer = net.peer()
    number = net.send(f"bob@{peer.domain}")
    net.wait_gone(number)
    assert len(peer.taken) == 1


def test_violation_costs_the_relay_only(net, long):
    """It is replaced; what it had under way goes through the next one."""
    names = VIOLATIONS if long else MOST_TELLING
    unharmed = {pid for pid, role in net.server.processes().items() if role != "relay"}
    peer = net.peer(MAIL=[HANG] * len(names))
    number = net.send(f"bob@{peer.domain}")
    for count, name in enumerate(names, 1):
        peer.wait_hanging()
        old = net.server.pids("relay")
        with taken_over(net.server, "relay") as link:
            link.sendall(VIOLATIONS[name])
        wait_for(f"another relay after {name}", lambda: net.server.pids("relay") not in ([], old))
        wait_for("the old session to end", lambda: len(peer.sessions) > count)
        assert net.server.new_log().count("event=ipc-violation link=relay") == count, name
    peer.go_on.set()
    net.wait_gone(number)
    assert len(peer.received) == 1
    assert unharmed <= set(net.server.processes())


def test_messages_it_has_no_lease_for(net):
    """One that waits, and one that is under way with another token: neither read nor settled."""
    waiting, hanging = net.peer(RCPT=b"450 4.2.1 later\r\n"), net.peer(MAIL=[HANG])
    waits = net.send(f"bob@{waiting.domain}")
    net.wait_attempt(waits)
    under_way = net.send(f"bob@{hanging.domain}")
    hanging.wait_hanging()
    before = net.queue()
    assert sorted(row["state"] for row in before) == ["under way", "waiting"]
    with stopped(net) as link:
        for token in TOKENS:
            link.sendall(frame(EVENT, EXTEND, handle(waits, token), number=0))
            assert ask(link, READ, handle(waits, token)) == (STALE, 0)
            assert ask(link, RESULT, result(waits, token)) == (STALE, 0)
        for number in range(8):  # given up at once, as by a relay that has settled it meanwhile: that is none
            link.sendall(frame(REQUEST, READ, handle(waits, 1), 0x50000000 + number)
                         + frame(CANCEL, READ, number=0x50000000 + number))
            assert read_frame(link)[0] == REPLY
        for token in (1, 1 << 40, (1 << 63) - 1):
            assert ask(link, READ, handle(under_way, token)) == (STALE, 0)
            assert ask(link, RESULT, result(under_way, token)) == (STALE, 0)
        assert net.queue() == before
    log = net.server.new_log()
    assert log.count("event=attempt-stale") == log.count("content, without the lease") == len(TOKENS) + 3
    assert net.attempts(waits) == [(0, 0, 1)]
    hanging.go_on.set()
    assert net.wait_attempt(under_way) == (1, 0, 0)
    assert [row["id"] for row in net.queue()] == [waits]
    works(net)


MALFORMED = {
    "no handle": (READ, bytes(16)),
    "negative handle": (READ, b"\xff" * 16),
    "half a handle": (READ, bytes(7)),
    "empty result": (RESULT, b""),
    "noise": (RESULT, random.Random(2).randbytes(300)),
    "no outcome": (RESULT, result("0anz00000000", 1, b"", 0)),
    "fewer outcomes than said": (RESULT, result("0anz00000000", 1, outcome(0), 3)),
    "more outcomes than said": (RESULT, result("0anz00000000", 1, outcome(0) * 3, 1)),
    "too many outcomes": (RESULT, result("0anz00000000", 1, outcome(0) * 101, 101)),
    "code 999": (RESULT, result("0anz00000000", 1, outcome(0, 999), 1)),
    "text too long": (RESULT, result("0anz00000000", 1, outcome(0, reply=b"x" * 5000), 1)),
    "something behind": (RESULT, result("0anz00000000", 1, outcome(0), 1) + b"x"),
}


def test_malformed_requests(net):
    """Answered as stale, and logged; nothing is given or changed."""
    with stopped(net) as link:
        for name, (kind_type, payload) in MALFORMED.items():
            assert ask(link, kind_type, payload) == (STALE, 0), name
        for payload in (b"", bytes(4), b"\xff" * 4):
            assert ask(link, LEASE, payload) == (None, 0)
        for payload in (b"", bytes(8), bytes(7), struct.pack(">q", 1)):
            link.sendall(frame(EVENT, HELLO, payload, number=0))
        link.sendall(frame(EVENT, EXTEND, bytes(3), number=0))
        assert ask(link, READ, bytes(16)) == (STALE, 0)
    assert net.server.new_log().count("event=relay-refused") == len(MALFORMED) + 3 + 4 + 1 + 1
    works(net)


def way(message, token, hosts=(b"mx.evil.test",), failed=b"", count=None):
    encoded = b"".join(text(host) + b"\0" for host in hosts)
    return (handle(message, token) + text(failed) + bytes(13) + text(b"")
            + struct.pack(">I", len(hosts) if count is None else count) + text(encoded))


def test_ways_for_what_it_has_no_lease_for(net):
    """Answered as stale, or not at all; a host that it says has failed is none that anybody knows of."""
    stale, later = 3, 4
    peer = net.peer(RCPT=b"450 4.2.1 later\r\n")
    number = net.send(f"bob@{peer.domain}")
    net.wait_attempt(number)
    with stopped(net) as link:
        for token in TOKENS:
            assert ask(link, WAY, way(number, token, failed=b"mx.good.test")) == (stale, 0)
        for payload in (b"", bytes(16), way(number, 1, hosts=()), way(number, 1, count=11),
                        way(number, 1, count=2), way(number, 1, hosts=(b"",)), way(number, 1) + b"x",
                        way(number, 1, failed=b" ", hosts=()), way(number, 1, hosts=(b" ",))):
            assert ask(link, WAY, payload) == (later, 0), payload
    assert net.server.new_log().count('what="a way that cannot be read"') == 9
    works(net)


def test_second_wish_for_jobs(net):
    """The one of the relay itself still waits, and is answered."""
    with stopped(net) as link:
        assert ask(link, LEASE, struct.pack(">I", 1000)) == (None, 0)
    works(net)


def test_what_it_has_a_lease_for_is_all_it_can_spoil(net):
    """It lies about its own job: that one is settled as it says, and the trace says who said so."""
    peer, other = net.peer(MAIL=[HANG]), net.peer(RCPT=b"450 4.2.1 later\r\n")
    waits = net.send(f"bob@{other.domain}")
    net.wait_attempt(waits)
    number = net.send(f"bob@{peer.domain}")
    peer.wait_hanging()
    with stopped(net) as link:
        verdicts = [ask(link, RESULT, result(number, token))[0] for token in TOKENS]
        assert sorted(verdicts)[:2] == [DONE, STALE]
    assert net.attempts(number) == [(1, 0, 0)]
    assert "evil.test" in net.trace(number)
    peer.go_on.set()
    wait_for("the relay's own result to be stale", lambda: "event=lease-stale" in net.server.new_log())
    assert [row["id"] for row in net.queue()] == [waits]
    works(net)


def test_a_result_that_cannot_be_read_ends_its_lease(net):
    """Its message waits as after any attempt that came to nothing, and not until the lease runs out."""
    peer = net.peer(MAIL=[HANG])
    number = net.send(f"bob@{peer.domain}")
    peer.wait_hanging()
    with stopped(net) as link:
        verdicts = [ask(link, RESULT, result(number, token, outcome(0, 999), 1))[0] for token in TOKENS]
        assert sorted(verdicts)[:2] == [DONE, STALE]
        [row] = net.queue(number)
        assert row["state"] == "waiting" and "what became of it cannot be read" in row["last_reply"], row
    assert net.attempts(number) == [(0, 0, 1)]
    peer.go_on.set()
    wait_for("the relay's own result to be stale", lambda: "event=lease-stale" in net.server.new_log())
    net.retry(number)
    net.wait_gone(number)


def test_random_frames_never_harm_the_store(net, long):
    store = net.server.pids("store")
    rng = random.Random(7)
    for _ in range(40 if long else 4):
        wait_for("a relay", lambda: net.server.pids("relay"))
        works(net)
        old = net.server.pids("relay")
        with taken_over(net.server, "relay") as link, contextlib.suppress(OSError):
            for number in range(1, 200):
                payload = rng.randbytes(rng.choice([0, 1, 4, 8, 16, 21, 60, 300]))
                link.sendall(frame(rng.choice([REQUEST, REQUEST, CHUNK, CREDIT, CANCEL, EVENT]),
                                   rng.randrange(7), payload, number + (1 << 24)))
            link.sendall(b"\xff" * 64)  # whatever came of it, this is the end
        wait_for("another relay", lambda: net.server.pids("relay") not in ([], old))
    assert net.server.pids("store") == store
    assert not re.search("Sanitizer|bug at", net.server.new_log())
    works(net)
