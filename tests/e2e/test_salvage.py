"""Salvage: whatever becomes of the database, what the packs hold comes back."""

import contextlib
import glob
import os
import random
import shutil
import sqlite3
import subprocess

import pytest

from conftest import DOMAIN, PASSWORD, preload
from test_backup import at_once
from test_damage import flip, packs, repair, verify
from test_export import contents, delete
from wire import deliver, letter, without_trace

pytestmark = pytest.mark.rare

ANN, BOB, ALL, CHIEF = (f"{name}@{DOMAIN}" for name in ("ann", "bob", "all", "chief"))
PAGE = 4096


def fill(server, first=0, count=10):
    """Subjects of what was delivered, by account."""
    sent = {ANN: set(), BOB: set()}
    for n in range(first, first + count):
        to = (ANN, BOB)[n % 2]
        deliver(server, to, letter(f"number {n}.", [f"line {n}"] * (10 * n)))
        sent[to].add(f"number {n}.")
    deliver(server, ANN, letter(f"large {first}.", [f"{n:070}" for n in range(5000)]))
    deliver(server, [ANN, BOB], letter(f"both {first}.", ["x"] * first))
    sent[ANN] |= {f"large {first}.", f"both {first}."}
    sent[BOB] |= {f"both {first}."}
    return sent


def subjects(server, folder):
    """{account: {mailbox: {subject}}} of everything that there is, by export."""
    found = {}
    for row in server.json("account", "list"):
        tree = os.path.join(folder, row["account"])
        shutil.rmtree(tree, ignore_errors=True)
        server.command("export", row["account"], "--maildir", tree)
        boxes = found.setdefault(row["account"], {})
        for path in glob.glob(os.path.join(glob.escape(tree), "**"), recursive=True, include_hidden=True):
            if os.path.isfile(path) and ":2," in path:
                box = os.path.relpath(os.path.dirname(os.path.dirname(path)), tree).strip(".") or "INBOX"
                with open(path, "rb") as file:
                    text = without_trace(file.read().replace(b"\n", b"\r\n"))
                boxes.setdefault(box, set()).add(text.split(b"Subject: ")[1].split(b"\r\n")[0].decode())
    return found


def everything(found):
    return {subject for boxes in found.values() for box in boxes.values() for subject in box}


def files_of(server):
    return [os.path.join(server.data, "store.db" + end) for end in ("", "-wal", "-shm")]


def remove_database(server):
    for name in files_of(server):
        if os.path.exists(name):
            os.unlink(name)


def salvage(server, address=CHIEF, without_passwords=()):
    done = server.command("store", "salvage", address, status=0).stdout
    for user in without_passwords:
        assert f"{user}" in verify(server, 65).stdout
        server.command("account", "passwd", user, "--password-stdin", stdin=PASSWORD + "\n")
    verify(server, 0)
    server.command("audit", status=0)
    return done


@pytest.fixture
def filled(make_server):
    server = make_server(accounts=("ann", "bob"))
    server.sent = fill(server)
    return server


def test_it_must_be_alone(filled):
    assert "stop it" in filled.command("store", "salvage", ANN, status=69).stderr
    assert filled.stop() == 0
    remove_database(filled)
    with open(files_of(filled)[0], "wb"):
        os.chown(files_of(filled)[0], os.stat(filled.data).st_uid, os.stat(filled.data).st_gid)
    assert "godwit store salvage" in filled.command("audit", status=None).stderr


def test_a_command_makes_no_database(make_server):
    """Where there is none it says what makes one, also when there was no mail yet."""
    server = make_server(start=False)
    remove_database(server)
    said = server.command("status", status=None).stderr
    assert "store.db is missing or empty" in said and "godwit store salvage ADDRESS" in said
    assert not any(map(os.path.exists, files_of(server)))
    server.command("store", "salvage", CHIEF)
    assert [row["account"] for row in server.json("account", "list")] == [CHIEF]


