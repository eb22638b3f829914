"""A disk that fails, a file system that is read-only, memory that runs out, under load.

Nothing that was acknowledged is lost; clients hear a temporary error in their protocol's words; the log and
`godwit status` say what happened and what to do about it.
"""

import errno
import poplib
import random
import re

import pytest
from conftest import DOMAIN, PASSWORD
from load import Load, add_accounts
from server import STANDARD_PORTS, free_offset, wait_for
from wire import Wire, count_of, deliver, letter, mail_of, message_id, pop3
from world import KILL_AFTER, KILL_BEFORE, LOG, PACK, SYNC, WRITE, memory, world  # noqa: F401 (fixtures)

ALICE = f"alice@{DOMAIN}"


def attempt(server, recipient=ALICE, message=None):
    """The reply that ends an attempt to deliver."""
    with Wire(server) as wire:
        if not wire.greeting.startswith("220"):
            return wire.greeting
        wire.hello()
        for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = wire.say(command)
            if reply[:1] not in "23":
                return reply
        wire.send((message or letter()) + b".\r\n")
        return wire.reply()


def must_be_closed(server, user, count):
    """Takes nothing, says why, and lets everybody read."""
    wait_for("the log to say it", lambda: "event=store-closed" in server.new_log())
    line = re.search(r"event=store-closed .*", server.new_log())[0]
    assert "restart the server" in line, line
    assert re.search("Input/output error|No space left|Read-only file system", line), line
    wait_for("a refusal", lambda: re.match("451 .*until it is restarted", attempt(server, user)))
    status = server.json("status")
    assert status["accepting"] is False and status["trouble"], status
    client = pop3(server, user)
    assert client.stat()[0] == count
    client.dele(1)
    with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
        client.quit()
    assert count_of(server, user) == count


FAILURES = {  # calls of the store, of which file, and how they fail
    "log's sync": ((SYNC,), LOG, errno.EIO),
    "messages' sync": ((SYNC,), PACK, errno.EIO),
    "messages' sync for want of space": ((SYNC,), PACK, errno.ENOSPC),
    "write to the log": ((WRITE,), LOG, errno.EIO),
    "write of messages": ((WRITE,), PACK, errno.EIO),
    "everything": None,  # read-only
}
QUICK = ("log's sync", "write of messages", "everything")


@pytest.mark.parametrize("what", FAILURES)
def test_the_disk_fails_under_load(make_server, world, what, long):
    if not long and what not in QUICK:
        pytest.skip("in the long form")
    server = make_server()
    users = add_accounts(server, 4)
    load = Load(server, users, senders=20, pause=0.02)
    with load:
        load.wait_for_more(50)
        if FAILURES[what]:
            kinds, file, error = FAILURES[what]
            world.fail(*kinds, file=file, error=error, count=1)  # once is enough
        else:
            world.read_only()
        wait_for("the failure", lambda: any(world.fired(kind) for kind in range(5)))
        wait_for("the log to say it", lambda: "event=store-closed" in server.new_log())
    world.heal()  # what happened once is not forgotten
    must_be_closed(server, users[0], count_of(server, users[0]))
    assert server.stop() == 0
    server.start()
    server.mark()
    with load:
        load.wait_for_more(50)
    load.check(unsure_refusals=True)
    server.command("audit")
    server.command("store", "verify", "--rate", "0")



@pytest.mark.kills
def test_read_only_at_the_start(make_server, world):
    """The store dies and cannot start again: service is back by itself once the file system is."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE)
    world.read_only()
    server.kill("store")
    line = wait_for("the reason", lambda: re.search("event=child-failed .*", server.new_log()))[0]
    assert f"{server.data} is on a file system that is read-only" in line and "mount it" in line
    with Wire(server) as wire:
        assert wire.greeting.startswith("421 4.3.0 ")
    with Wire(server, "pop3") as wire:
        assert wire.greeting.startswith("-ERR [SYS/TEMP]")
    world.heal()
    server.wait_ready()
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 2


# ---- the store dies at one certain moment ----

def die_while_committing(server, world, moment):
    """Arms the next commit, once no checkpoint can come in between: it begins the log anew, so its first sync is
    that of the log's head. What was written is there after a kill, synced or not."""
    deliver(server, ALICE, letter("before"))
    wait_for("a checkpoint", lambda: server.json("status")["wal_size"] == 0)
    if moment == KILL_AFTER:
        world.fail(SYNC, file=LOG, error=moment, after=1, count=1)
    else:
        world.fail(WRITE, file=LOG, error=moment, count=1)


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
        assert wire.reply().startswith("421 ")
    world.heal()
    server.wait_ready()
    assert count_of(server, ALICE) == 1 + copies
    if copies:
        assert ALICE in server.command("trace", message_id(reply)).stdout
    server.command("audit")


@pytest.mark.kills
@MOMENTS
def test_each_of_lmtps_recipients_is_told(make_server, world, moment, code, copies):
    """Bob's copy was taken and Ann's did not fit into her mailbox."""
    server = make_server(start=False)
    server.offset = free_offset(more=[24])
    server.configure(f"port_offset = {server.offset};\nports = {{ lmtp = 24; }};")
    server.ports = {name: port + server.offset for name, port in {**STANDARD_PORTS, "lmtp": 24}.items()}
    server.add_account(f"ann@{DOMAIN}", PASSWORD)
    server.command("account", "quota", f"ann@{DOMAIN}", "--bytes", "10K")
    for address in (ALICE, f"bob@{DOMAIN}"):
        server.add_account(address, PASSWORD)
    server.start()
    server.mark()
    with Wire(server, "lmtp") as wire:
        assert wire.say("LHLO client.test").startswith("250")
        for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<ann@{DOMAIN}>", f"RCPT TO:<bob@{DOMAIN}>", "DATA"):
            assert wire.say(command)[0] in "23"
        die_while_committing(server, world, moment)
        wire.send(letter(body=["x" * 70] * 300) + b".\r\n")
        assert [wire.reply()[:3] for _ in range(2)] == ["451", code]
    world.heal()
    server.wait_ready()
    assert (count_of(server, f"ann@{DOMAIN}"), count_of(server, f"bob@{DOMAIN}")) == (0, copies)


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


# ---- memory ----

@pytest.mark.kills
@pytest.mark.out_of_memory
@pytest.mark.parametrize("role", ["store", "mx", "user"])
def test_memory_runs_out_under_load(make_server, memory, role, long):
    """The process ends and says why, or goes without; the next one serves, and nothing is lost."""
    chance = random.Random(role)
    server = make_server()
    load = Load(server, add_accounts(server, 4), senders=20, pause=0.02)
    with load:
        load.wait_for_more(20)
        for _ in range(40 if long else 4):
            memory.fail_allocation(role, chance.randrange(3000))
            wait_for("an allocation that fails", memory.allocations_failed)
        wait_for("service", lambda: server.greets("smtp") and server.greets("pop3"))
        load.wait_for_more(20)
    line = re.search("godwit: out of memory.*", server.new_log())[0]
    assert "give the machine more memory" in line, line
    load.check()
    server.command("audit")
