"""Backup and restore: complete and consistent under load, small when little is new, usable whatever is
killed in between."""

import contextlib
import os
import poplib
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import DOMAIN, TestServer, new_folder
from own_disk import small_disk
from server import wait_for
from test_export import audit, contents, delete, fill, messages
from wire import deliver, letter, pop3

pytestmark = pytest.mark.rare


MARK = "restoring"  # of a directory that is not complete


def size_of(path):
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(path) for name in names)


def backup(server, target, status=0):
    """Octets that were copied."""
    done = server.command("backup", str(target), status=status)
    return int(re.search(r"(\d+) octets", done.stdout).group(1))


def rows(server, query, folder):
    """Rows of the database: as it is where the server runs, else of a copy, for nothing may be left beside it."""
    path = os.path.join(server.data, "store.db")
    if not server.process:
        path = shutil.copy(path, folder)
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


class Restored(TestServer):
    """A server on a data directory that a restore made."""

    def __init__(self, other, folder):
        super().__init__(folder, offset=other.offset)
        self.ports = other.ports


@pytest.fixture
def restore(make_server):
    """restore(server, source): stops the server and restores its backup; a server for the result."""
    made = []

    def run(server, source, **more):
        assert server.stop() in (0, None)
        other = Restored(server, new_folder())
        made.append(other)
        other.command("restore", str(source), **more)
        other.start()
        other.mark()
        return other

    yield run
    for other in made:
        if other.process:
            assert other.stop() == 0, other.log()[-3000:]
        shutil.rmtree(other.folder, ignore_errors=True)