def test_without_database(filled, tmp_path):
    """Nothing tells of accounts any more: all comes to the one that is named, and it goes on from there."""
    assert filled.stop() == 0
    remove_database(filled)
    told = salvage(filled)
    assert "account passwd" in told
    found = subjects(filled, tmp_path)
    assert found == {CHIEF: {"recovered": filled.sent[ANN] | filled.sent[BOB]}}
    changed = str(filled.json("ledger"))
    assert f"account {CHIEF} added" in changed and "salvaged" in changed
    filled.start()
    filled.mark()
    deliver(filled, CHIEF, letter("afterwards."))
    assert subjects(filled, tmp_path)[CHIEF]["INBOX"] == {"afterwards."}


def test_on_top_of_a_backup(filled, tmp_path):
    """Accounts, mailboxes, and what was deleted long ago, are as the backup knows them; all that came
    later comes back to whom it was for."""
    delete(filled, ANN, 1)
    filled.command("backup", str(tmp_path / "backup"))
    later = fill(filled, first=20)
    assert filled.stop() == 0
    remove_database(filled)
    old = glob.glob(str(tmp_path / "backup" / "files-*" / "store.db"))
    shutil.copy(old[0], files_of(filled)[0])
    shutil.chown(files_of(filled)[0], *(lambda s: (s.st_uid, s.st_gid))(os.stat(filled.data)))
    salvage(filled)
    found = subjects(filled, tmp_path)
    assert found[ANN]["INBOX"] == filled.sent[ANN] - {"number 0."}
    assert found[BOB]["INBOX"] == filled.sent[BOB]
    assert found[ANN]["recovered"] == later[ANN] - {"both 20."}  # to whom, only the database told
    assert found[BOB]["recovered"] == later[BOB] - {"both 20."}
    assert found[CHIEF] == {"recovered": {"both 20."}}
    assert set(os.listdir(os.path.join(filled.data, "packs"))) == {
        os.path.basename(path) for path in packs(filled)}
    filled.start()
    filled.mark()
    assert len(contents(filled, ANN)) == len(filled.sent[ANN]) - 1
    filled.command("backup", str(tmp_path / "backup"))  # goes on, and mixes nothing
    filled.command("restore", str(tmp_path / "backup"), "--verify", data=False)


