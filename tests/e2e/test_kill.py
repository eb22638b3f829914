"""kill -9: every 250 and every DELE+QUIT that a client saw holds afterwards."""

import base64
import collections
import email
import itertools
import os
import poplib
import select
import signal
import smtplib
import threading

import pytest
from conftest import DOMAIN, PASSWORD
from server import parents, wait_for
from wire import Wire, count_of, deliver, letter, mail_of, pop3, without_trace

ALICE = f"alice@{DOMAIN}"
LARGE = ["0123456789" * 7] * 5000  # 350 KB: a pack of its own
BROKEN = (OSError, smtplib.SMTPException, poplib.error_proto, EOFError)


class Senders:
    """Threads that send numbered messages and note which were answered with 250. Nothing is sent
    twice: a number without a 250 may be there once or not at all."""

    def __init__(self, server, threads=6, port="smtp"):
        self.server, self.port = server, port
        self.numbers = itertools.count()
        self.acknowledged = set()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.stopping.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.server.ports[self.port], timeout=30) as client:
                    if self.port == "submission":
                        client.starttls()
                        client.login(ALICE, PASSWORD)
                    while not self.stopping.is_set():
                        self.send(client)
            except BROKEN:
                self.stopping.wait(0.01)

    def send(self, client):
        number = next(self.numbers)
        body = LARGE if number % 10 == 9 else ["small"]
        client.sendmail(ALICE, ALICE, letter(f"number {number}", body))
        self.acknowledged.add(number)
        self.stopping.wait(0.01)  # a load, not a benchmark: all of it is read again afterwards

    def wait_for_more(self, count):
        goal = len(self.acknowledged) + count
        wait_for(f"{count} more messages", lambda: len(self.acknowledged) >= goal)


def stored_numbers(server):
    messages = mail_of(server, ALICE)
    for message in messages:
        number = int(email.message_from_bytes(message)["Subject"].split()[1])
        body = LARGE if number % 10 == 9 else ["small"]
        assert without_trace(message) == letter(f"number {number}", body)
    return collections.Counter(
        int(email.message_from_bytes(m)["Subject"].split()[1]) for m in messages)


def compare(server, acknowledged):
    stored = stored_numbers(server)
    assert set(stored.values()) <= {1}, "delivered twice"
    missing = acknowledged - set(stored)
    assert not missing, f"acknowledged and lost: {sorted(missing)}"
    server.command("audit")


@pytest.mark.kills
@pytest.mark.parametrize("role", ["store", "mx", "user"])
def test_one_process_dies(make_server, role, long):
    server = make_server(accounts=["alice"])
    with Senders(server, port="submission" if role == "user" else "smtp") as senders:
        for _ in range(20 if long else 1):  # test_kill_load.py has more of it
            senders.wait_for_more(30)
            assert server.kill(role)
            wait_for(f"a new {role}", lambda: server.pids(role))
        senders.wait_for_more(30)
    compare(server, senders.acknowledged)
    assert set(server.processes().values()) == {"supervisor", "store", "mx", "user", "resolver", "relay"}
    assert server.json("status")


# What a client says, one after the other.
WAYS = {"mx": ("EHLO", "MAIL", "RCPT", "DATA", "half", "rest"),
        "user": ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "half", "rest")}
HALF, REST = letter()[:40], letter()[40:] + b".\r\n"
SECRET = base64.b64encode(f"\0{ALICE}\0{PASSWORD}".encode())
SAY = {"EHLO": b"EHLO client.test\r\n", "STARTTLS": b"STARTTLS\r\n", "AUTH": b"AUTH PLAIN " + SECRET + b"\r\n",
       "MAIL": f"MAIL FROM:<{ALICE}>\r\n".encode(), "RCPT": f"RCPT TO:<{ALICE}>\r\n".encode(), "DATA": b"DATA\r\n",
       "half": HALF, "rest": REST}
OF_STORE = ("AUTH", "RCPT", "rest")  # what the store has its say in


def come_to(server, role, step):
    """A session in which all up to the step was said and answered."""
    wire = Wire(server, "smtp" if role == "mx" else "submission")
    for each in WAYS[role][:WAYS[role].index(step) + 1]:
        wire.send(SAY[each])
        if each != "half":
            assert wire.reply()[:1] in ("2", "3"), (each, step)
        if each == "STARTTLS":
            wire.start_tls()
            wire.hello()
    return wire


