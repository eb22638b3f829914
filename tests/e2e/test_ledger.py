"""The books: a table by day, what is missing is named, who changed what."""

import contextlib
import glob
import os
import re
import shutil
import smtplib
import sqlite3
import subprocess

import pytest
from conftest import DOMAIN
from server import wait_for
from test_export import delete
from wire import deliver, letter
from world import HANG, LOG, SYNC, world  # noqa: F401 (fixture)

ANN = f"ann@{DOMAIN}"


COUNTED = {  # tables of which nothing else tells what is missing
    "admin_log": "record are missing",
    "alias": "aliases are missing",
    "trace_index": "index of the trace are missing",
    "change": "feeds of changes are missing",
}


def count_rows(server, table):
    with contextlib.closing(sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True)) as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def put_back(db, table, kept):
    db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(kept[0]))})", kept)
    db.commit()
    db.close()


def test_a_message_that_is_removed_whole_is_named(make_server):
    """With all that history has of it, before the trace has its index and after."""
    server = make_server("", ["ann"])
    path = os.path.join(server.data, "store.db")
    for indexed in (False, True):
        deliver(server, ANN)
        if indexed:
            wait_for("the index of the trace", lambda: count_rows(server, "trace_index") >= 3)
        server.stop()
        ident = server.json("trace")[0]["id"]
        with contextlib.closing(sqlite3.connect(path)) as db:
            last = db.execute("SELECT max(id) FROM message").fetchone()[0]
            db.execute("DELETE FROM ledger WHERE message = ?", (last,))
            db.execute("DELETE FROM message WHERE id = ?", (last,))
            db.commit()
        done = server.command("audit", status=65)
        assert ident in done.stdout and "messages that were taken are missing" in done.stdout, done.stdout
        assert "messages that were taken are missing" in server.command("store", "verify", status=65).stdout
        server.command("store", "repair")
        server.command("store", "verify")
        server.command("audit")
        server.start()
        server.mark()


def test_whatever_is_removed_by_hand_is_named(make_server):
    server = make_server("", ["ann"])
    server.command("account", "disable", ANN)
    server.command("account", "enable", ANN)
    server.command("alias", "add", f"alias@{DOMAIN}", ANN)
    deliver(server, ANN)
    wait_for("the index of the trace", lambda: count_rows(server, "trace_index"))
    days = [r for r in server.json("audit") if r.get("type") == "day"]
    assert [(d["messages"], d["accepted"], d["mailbox"]) for d in days] == [(1, 1, 1)]
    server.stop()
    path = os.path.join(server.data, "store.db")
    ident = server.json("trace")[0]["id"]
    for table in ("email", "blob", "ledger", "message", "membership"):
        db = sqlite3.connect(path)
        kept = db.execute(f"SELECT * FROM {table}").fetchall()
        db.execute(f"DELETE FROM {table}")
        db.commit()
        done = server.command("audit", status=65)
        assert "do not balance" in done.stderr, table
        assert ident in done.stdout, (table, done.stdout)
        assert ANN in done.stdout or table != "membership", done.stdout
        put_back(db, table, kept)
    with contextlib.closing(sqlite3.connect(path)) as db:
        number = db.execute("SELECT id FROM account WHERE local = 'ann'").fetchone()[0]
        kept = db.execute("SELECT * FROM account").fetchall()
        db.execute("DELETE FROM account")
        db.commit()
        done = server.command("audit", status=65)
        assert re.search(rf"account {number}\b.* the account is not there", done.stdout), done.stdout
        put_back(db, "account", kept)
    for table, told in COUNTED.items():
        db = sqlite3.connect(path)
        kept = db.execute(f"SELECT * FROM {table}").fetchall()
        db.execute(f"DELETE FROM {table} WHERE rowid = (SELECT min(rowid) FROM {table})" if table == "admin_log"
                   else f"DELETE FROM {table}")
        db.commit()
        done = server.command("audit", status=65)
        assert told in done.stdout and ", should be " in done.stdout, (table, done.stdout)
        db.execute(f"DELETE FROM {table}")
        put_back(db, table, kept)
    assert "the books balance" in server.command("audit").stdout


