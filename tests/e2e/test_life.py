"""Reload, graceful end, restart, limits."""

import contextlib
import re
import signal
import socket

import pytest
from conftest import DOMAIN, PASSWORD
from server import HOST, parents, wait_for
from wire import TIMEOUT, Wire, count_of, deliver, letter, mail_of, pop3, without_trace
from world import world  # noqa: F401 (fixture)

ALICE = f"alice@{DOMAIN}"


def announced_size(server):
    with Wire(server) as wire:
        return next(int(word.split()[1]) for word in wire.hello() if word.startswith("SIZE"))


def test_reload_counts_for_new_connections(make_server):
    server = make_server('message_size_limit = "1M";', ["alice"])
    with Wire(server) as old:
        old.hello()
        server.configure('message_size_limit = "2M";')
        server.reload()
        wait_for("the new limit", lambda: announced_size(server) == 2 * 1024 * 1024)
        assert old.say("MAIL FROM:<a@b.test> SIZE=1500000").startswith("552")


def test_reload_of_a_broken_file_changes_nothing(make_server):
    server = make_server('message_size_limit = "1M";', ["alice"])
    server.configure('message_size_limit = "2Q";')
    server.reload()
    wait_for("a log line", lambda: "message_size_limit" in server.new_log())
    assert announced_size(server) == 1024 * 1024
    deliver(server, ALICE)


def test_a_restart_is_needed_while_what_runs_differs(make_server):
    """What counts is what the server started with, not what was read last."""
    server = make_server()
    for reload, (processes, needed) in enumerate(((2, True), (2, True), (1, False)), start=2):
        before = len(server.log())
        server.configure(f"mx_processes = {processes};")
        server.reload()
        wait_for("the reload", lambda: f"event=reloaded number={reload}\n" in server.log())
        assert ("event=restart-needed" in server.log()[before:]) == needed, (processes, server.log()[before:])


def test_graceful_end_finishes_what_is_in_flight(make_server):
    server = make_server(accounts=["alice"])
    idle, busy = Wire(server), Wire(server)
    busy.hello()
    busy.say("MAIL FROM:<a@b.test>")
    busy.say(f"RCPT TO:<{ALICE}>")
    busy.say("DATA")
    busy.send(b"Subject: in flight\r\n\r\n")
    server.process.send_signal(signal.SIGTERM)
    assert idle.reply().startswith("421 4.3.2")
    assert idle.rest() == b""
    wait_for("closed listeners", lambda: not listens(server))
    busy.send(b"whole\r\n.\r\n")
    assert busy.reply().startswith("250 2.")
    assert b"421" in busy.rest()
    end(server)
    server.start()
    assert [without_trace(m) for m in mail_of(server, ALICE)] == [
        b"Subject: in flight\r\n\r\nwhole\r\n"]
    server.mark()


def listens(server):
    try:
        socket.create_connection((HOST, server.ports["smtp"]), timeout=TIMEOUT).close()
        return True
    except ConnectionError:  # refused, or reset while it closes
        return False


def end(server):
    """It was asked to stop and does."""
    assert server.process.wait(TIMEOUT) == 0
    server.process = None


def test_graceful_end_lets_a_reader_finish_his_message(make_server):
    server = make_server(accounts=["alice"])
    sent = letter("large", ["0123456789" * 7] * 100_000)
    deliver(server, ALICE, sent)
    with Wire(server, "pop3") as wire:
        wire.pop3_login(ALICE)
        wire.send("RETR 1\r\n")
        wire.input += wire.receive()
        server.process.send_signal(signal.SIGTERM)
        wait_for("closed listeners", lambda: not listens(server))
        got = wire.rest()
    assert without_trace(got.split(b"\r\n", 1)[1].partition(b"\r\n.\r\n")[0] + b"\r\n") == sent
    end(server)


def busy_client(server):
    """He is in the middle of a message, and stays there."""
    busy = Wire(server)
    busy.hello()
    for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{ALICE}>", "DATA"):
        assert busy.say(command)[0] in "23"
    busy.send(b"Subject: never whole\r\n\r\n")
    return busy


def is_stopping(server):
    return "event=stopping " in server.new_log()


def nothing_is_left(server, pids):
    """It starts again, and has what it had."""
    assert not set(pids) & set(parents())
    server.start()
    assert count_of(server, ALICE) == 1
    server.mark()


