"""A user front that was taken over: over its own link it may do what those logged in at it may, and no more."""

import random
import re
import struct

import pytest
from conftest import DOMAIN, PASSWORD
from ipc_frames import CANCEL, CHUNK, CREDIT, EVENT, REPLY, REQUEST, frame, taken_over, text, types_of
from server import wait_for
from test_ipc import LOOPBACK, OWN_IDS, UPLOAD, VIOLATIONS, message_id, node_of, stopped, upload
from wire import count_of, deliver, letter, without_trace

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
ADMIT, AUTH, RCPT, DELIVER, TAKEN, OPEN, LIST, READ, EXPUNGE, RELEASE = types_of(
    "front_store", "admit", "auth", "rcpt", "deliver", "taken", "open", "list", "read", "expunge", "release")
SMTP, LMTP, SUBMISSION = 0, 1, 2  # listeners
OK, REFUSED, DISABLED = 0, 2, 3  # verdicts
RELAY = 1  # the plan's action
TO_RELAY, TROUBLE = 2, 13  # classes of recipients
NO_HANDLE, MOST = bytes(16), (1 << 63) - 1
COUNT = 3  # Alice's messages

pytestmark = [
    pytest.mark.violates,
    pytest.mark.kills,
]


def numbers(*values):
    return struct.pack(f">{len(values)}Q", *values)


def ranges(*values):
    return text(numbers(*values))


def login(session, authcid, password, authzid=b""):
    return (struct.pack(">I", session) + text(b"PLAIN") + text(authzid) + text(authcid.encode())
            + text(password.encode()))


def recipient(session, handle):
    return struct.pack(">I", session) + handle + text(b"far") + text(b"else.test") + bytes(8)


def delivery(session, handle, identity, uploaded=0, count=1, plan=None, data=letter()):
    """One that asks store to send a letter on to somebody elsewhere."""
    recipient = text(b"far") + text(b"else.test") + text(b"far@else.test") + b"\0" + text(b"")
    wish = bytes(24) + b"\0\0" + bytes(8) + b"\0"
    return (struct.pack(">I", session) + handle + identity + text(ALICE.encode()) + text(b"client.test")
            + text(b"ESMTPSA") + text(b"") + b"\0\0\0" + wish + struct.pack(">I", count) + text(recipient)
            + text(struct.pack(">BIB", 1, 1, RELAY) if plan is None else plan) + text(b"")
            + numbers(uploaded) + text(b"" if uploaded else data))


class Place:
    """Two user fronts taken over. Alice is logged in at the one that asks, Bob at the other."""

    def __init__(self, server, ours, others):
        self.ours, self.others = ours, others
        self.node, self.other_node = (node_of(server, "user") - 1, node_of(server, "user"))
        self.alice = ours.log_in(1, ALICE)
        assert self.ask(OPEN, self.alice) == OK
        self.unopened = ours.log_in(2, ALICE)
        self.released = ours.log_in(3, ALICE)
        assert self.ask(OPEN, self.released) == OK
        ours.link.sendall(frame(EVENT, RELEASE, self.released, number=0))
        self.bob = others.log_in(1, BOB)
        assert others.ask(OPEN, self.bob)[0] == OK
        guessed = random.Random(9).randbytes(16)
        changed = self.alice[:15] + bytes([self.alice[15] ^ 1])
        self.foreign = {"none": NO_HANDLE, "of another front": self.bob, "guessed": guessed, "a bit changed": changed}
        self.uploaded = struct.unpack(">BQ", upload(others, message_id(self.other_node))[:9])[1]
        ours.admit(9, SUBMISSION)

    def ask(self, kind_type, payload):
        return self.ours.ask(kind_type, payload)[0]

    def code(self, payload, kind_type=DELIVER):
        return struct.unpack(">H", self.ours.ask(kind_type, payload)[:2])[0]


@pytest.fixture
def place(make_server):
    server = make_server("user_processes = 2;", accounts=["alice", "bob"])
    for number in range(COUNT):
        deliver(server, ALICE, letter(f"number {number}"))
    deliver(server, BOB, letter("for Bob"))
    first, second = map(int, re.findall(r"event=started role=user pid=(\d+)", server.log()))
    with stopped(server, "user", first) as ours, stopped(server, "user", second) as others:
        place = Place(server, ours, others)
        place.server = server
        yield place
    wait_for("others in their place", lambda: not {first, second} & set(server.pids("user")))
    server.wait_ready()
    server.command("audit")


