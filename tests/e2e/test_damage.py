"""Damage: whatever flips or vanishes is found and named; deleted mail gives its space back."""

import contextlib
import glob
import json
import os
import random
import re
import shutil
import sqlite3
import time

import pytest

from conftest import DOMAIN
from server import wait_for
from test_export import contents, delete, messages
from wire import deliver, letter

pytestmark = pytest.mark.rare

ANN, BOB = f"ann@{DOMAIN}", f"bob@{DOMAIN}"


def fill(server, count=8):
    for n in range(count):
        deliver(server, ANN if n % 2 else BOB, letter(f"number {n}", [f"line {n}"] * (20 * n)))
    deliver(server, ANN, letter("large", [f"{n:070}" for n in range(6000)]))


def packs(server):
    return sorted(glob.glob(os.path.join(server.data, "packs", "*.pack")))


def flip(path, at, bit):
    with open(path, "r+b") as file:
        file.seek(at)
        octet = file.read(1)[0]
        file.seek(at)
        file.write(bytes([octet ^ (1 << bit)]))


def ends(server):
    """How far each pack is committed, by its file."""
    db = sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True)
    rows = db.execute("SELECT pack, end_offset FROM pack").fetchall()
    db.close()
    return {os.path.join(server.data, "packs", f"{pack:010}.pack"): end for pack, end in rows}


def verify(server, status=None):
    done = server.command("store", "verify", "--rate", "0", "--json", status=status)
    return done


@pytest.fixture
def filled(make_server):
    server = make_server('dns_server = "127.0.0.1@1";', accounts=("ann", "bob"))
    server.command("alias", "add", f"far@{DOMAIN}", "far@else.test")  # nobody is there: it waits
    fill(server)
    deliver(server, f"far@{DOMAIN}", letter("waits"))
    return server


def note_something(server):
    """The trace has an event, that somebody was left out, and the index knows its message."""
    server.command("account", "disable", BOB)
    for address in (ANN, BOB):
        server.command("alias", "add", f"team@{DOMAIN}", address)
    deliver(server, f"team@{DOMAIN}", letter("for some"))
    server.command("account", "enable", BOB)
    wait_for("the index", lambda: has_rows(server, "trace_index"))
    assert has_rows(server, "trace")


def has_rows(server, table):
    with contextlib.closing(sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True)) as db:
        return db.execute(f"SELECT count(*) FROM {table} WHERE message = (SELECT max(id) FROM message)").fetchone()[0]


def test_what_is_sound_is_sound(filled):
    assert verify(filled, 0).stdout.strip() == "[]"
    delete(filled, ANN, 1, 2)
    assert "nothing is damaged" in filled.command("store", "verify", status=0).stdout
    assert filled.stop() == 0
    assert "nothing is damaged" in filled.command("store", "verify", status=0).stdout


def test_a_message_is_named(filled):
    path = max(packs(filled), key=lambda path: -int(os.path.basename(path)[:10]))
    with open(path, "rb") as file:
        at = file.read().index(b"line 7")
    flip(path, at, 3)
    found = verify(filled, 65)
    assert ANN in found.stdout and "number 7" in found.stdout
    flip(path, at, 3)
    verify(filled, 0)


def test_every_flipped_bit_is_found(filled, request):
    chance = random.Random(5)
    assert filled.stop() == 0
    files = ends(filled)
    for _ in range(200 if request.config.getoption("--long") else 12):
        path = chance.choice(sorted(files))
        at, bit = chance.randrange(files[path]), chance.randrange(8)
        flip(path, at, bit)
        done = verify(filled, 65)
        assert '"what"' in done.stdout, (path, at, bit)
        flip(path, at, bit)
    verify(filled, 0)