@pytest.mark.kills
@pytest.mark.parametrize("role", WAYS)
def test_a_front_dies_at_each_step(make_server, role):
    """Its clients are disconnected without an answer; the next front serves, and nothing is there but by a 250."""
    server = make_server(accounts=["alice"])
    way = WAYS[role]
    wires = [Wire(server, "smtp" if role == "mx" else "submission")]
    wires += [come_to(server, role, step) for step in way if step != "rest"]
    asking = {step: come_to(server, role, way[way.index(step) - 1]) for step in OF_STORE if step in way}
    store = server.pids("store")[0]
    os.kill(store, signal.SIGSTOP)
    try:
        for step, wire in asking.items():
            wire.send(SAY[step])
        for wire in asking.values():
            assert not select.select([wire.socket], [], [], 0.1)[0], "it knew without the store"
        old = server.kill(role)
        assert [wire.rest() for wire in (*wires, *asking.values())] == [b""] * (len(wires) + len(asking))
    finally:
        os.kill(store, signal.SIGCONT)
    wait_for(f"a new {role}", lambda: server.pids(role) not in ([], old))
    deliver(server, ALICE)  # behind whatever was on its way into the mailbox
    assert count_of(server, ALICE) <= 2  # with the one whose 250 was not heard
    before = count_of(server, ALICE)
    come_to(server, role, "rest").socket.close()
    assert count_of(server, ALICE) == before + 1
    server.command("audit")


@pytest.mark.kills
def test_all_processes_die(make_server, long):
    server = make_server(accounts=["alice"])
    with Senders(server) as senders:
        for _ in range(20 if long else 2):
            senders.wait_for_more(20)
            server.kill_all()
            server.start()
        senders.wait_for_more(20)
    compare(server, senders.acknowledged)


@pytest.mark.kills
def test_children_die_with_the_supervisor(make_server):
    server = make_server(accounts=["alice"])
    children = set(server.processes()) - {server.process.pid}
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()

    wait_for("the end of the children", lambda: not children & set(parents()))
    server.start()
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1


@pytest.mark.kills
def test_deleted_mail_does_not_come_back(make_server, long):
    """Half of the mail is deleted; a QUIT that was answered holds over kill -9."""
    server = make_server(accounts=["alice"])
    for number in range(20):
        deliver(server, ALICE, letter(f"number {number}", LARGE if number % 10 == 9 else ["small"]))
    left = set(range(20))
    for round_number in range(5):
        client = pop3(server, ALICE)
        victims = {1: None, 2: None}
        for position in victims:
            subject = email.message_from_bytes(b"\r\n".join(client.top(position, 0)[1]))["Subject"]
            victims[position] = int(subject.split()[1])
            client.dele(position)
        if round_number % 2:
            client.quit()
            left -= set(victims.values())
        server.kill_all()
        server.start()
        assert set(stored_numbers(server)) == left


@pytest.mark.kills
def test_sessions_after_the_store_died(make_server):
    """Handles are void: sessions end with a temporary error, new ones work, nothing is deleted."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE, letter("number 0"))
    with Wire(server, "pop3s", tls=True) as reader, Wire(server) as sender:
        reader.pop3_login(ALICE)
        reader.say("DELE 1")
        sender.hello()
        sender.say("MAIL FROM:<a@b.test>")
        server.kill("store")
        assert sender.reply() == "421 4.3.0 The mail store does not answer, come again"
        assert reader.reply() == "-ERR [SYS/TEMP] the mail store does not answer, try again in a minute"
    wait_for("service", lambda: serves(server))
    assert count_of(server, ALICE) == 1


def serves(server):
    try:
        return count_of(server, ALICE) >= 0
    except BROKEN:
        return False


@pytest.mark.kills
def test_a_front_takes_only_its_own_sessions_along(make_server):
    server = make_server(accounts=["alice"])
    deliver(server, ALICE)
    with Wire(server, "pop3") as reader, Wire(server) as sender:
        reader.pop3_login(ALICE)
        sender.hello()
        server.kill("mx")
        assert sender.rest() == b""
        assert reader.say("STAT").startswith("+OK 1 ")
        assert reader.retrieve(1)
        assert reader.say("QUIT").startswith("+OK")


@pytest.mark.kills
def test_a_store_that_cannot_start_does_not_spin(make_server):
    """A process that dies at once again and again is not restarted in a loop without a pause."""
    server = make_server(accounts=["alice"])
    for _ in range(5):
        wait_for("a store", lambda: server.pids("store"))
        server.kill("store")
    wait_for("service", lambda: serves(server))
    assert PASSWORD not in server.log()
