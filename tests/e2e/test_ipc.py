"""A process that was taken over: its own link to store is used to send what it never would."""

import contextlib
import os
import random
import re
import signal
import socket
import struct

import pytest
from conftest import DOMAIN, PASSWORD
from ipc_frames import (CANCEL, CHUNK, CREDIT, EVENT, REPLY, REQUEST, SUPERVISOR, frame, taken_over,
                        text, types_of)
from server import wait_for
from wire import Wire, count_of, deliver

ALICE = f"alice@{DOMAIN}"
ADMIT, LEAVE, AUTH, RCPT, UPLOAD, DROP, DELIVER, OPEN, LIST, READ, EXPUNGE = types_of(
    "front_store", "admit", "leave", "auth", "rcpt", "upload", "upload_drop", "deliver", "open", "list",
    "read", "expunge")
POP3 = 4  # a listener
LOOPBACK = bytes(10) + b"\xff\xff\x7f\0\0\1"
OK, TEMPORARY, REFUSED, DISABLED = range(4)  # verdicts
CREDIT_OF_STREAM = 64 * 1024

pytestmark = [
    pytest.mark.violates,
    pytest.mark.kills,
]


def message_id(node, sequence=0):
    return struct.pack(">q", 1 << 60 | node << 12 | sequence)


OWN_IDS = [message_id(node) for node in range(1, 200)]  # one of them is the front's own

VIOLATIONS = {
    "garbage": random.Random(1).randbytes(4096),
    "zeros": bytes(64),
    "huge frame": frame(REQUEST, DELIVER, length=0xFFFFFFF0),
    "unknown kind": frame(9, ADMIT),
    "unknown type": frame(REQUEST, 99),
    "reply to nobody": frame(REPLY, ADMIT),
    "event as request": frame(REQUEST, LEAVE, bytes(4)),
    "id 0": frame(REQUEST, ADMIT, bytes(21), number=0),
    "descriptor that did not come": frame(REQUEST, ADMIT, bytes(21), flags=2),
    "chunk too long": frame(CHUNK, UPLOAD, length=1 << 20),
    "id in use": b"".join(frame(REQUEST, UPLOAD, own) * 2 for own in OWN_IDS),
    "authenticating from mx": frame(
        REQUEST, AUTH, bytes(4) + text(b"PLAIN") + text(b"") + text(ALICE.encode()) + text(b"x")),
    "opening a mailbox from mx": frame(REQUEST, OPEN, bytes(16)),
}


# What a child may tell the supervisor, but not now: in the place of a process that serves.
READY, FAILED, PONG, BAD_PEER = types_of("super_child", "ready", "failed", "pong", "bad_peer")
UNTIMELY = {
    "ready once more": ("mx", READY, b""),
    "failed after all": ("user", FAILED, b"no"),
    "an answer to nothing": ("relay", PONG, b""),
    "a judgement that is not its own": ("resolver", BAD_PEER, struct.pack(">BH", 1, 1)),
    "a front that judges": ("mx", BAD_PEER, struct.pack(">BH", 2, 1)),
}


def test_untimely_words_to_the_supervisor(make_server):
    server = make_server(accounts=["alice"])
    for name, (role, event, payload) in UNTIMELY.items():
        before = server.processes()
        old, = server.pids(role)
        with taken_over(server, role, SUPERVISOR) as link:
            link.sendall(frame(EVENT, event, payload, number=0) * 3)
        wait_for(f"another {role} after {name}", lambda: server.pids(role) not in ([], [old]))
        assert {pid for pid in before if pid != old} <= set(server.processes()), name
        assert f"event=child-mistrusted role={role} pid={old}" in server.new_log()
        wait_for("a greeting", lambda: server.greets("smtp"))
    deliver(server, ALICE)