TABLES = {  # what is taken away: how it is told
    "destination": "destination that is not there",
    "queue": "the queue row is not there",
    "blob WHERE id = (SELECT max(id) FROM email)": "not in the index",
    "email WHERE id = (SELECT max(id) FROM email)": "message is not there",
    "membership WHERE email = (SELECT max(id) FROM email)": "counted wrong",
    "mailbox WHERE account = 1 AND id = 1": "INBOX",
    "account WHERE id = 1": "account that is not there",
    "credential WHERE account = 1": "no password",
    "domain": "domain of the account",
    "change WHERE id = (SELECT max(id) FROM email)": "feed of changes",
    "message WHERE id = (SELECT max(id) FROM email)": "message that is not there",
    "ledger WHERE message = (SELECT max(id) FROM email)": "not one row for each",
    "meta WHERE name = 'lease'": "counters of the store",
    "meta WHERE name = 'store'": "was made anew",
    "meta WHERE name = 'srs_0'": "was made anew",
    "meta WHERE name = 'purged'": "was made anew",
    "admin_log WHERE id = (SELECT max(id) - 1 FROM admin_log)": "record are missing",
    "admin_log WHERE id = (SELECT min(id) FROM admin_log)": "record are missing",
    "alias": "aliases are missing",
    "trace_index WHERE message = (SELECT max(id) FROM message)": "index of the trace are missing",
    "trace": "events of the trace are missing",
    "mailbox WHERE account = 2 AND messages = 0": "mailboxes are missing",
    "pack WHERE single = 1": "where no pack is",
    "pack": "where no pack is",
}


def test_each_missing_row_is_named(filled):
    note_something(filled)
    assert filled.stop() == 0
    database = os.path.join(filled.data, "store.db")
    verify(filled, 0)
    with open(database, "rb") as file:
        sound = file.read()
    for what, told in TABLES.items():
        db = sqlite3.connect(database)
        assert db.execute(f"DELETE FROM {what}").rowcount > 0, what
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        assert told in verify(filled, 65).stdout, what
        for name in glob.glob(database + "-*"):
            os.unlink(name)
        with open(database, "r+b") as file:
            file.truncate(len(sound))
            file.write(sound)
    verify(filled, 0)


def test_a_blob_that_was_cut_is_named(filled):
    """What is left of a file ends in the last message: that one is named, by verify and by its reader."""
    deliver(filled, BOB, letter("the last one"))
    assert filled.stop() == 0
    path, end = next((path, end) for path, end in ends(filled).items() if os.path.getsize(path) > 1 << 20)
    with open(path, "r+b") as file:
        file.truncate(end - 20)
    found = verify(filled, 65).stdout
    assert "cannot be read" in found and "the last one" in found and BOB in found
    assert "number" not in found and "large" not in found


def repair(server):
    return server.command("store", "repair", status=0).stdout


def all_mail(server):
    return {(user, uid): data for user in (ANN, BOB) for uid, data in messages(server, user)}


def test_each_missing_row_is_repaired(filled):
    note_something(filled)
    before = all_mail(filled)
    assert filled.stop() == 0
    database = os.path.join(filled.data, "store.db")
    for what in TABLES:
        if what.startswith("credential"):
            continue  # passwords are nowhere else
        db = sqlite3.connect(database)
        assert db.execute(f"DELETE FROM {what}").rowcount > 0, what
        db.commit()
        db.close()
        repair(filled)
        verify(filled, 0)
        filled.command("audit", status=0)
    filled.start()
    filled.mark()
    after = all_mail(filled)
    assert after == before


def test_repair_saves_all_others(filled, request):
    chance = random.Random(7)
    before = all_mail(filled)
    for _ in range(30 if request.config.getoption("--long") else 4):
        assert filled.stop() == 0
        files = ends(filled)
        path = chance.choice(sorted(files))
        flip(path, chance.randrange(files[path]), chance.randrange(8))
        verify(filled, 65)
        told = repair(filled)
        verify(filled, 0)
        filled.command("audit", status=0)
        filled.start()
        filled.mark()
        after = all_mail(filled)
        assert after.items() <= before.items()
        # account 0: the one that waits for its next hop is in no mailbox
        assert len(before) - len(after) == len(re.findall(r"quarantine/\w+-[1-9]\d*\.eml", told))
        before = after
    deliver(filled, ANN, letter("afterwards"))
    assert len(all_mail(filled)) == len(before) + 1