def trees(database):
    """{table: [pages]} of each table that has rows, as the pages can be walked."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        found = {}
        for name, page in db.execute("SELECT tbl_name, pageno FROM sqlite_schema s JOIN dbstat d"
                                     " ON d.name = s.name WHERE s.type = 'table'"
                                     " AND s.tbl_name NOT LIKE 'sqlite%' ORDER BY pageno"):
            found.setdefault(name, []).append(page)
        return found


def test_whatever_page_is_damaged(filled, tmp_path, long):
    chance = random.Random(11)
    fill(filled, first=30, count=60 if long else 24)
    before = subjects(filled, tmp_path)
    assert filled.stop() == 0
    with contextlib.closing(sqlite3.connect(files_of(filled)[0])) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(files_of(filled)[0], "rb") as file:
        sound = file.read()
    whole = trees(files_of(filled)[0])
    assert len(whole["email"]) > 3  # more than one leaf
    tables = sorted(whole) if long else ["account", "email", "membership"]
    for table in tables:
        page = chance.choice(whole[table])
        remove_database(filled)
        with open(files_of(filled)[0], "wb") as file:
            file.write(sound)
            file.seek((page - 1) * PAGE)
            file.write(bytes(chance.randrange(256) for _ in range(PAGE)))
        assert filled.command("store", "verify", "--rate", "0", status=None).returncode
        salvage(filled, without_passwords=(ANN, BOB) if table == "credential" else ())
        found = subjects(filled, tmp_path)
        assert everything(found) == everything(before), table
        for user in (ANN, BOB):  # nobody's mail is another's
            assert set().union(*found[user].values()) == before[user]["INBOX"], (table, user)


def test_most_rows_around_damaged_pages_are_kept(filled, tmp_path):
    """Of three damaged leaves of a table only their own rows are lost."""
    fill(filled, first=30, count=60)
    before = subjects(filled, tmp_path)
    assert filled.stop() == 0
    database = files_of(filled)[0]
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = set(db.execute("SELECT account, id, modseq FROM email"))
        leaves = db.execute("SELECT pageno, ncell FROM dbstat WHERE name = 'email'"
                            " AND pagetype = 'leaf' ORDER BY path").fetchall()
    assert len(leaves) > 4
    lost = (leaves[1], leaves[3])
    with open(database, "r+b") as file:
        for page, _ in lost:
            file.seek((page - 1) * PAGE)
            file.write(b"\xa5" * PAGE)
    salvage(filled)
    found = subjects(filled, tmp_path)
    assert found == {**before, CHIEF: {}}  # mailboxes and the ledger tell whose they are
    with contextlib.closing(sqlite3.connect(database)) as db:
        after = set(db.execute("SELECT account, id, modseq FROM email"))
    assert len(rows - after) == len(after - rows) == sum(n for _, n in lost)


def test_a_schema_that_cannot_be_read(filled, tmp_path):
    """One bit in the text of one table: the others are read."""
    before = subjects(filled, tmp_path)
    assert filled.stop() == 0
    with contextlib.closing(sqlite3.connect(files_of(filled)[0])) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(files_of(filled)[0], "rb") as file:
        at = file.read().index(b"CREATE TABLE callout (")
    flip(files_of(filled)[0], at + 8, 0)
    assert "godwit store salvage ADDRESS" in filled.command("account", "list", status=None).stderr
    salvage(filled)
    assert subjects(filled, tmp_path) == {**before, CHIEF: {}}


def test_a_pack_that_lost_its_row(filled):
    """Nothing is removed; the repair gives the row back."""
    before = {user: contents(filled, user) for user in (ANN, BOB)}
    assert filled.stop() == 0
    there = packs(filled)
    with contextlib.closing(sqlite3.connect(files_of(filled)[0])) as db:
        db.execute("DELETE FROM pack")
        db.commit()
    assert "where no pack is" in verify(filled, 65).stdout
    filled.start()
    assert filled.stop() == 0
    assert set(there) <= set(packs(filled))
    repair(filled)
    verify(filled, 0)
    filled.start()
    filled.mark()
    assert {user: contents(filled, user) for user in (ANN, BOB)} == before


def test_packs_that_were_set_aside(filled, tmp_path):
    assert filled.stop() == 0
    remove_database(filled)
    for path in packs(filled):
        os.rename(path, path + ".orphan")
    salvage(filled, ANN)
    assert everything(subjects(filled, tmp_path)) == filled.sent[ANN] | filled.sent[BOB]


def test_damaged_packs_too(filled, tmp_path):
    """Without a database, and a bit of a message is wrong: all others come back."""
    assert filled.stop() == 0
    remove_database(filled)
    path = packs(filled)[0]
    with open(path, "rb") as file:
        at = file.read().index(b"line 7")
    flip(path, at, 3)
    filled.command("store", "salvage", CHIEF, status=0)
    verify(filled, 0)
    assert everything(subjects(filled, tmp_path)) == (filled.sent[ANN] | filled.sent[BOB]) - {"number 7."}
    with open(glob.glob(os.path.join(filled.data, "quarantine", "*.eml"))[0], "rb") as file:
        assert b"number 7." in file.read()


def test_sectors_that_cannot_be_read(filled, tmp_path):
    """Of the database and of a pack, on a disk that goes on failing: all but what lies there comes back."""
    assert filled.stop() == 0
    before = subjects(filled, tmp_path)
    with contextlib.closing(sqlite3.connect(files_of(filled)[0])) as db:
        page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'membership'").fetchone()[0]
        pack, pos = db.execute("SELECT pack, pos FROM blob WHERE length > 300000").fetchone()
    bad = {files_of(filled)[0]: (page - 1) * PAGE,
           os.path.join(filled.data, "packs", f"{pack:010}.pack"): (pos + 200000) // PAGE * PAGE}
    env = {**preload("sectors"),
           "GODWIT_TEST_SECTORS": " ".join(f"{os.stat(path).st_ino}:{at}" for path, at in bad.items())}
    assert filled.command("account", "list", env=env).returncode == 0
    assert filled.command("store", "verify", "--rate", "0", env=env, status=None).returncode
    said = filled.command("store", "salvage", CHIEF, env=env).stdout
    assert "1 tables could not be read in full" in said and "1 messages were damaged" in said, said
    [left] = glob.glob(os.path.join(filled.data, "quarantine", "*.eml"))
    with open(left, "rb") as file:
        content = file.read()
    assert b"large 0." in content and content.count(b"\0") >= PAGE and b"0004999" in content
    verify(filled, 0)
    filled.command("audit", status=0)
    after = subjects(filled, tmp_path)
    lost = {"large 0."}
    for user in (ANN, BOB):
        assert everything({user: after[user]}) == everything({user: before[user]}) - lost


@pytest.mark.parametrize("end", ["", "-wal"])
def test_what_may_not_be_opened_is_not_lost(filled, end):
    """Put back by root, and so root's: salvage says what to do and does nothing."""
    path, owner = files_of(filled)[0] + end, os.stat(filled.data)
    if owner.st_uid == 0:
        pytest.skip("root may open everything")
    assert filled.stop() == 0
    open(path, "ab").close()
    if os.getuid() == 0:
        os.chown(path, 0, 0)
        os.chmod(path, 0o600)
    else:
        os.chmod(path, 0)

    def there():
        return {name: os.stat(os.path.join(filled.data, name)).st_ino for name in os.listdir(filled.data)}
    before = there()
    said = filled.command("store", "salvage", CHIEF, status=74)
    cure = f"chown {owner.st_uid}:{owner.st_gid} store.db{end} and chmod 600 store.db{end}"
    assert "nothing was changed" in said.stderr and cure in said.stderr and not said.stdout
    assert there() == before
    os.chown(path, owner.st_uid, owner.st_gid)
    os.chmod(path, 0o600)
    salvage(filled)
    assert {row["account"] for row in filled.json("account", "list")} == {ANN, BOB, CHIEF}


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_database_is_left_where_it_is(filled, make):
    assert filled.stop() == 0
    remove_database(filled)
    make(files_of(filled)[0])
    said = filled.command("store", "salvage", CHIEF, status=74).stderr
    assert "nothing was changed: store.db is there, but cannot be opened" in said
    assert os.path.lexists(files_of(filled)[0]) and not os.path.exists(os.path.join(filled.data, "quarantine"))


