"""Processes that stop answering: sessions are told, and the supervisor starts them again."""

import contextlib
import os
import select
import signal
import time

import pytest
from conftest import DOMAIN
from server import ROLES, wait_for
from wire import TIMEOUT, Wire, count_of, deliver, letter, mail_of, message_id

ALICE = f"alice@{DOMAIN}"


@contextlib.contextmanager
def stopped_processes(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def hung(server, role):
    pid = server.pids(role)[0]
    with stopped_processes([pid]):
        yield pid


def test_sessions_do_not_wait_for_ever(make_server):
    """Each in the words of its protocol, then it ends; what comes after the store is back is served."""
    server = make_server('timeouts = { store = "3s"; };', accounts=["alice"])
    number = message_id(deliver(server, ALICE))
    with Wire(server) as mail, Wire(server) as data, Wire(server, "pop3") as reader, Wire(server, "pop3") as knower:
        mail.hello()
        data.hello()
        for line in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{ALICE}>", "DATA"):
            assert data.say(line)[0] in "23"
        reader.pop3_login(ALICE)
        knower.pop3_login(ALICE)
        assert knower.say("UIDL 1") == f"+OK 1 {number}"
        with hung(server, "store"):
            mail.send(f"MAIL FROM:<a@b.test>\r\nRCPT TO:<{ALICE}>\r\n")
            data.send("Subject: x\r\n\r\nx\r\n.\r\n")
            reader.send("RETR 1\r\n")
            knower.send("RETR 1\r\n")
            assert mail.reply().startswith("250 ")
            assert mail.reply().startswith("451 ")
            assert mail.reply().startswith("421 ")
            assert data.reply().startswith("451 ")
            assert data.reply().startswith("421 ")
            assert reader.reply().startswith("-ERR [SYS/TEMP]")
            assert knower.reply().startswith("-ERR [SYS/TEMP]")
            with Wire(server) as late:
                assert late.greeting.startswith("421 ")
            with Wire(server, "pop3") as late:
                assert late.greeting.startswith("-ERR [SYS/TEMP]")
    def silent():
        return [line for line in server.new_log().split("\n") if "event=store-silent" in line]

    wait_for("the log to say it", lambda: len(silent()) >= 6)
    assert len(silent()) == 6 and sum(" id=" in line for line in silent()) == 3  # of mail, data and knower
    assert sum(" number=1 " in line for line in silent()) == 2  # of reader and knower
    assert sum(f" id={number} number=1 " in line for line in silent()) == 1  # who has seen its id
    wait_for("a greeting", lambda: server.greets("smtp"))
    deliver(server, ALICE, letter("Afterwards"))
    assert sum(b"Subject: Afterwards" in message for message in mail_of(server, ALICE)) == 1
    assert count_of(server, ALICE) == 2  # what was answered 451 comes again, and must not come twice
    wait_for("the log to say it", lambda: "event=not-stored" in server.new_log())


def test_a_slow_client_keeps_nobody_waiting(make_server):
    """Store is silent because the client takes nothing: that is the client's matter."""
    server = make_server('timeouts = { store = "3s"; };', accounts=["alice"])
    deliver(server, ALICE, b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 600_000)
    with Wire(server, "pop3") as slow, Wire(server) as other:
        slow.pop3_login(ALICE)
        slow.send("RETR 1\r\n")
        other.hello()
        assert select.select([slow.socket], [], [], TIMEOUT)[0]
        wait_for("the stream to stand", lambda: server.are_at_rest("store", "user"))  # all that is on the way is full
        with hung(server, "store"):  # a whole patience passes while slow takes nothing
            assert other.say("MAIL FROM:<a@b.test>").startswith("250")
            assert other.say(f"RCPT TO:<{ALICE}>").startswith("451")
        assert slow.reply().startswith("+OK")
        assert len(slow.multiline()) > 600_000


@pytest.mark.kills
def test_hung_processes_are_started_again(make_server):
    server = make_server('timeouts = { process = "4s"; };', accounts=["alice"])
    for role in ("store", "user"):
        before = server.processes()
        with hung(server, role) as pid:
            wait_for(f"another {role}", lambda: server.pids(role) not in ([], [pid]))
        assert f"event=process-hung role={role} pid={pid}" in server.new_log()
        assert {p for p in before if p != pid} <= set(server.processes())
        wait_for("a greeting", lambda: server.greets("smtp") and server.greets("pop3"))
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1


def test_a_slow_machine_is_left_alone(make_server):
    """All stop, as when the machine has no time: nobody is ended, and all go on."""
    server = make_server('timeouts = { process = "4s"; };', accounts=["alice"])
    pids = [server.pids(role)[0] for role in ROLES]  # looked up first, so that they stop together
    with stopped_processes(pids):
        wait_for("the remark", lambda: "event=machine-slow" in server.new_log())
    deliver(server, ALICE)


@pytest.mark.kills
def test_a_majority_that_hangs_is_ended(make_server):
    """One after the other: it looks like a machine that has no time, but only for so long."""
    server = make_server('timeouts = { process = "3s"; };', accounts=["alice"])
    before = server.processes()
    hanging = {role: server.pids(role)[0] for role in ("mx", "user", "resolver")}
    with contextlib.ExitStack() as stack:
        for pid in hanging.values():
            stack.enter_context(stopped_processes([pid]))
            time.sleep(0.7)  # nothing happens meanwhile: the next is asked one tick later
        for role, pid in hanging.items():
            wait_for(f"another {role}", lambda: server.pids(role) not in ([], [pid]))
    for role, pid in hanging.items():
        assert f"event=process-hung role={role} pid={pid}" in server.new_log()
    assert set(before) - set(hanging.values()) <= set(server.processes())
    wait_for("a greeting", lambda: server.greets("smtp") and server.greets("pop3"))
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1


def test_processes_work_outside_of_the_data_directory(make_server):
    server = make_server()
    inside = os.path.realpath(server.data)
    for role in ROLES:
        place = inside if role == "store" else "/"
        pid, = server.pids(role)
        wait_for(f"{role} in {place}", lambda: os.readlink(f"/proc/{pid}/cwd") == place)