def hide_members(database):
    """A bit in the number of entries of a leaf: those that it no longer counts are found by nobody."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        pages = [page for page, in db.execute("SELECT pageno FROM dbstat WHERE name = 'membership' AND pagetype = 'leaf'")]
    with open(database, "rb") as file:
        for page in pages:
            file.seek((page - 1) * 4096 + 4)
            entries = file.read(1)[0]
            if entries > 8:
                flip(database, (page - 1) * 4096 + 4, entries.bit_length() - 1)
                return
    assert False, pages


def test_a_mailbox_without_some_of_its_messages_is_told(make_server):
    """Once in a session; for the user there are only fewer of them."""
    server = make_server(accounts=("ann",))
    for n in range(40):
        deliver(server, ANN, letter(f"number {n}"))
    assert len(messages(server, ANN)) == 40
    assert "mailbox-short" not in server.new_log()
    hide_members(at_rest(server))
    server.start()
    server.mark()
    found = len(messages(server, ANN))
    assert 0 < found < 40
    line, = [line for line in server.new_log().splitlines() if "event=mailbox-short" in line]
    assert f"account={ANN} mailbox=INBOX counted=40 found={found} cure=" in line and "godwit store repair" in line


def change(database, *statements):
    with contextlib.closing(sqlite3.connect(database)) as db:
        for statement in statements:
            assert db.execute(statement).rowcount == 1, statement
        db.commit()


def test_a_message_is_named_in_one_way(filled):
    """By what the message itself says, and by the row of its history."""
    deliver(filled, ANN, letter("last").replace(b"Subject:", b"Message-ID: <one@else.test>\r\nSubject:"))
    change(at_rest(filled),
           "UPDATE membership SET size = size + 1 WHERE email = (SELECT max(id) FROM email)",
           "DELETE FROM ledger WHERE message = (SELECT max(id) FROM email)")
    found = json.loads(verify(filled, 65).stdout)
    names = [(finding["message_id"], finding["subject"] != "") for finding in found if finding["id"]]
    assert set(names) == {("one@else.test", True), ("one@else.test", False)}, found


def test_what_no_repair_gives_back_names_what_does(filled):
    """A password; with anything else beside it the repair comes first."""
    database = at_rest(filled)
    change(database, "DELETE FROM credential WHERE account = 1")
    for command in ("store", "verify"), ("audit",):
        told = filled.command(*command, status=65).stderr
        assert "1 findings" in told and "godwit account passwd" in told and "repair`" not in told
    change(database, "DELETE FROM alias")
    for command in ("store", "verify"), ("audit",):
        assert "`godwit store repair`" in filled.command(*command, status=65).stderr


def test_repair_needs_the_store_alone(filled):
    assert "stop it" in filled.command("store", "repair", status=69).stderr


def test_a_damaged_page_is_told(filled):
    assert filled.stop() == 0
    database = os.path.join(filled.data, "store.db")
    db = sqlite3.connect(database)
    page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'change'").fetchone()[0]
    db.close()
    with open(database, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 200)
    assert "damaged" in verify(filled, 65).stdout


def at_rest(server):
    """The database's file, with everything in it."""
    assert server.stop() in (0, None)
    database = os.path.join(server.data, "store.db")
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database


def flip_in_index(database, index, value):
    """A bit of a number in an entry of an index, not in its table."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        pages = [page for page, in db.execute("SELECT pageno FROM dbstat WHERE name = ?", (index,))]
    with open(database, "r+b") as file:
        for page in pages:
            file.seek((page - 1) * 4096)
            at = file.read(4096).find(value.to_bytes(8, "big"))
            if at >= 0:
                flip(database, (page - 1) * 4096 + at + 7, 1)
                return
    assert False, index


def numbers(database, query):
    with contextlib.closing(sqlite3.connect(database)) as db:
        return db.execute(query).fetchone()


def test_an_index_that_differs_from_its_table_is_made_anew(filled):
    before = all_mail(filled)
    database = at_rest(filled)
    [email] = numbers(database, "SELECT max(id) FROM email WHERE account = 1")
    flip_in_index(database, "sqlite_autoindex_email_1", email)
    flip_in_index(database, "blob_pack", email)
    assert "the database is damaged, an index differs from its table" in verify(filled, 65).stdout
    assert "run `godwit store repair`" in filled.command("store", "verify", status=65).stderr
    assert "the indexes of 2 tables were made anew" in repair(filled)
    verify(filled, 0)
    filled.command("audit", status=0)
    filled.start()
    filled.mark()
    assert all_mail(filled) == before


def spoil_page(database):
    """In a table that no repair looks at."""
    page, = numbers(database, "SELECT rootpage FROM sqlite_schema WHERE name = 'callout'")
    with open(database, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 200)


def spoil_list(database):
    """The list of pages that are not in use."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("CREATE TABLE some (text)")
        db.execute("INSERT INTO some SELECT zeroblob(50000)")
        db.execute("DROP TABLE some")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert db.execute("PRAGMA freelist_count").fetchone()[0] > 3
    flip(database, 39, 1)


def change_schema(change):
    def harm(database):
        with contextlib.closing(sqlite3.connect(database)) as db:
            db.execute("PRAGMA writable_schema = 1")
            db.execute(change)
            db.commit()
    return harm


