"""The store dies at one certain moment of a commit: whoever waits is told what the next store knows."""

import contextlib
import os
import poplib
import signal
import sqlite3

import pytest
from conftest import DOMAIN, PASSWORD
from server import STANDARD_PORTS, free_offset, wait_for
from wire import Wire, count_of, deliver, letter, mail_of, message_id, pop3
from world import KILL_AFTER, KILL_BEFORE, LOG, SYNC, WRITE, world  # noqa: F401 (fixture)

ALICE = f"alice@{DOMAIN}"


def is_indexed(server):
    """All that housekeeping has to write about what was delivered is written."""
    with contextlib.closing(sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT value >= (SELECT max(id) FROM message) FROM meta WHERE name = 'trace_index'").fetchone()[0]


def die_while_committing(server, world, moment):
    """Arms the next commit, once neither the index of the trace nor a checkpoint can come in between. What was
    written is there after a kill, synced or not."""
    deliver(server, ALICE, letter("before"))
    wait_for("the index of the trace", lambda: is_indexed(server))
    wait_for("a checkpoint", lambda: server.json("status")["wal_size"] == 0)
    world.fail(SYNC if moment == KILL_AFTER else WRITE, file=LOG, error=moment, count=1)


MOMENTS = pytest.mark.parametrize("moment, code, copies", [(KILL_AFTER, "250", 1), (KILL_BEFORE, "451", 0)],
                                  ids=["behind its commit", "before its commit"])


@pytest.mark.kills
@MOMENTS
def test_a_sender_is_told_what_the_next_store_knows(make_server, world, moment, code, copies):
    server = make_server(accounts=["alice"])
    with Wire(server) as wire:
        wire.hello()
        for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{ALICE}>", "DATA"):
            assert wire.say(command)[0] in "23"
        die_while_committing(server, world, moment)
        wire.send(letter() + b".\r\n")
        reply = wire.reply()
        assert reply.startswith(code)
        assert wire.reply() == "421 4.3.0 The mail store does not answer, come again"
    world.heal()
    server.wait_ready()
    assert count_of(server, ALICE) == 1 + copies
    if copies:
        assert ALICE in server.command("trace", message_id(reply)).stdout
    server.command("audit")


@pytest.mark.kills
@MOMENTS
def test_each_of_lmtps_recipients_is_told(make_server, world, moment, code, copies):
    """Bob's copy was taken and Ann's did not fit into her mailbox for now."""
    server = make_server(start=False)
    server.offset = free_offset(more=[24])
    server.configure(f"port_offset = {server.offset};\nports = {{ lmtp = 24; }};")
    server.ports = {name: port + server.offset for name, port in {**STANDARD_PORTS, "lmtp": 24}.items()}
    server.add_account(f"ann@{DOMAIN}", PASSWORD)
    server.command("account", "quota", f"ann@{DOMAIN}", "--bytes", "30K")
    for address in (ALICE, f"bob@{DOMAIN}"):
        server.add_account(address, PASSWORD)
    server.start()
    server.mark()
    deliver(server, f"ann@{DOMAIN}", letter(body=["x" * 70] * 200))
    with Wire(server, "lmtp") as wire:
        assert wire.say("LHLO client.test").startswith("250")
        for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<ann@{DOMAIN}>", f"RCPT TO:<bob@{DOMAIN}>", "DATA"):
            assert wire.say(command)[0] in "23"
        die_while_committing(server, world, moment)
        wire.send(letter(body=["x" * 70] * 300) + b".\r\n")
        assert [wire.reply()[:3] for _ in range(2)] == ["451", code]
    world.heal()
    server.wait_ready()
    assert (count_of(server, f"ann@{DOMAIN}"), count_of(server, f"bob@{DOMAIN}")) == (1, copies)


@pytest.mark.kills
def test_a_large_message_on_its_way_is_refused_for_now(make_server):
    """What came of it is lost with the store; that is no want of room."""
    server = make_server(accounts=["alice"])
    line = b"0123456789abcdef" * 60 + b"\r\n"
    with Wire(server) as wire:
        wire.hello()
        for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{ALICE}>", "DATA"):
            assert wire.say(command)[0] in "23"
        wire.send(line * 1000)
        server.kill("store")
        wire.send(line * 1000 + b".\r\n")
        assert wire.reply().startswith("451 4.3.0 ")
    server.wait_ready()
    assert count_of(server, ALICE) == 0
    deliver(server, ALICE, b"Subject: again\r\n\r\n" + line * 2000)


@pytest.mark.kills
def test_a_deletion_behind_its_commit_holds(make_server, world):
    """Nobody can tell the reader so; he is told to look again."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE, letter("deleted"))
    client = pop3(server, ALICE)
    client.dele(1)
    die_while_committing(server, world, KILL_AFTER)
    with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
        client.quit()
    world.heal()
    server.wait_ready()
    message, = mail_of(server, ALICE)
    assert b"Subject: before" in message


@contextlib.contextmanager
def without_a_store(server):
    """There is none in the block, and every front knows."""
    fronts = len(server.pids("mx")) + len(server.pids("user"))
    store, supervisor = server.pids("store")[0], server.process.pid
    os.kill(supervisor, signal.SIGSTOP)  # so that no other comes
    try:
        os.kill(store, signal.SIGKILL)
        wait_for("the fronts to see it", lambda: server.new_log().count("event=store-away") == fronts)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


@contextlib.contextmanager
def in_the_middle_of_data(server):
    """A stranger who writes to Alice, and Alice, logged in, who writes to somebody elsewhere."""
    with Wire(server) as stranger, Wire(server, "submission") as alice:
        stranger.hello()
        alice.hello()
        alice.login(ALICE)
        for wire, sender, recipient in ((stranger, "a@b.test", ALICE), (alice, ALICE, "bob@else.test")):
            for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
                assert wire.say(command)[0] in "23"
            wire.send(b"Subject: half\r\n\r\n")
        yield stranger, alice


def assert_refused(server, wires, says):
    """With the end of the message, for now; then it is the end. Nothing of it is anywhere."""
    for wire in wires:
        wire.send(b"and whole\r\n.\r\n")
        assert wire.reply() == f"451 4.3.0 {says}"
        assert wire.reply().startswith("421 ") and wire.rest() == b""
    refused = [line for line in server.new_log().split("\n") if " event=refused " in line]
    assert len(refused) == 2 and all(f' code=451 why="{says}"' in line for line in refused), refused


@pytest.mark.kills
@pytest.mark.parametrize("which", ["there is none", "another one"])
def test_a_message_that_ends_under_another_store(make_server, which):
    """It was begun under one that knew who sends it; who is logged in is no longer known either."""
    server = make_server(accounts=["alice"])
    with in_the_middle_of_data(server) as wires:
        if which == "there is none":
            with without_a_store(server):
                assert_refused(server, wires, "The mail store is restarting, please try again in a moment")
        else:
            server.kill("store")
            server.wait_ready()
            assert_refused(server, wires, "The mail store was restarted, please send the message again")
    server.wait_ready()
    assert count_of(server, ALICE) == 0 and server.json("queue", "list") == []
    server.command("audit")
