"""The wall clock jumps, ahead and back: ids rise, sessions live, the queue goes on, and nothing is lost for its age."""

import random
import re
import sqlite3

import pytest
from conftest import DOMAIN
from server import wait_for
from smtp_peer import HANG, Peer
from wire import Wire, deliver, letter, mail_of, message_id
from world import world  # noqa: F401 (fixture)

ALICE = f"alice@{DOMAIN}"
DAY = 86400
OPTIONS = """routes = ( {{ domain = "*"; host = "{host}"; port = {port}; }} );
queue = {{ retry = ["1s"]; lifetime = "10d"; delay_warning = []; }};
trusted_networks = ["127.0.0.0/8"];
"""


HOURLY = OPTIONS.replace('"1s"', '"1h"').replace('"10d"', '"5d"')


@pytest.fixture
def peer():
    peer = Peer(f"127.77.{random.randrange(250)}.{random.randrange(1, 250)}", 2525)
    yield peer
    peer.close()


@pytest.fixture
def server(make_server, world, peer):
    return make_server(OPTIONS.format(host=peer.address, port=peer.port), accounts=["alice"])


def send(server, recipient=ALICE, subject="x"):
    return message_id(deliver(server, recipient, letter(subject)))


def queue_is_empty(server):
    return server.json("status")["queued_recipients"] == 0


def rows_in_order(server):
    """Messages of the mailbox by uid."""
    db = sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True)
    rows = db.execute("SELECT uid, email FROM membership ORDER BY uid").fetchall()
    db.close()
    return rows


JUMPS = (DAY, -DAY, 0, DAY)


def test_ids_rise_and_sessions_live(server, world):
    ids = [send(server, subject="0")]
    with Wire(server) as sender, Wire(server, "pop3") as reader:
        sender.hello()
        reader.pop3_login(ALICE)
        for n, jump in enumerate(JUMPS, 1):
            sender.say("MAIL FROM:<a@b.test>")
            world.set_clock(jump)
            sender.say(f"RCPT TO:<{ALICE}>")
            assert sender.say("DATA").startswith("354")
            sender.send(letter(str(n)) + b".\r\n")
            ids.append(message_id(sender.reply()))
            assert reader.say("STAT").startswith("+OK 1 ")
            assert b"Subject: 0\r\n" in reader.retrieve(1)
        reader.say("DELE 1")
        assert reader.say("QUIT").startswith("+OK")
    assert ids == sorted(set(ids))
    assert [email for _, email in rows_in_order(server)] == sorted(email for _, email in rows_in_order(server))
    assert [f"Subject: {n}".encode() in message for n, message in enumerate(mail_of(server, ALICE), 1)] == [True] * 4
    server.command("audit")
    server.command("store", "verify", "--rate", "0")


@pytest.mark.kills
def test_ids_rise_over_a_restart(server, world):
    """A new front, a new store and a new server begin above what there is."""
    world.set_clock(DAY)
    ids = [send(server)]
    world.set_clock(-DAY)
    for role in ("mx", "store"):
        server.kill(role)
        server.wait_ready()
        ids.append(send(server))
    assert server.stop() == 0
    server.start()
    server.mark()
    ids.append(send(server))
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("jumps", [(DAY, 0), (-DAY, 0), (0, -DAY)], ids=["ahead and back", "back and ahead", "back"])
def test_the_queue_goes_on(server, world, peer, jumps):
    """One that waits for its retry, one under a lease, one that is new."""
    peer.answers.update(MAIL=[b"451 4.3.0 later\r\n"])
    world.set_clock(jumps[0])
    waits = send(server, "waits@away.test", "waits")
    wait_for("an attempt", lambda: f"event=attempt id={waits}" in server.new_log())
    peer.answers.update(end=[HANG])
    leased = send(server, "leased@away.test", "leased")
    peer.wait_hanging()
    world.set_clock(jumps[1])
    send(server, "new@away.test", "new")
    peer.go_on.set()
    wait_for("an empty queue", lambda: queue_is_empty(server))
    subjects = sorted(message.content.split(b"Subject: ")[1].split(b"\r\n")[0] for message in peer.taken)
    assert subjects == [b"leased", b"new", b"waits"], leased
    server.command("audit")


@pytest.mark.kills
def test_what_waited_while_the_clock_was_ahead(server, world, peer):
    """Set back while nobody runs."""
    peer.answers.update(MAIL=b"451 4.3.0 later\r\n")
    world.set_clock(DAY)
    waits = send(server, "waits@away.test")
    wait_for("an attempt", lambda: f"event=attempt id={waits}" in server.new_log())
    server.kill_all()
    world.set_clock(0)
    del peer.answers["MAIL"]
    server.start()
    wait_for("an empty queue", lambda: queue_is_empty(server))
    assert len(peer.taken) == 1
    assert re.search("event=clock-set-back then=.*cure=.*put it right", server.new_log())  # by how much is not known
    server.mark()