@pytest.mark.parametrize("harm, told", [
    (spoil_page, "damaged"),
    (spoil_list, "freelist"),
    (change_schema("UPDATE sqlite_schema SET sql = replace(sql, 'refs = 0', 'refs = 1') WHERE name = 'blob_unused'"),
     "index blob_unused"),
    (change_schema("UPDATE sqlite_schema SET sql = replace(sql, 'DEFAULT 1', 'DEFAULT 9') WHERE name = 'destination'"),
     "table destination"),
    (change_schema("DELETE FROM sqlite_schema WHERE name = 'callout_asked'"), "index callout_asked"),
    (change_schema("CREATE TRIGGER more AFTER INSERT ON message BEGIN DELETE FROM ledger; END"), "trigger more"),
], ids=["page", "list", "index", "table", "lost", "trigger"])
def test_what_no_repair_helps_against_names_what_does(filled, harm, told):
    before = all_mail(filled)
    harm(at_rest(filled))
    done = filled.command("store", "verify", "--rate", "0", status=65)
    assert told in done.stdout and "run `godwit store salvage ADDRESS`" in done.stderr
    assert "run `godwit store salvage ADDRESS`" in filled.command("store", "repair", status=65).stderr
    filled.command("store", "salvage", ANN)
    verify(filled, 0)
    filled.command("audit", status=0)
    filled.start()
    filled.mark()
    assert all_mail(filled) == before


def exported(server, folder, user):
    """Messages as a Maildir has them, with the flags in their names: what is left out is told by the exit code."""
    if folder.exists():
        shutil.rmtree(folder)
    done = server.command("export", user, "--maildir", str(folder), status=None)
    files = glob.glob(str(folder / "**" / "*,W=*"), recursive=True)
    assert files or done.returncode
    mails = set()
    for path in files:
        with open(path, "rb") as file:
            mails.add((file.read(), int(os.stat(path).st_mtime)))
    return mails, done.returncode


def test_a_bit_in_a_row_changes_no_message(filled, tmp_path, request):
    """Around the rows of messages, where the database is sound for SQLite: no message comes out changed, in silence never."""
    chance = random.Random(11)
    assert filled.stop() == 0
    database = os.path.join(filled.data, "store.db")
    with open(database, "rb") as file:
        sound = file.read()
    places = [m.start() for m in re.finditer(b"Return-Path: <", sound)]
    assert len(places) >= 9
    before, _ = exported(filled, tmp_path / "mail", ANN)
    assert len(before) == 5
    named = 0
    for _ in range(150 if request.config.getoption("--long") else 10):
        flip(database, chance.choice(places) + chance.randrange(-30, 120), chance.randrange(8))
        after, code = exported(filled, tmp_path / "mail", ANN)
        assert after <= before, after - before
        assert after == before or code
        found = verify(filled).returncode
        named += found != 0
        assert after == before or found
        with open(database, "wb") as file:
            file.write(sound)
    assert named >= 7


def test_a_pack_that_nobody_knows_is_discarded(filled, tmp_path):
    """Mail of later than the database that was put back: listed, kept, and removed when that is asked for."""
    assert filled.stop() == 0
    database = os.path.join(filled.data, "store.db")
    shutil.copy(database, tmp_path / "older")
    filled.start()
    filled.mark()
    deliver(filled, BOB, letter("later", [f"{n:070}" for n in range(6000)]))
    assert filled.stop() == 0
    shutil.copyfile(tmp_path / "older", database)
    filled.start()
    wait_for("the start to tell", lambda: "that the database does not know are packs/*.orphan (1 new)" in filled.new_log())
    filled.mark()
    assert "no pack" not in filled.command("store", "aside").stdout
    [row] = filled.json("store", "aside")
    assert (row["messages"], row["missed"], row["unread"]) == (1, 0, "") and row["size"] > 400000, row
    assert row["first"] == row["last"] != ""
    status = filled.json("status")
    assert (status["packs_aside"], status["packs_aside_size"]) == (1, row["size"]), status
    assert "1 packs are set aside" in filled.command("store", "verify", "--rate", "0", status=0).stdout
    said = filled.command("store", "discard", str(row["pack"] + 1), status=66).stderr
    assert "`godwit store aside` lists those that are" in said, said
    filled.command("store", "discard", "some", status=64)
    assert len(glob.glob(os.path.join(filled.data, "packs", "*.orphan"))) == 1
    assert "1 packs removed" in filled.command("store", "discard", str(row["pack"])).stdout
    assert glob.glob(os.path.join(filled.data, "packs", "*.orphan")) == []
    assert "no pack is set aside" in filled.command("store", "aside").stdout
    assert "packs_aside" not in filled.command("status").stdout
    assert any("discarded" in one["what"] for one in filled.json("ledger"))
    verify(filled, 0)


