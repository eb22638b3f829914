"""Links between processes that end while something is on its way over them."""

import contextlib
import ctypes
import os
import signal

import pytest
from conftest import DOMAIN
from server import open_files, wait_for
from wire import Wire, count_of, deliver

ALICE = f"alice@{DOMAIN}"
PIDFD_OPEN, PIDFD_GETFD = 434, 438
libc = ctypes.CDLL(None, use_errno=True)
LARGE = b"0123456789\r\n" * 50_000  # more than is gathered in a front


def begin_data(wire):
    wire.hello()
    for line in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{ALICE}>", "DATA"):
        assert wire.say(line)[0] in "23"


@pytest.mark.kills
def test_store_dies_before_pipelined_commands(make_server):
    """The answer that is lost makes the front ask the next question at once."""
    server = make_server(accounts=["alice"])
    mx, store = server.pids("mx"), server.pids("store")
    with Wire(server) as sender, Wire(server) as other:
        sender.hello()
        os.kill(store[0], signal.SIGSTOP)
        sender.send("MAIL FROM:<a@b.test>\r\n" + f"RCPT TO:<{ALICE}>\r\n" * 10)
        assert other.say("NOOP").startswith("250")  # behind them, so the front has read them
        server.kill("store")
        replies = [sender.reply() for _ in range(11)]
    assert all(reply[:1] in ("4", "") for reply in replies[1:]), replies
    wait_for("a new store", lambda: server.pids("store") not in ([], store))
    assert server.pids("mx") == mx
    wait_for("a greeting", lambda: server.greets("smtp"))
    deliver(server, ALICE)


@pytest.mark.kills
def test_store_dies_while_a_message_comes(make_server):
    """The rest of the message is read and refused."""
    server = make_server(accounts=["alice"])
    store = server.pids("store")
    for sent in (LARGE[:1200], LARGE[:240_000], LARGE):  # before, at and after it outgrows the front
        with Wire(server) as sender:
            begin_data(sender)
            sender.send(sent)
            server.kill("store")
            wait_for("a new store", lambda: server.pids("store") not in ([], store))
            try:
                sender.send(LARGE + b".\r\n")
            except ConnectionError:
                pass  # a session may be ended as well
            assert sender.reply()[:1] in ("4", "")
        wait_for("a greeting", lambda: server.greets("smtp"))
        store = server.pids("store")
    assert count_of(server, ALICE) == 0


@contextlib.contextmanager
def held_open(pid):
    """Copies of the sockets of a process: nobody sees the end of its links when it dies."""
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    assert pidfd >= 0
    copies = [libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
              for fd, target in open_files(pid).items() if target.startswith("socket:")]
    os.close(pidfd)
    try:
        yield
    finally:
        for copy in copies:
            if copy >= 0:
                os.close(copy)


@pytest.mark.kills
def test_new_store_comes_before_the_end_of_the_old(make_server):
    """What was open at the old store is void: it ends at once, and new sessions are served."""
    server = make_server(accounts=["alice"])
    store = server.pids("store")
    with Wire(server, "pop3") as reader, Wire(server) as sender, Wire(server) as waiting:
        reader.pop3_login(ALICE)
        begin_data(sender)
        waiting.hello()
        os.kill(store[0], signal.SIGSTOP)
        waiting.send("MAIL FROM:<a@b.test>\r\n" + f"RCPT TO:<{ALICE}>\r\n")
        assert waiting.reply().startswith("250")
        with held_open(store[0]):
            server.kill("store")
            wait_for("a new store", lambda: server.pids("store") not in ([], store))
            assert waiting.reply()[:1] == "4"
            assert reader.rest()[:5] in (b"", b"-ERR ")
            assert sender.say("Subject: x\r\n\r\nx\r\n.")[:1] in ("4", "")
    wait_for("a greeting", lambda: server.greets("smtp"))
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 1


@pytest.mark.kills
def test_front_dies_during_an_upload(make_server):
    server = make_server(accounts=["alice"])
    mx, store = server.pids("mx"), server.pids("store")
    with Wire(server) as sender:
        begin_data(sender)
        sender.send(LARGE)
        server.kill("mx")
    wait_for("a new mx", lambda: server.pids("mx") not in ([], mx))
    wait_for("a greeting", lambda: server.greets("smtp"))
    deliver(server, ALICE)
    assert server.pids("store") == store
