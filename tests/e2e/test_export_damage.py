"""Export, and the restore of an account, from a database that is damaged: everything that can be read comes out, what
cannot is told, and the exit code says so."""

import contextlib
import glob
import os
import re
import shutil
import sqlite3

import pytest

from conftest import DOMAIN
from test_export import big_mbox

pytestmark = pytest.mark.rare

ANN = f"ann@{DOMAIN}"
COUNT = 600
PAGE = 4096


def database(server):
    return os.path.join(server.data, "store.db")


def rows(path, query):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def leaves(path, table):
    """(page, rows) of its leaves, in order."""
    return rows(path, f"SELECT pageno, ncell FROM dbstat WHERE name = '{table}' AND pagetype = 'leaf' ORDER BY path")


def change_octets(path, old, new):
    """Wherever they are; the file keeps its size."""
    with open(path, "r+b") as file:
        data = file.read()
        assert old in data and len(old) == len(new)
        file.seek(0)
        file.write(data.replace(old, new))


def root(path, table):
    [(page,)] = rows(path, f"SELECT rootpage FROM sqlite_schema WHERE name = '{table}'")
    return page


def spoil(path, page):
    with open(path, "r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xa5" * PAGE)


def number_of(email):
    return email.to_bytes(8, "big")


def flip_uid(path, uid, flip, size):
    """In the row as it lies in its page, which stays where it is."""
    [(email,)] = rows(path, f"SELECT email FROM membership WHERE mailbox = 1 AND uid = {uid}")
    change_octets(path, uid.to_bytes(size, "big") + number_of(email), (uid ^ flip).to_bytes(size, "big") + number_of(email))


def flip_one(path):
    flip_uid(path, 20, 0x40, 1)  # a higher one that another row has


def flip_sign(path):
    flip_uid(path, 30, 0x80, 1)


def flip_low(path):
    flip_uid(path, 100, 0x40, 1)


def flip_high(path):
    flip_uid(path, 200, 0x4000, 2)  # higher than all


def flip_some(path):
    flip_one(path)
    flip_sign(path)
    for uid in (101, 103, 107):
        flip_uid(path, uid, 0x10, 1)
    flip_high(path)
    flip_uid(path, COUNT, 0x8000, 2)


@pytest.fixture
def server(make_server, tmp_path):
    server = make_server(accounts=("ann",))
    big_mbox(tmp_path / "mbox", COUNT)
    server.command("import", ANN, str(tmp_path / "mbox"))
    server.command("backup", str(tmp_path / "backup"))
    assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(database(server))) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(database(server), "rb") as file:
        server.sound = file.read()
    return server


def put_back(server):
    with open(database(server), "wb") as file:
        file.write(server.sound)


def exported(server, folder, status):
    """Subjects; what was said, on both ways."""
    path = folder / "out.mbox"
    done = server.command("export", ANN, "--mbox", str(path), status=status)
    found = []
    for name in glob.glob(str(path) + "*"):
        with open(name, "rb") as file:
            found += [int(n) for n in re.findall(rb"^Subject: (\d+)$", file.read(), re.MULTILINE)]
        os.unlink(name)
    return sorted(found), done.stderr + done.stdout


def test_a_uid_that_flipped_leads_nowhere(server, tmp_path):
    for flip in (flip_one, flip_sign, flip_low, flip_high, flip_some):
        flip(database(server))
        found, said = exported(server, tmp_path, 0)
        assert "damaged" not in said
        assert found == list(range(COUNT)), flip
        put_back(server)


def test_rows_of_messages_that_cannot_be_read_are_named(server, tmp_path):
    pages = leaves(database(server), "email")
    assert len(pages) > 8
    for some in (pages[3:4], (pages[0], pages[5], pages[-1])):
        for page, _ in some:
            spoil(database(server), page)
        found, said = exported(server, tmp_path, 65)
        lost = sum(n for _, n in some)
        assert len(set(found)) == len(found) == COUNT - lost
        assert len(re.findall(r"message \w+ of .* is left out: its rows", said)) == lost
        assert said.endswith(f"exported; {lost} others are damaged\n")
        put_back(server)