def test_a_pack_whose_mail_is_missed_comes_back(filled):
    """Rows that were lost, and a start took their pack for one that is of no use."""
    before = all_mail(filled)
    assert filled.stop() == 0
    with contextlib.closing(sqlite3.connect(os.path.join(filled.data, "store.db"))) as db:
        [pack] = db.execute("SELECT pack FROM pack WHERE single = 1").fetchone()
        db.execute("DELETE FROM blob WHERE pack = ?", (pack,))
        db.execute("DELETE FROM pack WHERE pack = ?", (pack,))
        db.commit()
    filled.start()
    filled.mark()
    [row] = filled.json("store", "aside")
    assert (row["pack"], row["missed"]) == (pack, 1)
    assert "takes it in again" in verify(filled, 65).stdout
    assert "1 stay" in filled.command("store", "discard", "all", status=65).stderr
    [path] = glob.glob(os.path.join(filled.data, "packs", "*.orphan"))
    flip(path, 70, 0)
    [row] = filled.json("store", "aside")
    assert row["missed"] == 0 and "are no record" in row["unread"], row
    assert "may hold content that is missed" in verify(filled, 65).stdout
    assert "1 stay, for what they hold is not known" in filled.command("store", "discard", "all", status=65).stderr
    flip(path, 70, 0)
    assert filled.stop() == 0
    assert "in use again" in filled.command("store", "repair").stdout
    verify(filled, 0)
    filled.start()
    filled.mark()
    assert all_mail(filled) == before


def test_a_queue_out_of_order_holds_up_nobody(filled):
    """A row that its index has and that is not found by its key: others go on, and the server ends at once."""
    assert filled.stop() == 0
    database = os.path.join(filled.data, "store.db")
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("UPDATE queue SET not_before = 0")
        db.execute("UPDATE destination SET due = 0, waits = 0, failures = 0, next_probe = 0")
        db.commit()
        [page] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'queue'").fetchone()
        [message] = db.execute("SELECT message FROM queue").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(database, "r+b") as file:
        file.seek((page - 1) * 4096)
        content = file.read(4096)
        assert message.to_bytes(8, "big") in content
        file.seek((page - 1) * 4096)
        file.write(content.replace(message.to_bytes(8, "big"), (message + 1).to_bytes(8, "big")))
    filled.start()
    filled.mark()
    deliver(filled, ANN, letter("meanwhile"))
    begun = time.monotonic()
    assert filled.stop() == 0
    assert time.monotonic() - begun < 10
    assert "the database is damaged" in verify(filled, 65).stdout


def test_space_comes_back(make_server):
    server = make_server('undelete = "0s";\n', accounts=("ann", "bob"))
    fill(server)
    before = contents(server, BOB)
    large = [path for path in packs(server) if os.path.getsize(path) < 1 << 20]
    delete(server, ANN, *range(1, 6))
    wait_for("the large one's pack to go", lambda: not any(map(os.path.exists, large)))
    assert contents(server, BOB) == before
    verify(server, 0)


def test_a_row_that_ends_before_its_mail(filled):
    """A bit in the row of the pack that is appended to: the start tells it, and nothing is written over."""
    before = all_mail(filled)
    assert filled.stop() == 0
    with contextlib.closing(sqlite3.connect(os.path.join(filled.data, "store.db"))) as db:
        [pack] = db.execute("SELECT max(pack) FROM pack WHERE single = 0").fetchone()
        db.execute("UPDATE pack SET end_offset = 64 WHERE pack = ?", (pack,))
        db.commit()
    filled.start()
    told = f"the row of pack {pack}, with the end 64, does not fit what lies in the pack"
    wait_for("the start to tell", lambda: told in filled.new_log())
    filled.mark()
    deliver(filled, ANN, letter("afterwards"))
    after = all_mail(filled)
    assert before.items() <= after.items() and len(after) == len(before) + 1
    verify(filled, 65)
    assert filled.stop() == 0
    repair(filled)
    verify(filled, 0)
    filled.start()
    filled.mark()
    assert all_mail(filled) == after