def test_what_others_refer_to_is_named(make_server):
    """Rows of tables that no sum counts, and files: who refers to them is told."""
    server = make_server('dns_server = "127.0.0.1@1";', ["ann"])
    server.command("alias", "add", f"far@{DOMAIN}", "far@else.test")  # nobody is there: it waits
    deliver(server, ANN)
    deliver(server, f"far@{DOMAIN}")
    idents = list(dict.fromkeys(row["id"] for row in server.json("trace") if row.get("id")))  # the youngest first
    assert len(idents) == 2
    packs = os.path.join(server.data, "packs")
    [pack] = os.listdir(packs)
    os.rename(os.path.join(packs, pack), os.path.join(server.data, "away"))
    done = server.command("audit", status=65)
    assert "whose file is not there" in done.stdout and all(ident in done.stdout for ident in idents), done.stdout
    os.rename(os.path.join(server.data, "away"), os.path.join(packs, pack))
    assert "the books balance" in server.command("audit").stdout
    server.stop()
    path = os.path.join(server.data, "store.db")
    for what, told, about in (("credential", "no password", [ANN]), ("pack", "a pack that has no row", idents),
                              ("destination", "destination that is not there", idents[:1]),
                              ("meta WHERE name IN ('lease', 'rows_alias')", "counters of the store are missing (15, should be 17)", [])):
        db = sqlite3.connect(path)
        table = what.split()[0]
        kept = db.execute(f"SELECT * FROM {what}").fetchall()
        db.execute(f"DELETE FROM {what}")
        db.commit()
        done = server.command("audit", status=65)
        assert told in done.stdout and all(one in done.stdout for one in about), (what, done.stdout)
        put_back(db, table, kept)
    assert "the books balance" in server.command("audit").stdout


@pytest.mark.parametrize("name", ["store", "srs_0", "srs_1", "purged", "backups"])
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_what_is_given_once_is_missed(make_server, tmp_path, name, running):
    """Also when a start has made it anew, until a repair."""
    server = make_server(accounts=["ann"])
    server.command("backup", str(tmp_path / "backup"))
    if not running:
        server.stop()
    with contextlib.closing(sqlite3.connect(os.path.join(server.data, "store.db"))) as db:
        assert db.execute("DELETE FROM meta WHERE name = ?", (name,)).rowcount == 1
        db.commit()
    for command in (["audit"], ["store", "verify", "--rate", "0"]):
        assert "is missing, or was made anew" in server.command(*command, status=65).stdout
    if running:
        server.stop()
        server.start()
        server.mark()
        server.command("backup", str(tmp_path / "another"))
        assert "is missing, or was made anew" in server.command("audit", status=65).stdout
        server.stop()
    server.command("store", "repair")
    for command in (["audit"], ["store", "verify", "--rate", "0"]):
        server.command(*command)


