"""A process that is answered with what no answer can be: store speaks to a front or a relay, or the resolver to a
relay, as it never would. Whoever is spoken to so ends, says why, and is started again; he never crashes, and
nobody else is harmed."""

import contextlib
import os
import random
import re
import signal

import pytest
from conftest import DOMAIN
from ipc_frames import (CANCEL, CHUNK, CREDIT, EVENT, REPLY, REQUEST, far_end, frame, read_frame, text,
                        types_of)
from relay_net import net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from wire import Wire, count_of, deliver

ALICE = f"alice@{DOMAIN}"
ADMIT, LEAVE, UPLOAD, FLOOR, ENDED, DELIVER = types_of(
    "front_store", "admit", "leave", "upload", "floor", "ended", "deliver")
HELLO, LEASE, READ = types_of("relay_store", "hello", "lease", "read")
LOOKUP, = types_of("relay_resolver", "lookup")

pytestmark = [
    pytest.mark.kills,
]


def violations(asked, event, largest):
    """Of the table of an edge: asked: a request of the other side; event: one that only the other side may send;
    largest: no reply to that request has so many octets."""
    return {
        "garbage": random.Random(3).randbytes(4096),
        "zeros": bytes(64),
        "huge frame": frame(REPLY, asked, length=0xFFFFFFF0),
        "reply too long": frame(REPLY, asked, length=largest),
        "chunk too long": frame(CHUNK, asked, length=1 << 20),
        "unknown kind": frame(9, asked),
        "unknown type": frame(REPLY, 99),
        "unknown flag": frame(REPLY, asked, flags=0x40),
        "question": frame(REQUEST, asked, bytes(21)),
        "cancel": frame(CANCEL, asked),
        "event that is the other's": frame(EVENT, event, bytes(4), number=0),
        "half a credit": frame(CREDIT, asked, bytes(3)),
        "descriptor that did not come": frame(REPLY, asked, flags=2),
    }


FRONT = violations(ADMIT, LEAVE, 1025)
FRONT |= {"event as a question": frame(REQUEST, FLOOR, bytes(8)), "floor too long": frame(EVENT, FLOOR, bytes(9), 0),
          "end of a login too long": frame(EVENT, ENDED, bytes(17), 0)}
VIOLATIONS = {  # of whom, against whom
    ("store", "mx"): FRONT,
    ("store", "user"): FRONT,
    ("store", "relay"): violations(LEASE, HELLO, 1 << 24),
    ("resolver", "relay"): violations(LOOKUP, 0, 1 << 24),
}
TOGETHER = ((("store", "mx"), ("store", "user"), ("store", "relay")), (("resolver", "relay"),))
MOST_TELLING = ("garbage", "question", "reply too long")


def strike(server, words):
    """words: {(who speaks, to whom): octets}. Gives the numbers of those who heard it, after each has ended and
    another one serves."""
    with contextlib.ExitStack() as stack:
        links = {edge: stack.enter_context(far_end(server, *edge)) for edge in words}
        old = {hearer: server.pids(hearer)[0] for _, hearer in words}
        for edge, octets in words.items():
            links[edge].sendall(octets)
    wait_for("others in their place", lambda: all(
        len(server.pids(hearer)) == 1 and server.pids(hearer) != [pid] for hearer, pid in old.items()))
    server.wait_ready()
    return old


def wait_ended(server, hearer, pid):
    """It ended by itself. The log may say so a moment after another one is there."""
    wait_for(f"the end of {hearer}", lambda: f"event=exited role={hearer} pid={pid} " in server.new_log())
    assert re.search(rf"event=exited role={hearer} pid={pid} .*status=1 signal=0", server.new_log())


def test_violation_ends_who_hears_it(make_server, long):
    server = make_server(accounts=["alice"])
    hearers = {hearer for _, hearer in VIOLATIONS}
    unharmed = {pid for pid, role in server.processes().items() if role not in hearers}
    told = dict.fromkeys(VIOLATIONS, 0)
    for edges in TOGETHER:
        for name in VIOLATIONS[edges[0]] if long else MOST_TELLING[:len(edges)]:
            old = strike(server, {edge: VIOLATIONS[edge].get(name, b"\xff" * 64) for edge in edges})
            for speaker, hearer in edges:
                told[speaker, hearer] += 1
                line = f"process={hearer} event=ipc-violation link={speaker}"
                assert server.new_log().count(line) == told[speaker, hearer], (name, line)
                wait_ended(server, hearer, old[hearer])
            deliver(server, ALICE)
    assert unharmed <= set(server.processes())
    server.command("audit")


@contextlib.contextmanager
def in_the_place_of(server, speaker, hearer):
    """The speaker does nothing meanwhile, and what the hearer asks is ours to answer."""
    pid, = server.pids(speaker)
    with far_end(server, speaker, hearer) as link:
        os.kill(pid, signal.SIGSTOP)
        try:
            yield link
        finally:
            os.kill(pid, signal.SIGCONT)


def read_question(link, kind_type):
    """The number of the next request of this type."""
    while True:
        kind, its, number, _ = read_frame(link)
        if (kind, its) == (REQUEST, kind_type):
            return number