def number_of(server, what):
    db = sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True)
    number = db.execute(f"SELECT {what}").fetchone()[0]
    db.close()
    return number


def told_of(seconds):
    """What the log says, to the second: it is measured between two looks at two clocks."""
    return f"({seconds - 1}|{seconds}|{seconds + 1})"


def attempts(server, number):
    return server.new_log().count(f"event=attempt id={number}")


def test_a_week_ahead(make_server, world, peer):
    """The host is up again by then: what waited gets there, and nobody is told that it did not."""
    server = make_server(HOURLY.format(host=peer.address, port=peer.port), accounts=["alice"])
    peer.answers.update(MAIL=b"451 4.3.0 later\r\n")
    waits = [message_id(deliver(server, f"{n}@away.test", sender=ALICE)) for n in range(3)]
    for number in waits:
        wait_for("an attempt", lambda number=number: attempts(server, number) == 1)
    del peer.answers["MAIL"]
    world.set_clock(6 * DAY)
    new = send(server, "new@away.test")
    wait_for("an empty queue", lambda: queue_is_empty(server))
    assert len(peer.taken) == 4, new
    assert mail_of(server, ALICE) == []
    server.command("audit")


def test_a_week_ahead_and_still_away(make_server, world, peer):
    """It is tried once more when the network may be there again, then returned."""
    server = make_server(HOURLY.replace('"1h"', '"1s", "5s"').format(host=peer.address, port=peer.port), accounts=["alice"])
    peer.answers.update(MAIL=b"451 4.3.0 later\r\n")
    waits = message_id(deliver(server, "x@away.test", sender=ALICE))
    wait_for("an attempt", lambda: attempts(server, waits) == 1)
    world.set_clock(6 * DAY)
    send(server)
    wait_for("an empty queue", lambda: queue_is_empty(server))
    assert attempts(server, waits) >= 3
    assert sum(b"Action: failed" in message for message in mail_of(server, ALICE)) == 1


@pytest.mark.parametrize("slept", [0, DAY / 2])
def test_set_back_and_corrected(make_server, world, peer, slept):
    """It has five days as before, whatever the clock was for a while; a sleep before is not what the step puts right."""
    server = make_server(HOURLY.format(host=peer.address, port=peer.port), accounts=["alice"])
    peer.answers.update(MAIL=b"451 4.3.0 later\r\n")
    waits = message_id(deliver(server, "x@away.test", sender=ALICE))
    wait_for("an attempt", lambda: attempts(server, waits) == 1)
    world.sleep(slept)
    deliver(server, "y@away.test", sender=ALICE)
    before = number_of(server, "max(accepted) FROM queue")
    world.set_clock(slept - 6 * DAY)
    send(server)
    wait_for("it to move along", lambda: number_of(server, "max(accepted) FROM queue") < before)
    assert re.search(f"event=clock-set-back seconds={told_of(6 * DAY)} .*cure=.*put it right", server.new_log())
    world.set_clock(slept)
    send(server)
    wait_for("it to move back", lambda: number_of(server, "max(accepted) FROM queue") >= before)
    wait_for("an attempt", lambda: attempts(server, waits) >= 2)
    [told] = server.json("queue", "explain", waits)
    assert f"If none succeeds, it will be returned to {ALICE} on " in told["explanation"], told
    assert "clock was set" not in told["explanation"], told


def test_deleted_mail_outlives_a_clock_that_is_ahead(make_server, world):
    """Housekeeping goes on: an account that was removed goes."""
    server = make_server('undelete = "14d";', accounts=["alice", "bob"])
    send(server)
    with Wire(server, "pop3") as reader:
        reader.pop3_login(ALICE)
        reader.say("DELE 1")
        assert reader.say("QUIT").startswith("+OK")
    assert number_of(server, "count(*) FROM membership WHERE expunged_at > 0") == 1
    before = number_of(server, "count(*) FROM account")
    world.set_clock(100 * DAY)
    wait_for("it to be seen", lambda: "event=clock-went-ahead" in server.new_log())
    assert re.search(f"event=clock-went-ahead seconds={told_of(100 * DAY)} .*cure=.*put it right", server.new_log())
    server.command("account", "remove", f"bob@{DOMAIN}")
    wait_for("the account to go", lambda: number_of(server, "count(*) FROM account") < before)
    world.set_clock(0)
    assert number_of(server, "count(*) FROM membership WHERE expunged_at > 0") == 1
    assert "1 message was" in server.command("undelete", ALICE).stdout
    assert server.new_log().count("event=clock-went-ahead") == 1