def test_mailboxes_that_are_not_open_to_it(place):
    closed = {**place.foreign, "not opened": place.unopened, "released": place.released}
    for name, handle in closed.items():
        assert place.ask(LIST, handle + numbers(1, 1)) == REFUSED, name
        assert place.ask(READ, handle + numbers(1)) == REFUSED, name
        assert place.ours.streamed == b"", name
        assert place.ask(EXPUNGE, handle + ranges(1, 1)) == REFUSED, name
    for name, handle in {**place.foreign, "released": place.released, "open already": place.alice}.items():
        assert place.ask(OPEN, handle) == DISABLED, name
    assert [place.others.ask(READ, place.bob + numbers(1))[0], b"for Bob" in place.others.streamed] == [OK, True]
    assert place.ask(OPEN, place.unopened) == OK


# What Alice's own handle does not open: type, what follows the handle, verdict, octets that come.
OUT_OF_RANGE = {
    "message 0": (READ, numbers(0), REFUSED, 0),
    "message behind the last": (READ, numbers(COUNT + 1), REFUSED, 0),
    "largest number": (READ, numbers(MOST), REFUSED, 0),
    "negative number": (READ, numbers(MOST + 1), REFUSED, 0),
    "half a number": (READ, b"\0" * 7, REFUSED, 0),
    "list from 0": (LIST, numbers(0, 1), REFUSED, 0),
    "list backwards": (LIST, numbers(2, 1), REFUSED, 0),
    "list to a negative number": (LIST, numbers(1, MOST + 1), REFUSED, 0),
    "list behind the last": (LIST, numbers(COUNT + 1, COUNT + 9), OK, 0),
    "list of all there might be": (LIST, numbers(1, MOST), OK, COUNT * 24),
    "expunge 0": (EXPUNGE, ranges(0, 0), REFUSED, 0),
    "expunge behind the last": (EXPUNGE, ranges(COUNT + 1, COUNT + 1), REFUSED, 0),
    "expunge all there might be": (EXPUNGE, ranges(1, MOST - 1), REFUSED, 0),
    "expunge backwards": (EXPUNGE, ranges(2, 1), REFUSED, 0),
    "expunge out of order": (EXPUNGE, ranges(3, 3, 1, 1), REFUSED, 0),
    "expunge twice": (EXPUNGE, ranges(1, 2, 2, 3), REFUSED, 0),
    "expunge half a range": (EXPUNGE, ranges(1), REFUSED, 0),
    "expunge with something behind": (EXPUNGE, ranges(1, 1) + b"x", REFUSED, 0),
}


def test_numbers_out_of_range(place):
    for name, (kind_type, rest, verdict, octets) in OUT_OF_RANGE.items():
        assert place.ask(kind_type, place.alice + rest) == verdict, name
        assert len(place.ours.streamed) == octets, name
    for number in range(COUNT):  # after all that the mail is as it was
        assert place.ask(READ, place.alice + numbers(number + 1)) == OK
        assert without_trace(place.ours.streamed) == letter(f"number {number}")


LOGINS = {
    "session that is not": login(99, ALICE, PASSWORD),
    "wrong password": login(9, ALICE, PASSWORD + "x"),
    "no password": login(9, ALICE, ""),
    "no name": login(9, "", PASSWORD),
    "nobody": login(9, f"nobody@{DOMAIN}", PASSWORD),
    "for somebody else": login(9, ALICE, PASSWORD, BOB.encode()),
    "something behind": login(9, ALICE, PASSWORD) + b"x",
    "noise": random.Random(10).randbytes(200),
    "lengths beyond the end": b"\0\0\0\x09" + b"\xff" * 60,
}


def test_forged_logins(place):
    for name, payload in LOGINS.items():
        reply = place.ours.ask(AUTH, payload)
        assert (reply[0], reply[1:17]) == (REFUSED, NO_HANDLE), name
    assert place.ours.ask(AUTH, login(9, ALICE, PASSWORD))[0] == OK


def test_listeners_of_others(place):
    for listener in (SMTP, LMTP, 99):
        assert place.ask(ADMIT, struct.pack(">IB", 50, listener) + LOOPBACK) == REFUSED
    assert place.ask(ADMIT, struct.pack(">IB", 9, SUBMISSION) + LOOPBACK) == REFUSED  # it is one already
    assert place.code(delivery(50, place.alice, message_id(place.node, 1))) == 451