def test_pages_of_a_mailbox_that_cannot_be_read_are_counted(server, tmp_path):
    pages = leaves(database(server), "membership")
    assert len(pages) > 5
    for some in (pages[1:2], (pages[0], pages[2], pages[4]), pages[-1:]):
        for page, _ in some:
            spoil(database(server), page)
        found, said = exported(server, tmp_path, 65)
        lost = sum(n for _, n in some)
        assert len(set(found)) == len(found) == COUNT - lost
        assert f"INBOX: {lost} messages that the mailbox counts are left out" in said
        assert f"exported; {lost} others are damaged" in said  # and other mailboxes, of which some may have been there
        put_back(server)


def test_what_is_in_no_mailbox_any_more_is_missed(server, tmp_path):
    with contextlib.closing(sqlite3.connect(database(server))) as db:
        db.execute("UPDATE membership SET mailbox = 3 WHERE mailbox = 1 AND uid = 150")
        db.commit()
    found, said = exported(server, tmp_path, 65)
    assert found == list(range(COUNT))  # it is in the other one
    assert "INBOX: 1 messages that the mailbox counts are left out" in said


def test_mailboxes_that_are_lost(server, tmp_path):
    """Their messages come all the same."""
    with contextlib.closing(sqlite3.connect(database(server))) as db:
        db.execute("DELETE FROM mailbox")
        db.commit()
    found, said = exported(server, tmp_path, 65)
    assert found == list(range(COUNT)) and "Recovered 1: the mailbox has lost its row" in said
    assert said.endswith(f"{COUNT} messages exported; 1 mailbox is damaged\n")
    put_back(server)
    spoil(database(server), root(database(server), "mailbox"))
    found, said = exported(server, tmp_path, 65)
    assert found == list(range(COUNT)) and "Recovered 1: the mailbox has lost its row" in said
    assert said.endswith(f"{COUNT} messages exported; 1 mailbox is damaged; mailboxes may be left out\n")


def test_mailboxes_that_may_be_hidden(server, tmp_path):
    """Neither their rows nor their messages lead to them."""
    [path] = glob.glob(str(tmp_path / "backup" / "files-*" / "store.db"))
    for database_ in (database(server), path):
        for page in [root(database_, table) for table in ("mailbox", "membership")]:
            spoil(database_, page)
    found, said = exported(server, tmp_path, 65)
    assert found == [] and "godwit: mailboxes may be left out" in said
    assert said.endswith("0 messages exported; mailboxes may be left out\n")
    done = server.command("flags", ANN, status=74)
    assert "mailboxes may be left out" in done.stderr
    put_back(server)
    done = server.command("restore", str(tmp_path / "backup"), "--account", ANN, status=65)
    assert f"{ANN}: mailboxes may be left out" in done.stderr
    assert done.stdout == "0 messages restored; mailboxes may be left out\n"
    done = server.command("restore", str(tmp_path / "backup"), "--message-id", "<7@x>", status=65)
    assert "mailboxes may be left out" in done.stderr and "no such message among those" in done.stderr


def test_the_same_of_a_backup(server, tmp_path):
    [path] = glob.glob(str(tmp_path / "backup" / "files-*" / "store.db"))
    shutil.copy(path, tmp_path / "sound")
    server.command("account", "remove", ANN)
    page, lost = leaves(path, "email")[3]
    for harm, left in ((flip_some, 0), (lambda path: spoil(path, page), lost)):
        harm(path)
        done = server.command("restore", str(tmp_path / "backup"), "--account", ANN, status=65 if left else 0)
        assert f"{COUNT - left} messages restored" in done.stdout
        assert len(re.findall("is left out", done.stderr)) == left
        shutil.copyfile(tmp_path / "sound", path)
        server.command("account", "remove", ANN)