@pytest.mark.parametrize("end", ["", "-wal", "-journal"])
@pytest.mark.parametrize("to", ["../kept{end}", "{folder}/kept{end}", "store.db{end}", "not-mounted"])
def test_links_are_left_where_they_are(filled, end, to):
    """Where one leads there may be a good database, or its log."""
    if end:
        filled.kill_all()
    else:
        assert filled.stop() == 0
    path, folder = files_of(filled)[0] + end, os.path.dirname(filled.data)
    if os.path.exists(path):
        os.rename(path, os.path.join(folder, "kept" + end))
    os.symlink(to.format(end=end, folder=folder), path)
    before = sorted(os.listdir(filled.data))
    said = filled.command("store", "salvage", CHIEF, status=74)
    assert f"nothing was changed: store.db{end} is a link, and links are not followed: move" in said.stderr
    assert os.path.islink(path) and sorted(os.listdir(filled.data)) == before and not said.stdout
    os.unlink(path)
    if end != "-journal":
        os.rename(os.path.join(folder, "kept" + end), path)
    salvage(filled)
    assert {row["account"] for row in filled.json("account", "list")} == {ANN, BOB, CHIEF}


def test_interrupted_anywhere(filled, tmp_path):
    """Killed again and again, and at each of its renames: nothing is lost, and meanwhile no server starts on less."""
    chance = random.Random(3)
    before = subjects(filled, tmp_path)
    assert filled.stop() == 0
    data = filled.data
    database = files_of(filled)[0]
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for attempt in range(6):
        process = subprocess.Popen([filled.binary, "store", "salvage", CHIEF, "--data", data],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if attempt % 2:
            at_once("the new database", lambda process=process: process.poll() is not None or
                    os.path.exists(os.path.join(data, "salvage.db")))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.random() / 20)
        process.kill()
        process.wait()
    if not os.path.exists(os.path.join(data, "salvaged.db")):  # complete, and the old one half out of the way
        os.rename(database, os.path.join(data, "salvaged.db"))
        with open(database + "-wal", "wb") as file:
            file.write(b"of another one")
    done = filled.command("audit", status=None)
    assert done.returncode and "godwit store salvage" in done.stderr
    salvage(filled)
    assert subjects(filled, tmp_path) == {**before, CHIEF: {}}
    assert not glob.glob(os.path.join(data, "salvage*.db"))