def test_submissions_of_others(place):
    """Only who is logged in here sends on, under ids of this process, what he himself has uploaded."""
    ours, theirs = message_id(place.node, 1), message_id(place.other_node, 1)
    for name, handle in {**place.foreign, "released": place.released}.items():
        assert place.code(delivery(9, handle, ours)) == (550 if handle == NO_HANDLE else 451), name
        assert place.ask(RCPT, recipient(9, handle)) == (TO_RELAY if handle == NO_HANDLE else TROUBLE), name
    assert place.ask(RCPT, recipient(9, place.alice)) == TO_RELAY
    for name, payload, code in (
            ("session that is not", delivery(99, place.alice, ours), 451),
            ("id of another front", delivery(9, place.alice, theirs), 554),
            ("id of store", delivery(9, place.alice, message_id(0, 1)), 554),
            ("negative id", delivery(9, place.alice, b"\xff" * 8), 554),
            ("upload of another front", delivery(9, place.alice, message_id(place.other_node), place.uploaded), 554),
            ("its number", delivery(9, place.alice, ours, place.uploaded), 554),
            ("upload that is none", delivery(9, place.alice, ours, 77), 554),
            ("no content", delivery(9, place.alice, ours, data=b""), 554),
            ("fewer recipients than said", delivery(9, place.alice, ours, count=2), 554),
            ("too many", delivery(9, place.alice, ours, count=1 << 31), 554),
            ("none", delivery(9, place.alice, ours, count=0), 554),
            ("no plan", delivery(9, place.alice, ours, plan=b""), 554),
            ("plan for another number", delivery(9, place.alice, ours, plan=struct.pack(">BIBB", 1, 2, RELAY, RELAY)),
             554),
            ("plan of another version", delivery(9, place.alice, ours, plan=struct.pack(">BIB", 9, 1, RELAY)), 554),
            ("no such action", delivery(9, place.alice, ours, plan=struct.pack(">BIB", 1, 1, 99)), 554),
            ("into a mailbox that is elsewhere",
             delivery(9, place.alice, ours, plan=struct.pack(">BIB", 1, 1, 0) + b"\0\0" + text(b"")), 451),
            ("something behind", delivery(9, place.alice, ours) + b"x", 554)):
        assert place.code(payload) == code, name
    for name, identity in (("not ours", theirs), ("store's", message_id(0, 1))):
        assert place.code(identity + bytes(4), TAKEN) == 554, name
    assert place.code(ours + bytes(4), TAKEN) == 451  # nothing of all that was taken
    assert place.server.json("queue", "list") == []
    assert place.code(delivery(9, place.alice, ours)) == 250
    assert place.code(ours + bytes(4), TAKEN) == 250


FRAMES = {name: frames for name, frames in VIOLATIONS.items() if not name.endswith("from mx")}
FRAMES |= {
    "credit above the window": b"".join(
        frame(REQUEST, UPLOAD, own, 5) + frame(CREDIT, UPLOAD, b"\xff" * 4, 5) for own in OWN_IDS),
    "payload too long": frame(REQUEST, READ, length=65),
    "reply": frame(REPLY, OPEN),
    "cancel of an event": frame(EVENT, OPEN, NO_HANDLE, number=0),
}
MOST_TELLING = ("garbage", "payload too long", "cancel of an event")


def test_violation_costs_the_front_only(make_server, long):
    server = make_server(accounts=["alice"])
    unharmed = {pid for pid, role in server.processes().items() if role != "user"}
    for count, name in enumerate(FRAMES if long else MOST_TELLING, 1):
        old = server.pids("user")
        with taken_over(server, "user") as link:
            link.sendall(FRAMES[name])
        wait_for(f"another front after {name}", lambda: server.pids("user") not in ([], old))
        server.wait_ready()
        assert server.new_log().count("event=ipc-violation link=user") == count, name
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1
    assert unharmed <= set(server.processes())


def test_random_frames_never_harm_the_store(make_server, long):
    server = make_server(accounts=["alice"])
    store = server.pids("store")
    deliver(server, ALICE)
    rng = random.Random(11)
    for _ in range(8 if long else 2):
        wait_for("a front", lambda: server.pids("user"))
        server.wait_ready()
        old = server.pids("user")
        with taken_over(server, "user") as link:
            frames = [frame(rng.choice([REQUEST, REQUEST, CHUNK, CREDIT, CANCEL, EVENT]), rng.randrange(14),
                            rng.randbytes(rng.choice([0, 1, 4, 8, 16, 24, 32, 60, 300])), number + (1 << 24))
                      for number in range(1, 200)]
            link.sendall(b"".join(frames) + b"\xff" * 64)  # whatever comes of it, this is the end
        wait_for("another front", lambda: server.pids("user") not in ([], old))
    server.wait_ready()
    assert server.pids("store") == store
    assert count_of(server, ALICE) == 1
    server.command("audit")