def change(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_a_mailbox_of_a_backup_that_is_lost_is_no_message(server, tmp_path):
    [path] = glob.glob(str(tmp_path / "backup" / "files-*" / "store.db"))
    server.command("account", "remove", ANN)
    change(path, "DELETE FROM mailbox WHERE id = 1")
    done = server.command("restore", str(tmp_path / "backup"), "--account", ANN, status=65)
    assert done.stdout == f"{COUNT} messages restored; 1 mailbox of the backup is damaged\n"
    assert "Recovered 1: the mailbox has lost its row" in done.stderr


def test_one_message_of_a_backup_that_is_damaged_elsewhere(server, tmp_path):
    """What is damaged besides is told only where the message is not found: it may have been there."""
    [path] = glob.glob(str(tmp_path / "backup" / "files-*" / "store.db"))

    def restored(which, status):
        return server.command("restore", str(tmp_path / "backup"), "--message-id", which, status=status)

    change(path, "DELETE FROM mailbox WHERE id = 1")
    done = restored("<7@x>", 0)
    assert done.stdout == "0 messages restored; 1 were there already\n" and "lost" not in done.stderr
    done = restored("<none@x>", 65)
    assert "Recovered 1: the mailbox has lost its row" in done.stderr
    assert "no such message among those that can be read" in done.stderr


def test_one_message_of_a_backup_that_has_lost_its_row(server, tmp_path):
    """By its Message-ID it cannot be found, by its id it can."""
    [path] = glob.glob(str(tmp_path / "backup" / "files-*" / "store.db"))

    def restored(which, status):
        return server.command("restore", str(tmp_path / "backup"), "--message-id", which, status=status)

    assert "no such message" in restored("<none@x>", 66).stderr
    change(path, "DELETE FROM email WHERE id = (SELECT email FROM membership WHERE mailbox = 1 AND uid = 8)")
    done = restored("<7@x>", 65)
    assert "no such message among those that can be read" in done.stderr and not done.stdout
    [ident] = re.findall(r"message (\w+): its row is lost", done.stderr)
    assert "lost" not in restored("<8@x>", 0).stderr
    done = restored(ident, 65)
    assert f"message {ident} is left out: its row is lost" in done.stderr
    assert done.stdout == "0 messages restored; 1 message of the backup is damaged\n"


@pytest.fixture
def alike(server, tmp_path):
    """A server with mailboxes whose parents are lost, so that some have the same name; one message in each."""
    names = ["A/Lists", "B/Inbox", "B/Lists", "C/Lists", "Z"]
    for n, name in enumerate(names):
        (tmp_path / "one").write_text(f"From a@b Mon Nov 23 19:54:33 2026\nSubject: {COUNT + n}\n\nx\n")
        server.command("import", ANN, str(tmp_path / "one"), "--mailbox", name)
    change(database(server), "DELETE FROM mailbox WHERE name IN ('A', 'B', 'C')")
    return server


def test_mailboxes_that_have_the_same_name_have_files_of_their_own(alike, tmp_path):
    found, said = exported(alike, tmp_path, 0)
    assert found == list(range(COUNT + 5))
    names = re.findall(r"^godwit: (.*) is written to .*/(.*): ", said, re.MULTILINE)
    assert [name for name, _ in names] == ["Inbox", "Lists", "Lists"]
    assert len({file for _, file in names}) == 3
    assert re.fullmatch(r"out\.mbox\.Inbox~\w{8}", names[0][1]) and all("Lists~" in file for _, file in names[1:])
    assert exported(alike, tmp_path, 0) == (found, said)


def test_mailboxes_that_have_the_same_name_have_folders_of_their_own(alike, tmp_path):
    for _ in range(2):
        done = alike.command("export", ANN, "--maildir", str(tmp_path / "out"))
        others = re.findall(r"^godwit: (.*) is written to (.*): ", done.stderr, re.MULTILINE)
        assert [name for name, _ in others] == ["Inbox", "Lists", "Lists"]
        assert [len(os.listdir(tmp_path / "out" / folder / "cur")) for _, folder in others] == [1, 1, 1]
        assert len(os.listdir(tmp_path / "out" / "cur")) == COUNT