# Replies that are no violation of the edge and cannot be read all the same.
UNREADABLE = {
    "nothing": b"",
    "too short": b"\0",
    "noise": random.Random(4).randbytes(200),
    "no such verdict": b"\xff" + bytes(40),
    "text beyond the end": b"\1" + b"\xff\xff\xff\xff" + bytes(30),
    "something behind": b"\0" + text(b"") + bytes(16) + text(b"") + b"x",
}


@pytest.mark.parametrize("role, port, refusal", [("mx", "smtp", "421 "), ("user", "pop3", "-ERR [SYS/TEMP]")])
def test_a_front_that_cannot_read_its_answer(make_server, role, port, refusal):
    """Its client is told to come again; it is the same process that serves him then."""
    server = make_server(accounts=["alice"])
    before = server.processes()
    with in_the_place_of(server, "store", role) as link:
        for name, reply in UNREADABLE.items():
            with Wire(server, port, greet=False) as wire:
                link.sendall(frame(REPLY, ADMIT, reply, read_question(link, ADMIT)))
                assert wire.reply().startswith(refusal), name
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1
    assert server.processes() == before


LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 20_000  # more than is gathered in a front
REFUSED = {  # what is sent, the question, its answer, what the client is told then
    "no room": (LARGE, UPLOAD, b"\1" + bytes(16) + text(b"there is no room"), "452 4.3.1 there is no room"),
    "not at all": (LARGE, UPLOAD, b"\2" + bytes(16) + text(b"it cannot be"), "451 4.3.0 it cannot be"),
    "upload unreadable": (LARGE, UPLOAD, b"", "451 4.3.0 "),
    "delivery unreadable": (b"Subject: x\r\n\r\nx\r\n", DELIVER, b"", "451 4.3.0 "),
}


def test_a_message_that_store_does_not_take(make_server):
    """Its sender keeps it, and may go on in the same session."""
    server = make_server(accounts=["alice"])
    before = server.processes()
    for name, (message, asked, answer, told) in REFUSED.items():
        with Wire(server) as wire:
            for line in "EHLO c.test", "MAIL FROM:<a@b.test>", f"RCPT TO:<{ALICE}>", "DATA":
                assert wire.say(line)[0] in "23"
            with in_the_place_of(server, "store", "mx") as link:
                wire.send(message + b"." if asked == UPLOAD else message + b".\r\n")
                link.sendall(frame(REPLY, asked, answer, read_question(link, asked)))
                reply = wire.say("") if asked == UPLOAD else wire.reply()
                assert reply.startswith(told), (name, reply)
                assert wire.say("NOOP").startswith("250 "), name
        assert re.search(r"event=refused .* code=45[12] ", server.new_log()), name
    assert count_of(server, ALICE) == 0
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1
    assert server.processes() == before


def test_a_relay_that_cannot_read_its_jobs(net):  # noqa: F811
    """What it has leases for then it cannot know: it is replaced, and they are given out again."""
    peer = net.peer()
    old = net.server.pids("relay")
    deliver_one(net, peer)  # so that it asks anew, and we read how
    with in_the_place_of(net.server, "store", "relay") as link:
        link.sendall(b"".join(frame(REPLY, LEASE, random.Random(5).randbytes(300), number)
                              for number in range(1, 200)))
        wait_for("its end", lambda: net.server.pids("relay") != old)
    wait_for("another relay", lambda: net.server.pids("relay"))
    assert "process=relay event=jobs-malformed" in net.server.new_log()
    deliver_one(net, peer)


def deliver_one(net, peer):  # noqa: F811
    taken = len(peer.taken)
    net.wait_gone(net.send(f"bob@{peer.domain}"))
    assert len(peer.taken) == taken + 1


def test_a_relay_that_cannot_read_its_names(net):  # noqa: F811
    """As if there were no resolver: the message waits, and goes when there is one again."""
    before = net.server.processes()
    with in_the_place_of(net.server, "resolver", "relay") as link:
        peer = net.peer()
        number = net.send(f"bob@{peer.domain}")
        link.sendall(frame(REPLY, LOOKUP, random.Random(6).randbytes(300), read_question(link, LOOKUP)))
        assert net.wait_attempt(number) == (0, 0, 1)
        assert "resolver gave no answer" in net.queue()[0]["last_reply"]
    assert net.server.processes() == before
    net.server.command("queue", "retry")
    net.wait_gone(number)
    assert len(peer.taken) == 1


def random_frames(rng):
    frames = [frame(rng.choice([REPLY, REPLY, CHUNK, CREDIT, EVENT]), rng.randrange(14),
                    rng.randbytes(rng.choice([0, 1, 4, 8, 16, 21, 60, 300])), number)
              for number in range(1, 100)]
    return b"".join(frames) + b"\xff" * 64  # whatever comes of them, this is the end


def test_random_frames_crash_nobody(make_server, long):
    """Well-formed and not: each hearer ends by himself, never by a signal."""
    server = make_server(accounts=["alice"])
    rng = random.Random(8)
    for edges in TOGETHER * (10 if long else 1):
        old = strike(server, {edge: random_frames(rng) for edge in edges})
        for hearer, pid in old.items():
            wait_ended(server, hearer, pid)
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1
    server.command("audit")