def at_once(what, condition):
    """As wait_for(), for what is over in milliseconds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"


def fill_large(server, user, count, folder, first=0):
    """Messages that have a pack of their own each, quicker than by SMTP."""
    with open(folder / "large.mbox", "wb") as file:
        for n in range(first, first + count):
            file.write(b"From a@b Mon Nov 23 19:54:33 2026\nSubject: large %d\n\n" % n
                       + (b"z" * 70 + b"\n") * 4300 + b"\n")
    server.command("import", user, str(folder / "large.mbox"))


@pytest.fixture(params=["running", "stopped"])
def either(request, make_server):
    server = make_server(accounts=("ann", "bob"))
    server.settle = (lambda: server.stop()) if request.param == "stopped" else (lambda: None)
    return server


def test_everything(either, restore, tmp_path):
    server, ann = either, f"ann@{DOMAIN}"
    fill(server, ann)
    delete(server, ann, 3)
    deliver(server, f"bob@{DOMAIN}", letter("to Bob"))
    before = messages(server, ann), messages(server, f"bob@{DOMAIN}")
    config = open(server.config_path, "rb").read()
    server.settle()
    backup(server, tmp_path / "backup")
    assert os.stat(tmp_path / "backup").st_mode & 0o777 == 0o700
    other = restore(server, tmp_path / "backup")
    assert (messages(other, ann), messages(other, f"bob@{DOMAIN}")) == before
    assert open(other.config_path, "rb").read() == config
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    uids = "SELECT account, id, name, uidvalidity, uidnext FROM mailbox"
    assert rows(other, uids, tmp_path / "new") == rows(server, uids, tmp_path / "old")
    identity = "SELECT value FROM meta WHERE name = 'store'"
    assert rows(other, identity, tmp_path / "new") != rows(server, identity, tmp_path / "old")
    assert open(other.key, "rb").read() == open(server.key, "rb").read()
    audit(other)
    assert other.json("ledger")[0]["what"] == "restored from a backup"
    assert "1 message was" in other.command("undelete", ann).stdout  # deleted mail came along
    deliver(other, ann, letter("goes on"))
    assert len(messages(other, ann)) == len(before[0]) + 2
    done = other.command("restore", str(tmp_path / "backup"), status=73)
    assert "not empty" in done.stderr
    # what goes on from a backup may be backed up into it, and does not mix with it
    backup(other, tmp_path / "backup")
    last = messages(other, ann)
    third = restore(other, tmp_path / "backup")
    assert messages(third, ann) == last


def test_only_what_is_new(server, tmp_path):
    user, target = server.mailbox(), tmp_path / "backup"
    fill(server, user, 5)
    first = backup(server, target)
    files = os.path.getsize(os.path.join(server.data, "store.db"))
    deliver(server, user, letter("small", ["x" * 70] * 100))
    before = size_of(target)
    second = backup(server, target)
    database = next(os.path.getsize(os.path.join(folder, "store.db"))
                    for folder, _, names in os.walk(target) if "store.db" in names)
    extra = second - database - sum(
        os.path.getsize(path) for path in (server.config_path, server.certificate, server.key))
    assert 7200 <= extra < 9000, (first, second, extra)  # the message with its head, nothing else
    assert abs(size_of(target) - before - extra) < files
    third = backup(server, target)
    assert third == second - extra
    assert sorted(name.partition("-")[0] for name in os.listdir(target)) == [
        "files", "lock", "manifest", "packs"]


def test_under_load(make_server, restore, tmp_path):
    """What was accepted before a backup began is in it; what is in it is whole; nobody is kept waiting."""
    server = make_server(accounts=("ann", "bob"))
    ann, bob = f"ann@{DOMAIN}", f"bob@{DOMAIN}"
    fill(server, ann, 20)
    stop, sent, trouble = threading.Event(), [], []

    def load(number):
        n = 0
        while not stop.is_set():
            name = f"load {number}.{n}"
            try:
                deliver(server, [ann, bob], letter(name, ["y" * 70] * (9000 if n % 20 == 0 else 30)))
                sent.append(name)
            except Exception as e:  # pylint: disable=broad-except
                trouble.append(e)
                return
            n += 1

    threads = [threading.Thread(target=load, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_for("some mail", lambda: len(sent) > 30)
        backup(server, tmp_path / "backup")
        wait_for("more mail", lambda: len(sent) > 60)
        delete(server, ann, *range(1, 15))
        known = list(sent)
        backup(server, tmp_path / "backup")
        after = len(sent)
        wait_for("the load goes on", lambda: len(sent) > after)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not trouble
    everything = set(messages(server, ann)), set(messages(server, bob))
    other = restore(server, tmp_path / "backup")
    audit(other)
    for user, all_of_it in zip((ann, bob), everything):
        there = messages(other, user)
        assert set(there) <= all_of_it
        subjects = {re.search(rb"Subject: (.*)\r\n", data).group(1).decode() for _, data in there}
        assert {name for name in known if name.startswith("load")} <= subjects


def kill_command(server, process):
    process.send_signal(signal.SIGKILL)


def kill_server(server, process):
    process.send_signal(signal.SIGSTOP)  # it must not be done before the server is gone
    server.kill_all()
    process.send_signal(signal.SIGCONT)


def break_off(server, user, target, kill, folder):
    """A backup that is killed in its middle; what the one before it has of the user's mail."""
    packs = next(name for name in os.listdir(target) if name.startswith("packs"))
    for attempt in range(20):  # one may be too fast
        before = messages(server, user)
        fill_large(server, user, 24, folder, first=100 * attempt)
        there, complete = len(os.listdir(target / packs)), (target / "manifest").read_bytes()
        process = subprocess.Popen([server.binary, "backup", str(target), "--data", server.data],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        at_once("some packs", lambda: len(os.listdir(target / packs)) > there + 1)
        kill(server, process)
        process.communicate()
        if process.returncode != 0 and (target / "manifest").read_bytes() == complete:
            return before
        if not server.process:
            server.start()
            server.mark()
    raise AssertionError("backups are too fast to be killed")


@pytest.mark.kills
@pytest.mark.parametrize("kill", [kill_command, kill_server])
def test_killed_backups_leave_the_one_before(make_server, restore, tmp_path, kill):
    server = make_server(accounts=("ann",))
    ann, target = f"ann@{DOMAIN}", tmp_path / "backup"
    fill(server, ann, 5)
    backup(server, target)
    first = break_off(server, ann, target, kill, tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(target, copy)
    if not server.process:
        server.start()
        server.mark()
    if kill is kill_server:
        assert not os.path.exists(os.path.join(server.data, "backup.db"))
    backup(server, target)  # goes on as if nothing had been
    everything = messages(server, ann)
    assert not os.path.exists(os.path.join(server.data, "backup.db"))
    other = restore(server, copy)
    assert messages(other, ann) == first
    last = restore(other, target)
    assert messages(last, ann) == everything
    audit(last)


@pytest.mark.kills
def test_what_a_first_backup_has_left_that_was_killed_goes(make_server, restore, tmp_path):
    """Before the next one begins, which may have no room beside it; what may be of another one stays until there is one."""
    server, target = make_server(accounts=("ann",)), tmp_path / "backup"
    ann = f"ann@{DOMAIN}"
    fill(server, ann, 3)
    fill_large(server, ann, 24, tmp_path)
    for _ in range(20):  # one may be too fast
        shutil.rmtree(target, ignore_errors=True)
        process = subprocess.Popen([server.binary, "backup", str(target), "--data", server.data],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        at_once("some packs", lambda: len(list(target.glob("packs-*/*"))) > 2)
        kill_command(server, process)
        process.communicate()
        if not (target / "manifest").exists():
            break
    assert len(list(target.glob("*-*"))) == 2
    (target / "packs-1").mkdir()
    tls = os.path.join(server.data, "tls")
    os.rename(tls, tls + " aside")
    with open(tls, "w", encoding="ascii"):
        server.command("backup", str(target), status=74)  # it cannot be listed
    assert sorted(os.listdir(target)) == ["lock", "packs-1"]
    os.unlink(tls)
    os.rename(tls + " aside", tls)
    backup(server, target)
    assert sorted(name.partition("-")[0] for name in os.listdir(target)) == ["files", "lock", "manifest", "packs"]
    assert not (target / "packs-1").exists()
    everything = messages(server, ann)
    assert messages(restore(server, target), ann) == everything


def test_killed_restores_are_begun_again(make_server, tmp_path):
    server = make_server(accounts=("ann",))
    ann = f"ann@{DOMAIN}"
    fill(server, ann, 3)
    fill_large(server, ann, 24, tmp_path)
    backup(server, tmp_path / "backup")
    before = messages(server, ann)
    assert server.stop() == 0
    other = Restored(server, new_folder())
    try:
        words = [other.binary, "restore", str(tmp_path / "backup"), "--data", other.data]
        for attempt in range(20):  # one may be too fast
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            at_once("a pack", lambda: os.path.isdir(os.path.join(other.data, "packs"))
                    and len(os.listdir(os.path.join(other.data, "packs"))) > 1)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if process.returncode == -9 and os.path.exists(os.path.join(other.data, MARK)):
                break
            shutil.rmtree(other.data)
        else:
            raise AssertionError("restores are too fast to be killed")
        done = other.command("status", status=None)
        assert done.returncode != 0  # it is no data directory
        other.command("restore", str(tmp_path / "backup"))
        other.start()
        assert messages(other, ann) == before
        audit(other)
        assert other.stop() == 0
    finally:
        if other.process:
            other.kill_all()
        shutil.rmtree(other.folder, ignore_errors=True)


def test_the_queue_comes_along(make_server, restore, tmp_path):
    server = make_server(accounts=("ann",), options='dns_server = "127.0.0.1@9";')
    server.command("sendmail", "-f", f"ann@{DOMAIN}", "bob@elsewhere.test", data=False,
                   stdin="Subject: outgoing\n\nx\n", env={"GODWIT_DATA": server.data})
    queued = server.json("queue", "list")
    assert len(queued) == 1
    backup(server, tmp_path / "backup")
    other = restore(server, tmp_path / "backup")
    again = other.json("queue", "list")
    assert [row["id"] for row in again] == [row["id"] for row in queued]
    other.command("queue", "retry")
    audit(other)


def back_in_trace(server, user):
    return server.command("trace", user).stdout.count(f"restored from a backup into the mailbox INBOX of {user}")


def test_one_account_and_one_message(either, tmp_path):
    server, ann, bob, target = either, f"ann@{DOMAIN}", f"bob@{DOMAIN}", tmp_path / "backup"
    fill(server, ann, 4)
    deliver(server, [ann, bob], b"Message-ID: <both@x>\r\nSubject: both\r\n\r\nx\r\n")
    before = messages(server, ann)
    backup(server, target)
    delete(server, ann, 1, 2)
    delete(server, bob, 1)
    server.settle()
    done = server.command("restore", str(target), "--account", ann).stdout
    assert "2 messages restored; 4 were there already" in done
    done = server.command("restore", str(target), "--message-id", "<both@x>").stdout
    assert "1 message restored; 1 were there already" in done
    told = server.command("trace", "both@x").stdout
    for user in (ann, bob):  # of whom only Bob's was missing, and Ann's two others
        back = f"restored from a backup into the mailbox INBOX of {user}"
        assert back in told if user == bob else back not in told
    assert back_in_trace(server, ann) == 2
    server.command("restore", str(target), "--message-id", "<none@x>", status=66)
    server.command("restore", str(target), "--account", f"nobody@{DOMAIN}", status=67)
    audit(server)
    if not server.process:
        server.start()
        server.mark()
    assert sorted(messages(server, ann)) == sorted(before)  # under the same unique-ids
    assert len(messages(server, bob)) == 1
    server.command("account", "remove", ann)
    wait_for("the mail to go", lambda: server.message_count() == 1)
    server.command("restore", str(target), "--account", ann)
    assert contents(server, ann) == [data for _, data in before]  # with the password it had
    audit(server)


def test_flags_come_back_with_what_comes_back(make_server, restore, tmp_path):
    """What is there keeps those it has now; what is gone for good has those of the backup."""
    server = make_server('undelete = "0s";', ("ann",))
    ann, target = f"ann@{DOMAIN}", tmp_path / "backup"
    for n in range(3):
        deliver(server, ann, b"Message-ID: <%d@x>\r\nSubject: %d\r\n\r\nx\r\n" % (n, n))

    def change(n, *words):
        server.command("flags", ann, "--message-id", f"{n}@x", *words)

    def flags(of=None):
        return [row["flags"] for row in (of or server).json("flags", ann)]

    change(0, "--add", "seen flagged work")
    change(1, "--add", "seen")
    backup(server, target)
    change(0, "--remove", "flagged")
    change(1, "--add", "junk")
    delete(server, ann, 1)
    wait_for("the mail to go", lambda: server.message_count() == 2)
    wait_for("it is gone for good", lambda: rows(server, "SELECT count(*) FROM email", tmp_path) == [(2,)])
    assert "1 message restored" in server.command("restore", str(target), "--account", ann).stdout
    assert flags() == ["$junk $seen", "", "$flagged $seen work"]
    other = restore(server, target)
    assert flags(other) == ["$flagged $seen work", "$seen", ""]
    other.command("store", "verify", "--rate", "0")
    audit(other)


def test_an_account_comes_back_with_its_settings(make_server, tmp_path):
    """Disabled, it takes its mail back all the same, and nobody logs in."""
    server, ann, bob, target = make_server(accounts=("ann", "bob")), f"ann@{DOMAIN}", f"bob@{DOMAIN}", tmp_path / "b"
    for address in (ann, bob):
        deliver(server, address)
    server.command("account", "language", ann, "zh-hant")
    server.command("account", "quota", ann, "--bytes", "5M", "--messages", "7")
    server.command("account", "disable", ann)
    server.command("account", "add", f"out@{DOMAIN}", "--password-stdin", "--send-only", stdin="a secret\n")

    def settings():
        return [{k: v for k, v in row.items() if k != "created"} for row in server.json("account", "list")]
    before = settings()
    backup(server, target)
    for name in ("ann", "out"):
        server.command("account", "remove", f"{name}@{DOMAIN}")
    wait_for("the mail to go", lambda: server.message_count() == 1)
    assert "1 message restored" in server.command("restore", str(target), "--account", ann).stdout
    server.command("restore", str(target), "--account", f"out@{DOMAIN}")
    assert settings() == before
    with pytest.raises(poplib.error_proto):
        pop3(server, ann)
    server.command("account", "enable", ann)
    assert len(messages(server, ann)) == 1
    audit(server)


def test_an_account_of_another_server(make_server, tmp_path):
    """Ids of a stranger are not kept: what they stand for here is not known."""
    server, other = make_server(accounts=("ann",)), make_server()
    ann = f"ann@{DOMAIN}"
    fill(server, ann, 3)
    backup(server, tmp_path / "backup")
    other.command("restore", str(tmp_path / "backup"), "--account", ann)
    assert contents(other, ann) == contents(server, ann)
    ids = {uid for uid, _ in messages(server, ann)}
    assert not ids & {uid for uid, _ in messages(other, ann)}
    done = other.command("restore", str(tmp_path / "backup"), "--account", ann).stdout
    assert "0 messages restored; 4 were there already" in done
    audit(other)
    done = other.command("backup", str(tmp_path / "backup"), status=73)
    assert "another data directory" in done.stderr


def numbered(server, user, path, first, count):
    path.write_bytes(b"".join(b"From a@b Mon Nov 23 19:54:33 2026\nSubject: %d\n\nx\n\n" % n
                              for n in range(first, first + count)))
    assert f"{count} messages imported" in server.command("import", user, str(path)).stdout


def test_a_later_backup_of_the_store_it_came_from(make_server, restore, tmp_path):
    """Of ids that were given after the two parted nothing is known, so contents tell what was deleted: it is there once."""
    server, ann, target = make_server(accounts=("ann",)), f"ann@{DOMAIN}", str(tmp_path / "backup")
    numbered(server, ann, tmp_path / "mbox", 1, 3)
    backup(server, target)
    other = restore(server, target)
    numbered(server, ann, tmp_path / "mbox", 4, 3)  # while it is stopped, for both have the same ports
    backup(server, target)
    words = ("restore", target, "--account", ann)
    assert "3 messages restored; 3 were there already" in other.command(*words).stdout
    before = messages(other, ann)
    delete(other, ann, 2, 5, 6)  # by its id, and by contents
    assert "3 messages restored; 3 were there already" in other.command(*words).stdout
    assert sorted(messages(other, ann)) == sorted(before) and len(before) == 6
    other.command("undelete", ann, status=66)
    assert "0 messages restored; 6 were there already" in other.command(*words).stdout
    audit(other)


def test_damage_is_found(make_server, restore, tmp_path):
    server = make_server(accounts=("ann",))
    ann, target = f"ann@{DOMAIN}", tmp_path / "backup"
    fill(server, ann, 3)
    backup(server, target)
    assert "as it was written" in server.command("restore", str(target), "--verify").stdout
    packs = next(name for name in os.listdir(target) if name.startswith("packs"))
    pack = target / packs / sorted(os.listdir(target / packs))[0]
    data = pack.read_bytes()
    pack.write_bytes(data.replace(b"Subject: number 0", b"subject: number 0"))
    done = server.command("restore", str(target), "--verify", status=65)
    assert f"{packs}/{pack.name} in the backup differs from its checksum; make a new backup into another " \
        "directory; or, where \"godwit store verify\" finds nothing damaged, remove that file, and the next" in done.stderr
    assert "restored as it is" not in done.stderr
    done = server.command("restore", str(target), "--account", ann, status=65)
    assert "message " in done.stderr and "damaged" in done.stderr
    assert "3 were there already; 1 message of the backup is damaged" in done.stdout
    manifest = (target / "manifest").read_bytes()
    (target / "manifest").write_bytes(manifest.replace(b"store ", b"Store ", 1))
    assert "damaged" in server.command("backup", str(target), status=65).stderr
    assert f"the manifest of the backup {target} is damaged; name another backup\n" in server.command(
        "restore", str(target), "--verify", status=65).stderr
    (target / "manifest").write_bytes(manifest)
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "file").write_text("x")
    assert "other files" in server.command("backup", str(tmp_path / "no"), status=73).stderr
    assert "no complete backup" in server.command(
        "restore", str(tmp_path / "no"), status=66).stderr
    assert server.stop() == 0
    other = restore(server, target, status=65)
    assert len(messages_that_can_be_read(other, ann)) == 3


def test_of_a_damaged_database_no_backup_is_made(either, restore, tmp_path):
    """The one before stays as it is, and is told of: it may be the last sound one."""
    server, ann, target = either, f"ann@{DOMAIN}", tmp_path / "backup"
    fill(server, ann, 3)
    before = messages(server, ann)
    backup(server, target)

    def all_of_it():
        return {path.relative_to(target): path.is_file() and path.read_bytes()
                for path in target.rglob("*") if path.name != "lock"}

    complete = all_of_it()
    deliver(server, ann, letter("one more"))
    running = bool(server.process)
    server.stop()
    database = os.path.join(server.data, "store.db")
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [page] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'email'").fetchone()
    with open(database, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    if running:
        server.start()
        server.mark()
        server.settle()
    done = server.command("backup", str(target), status=65)
    assert "godwit store verify" in done.stderr and "stays as it was" in done.stderr, done.stderr
    assert done.stdout == ""
    now = all_of_it()
    assert {path: now.get(path) for path in complete} == complete
    server.command("restore", str(target), "--verify")
    assert messages(restore(server, target), ann) == before


def test_what_is_missing_is_copied_again(make_server, restore, tmp_path):
    server = make_server(accounts=("ann",))
    ann, target = f"ann@{DOMAIN}", tmp_path / "backup"
    fill(server, ann, 3)
    backup(server, target)
    packs = next(name for name in os.listdir(target) if name.startswith("packs"))
    names = sorted(os.listdir(target / packs))
    os.unlink(target / packs / names[1])
    os.truncate(target / packs / names[0], 100)
    deliver(server, ann, letter("one more"))
    before = messages(server, ann)
    done = server.command("backup", str(target))
    assert done.stderr.count("copied again") == 2
    server.command("restore", str(target), "--verify")
    assert messages(restore(server, target), ann) == before


def messages_that_can_be_read(server, user):
    folder = os.path.join(server.folder, "out")
    server.command("export", user, "--maildir", folder, status=65)
    return os.listdir(os.path.join(folder, "cur"))


@pytest.fixture
def disk():
    with small_disk("4m") as made:
        yield made.folder


def test_a_full_disk_leaves_the_backup_before(make_server, restore, disk, tmp_path):
    server = make_server(accounts=("ann",))
    ann, target = f"ann@{DOMAIN}", os.path.join(disk, "backup")
    fill(server, ann, 3)
    before = messages(server, ann)
    backup(server, target)
    fill_large(server, ann, 20, tmp_path)
    done = server.command("backup", target, status=73)
    assert "No space left" in done.stderr, done.stderr
    assert not server.json("status").get("trouble")
    other = restore(server, target)
    assert messages(other, ann) == before