# Every command that changes something, in an order in which each has something to change, and what the
# record of changes says then. None: it changes nothing.
COMMANDS = [
    ("domain add new.test", "domain new.test added"),
    ("domain quota new.test --messages 7", "quota of new.test set: messages 7"),
    ("domain add relay.test --relay",
     "domain relay.test added as a relay domain whose recipients are verified"),
    ("domain change relay.test --relay --no-verify",
     "domain relay.test is a relay domain whose recipients are not verified now"),
    ("domain change relay.test --local", "domain relay.test is a domain with mailboxes here now"),
    ("domain remove relay.test", "domain relay.test removed"),
    ("domain list", None),
    ("account add x@new.test --password-stdin", "account x@new.test added"),
    ("account passwd x@new.test --password-stdin", "password of x@new.test changed"),
    ("account quota x@new.test --messages 5", "quota of x@new.test set: messages 5"),
    ("account language x@new.test en", "language of x@new.test set: en"),
    ("account disable x@new.test", "account x@new.test disabled"),
    ("account enable x@new.test", "account x@new.test enabled"),
    ("account send-only x@new.test on", "account x@new.test takes no more mail"),
    ("account send-only x@new.test off", "account x@new.test takes mail again"),
    ("account list", None),
    ("alias add y@new.test x@new.test", "alias y@new.test to x@new.test added"),
    ("alias list", None),
    ("alias remove y@new.test", "alias y@new.test removed"),
    ("queue list", None),
    ("queue summary", None),
    ("queue explain", None),
    ("queue retry", "queue: 4 recipients tried again"),
    ("queue hold else.test", "queue: 4 recipients held: else.test"),
    ("queue remove --to a@else.test --from x@new.test",
     "queue: 1 recipient removed: to a@else.test, from x@new.test"),
    ("queue bounce --to b@else.test", "queue: 1 recipient given up: to b@else.test"),
    ("queue release --to c@else.test --older 1ms",
     "queue: 1 recipient released: to c@else.test, waiting for 1ms or longer"),
    ("queue release", "queue: 1 recipient released"),
    ("queue cancel --to later@else.test", "queue: 1 recipient cancelled: to later@else.test"),
    ("status", None),
    ("trace x@new.test", None),
    ("audit", None),
    ("ledger", None),
    ("test-delivery --to x@new.test", None),
    ("flags x@new.test", None),
    ("flags x@new.test --message-id <one@x> --remove work", None),
    ("flags x@new.test --message-id <one@x> --add seen,work --remove flagged",
     "flags of 1 message of x@new.test changed: +$seen +work -$flagged"),
    ("undelete x@new.test", "1 deleted message of x@new.test brought back"),
    ("export x@new.test --mbox {tmp}/x.mbox", None),
    ("import x@new.test {tmp}/other.mbox", "1 messages imported to x@new.test"),
    ("backup {tmp}/backup", None),
    ("restore {tmp}/backup --verify", None),
    ("store verify --rate 0", None),
    ("store aside", None),
    ("store discard all", "packs set aside discarded: 1, with 0 octets"),
    ("STOP", None),
    ("store repair", "store repaired: 0 messages given up, 0 found again"),
    ("store salvage x@new.test", "store salvaged: 0 messages recovered, 0 given up"),
    ("account remove x@new.test", "account x@new.test removed"),
    ("restore {tmp}/backup --account x@new.test", "account x@new.test added"),
    ("domain remove example.test", "domain example.test removed"),
]


def set_aside(server):
    """An empty pack that nothing knows; its path."""
    path = os.path.join(server.data, "packs", "0000000999.pack.orphan")
    with open(path, "wb"):
        shutil.chown(path, os.stat(os.path.dirname(path)).st_uid)
    return path


def test_nothing_is_discarded_before_the_record_tells(world, make_server):
    """And whoever ends the command then finds it there."""
    server = make_server()
    path = set_aside(server)
    world.fail(SYNC, error=HANG, file=LOG)
    with subprocess.Popen([server.binary, "store", "discard", "all", "--data", server.data]) as command:
        try:
            wait_for("the disk to hang", lambda: world.fired(SYNC))  # with a commit of its own, or of another
            wait_for("the command to have asked", lambda: server.has_asked(command))
            assert os.path.exists(path)
        finally:
            command.kill()
            world.heal()
    wait_for("the record to be true", lambda: server.json("ledger")[0]["what"] ==
             f"packs set aside {'to be ' if os.path.exists(path) else ''}discarded: 1, with 0 octets")


def test_each_change_is_in_the_record(make_server, tmp_path):
    server = make_server('routes = ( { domain = "*"; host = "127.0.0.1"; port = 1; } );')  # nobody is there: mail waits
    (tmp_path / "other.mbox").write_bytes(b"From a@b Mon Nov 23 19:54:33 2026\nSubject: other\n\nx\n\n")
    seen = server.json("ledger")
    for line, told in COMMANDS:
        if line == "STOP":
            assert server.stop() == 0
            continue
        if line == "queue list":
            fill_queue(server)
        if line == "flags x@new.test":
            deliver(server, "x@new.test", b"Message-ID: <one@x>\r\n" + letter())
        if line.startswith("undelete"):
            delete(server, "x@new.test", 1, password="a secret")
        if line == "store aside":
            set_aside(server)
        if line.startswith("queue hold"):
            wait_for_failures(server, 2)  # the retry
        if line.startswith("queue cancel"):
            hand_in(server, ["later@else.test"], ["HOLDFOR=86400"])
        words = line.format(tmp=tmp_path).split()
        server.command(*words, stdin="a secret\n")
        now = server.json("ledger")
        new = now[:len(now) - len(seen)]
        assert now[len(new):] == seen, line
        if told:
            assert any(row["what"] == told for row in new), (line, new)
            assert all(row["who"].startswith(f"uid {os.getuid()}") for row in new), new
        else:
            assert not new, (line, new)
        seen = now