class Hostile:
    """In the place of a front that is stopped meanwhile: asks store and reads what it answers."""

    def __init__(self, link):
        self.link = link
        self.number = 1 << 24
        self.input = b""
        self.streamed = b""  # before the last reply

    def send(self, kind_type, payload):
        self.number += 1
        self.link.sendall(frame(REQUEST, kind_type, payload, self.number))
        return self.number

    def chunk(self, kind_type, number, data, last):
        self.link.sendall(frame(CHUNK, kind_type, data, number, flags=1 if last else 0))

    def receive(self):
        """The next frame: its kind, type, number and payload."""
        while len(self.input) < 12 or len(self.input) < 12 + struct.unpack(">I", self.input[:4])[0]:
            more = self.link.recv(1 << 20)
            assert more, "store closed the link"
            self.input += more
        size, kind, _, kind_type, number = struct.unpack(">IBBHI", self.input[:12])
        payload, self.input = self.input[12:12 + size], self.input[12 + size:]
        return kind, kind_type, number, payload

    def ask(self, kind_type, payload):
        """The reply to a request."""
        number = self.send(kind_type, payload)
        self.streamed = b""
        while True:
            kind, _, got, reply = self.receive()
            if (kind, got) == (REPLY, number):
                return reply
            if (kind, got) == (CHUNK, number):
                self.streamed += reply

    def admit(self, session, listener):
        reply = self.ask(ADMIT, struct.pack(">IB", session, listener) + LOOPBACK)
        assert reply[0] == OK, reply

    def log_in(self, session, user):
        """A handle."""
        self.admit(session, POP3)
        reply = self.ask(AUTH, struct.pack(">I", session) + text(b"PLAIN") + text(b"") +
                         text(user.encode()) + text(PASSWORD.encode()))
        assert reply[0] == OK, reply
        return reply[1:17]


@contextlib.contextmanager
def stopped(server, role, pid=None):
    """The front of this role, or that of them, taken over and silent."""
    pid = pid or server.pids(role)[0]
    wait_for("the end of what was begun", lambda: server.are_at_rest(role, "store"))  # its sessions have numbers too
    with taken_over(server, role, pid=pid) as link:
        os.kill(pid, signal.SIGSTOP)
        try:
            yield Hostile(link)
        finally:
            os.kill(pid, signal.SIGKILL)  # what was answered it would not understand


MOST_TELLING = ("garbage", "huge frame", "id in use", "authenticating from mx", "opening a mailbox from mx")


def test_violation_costs_the_front_only(make_server, long):
    server = make_server(accounts=["alice"])
    before = server.processes()
    for count, name in enumerate(VIOLATIONS if long else MOST_TELLING, 1):
        old = server.pids("mx")
        with taken_over(server, "mx") as link:
            link.sendall(VIOLATIONS[name])
        wait_for(f"another mx after {name}", lambda: server.pids("mx") not in ([], old))
        wait_for("a greeting", lambda: server.greets("smtp"))
        deliver(server, ALICE)
        assert server.new_log().count("event=ipc-violation") == count, name
    assert count_of(server, ALICE) == count
    unharmed = {pid for pid, role in before.items() if role != "mx"}
    assert unharmed <= set(server.processes())


# Well-formed frames that ask for what the process may not have: refused, and nothing else.
ASKED = {
    "malformed admit": (ADMIT, b"\xff" * 20),
    "recipient with a forged handle": (RCPT, bytes(4) + b"\x01" * 16 + text(b"bob")
                                     + text(b"elsewhere.test") + bytes(8)),
    "malformed recipient": (RCPT, b"\xff" * 100),
    "delivery for no session": (DELIVER, b"\xff" * 300),
    "empty delivery": (DELIVER, b""),
}


def test_what_it_may_not_have_is_refused(make_server):
    server = make_server(accounts=["alice"])
    before = server.processes()
    for kind_type, payload in ASKED.values():
        with taken_over(server, "mx") as link:
            link.sendall(frame(REQUEST, kind_type, payload, number=0x7FFFFFFF))
            deliver(server, ALICE)  # on the same link, behind it
    assert count_of(server, ALICE) == len(ASKED)
    assert server.processes() == before