@pytest.mark.kills
def test_a_client_that_never_ends_does_not_keep_the_server(make_server, world):
    """What is in flight has half a minute. Then everything ends, and says so."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE)
    pids = list(server.processes())
    with busy_client(server) as busy:
        server.process.send_signal(signal.SIGTERM)
        wait_for("closed listeners", lambda: not listens(server))
        world.let_pass(20)
        busy.send(b"more\r\n")
        server.process.send_signal(signal.SIGHUP)  # so that it looks at its clock
        wait_for("the signal", lambda: "event=reloaded" in server.new_log())
        assert server.process.poll() is None and "stop-forced" not in server.new_log()
        world.let_pass(11)
        server.process.send_signal(signal.SIGHUP)
        end(server)
        busy.rest()
    assert "event=stop-forced" in server.new_log()
    nothing_is_left(server, pids)


@pytest.mark.kills
def test_a_second_signal_ends_it_at_once(make_server, world):
    """But not one that comes along with the first: a terminal and a service manager both send one."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE)
    pids = list(server.processes())
    with busy_client(server) as busy:
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            server.process.send_signal(number)
        wait_for("the signal", lambda: is_stopping(server))
        server.process.send_signal(signal.SIGHUP)
        wait_for("a later signal", lambda: "event=reloaded" in server.new_log())
        assert "event=stop-now" not in server.new_log()
        world.let_pass(1.1)
        server.process.send_signal(signal.SIGTERM)
        end(server)
        busy.rest()
    assert "event=stop-now" in server.new_log() and "stop-forced" not in server.new_log()
    nothing_is_left(server, pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_end_of_an_idle_server(make_server, number):
    server = make_server()
    server.process.send_signal(number)
    end(server)
    server.start()  # nothing is left behind that would be in the way
    server.mark()


def test_restart_keeps_everything(make_server):
    server = make_server(accounts=["alice", "bob"])
    sent = [letter(f"number {n}", ["x" * n]) for n in range(20)]
    large = letter("large", ["0123456789" * 7] * 20_000)
    for one in [*sent, large]:
        deliver(server, [ALICE, f"bob@{DOMAIN}"], one)
    client = pop3(server, ALICE)
    names = client.uidl()[1]
    client.quit()
    for _ in range(2):
        assert server.stop() == 0
        server.start()
    server.mark()
    client = pop3(server, ALICE)
    assert client.uidl()[1] == names
    client.quit()
    assert [without_trace(m) for m in mail_of(server, ALICE)] == [*sent, large]
    server.command("audit")


def test_several_fronts(make_server):
    server = make_server("mx_processes = 2; user_processes = 2;", ["alice"])
    assert len(server.pids("mx")) == 2 and len(server.pids("user")) == 2
    for _ in range(20):
        deliver(server, ALICE)
    ids = [re.search(rb"\bid (\S+)", message).group(1) for message in mail_of(server, ALICE)]
    assert len(set(ids)) == 20


def test_timeouts(make_server):
    """What a client says comes at once, so that no time of his own counts."""
    server = make_server('timeouts = { smtp_command = "2s"; smtp_data = "2s"; pop3 = "2s"; };',
                         ["alice"])
    with contextlib.ExitStack() as stack:
        smtp = stack.enter_context(Wire(server))
        data = stack.enter_context(Wire(server))
        data.send(f"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n")
        mail = stack.enter_context(Wire(server, "pop3"))
        mail.send(f"USER {ALICE}\r\nPASS {PASSWORD}\r\n")
        assert [data.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        assert mail.reply().startswith("+OK") and mail.reply().startswith("+OK")
        assert smtp.reply().startswith("421 4.4.2")
        assert data.reply().startswith("421 4.4.2")
        mail.rest()
    assert count_of(server, ALICE) == 0


def test_authenticated_sender_may_relay(server, mailbox):
    with Wire(server, "smtps", tls=True) as wire:
        wire.hello()
        wire.login(mailbox)
        wire.say(f"MAIL FROM:<{mailbox}>")
        assert wire.say("RCPT TO:<someone@elsewhere.test>").startswith("250 2.1.5")
        wire.say("DATA")
        wire.send(letter(sender=mailbox) + b".\r\n")
        assert wire.reply().startswith("250 2.")
    server.command("audit")