@pytest.mark.parametrize("command", ["salvage", "repair"])
def test_what_was_broken_off_is_in_the_record(make_server, command):
    """And stays there beside what is done at last, which takes the place of its own beginning only."""
    server = make_server()
    add = f"account {ANN} added"
    server.command("account", "add", ANN, "--password-stdin", stdin="a secret\n")
    deliver(server, ANN, letter("to be damaged"))
    assert server.stop() == 0
    forget_oldest(server)
    flip_text(server, b"to be damaged")
    place = os.path.join(server.data, "quarantine")
    with open(place, "wb"):
        pass  # no folder can be made there
    line = ("store", command, *([ANN] if command == "salvage" else []))
    server.command(*line, status=74)
    os.unlink(place)
    if command == "repair":
        assert [row["what"] for row in server.json("ledger")][:2] == ["store repair begun", add]
    server.command(*line)
    what = [row["what"] for row in server.json("ledger")]
    assert what[0].startswith(f"store {'salvaged' if command == 'salvage' else 'repaired'}: ")
    assert what[1:] == [f"store {command} begun", add]


def forget_oldest(server):
    """All of the record but the last row, as time does."""
    with contextlib.closing(sqlite3.connect(f"{server.data}/store.db")) as db:
        gone = db.execute("DELETE FROM admin_log WHERE id < (SELECT max(id) FROM admin_log)").rowcount
        db.execute("UPDATE meta SET value = value - ? WHERE name = 'rows_admin_log'", (gone,))
        db.commit()


def flip_text(server, text):
    (path,) = glob.glob(os.path.join(server.data, "packs", "*.pack"))
    with open(path, "r+b") as file:
        at = file.read().index(text)
        file.seek(at)
        file.write(text[:1].swapcase())


def test_undelete_of_nothing_is_not_in_the_record(server, mailbox):
    before = server.json("ledger")
    server.command("undelete", mailbox, status=66)
    assert server.json("ledger") == before


def commands(server, *group):
    """Names of commands, or of those of a group, as the help lists them."""
    text = server.command(*group, "--help", data=False).stdout.partition("Commands:")[2]
    return re.findall(r"^  ([a-z-]+)  ", text.split("\n\n")[0], re.MULTILINE)


def test_no_command_is_left_out(server):
    """A new command is asked whether it changes something."""
    lines = [line for line, _ in COMMANDS]
    others = ("init", "serve", "check-config", "mail ", "sendmail", "queue show")
    for name in commands(server):
        for each in [f"{name} {sub}" for sub in commands(server, name)] or [name]:
            assert any(f"{line} ".startswith(f"{each} ") for line in lines) or each.startswith(others), each


def hand_in(server, to, options=()):
    with smtplib.SMTP("localhost", server.ports["submission"]) as client:
        client.starttls(context=server.trust())
        client.login("x@new.test", "a secret")
        client.sendmail("x@new.test", to, letter("for others"), options)


def fill_queue(server):
    hand_in(server, [f"{name}@else.test" for name in "abcd"])
    wait_for_failures(server, 1)


def wait_for_failures(server, number):
    """Nothing is being tried, and nothing will be for minutes."""
    wait_for("attempts to fail", lambda: [
        d["failures"] >= number and d["sessions"] == 0 for d in server.json("queue", "summary")] == [True])


def test_who_changed_what(make_server):
    server = make_server("", ["ann"])
    server.command("account", "passwd", ANN, "--password-stdin", stdin="terribly secret\n")
    server.command("account", "quota", ANN, "--bytes", "2G")
    rows = server.json("ledger")
    assert rows[0]["what"] == f"quota of {ANN} set: bytes {2 << 30}"
    assert rows[1]["what"] == f"password of {ANN} changed"
    assert rows[0]["who"] == f"uid {os.getuid()}"
    offline = [r for r in rows if r["what"] == f"domain {DOMAIN} added"]
    assert [r["who"] for r in offline] == [f"uid {os.getuid()}, offline"]
    assert len(server.json("ledger", "--limit", "1")) == 1
    assert "secret" not in server.command("ledger").stdout
    assert "limit" in server.command("ledger", "--limit", "0", status=64).stderr