def test_random_frames_never_harm_the_store(make_server, long):
    server = make_server(accounts=["alice"])
    store = server.pids("store")
    rng = random.Random(7)
    for _ in range(20 if long else 4):
        wait_for("an mx", lambda: server.pids("mx") and server.greets("smtp"))
        old = server.pids("mx")
        with taken_over(server, "mx") as link, contextlib.suppress(OSError):
            for number in range(1, 200):
                payload = rng.randbytes(rng.choice([0, 1, 4, 8, 16, 21, 60, 300]))
                link.sendall(frame(rng.choice([REQUEST, REQUEST, CHUNK, CREDIT, CANCEL, EVENT]),
                                   rng.randrange(12), payload, number + (1 << 24)))
            link.sendall(b"\xff" * 64)  # whatever came of it, this is the end
        wait_for("another mx", lambda: server.pids("mx") not in ([], old))
    assert server.pids("store") == store
    wait_for("a greeting", lambda: server.greets("smtp"))
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1


def node_of(server, role):
    """The number of the process of this role, as the log has it."""
    return int(re.findall(rf"event=started role={role} pid=\d+ node=(\d+)", server.log())[-1])


def upload(hostile, identity, data=b"Subject: x\r\n\r\nx\r\n"):
    number = hostile.send(UPLOAD, identity)
    hostile.chunk(UPLOAD, number, data, True)
    while True:
        kind, _, got, reply = hostile.receive()
        if (kind, got) == (REPLY, number):
            return reply


def test_ids_of_other_processes_are_refused(make_server):
    """A front may make ids of messages in its own name only."""
    server = make_server(accounts=["alice"])
    node = node_of(server, "mx")
    with stopped(server, "mx") as hostile:
        for other in (0, node + 1, 1023):
            assert upload(hostile, message_id(other))[0] != OK
        assert upload(hostile, message_id(node))[0] == OK


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


def test_mail_that_is_not_read_takes_little_memory(make_server):
    """A front that opens many mailboxes and reads nothing of what it asks for; then it reads all."""
    server = make_server(accounts=["alice", "bob", "carol", "dave"])
    users = [f"{name}@{DOMAIN}" for name in ("alice", "bob", "carol", "dave")]
    deliver(server, users, b"Subject: long\r\n\r\n" + b"0123456789abcde\r\n" * 20_000)
    store = server.pids("store")[0]
    with stopped(server, "user") as hostile:
        handles = [hostile.log_in(session, users[session % 4]) for session in range(1, 801)]
        for handle in handles:
            assert hostile.ask(OPEN, handle)[0] == OK
        before = rss(store)
        asked = {hostile.send(READ, handle + struct.pack(">Q", 1)) for handle in handles}
        assert hostile.send(RCPT, b"") not in asked  # answered past the mail, behind all of that
        got = dict.fromkeys(asked, 0)
        while any(size < CREDIT_OF_STREAM for size in got.values()):
            kind, kind_type, number, payload = hostile.receive()
            if kind_type == RCPT:
                grown = rss(store) - before
            elif kind == CHUNK:
                got[number] += len(payload)
        assert set(got.values()) == {CREDIT_OF_STREAM}
        if "asan" not in server.binary:  # its allocator keeps what was freed
            assert grown < 16 << 20, grown


def test_one_mailbox_is_read_once_at_a_time(make_server):
    """Another request takes the place of the one before, that was to be cancelled."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE, b"Subject: long\r\n\r\n" + b"0123456789abcde\r\n" * 20_000)
    with stopped(server, "user") as hostile:
        handle = hostile.log_in(1, ALICE)
        assert hostile.ask(OPEN, handle)[0] == OK
        assert hostile.ask(OPEN, handle)[0] != OK  # once is enough
        first = hostile.send(READ, handle + struct.pack(">Q", 1))
        got = 0
        while got < CREDIT_OF_STREAM:
            got += len(hostile.receive()[3])
        second = hostile.send(READ, handle + struct.pack(">Q", 1))
        ended, got = set(), 0
        while got < CREDIT_OF_STREAM or first not in ended:
            kind, _, number, payload = hostile.receive()
            if kind == REPLY:
                ended.add(number)
            elif number == second:
                got += len(payload)
        assert ended == {first}


def test_one_account_opens_so_many_mailboxes(make_server):
    server = make_server(accounts=["alice", "bob"])
    with stopped(server, "user") as hostile:
        handles = [hostile.log_in(session, ALICE) for session in range(1, 202)]
        assert {hostile.ask(OPEN, handle)[0] for handle in handles[:200]} == {OK}
        assert hostile.ask(OPEN, handles[200])[0] == TEMPORARY
        hostile.link.sendall(frame(EVENT, LEAVE, struct.pack(">I", 1), number=0))
        assert hostile.ask(OPEN, handles[200])[0] == OK
        assert hostile.ask(OPEN, hostile.log_in(300, f"bob@{DOMAIN}"))[0] == OK


def test_a_mailbox_takes_one_expunge_at_a_time(make_server):
    server = make_server(accounts=["alice"])
    deliver(server, ALICE)
    with stopped(server, "user") as hostile:
        handle = hostile.log_in(1, ALICE)
        assert hostile.ask(OPEN, handle)[0] == OK
        numbers = text(struct.pack(">QQ", 1, 1)) + text(b"")
        asked = [hostile.number + 1 + i for i in range(20)]
        hostile.link.sendall(b"".join(frame(REQUEST, EXPUNGE, handle + numbers, number)
                                      for number in asked))
        got = {}
        while len(got) < len(asked):
            _, _, number, payload = hostile.receive()
            got[number] = payload[0]
        assert got[asked[0]] == OK and TEMPORARY in got.values(), got


def test_only_messages_of_the_mailbox_are_deleted_and_marked(make_server):
    server = make_server(accounts=["alice"])
    for _ in range(2):
        deliver(server, ALICE)

    def ranges(*pairs):
        return text(b"".join(struct.pack(">QQ", *pair) for pair in pairs))

    with stopped(server, "user") as hostile:
        handle = hostile.log_in(1, ALICE)
        assert hostile.ask(OPEN, handle)[0] == OK
        for numbers, seen in (([(1, 3)], []), ([], [(3, 3)]), ([(1, 1)], [(2, 9)]), ([(1, 1)], [(2, 2), (1, 1)])):
            assert hostile.ask(EXPUNGE, handle + ranges(*numbers) + ranges(*seen))[0] == REFUSED
        assert [row["flags"] for row in server.json("flags", ALICE)] == ["", ""]
        assert hostile.ask(EXPUNGE, handle + ranges((1, 1)) + ranges((1, 2)))[0] == OK
    assert [row["flags"] for row in server.json("flags", ALICE)] == ["$seen"]


def test_recipients_of_all_sessions_have_a_budget(make_server, long):
    if not long:
        pytest.skip("sends 100,000 recipients")
    server = make_server("recipients_max = 10000;", accounts=["alice"])
    commands = f"RCPT TO:<alice+{'x' * 58}@{DOMAIN}>\r\n" * 10_000
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sender = stack.enter_context(Wire(server))
            sender.hello()
            assert sender.say("MAIL FROM:<a@b.test>").startswith("250")
            sender.send(commands)
            replies = {sender.reply()[:9] for _ in range(10_000)}
            if "452 4.3.1" in replies:
                break
        assert "452 4.3.1" in replies
    with Wire(server) as sender:  # they have gone, and what they held
        sender.hello()
        sender.say("MAIL FROM:<a@b.test>")
        wait_for("room", lambda: sender.say(f"RCPT TO:<{ALICE}>").startswith("250"))


def test_nonsense_on_the_admin_socket(make_server):
    server = make_server(accounts=["alice"])
    for name, bytes_sent in VIOLATIONS.items():
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(os.path.join(server.data, "run", "admin.sock"))
            with contextlib.suppress(OSError):
                admin.sendall(bytes_sent)
                admin.shutdown(socket.SHUT_WR)
                while admin.recv(4096):
                    pass
    server.command("status")
    with Wire(server) as wire:
        assert wire.greeting.startswith("220 ")
