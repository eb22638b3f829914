"""Backups and restores with something in their way: disks that take or give no more, files that are none, each
other."""

import contextlib
import fcntl
import os
import pathlib
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess

import pytest

from conftest import DOMAIN, new_folder, preload
from test_backup import MARK, Restored, backup, rows
from test_export import fill
from wire import deliver

pytestmark = pytest.mark.rare

ANN = f"ann@{DOMAIN}"


@pytest.fixture
def other(make_server):
    """A server without a data directory, for what is restored."""
    made = Restored(make_server(start=False), new_folder())
    yield made
    if made.process:
        assert made.stop() == 0
    shutil.rmtree(made.folder, ignore_errors=True)


def pack_names(target):
    [packs] = [name for name in os.listdir(target) if name.startswith("packs")]
    return [f"{packs}/{name}" for name in sorted(os.listdir(target / packs))]


def test_a_target_that_takes_no_more_ends_a_restore(make_server, other, tmp_path):
    """It is no data directory then, and the backup is not said to be damaged."""
    server = make_server(accounts=("ann",))
    (tmp_path / "mbox").write_bytes(b"From a@b Mon Nov 23 19:54:33 2026\nSubject: large\n\n" + (b"z" * 70 + b"\n") * 43000)
    server.command("import", ANN, str(tmp_path / "mbox"))
    backup(server, tmp_path / "backup")
    limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 4096; exec \"$@\"", "sh"]
    words = [server.binary, "restore", str(tmp_path / "backup"), "--data", other.data]
    done = subprocess.run(limited + words, capture_output=True, text=True, check=False)
    assert done.returncode == 74, done
    assert f"cannot write {other.data}/packs/" in done.stderr and "File too large" in done.stderr
    assert "in the backup" not in done.stderr and done.stdout == ""
    assert os.path.exists(os.path.join(other.data, MARK)) and not os.path.exists(os.path.join(other.data, "lock"))
    other.command("restore", str(tmp_path / "backup"))
    assert len(other.json("flags", ANN)) == 1


def test_what_a_backup_does_not_give_is_named(server, other, tmp_path):
    user, target = server.mailbox(), tmp_path / "backup"
    fill(server, user, 3)
    backup(server, target)
    names = pack_names(target)
    os.truncate(target / names[0], 100)
    os.unlink(target / names[1])
    [files] = [name for name in os.listdir(target) if name.startswith("files")]
    os.unlink(target / files / "tls" / "key.pem")
    for words in (("--verify",), ()):
        done = other.command("restore", str(target), *words, data=not words, status=65)
        again = "the next backup copies again what is missing" if words else ""
        for name, why, then in [
                (names[0], "it ends too early", again or "what can be read of it is restored"),
                (names[1], "it is missing", again or "the rest is restored without it"),
                (f"{files}/tls/key.pem", "it is missing",
                 "the next backup copies it anew" if words else "the rest is restored without it")]:
            assert f"cannot read {name} in the backup: {why}; {then}\n" in done.stderr
        assert done.stderr.count("\n") == 3
    assert not os.path.exists(os.path.join(other.data, "tls/key.pem"))
    assert other.json("account", "list")
    os.unlink(target / files / "godwit.conf")
    shutil.rmtree(other.data)
    assert "nothing can be restored without it" in other.command("restore", str(target), status=65).stderr
    assert not os.path.exists(os.path.join(other.data, "lock"))
    backup(server, target)  # as was said
    assert "as it was written" in other.command("restore", str(target), "--verify", data=False).stdout


@pytest.mark.parametrize("running", [True, False])
def test_a_removed_account_does_not_hide_the_others(make_server, tmp_path, running):
    """A search for one message passes it over; it is named where only it had the message."""
    server, zoe, target = make_server(accounts=("ann", "bob", "zoe")), f"zoe@{DOMAIN}", str(tmp_path / "Ann's backup")
    deliver(server, [ANN, zoe], b"Message-ID: <both@x>\r\nSubject: both\r\n\r\nx\r\n")
    deliver(server, f"bob@{DOMAIN}", b"Message-ID: <bob@x>\r\nSubject: Bob's\r\n\r\nx\r\n")
    [id_both] = [row["id"] for row in server.json("flags", zoe)]
    backup(server, target)
    for name in (ANN, f"bob@{DOMAIN}"):
        server.command("account", "remove", name)
    if not running:
        server.stop()
    done = server.command("restore", target, "--message-id", "<both@x>")
    assert (done.stdout, done.stderr) == ("0 messages restored; 1 were there already\n", "")
    assert "1 were there" in server.command("restore", target, "--message-id", id_both).stdout
    done = server.command("restore", target, "--message-id", "<bob@x>", status=67)
    quoted = target.replace("'", r"'\''")
    cure = f"godwit restore '{quoted}' --message-id '<bob@x>' --account 'bob@{DOMAIN}' --data '{server.data}'"
    assert done.stderr.count("\n") == 1 and f"was in bob@{DOMAIN}" in done.stderr and cure in done.stderr
    server.command("restore", target, "--message-id", "<none@x>", status=66)
    assert "1 message restored" in server.command(*shlex.split(cure)[1:], data=False).stdout


@contextlib.contextmanager
def locked(target, how=fcntl.LOCK_EX):
    with open(target / "lock", "rb") as file:
        fcntl.flock(file, how)
        yield


def test_one_at_a_time(server, other, tmp_path):
    """Who writes a backup is alone; who only reads keeps writers out, and reads what nobody takes away."""
    user, target = server.mailbox(), tmp_path / "backup"
    backup(server, target)
    manifest = (target / "manifest").read_bytes()
    with locked(target):
        (target / "manifest").write_bytes(b"half of one")  # whatever it is by now: it belongs to who holds the lock
        done = server.command("backup", str(target), status=75)
        assert f"another backup into {target} is under way" in done.stderr
        for words in (), ("--account", user):
            done = other.command("restore", str(target), *words, status=75)
            assert f"a backup into {target} is under way" in done.stderr
        (target / "manifest").write_bytes(manifest)
        assert not os.path.exists(other.data)
    with locked(target, fcntl.LOCK_SH):
        assert "or a restore from it" in server.command("backup", str(target), status=75).stderr
        server.command("restore", str(target), "--verify", data=False)
    os.unlink(target / "lock")  # as of a copy
    other.command("restore", str(target))
    assert not os.path.exists(target / "lock")
    held = os.open(target, os.O_RDONLY | os.O_DIRECTORY)  # as a restore holds it
    fcntl.flock(held, fcntl.LOCK_SH)
    assert "or a restore from it" in server.command("backup", str(target), status=75).stderr
    os.close(held)
    backup(server, target)


def test_what_is_wrong_with_the_lock_is_told(server, tmp_path):
    (tmp_path / "backup" / "lock").mkdir(parents=True)
    done = server.command("backup", str(tmp_path / "backup"), status=73)
    assert f"cannot open {tmp_path}/backup/lock: Is a directory" in done.stderr


def test_a_file_system_of_its_own(server, tmp_path):
    """That was just made has a directory in it, which is nobody's."""
    lost = tmp_path / "backup" / "lost+found"
    lost.mkdir(parents=True)
    for _ in range(2):
        backup(server, tmp_path / "backup")
    server.command("restore", str(tmp_path / "backup"), "--verify", data=False)
    assert lost.is_dir()
    (tmp_path / "backup" / "found").mkdir()
    assert "holds other files" in server.command("backup", str(tmp_path / "backup"), status=73).stderr


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("name,make,why", [
    ("dangling.pem", lambda path: os.symlink("nothing", path),
     "it is missing, or a link to what is: put it there, and run this command again"),
    ("pipe", os.mkfifo, "it is no file"),
    ("socket", make_socket, "it is no file"),
    ("a..b.pem", lambda path: path.write_text("x"), 'its name has ".." or control characters in it'),
], ids=["link", "pipe", "socket", "name"])
def test_what_is_no_file_is_left_out_by_name(server, tmp_path, name, make, why):
    """Beside the keys; all else is in the backup, and the backup is one."""
    odd = pathlib.Path(server.data, "tls", name)
    make(odd)
    try:
        done = server.command("backup", str(tmp_path / "backup"), status=65)
    finally:
        odd.unlink()
    assert done.stderr == f"godwit: tls/{name} is not in the backup: {why}\n"
    assert done.stdout.startswith("backup complete: ") and done.stdout.endswith(" copied; 1 file is left out\n")
    server.command("restore", str(tmp_path / "backup"), "--verify", data=False)
    assert len(list((tmp_path / "backup").glob("files-*/tls/key.pem"))) == 1


def test_keys_that_cannot_be_listed_end_a_backup(make_server, tmp_path):
    server, target = make_server(), tmp_path / "backup"
    backup(server, target)
    before = (target / "manifest").read_bytes()
    tls = pathlib.Path(server.data, "tls")
    tls.rename(tmp_path / "tls")
    tls.write_text("no directory")
    done = server.command("backup", str(target), status=74)
    assert f"cannot read {tls}: Not a directory" in done.stderr and done.stdout == ""
    assert (target / "manifest").read_bytes() == before
    tls.unlink()
    done = server.command("backup", str(target))  # one without any keys
    assert done.stderr.count("tls/") == done.stderr.count(", which godwit.conf names, is missing, and so not in the") == 2
    (tmp_path / "tls").rename(tls)


ROUTE = 'routes = ( {{ domain = "*"; host = "192.0.2.1"; port = 587; tls = "verify"; user = "u"; password_file = "{}"; }} );'


NOTE = "note: {}, which godwit.conf names, lies elsewhere and is not in the backup\n"


def test_passwords_of_routes_come_along(make_server, other, tmp_path):
    """Where they lie beside godwit.conf, however it names them; what lies elsewhere stays there."""
    server = make_server()
    here, away = pathlib.Path(server.data, "provider.password"), tmp_path / "away.password"
    for path in here, away:
        path.write_text("a secret\n")
        path.chmod(0o600)
    for name in here.name, str(here):
        server.configure(ROUTE.format(name))
        backup(server, tmp_path / "backup")
        [copy] = (tmp_path / "backup").glob("files-*/*.password")
        assert copy.read_text() == "a secret\n"
    other.command("restore", str(tmp_path / "backup"))
    restored = pathlib.Path(other.data, here.name)
    assert restored.read_text() == "a secret\n" and restored.stat().st_mode & 0o777 == 0o600
    here.unlink()
    assert f"{here.name} is not in the backup: it is missing" in server.command(
        "backup", str(tmp_path / "backup"), status=65).stderr
    here.symlink_to(away)
    assert server.command("backup", str(tmp_path / "backup"), status=65).stderr == (
        f"godwit: {here.name} is not in the backup: it is a link\n")
    server.configure(ROUTE.format(away))
    assert server.command("backup", str(tmp_path / "backup")).stderr == NOTE.format(away)
    assert not list((tmp_path / "backup").glob("files-*/*.password"))
    server.configure("no option = 1;")
    assert "what godwit.conf names beside itself is not in the backup: " in server.command(
        "backup", str(tmp_path / "backup"), status=65).stderr


@pytest.mark.parametrize("words,status", [
    (["serve"], 78), (["check-config"], 78), (["status"], 65), (["account", "list"], 65), (["backup", "elsewhere"], 65),
    (["init", "--hostname", "a.test"], 73)], ids=lambda words: words[0] if isinstance(words, list) else "")
def test_what_is_restored_in_part_is_told_as_such(server, other, tmp_path, words, status):
    """However early the restore ended."""
    backup(server, tmp_path / "backup")
    [database] = (tmp_path / "backup").glob("files-*/store.db")
    os.truncate(database, 4096)
    other.command("restore", str(tmp_path / "backup"), status=None)
    words = [str(tmp_path / word) if word == "elsewhere" else word for word in words]
    done = other.command(*words, status=status)
    assert f"{other.data} is not restored in full" in done.stderr, done.stderr
    assert f"godwit restore BACKUP --data {other.data}" in done.stderr


# ---- packs that are not whole ----

CURE = "`godwit store verify` names the messages"


@pytest.fixture
def hundred(make_server, tmp_path):
    """A server that does not run; .pack: the file that all of its mail lies in; .end: as far as that is committed."""
    server = make_server(accounts=("ann",))
    (tmp_path / "hundred").write_text("".join(
        f"From a@b Mon Nov 23 19:54:33 2026\nSubject: number {n}.\n\n{'z' * 400}\n\n" for n in range(100)))
    server.command("import", ANN, str(tmp_path / "hundred"))
    assert server.stop() == 0
    [[number, server.end]] = rows(server, "SELECT pack, end_offset FROM pack WHERE single = 0", tmp_path)
    server.pack = pathlib.Path(server.data, f"packs/{number:010}.pack")
    return server


def bad_sectors(server, *places):
    return {**preload("sectors"),
            "GODWIT_TEST_SECTORS": " ".join(f"{server.pack.stat().st_ino}:{at}" for at in places)}


def copy_of(server, target):
    return next(target.glob(f"packs-*/{server.pack.name}"))


def as_written(server, target, lost):
    """It is not called damaged; that it was made of a damaged pack is told."""
    done = server.command("restore", str(target), "--verify", data=False, status=65 if lost else 0)
    assert "the backup is as it was written" in done.stdout
    assert done.stderr.startswith("godwit: 1 pack could not be read in full when" if lost else "")
    assert done.stderr.count("\n") == lost


def touched(server, start, size=4096):
    """How many messages have some of these octets."""
    data = server.pack.read_bytes()
    heads = [at for at in range(64, server.end, 8) if data[at:at + 4] == b"GWrc"] + [server.end]
    return sum(1 for head, after in zip(heads, heads[1:]) if head < start + size and after > start)


def restored(server, source, tmp_path, status):
    """Numbers of the messages that a restore of the backup has."""
    folder = new_folder()
    other = Restored(server, folder)
    other.command("restore", str(source), status=status)
    other.command("export", ANN, "--mbox", os.path.join(folder, "out"), status=None)
    with open(os.path.join(folder, "out"), encoding="ascii") as file:
        found = re.findall(r"Subject: number (\d+)\.", file.read())
    assert other.command("store", "verify", "--rate", "0", status=None).returncode == status
    shutil.rmtree(folder)
    return len(found)


def test_a_pack_that_was_cut_short_is_there_as_far_as_it_goes(hundred, tmp_path):
    server, target = hundred, tmp_path / "backup"
    os.truncate(server.pack, server.end - 164)
    for _ in range(2):
        done = server.command("backup", str(target), status=65)
        assert f"pack {int(server.pack.stem)} is not whole in the backup: " in done.stderr and CURE in done.stderr
        assert "some packs are not whole" in done.stdout
        assert copy_of(server, target).read_bytes() == server.pack.read_bytes()
        as_written(server, target, lost=True)
    assert restored(server, target, tmp_path, 65) == 99


@pytest.mark.parametrize("first", [0, 8192], ids=["head", "records"])
def test_sectors_of_a_pack_that_cannot_be_read_cost_what_lies_there(hundred, tmp_path, first):
    """Nothing behind them; and as soon as the disk gives them, they come into the backup."""
    server, target = hundred, tmp_path / "backup"
    done = server.command("backup", str(target), env=bad_sectors(server, first, 20480), status=65)
    assert f"the disk does not give 8192 octets of it, the first at {first}\n" in done.stderr and CURE in done.stderr
    as_written(server, target, lost=True)
    lost = touched(server, first) + touched(server, 20480)
    assert restored(server, target, tmp_path, 65) == 100 - lost < 90
    assert server.command("backup", str(target), status=0).stderr == ""
    as_written(server, target, lost=False)
    assert restored(server, target, tmp_path, 0) == 100
    done = server.command("backup", str(target), env=bad_sectors(server, 8192))  # what is there is not asked for again
    assert done.stderr == ""


def test_what_an_earlier_backup_read_stays(hundred, tmp_path):
    """Whatever else the disk does not give when the rest is asked for again: only that is asked for."""
    server, target = hundred, tmp_path / "backup"
    server.command("backup", str(target), env=bad_sectors(server, 8192), status=65)
    before = copy_of(server, target).read_bytes()
    server.command("backup", str(target), env=bad_sectors(server, 8192, 20480), status=65)
    assert copy_of(server, target).read_bytes() == before
    as_written(server, target, lost=True)
    kept = server.pack.rename(tmp_path / "kept")
    done = server.command("backup", str(target), status=65)
    assert f"pack {int(server.pack.stem)} is not whole in the backup: " in done.stderr
    kept.rename(server.pack)
    assert copy_of(server, target).read_bytes() == before
    as_written(server, target, lost=True)
    assert restored(server, target, tmp_path, 65) == 100 - touched(server, 8192)
    assert server.command("backup", str(target), env=bad_sectors(server, 20480)).stderr == ""
    assert copy_of(server, target).read_bytes() == server.pack.read_bytes()[:server.end]
    as_written(server, target, lost=False)
    assert restored(server, target, tmp_path, 0) == 100


def zeroed(path, *places):
    """As a program leaves it that copies a disk that fails to a sound one."""
    before = path.read_bytes()
    with open(path, "r+b") as file:
        for at in places:
            file.seek(at)
            file.write(bytes(4096))
    return before


def test_zeros_of_a_copied_disk_are_no_news(hundred, tmp_path):
    """They take the place of nothing that was read, and what was not read is missed as before."""
    server, target = hundred, tmp_path / "backup"
    server.command("backup", str(target), env=bad_sectors(server, 8192), status=65)
    before = copy_of(server, target).read_bytes()
    sound = zeroed(server.pack, 8192, 20480)
    for _ in range(2):
        done = server.command("backup", str(target), status=65)
        assert ("is not whole in the backup: no backup has read 4096 octets of it, the first at 8192\n"
                in done.stderr), done.stderr
        assert copy_of(server, target).read_bytes() == before
        as_written(server, target, lost=True)
    server.pack.write_bytes(sound)
    assert restored(server, target, tmp_path, 65) == 100 - touched(server, 8192)
    assert server.command("backup", str(target)).stderr == ""
    assert copy_of(server, target).read_bytes() == sound[:server.end]


def test_the_cure_that_is_named_keeps_what_only_the_backup_has(hundred, tmp_path):
    """Its commands, one after the other."""
    server, target = hundred, tmp_path / "backup"
    server.command("backup", str(target), env=bad_sectors(server, 8192), status=65)
    lost = touched(server, 8192)
    zeroed(server.pack, 8192, 20480)
    done = server.command("backup", str(target), status=65)
    cure = re.findall(r"`godwit ([^`]*)`", done.stderr)
    assert [words.split()[0] for words in cure] == ["store", "store", "restore"] and "only then make another" in done.stderr
    for words in cure:
        server.command(*shlex.split(words.replace("ADDRESS", ANN)), status=None)
    assert server.command("backup", str(target)).stderr == ""
    assert restored(server, target, tmp_path, 0) == 100 - lost


@contextlib.contextmanager
def broken_off(server):
    """What ends a backup when all packs are copied."""
    tls = pathlib.Path(server.data, "tls")
    tls.rename(tls.with_name("aside"))
    tls.write_text("no directory")
    yield
    tls.unlink()
    tls.with_name("aside").rename(tls)


def test_a_hole_that_a_broken_off_backup_fills_is_no_damage(hundred, tmp_path):
    server, target = hundred, tmp_path / "backup"
    server.command("backup", str(target), env=bad_sectors(server, 8192, 20480), status=65)
    with broken_off(server):
        server.command("backup", str(target), env=bad_sectors(server, 20480), status=74)
    as_written(server, target, lost=True)
    assert restored(server, target, tmp_path, 65) == 100 - touched(server, 20480)
    server.command("backup", str(target), env=bad_sectors(server, 8192), status=65)
    assert copy_of(server, target).read_bytes() == server.pack.read_bytes()[:server.end]
    assert server.command("backup", str(target)).stderr == ""
    as_written(server, target, lost=False)


def import_numbers(server, numbers, tmp_path):
    (tmp_path / "more").write_text("".join(
        f"From a@b Mon Nov 23 19:54:33 2026\nSubject: number {n}.\n\n{'y' * 400}\n\n" for n in numbers))
    server.command("import", ANN, str(tmp_path / "more"))


@contextlib.contextmanager
def put_back(server, tmp_path, what=""):
    """What is made of the data directory meanwhile, or of a file of it, is gone afterwards."""
    here, then = pathlib.Path(server.data, what), tmp_path / "then"
    subprocess.run(["cp", "-a", here, then], check=True)
    yield
    shutil.rmtree(here) if here.is_dir() else here.unlink()
    then.rename(here)


def copied_anew(server, target, why="put back to an earlier state"):
    """Told in one line."""
    told = server.command("backup", str(target)).stderr
    assert told.startswith(f"note: {server.data} does not have behind it what {target} is of, for it was {why}: ")
    assert told.count("\n") == 1


# fewer than were there, as many, and more: whether its packs end before those of the backup, there, or behind them
@pytest.mark.parametrize("count", [50, 100, 200])
def test_a_hole_does_not_hide_another_history(hundred, tmp_path, count):
    """Of a data directory that was put back to what it was once, all is copied anew, and beside what is there."""
    server, target = hundred, tmp_path / "backup"
    backup(server, tmp_path / "identity")
    with put_back(server, tmp_path):
        import_numbers(server, range(100, 200), tmp_path)
        server.command("backup", str(target), env=bad_sectors(server, 8192), status=65)
        lost = touched(server, 8192)
        before = copy_of(server, target).read_bytes()
    import_numbers(server, range(200, 200 + count), tmp_path)
    with broken_off(server):
        server.command("backup", str(target), status=74)
    assert restored(server, target, tmp_path, 65) == 200 - lost
    assert before in [path.read_bytes() for path in target.glob(f"packs-*/{server.pack.name}")]
    copied_anew(server, target)
    assert len(list(target.glob("packs-*"))) == 1
    as_written(server, target, lost=False)
    assert restored(server, target, tmp_path, 0) == 100 + count


@pytest.mark.parametrize("what", ["", "store.db"])
@pytest.mark.parametrize("later", [False, True], ids=["last", "last but one"])
def test_another_history_that_has_grown_past_the_first(hundred, tmp_path, what, later):
    """A data directory that was put back, or its database alone: also when the last part of a pack is the same."""
    server, target = hundred, tmp_path / "backup"
    backup(server, target)
    with put_back(server, tmp_path, what):
        import_numbers(server, range(100, 200), tmp_path)
        backup(server, target)
        if later:
            import_numbers(server, range(400, 500), tmp_path)
            backup(server, target)
    import_numbers(server, range(200, 300), tmp_path)
    if later:
        import_numbers(server, range(400, 500), tmp_path)
    import_numbers(server, range(500, 600), tmp_path)
    copied_anew(server, target)
    as_written(server, target, lost=False)
    assert restored(server, target, tmp_path, 0) == (400 if later else 300)


def files_in(target):
    return {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_holes_do_not_take_the_place_of_what_another_history_has(hundred, tmp_path):
    """What a disk does not give of a data directory that was put back; the cure that is named brings it back."""
    server, target = hundred, tmp_path / "backup"
    backup(server, tmp_path / "identity")
    with put_back(server, tmp_path):
        import_numbers(server, range(100, 150), tmp_path)
        backup(server, target)
    before = files_in(target)
    for _ in range(2):
        done = server.command("backup", str(target), env=bad_sectors(server, 8192), status=65)
        assert f"godwit: {target} stays the backup that it was: the new one would not be whole" in done.stderr
        assert done.stderr.count("\n") == 3 and done.stdout == ""
        assert files_in(target) == before and len(os.listdir(target)) == 4
    assert restored(server, target, tmp_path, 0) == 150
    zeroed(server.pack, 8192)
    cure = [words for words in re.findall(r"`godwit ([^`]*)`", done.stderr.splitlines()[-1])]
    assert [words.split()[0] for words in cure] == ["store", "restore"]
    for words in cure:
        server.command(*shlex.split(words.replace("ADDRESS", ANN)), status=None)
    copied_anew(server, target)
    assert restored(server, target, tmp_path, 0) == 150


def test_a_restored_directory_does_not_take_the_place_of_its_backup_with_holes(hundred, other, tmp_path):
    server, target = hundred, tmp_path / "backup"
    backup(server, target)
    other.command("restore", str(target))
    other.pack, before = pathlib.Path(other.data, "packs", server.pack.name), files_in(target)
    other.command("backup", str(target), env=bad_sectors(other, 8192), status=65)
    assert files_in(target) == before
    copied_anew(other, target, "restored from a backup, or salvaged")
    assert files_in(target) != before and restored(other, target, tmp_path, 0) == 100


def test_what_is_put_back_to_the_database_of_its_backup_goes_on(hundred, tmp_path):
    """With what that has read, whatever the disk gives; one put back to the database of a backup before does not."""
    server, target = hundred, tmp_path / "backup"
    backup(server, target)
    [first] = target.glob("files-*/store.db")
    first = shutil.copy(first, tmp_path / "first")
    for more in (), range(100, 150):
        if more:
            import_numbers(server, more, tmp_path)
        backup(server, target)
    names, [last] = pack_names(target), target.glob("files-*/store.db")
    import_numbers(server, range(200, 250), tmp_path)  # is lost
    import_large(server, tmp_path, "300", 43000)
    with broken_off(server):
        server.command("backup", str(target), status=74)
    shutil.copy(last, os.path.join(server.data, "store.db"))
    import_numbers(server, range(150, 190), tmp_path)
    import_large(server, tmp_path, "400", 20000)
    for _ in range(2):
        done = server.command("backup", str(target), env=bad_sectors(server, 8192))
        assert done.stderr == "" and set(names) < set(pack_names(target))
        as_written(server, target, lost=False)
        assert restored(server, target, tmp_path, 0) == 191
    shutil.copy(first, os.path.join(server.data, "store.db"))
    copied_anew(server, target)
    assert restored(server, target, tmp_path, 0) == 100


def test_backups_into_several_directories_go_on(hundred, tmp_path):
    """What was put back to what it was after a backup goes on from it, and each directory from its own."""
    server, one, two = hundred, tmp_path / "one", tmp_path / "two"
    for target in one, two, two:
        backup(server, target)
    names = {target: pack_names(target) for target in (one, two)}
    with put_back(server, tmp_path):
        import_numbers(server, range(100, 200), tmp_path)
    import_numbers(server, range(200, 250), tmp_path)
    for target in one, two, one:
        backup(server, target)
        assert pack_names(target) == names[target]
        assert restored(server, target, tmp_path, 0) == 150


def import_large(server, tmp_path, letter, lines):
    """A message that has a pack of its own."""
    (tmp_path / "large").write_text(
        f"From a@b Mon Nov 23 19:54:33 2026\nSubject: number {letter}.\n\n" + (letter * 70 + "\n") * lines + "\n")
    server.command("import", ANN, str(tmp_path / "large"))


@pytest.mark.parametrize("larger", [0, 14000])
def test_the_number_of_a_pack_that_is_given_again(hundred, tmp_path, larger):
    """To another large message, that is as long as the first, or longer."""
    server, target = hundred, tmp_path / "backup"

    backup(server, target)
    with put_back(server, tmp_path):
        import_large(server, tmp_path, "1", 43000)
        backup(server, target)
    import_large(server, tmp_path, "2", 43000 + larger)
    copied_anew(server, target)
    for path in target.glob("packs-*/*"):
        assert path.read_bytes() == server.pack.with_name(path.name).read_bytes()[:path.stat().st_size]
    assert restored(server, target, tmp_path, 0) == 101


def change(server, statement):
    with contextlib.closing(sqlite3.connect(os.path.join(server.data, "store.db"))) as db:
        db.execute(statement)


def test_what_cannot_be_marked_is_backed_up_all_the_same(hundred, tmp_path):
    """And goes on from the mark that it was given before."""
    server, target = hundred, tmp_path / "backup"
    backup(server, target)
    names, [store] = pack_names(target), re.findall("^store .*", (target / "manifest").read_text(), re.M)
    import_numbers(server, range(100, 150), tmp_path)
    change(server, "CREATE TRIGGER refuse BEFORE INSERT ON meta WHEN new.name = 'backups' "
                   "BEGIN SELECT raise(ABORT, 'not now'); END")
    for _ in range(2):
        backup(server, target)
        assert pack_names(target) == names and f"\n{store}\n" in (target / "manifest").read_text()
    backup(server, tmp_path / "another")
    assert re.search(r"^store \d+$", (tmp_path / "another" / "manifest").read_text(), re.M)
    change(server, "DROP TRIGGER refuse")
    backup(server, target)
    assert pack_names(target) == names and f"\n{store}\n" not in (target / "manifest").read_text()
    assert restored(server, target, tmp_path, 0) == 150


# ---- links in the directory of the backup, which may be another user's ----

LINK = "a link stands there, or a file, and links are not followed"


def test_nothing_is_written_through_links(make_server, tmp_path):
    server, target, away = make_server(accounts=("ann",)), tmp_path / "backup", tmp_path / "away"
    deliver(server, ANN, b"Subject: first\r\n\r\nx\r\n")
    target.mkdir()
    (target / "lock").symlink_to(away)
    done = server.command("backup", str(target), status=73)
    assert f"cannot open {target}/lock: {LINK}" in done.stderr and not away.exists()
    (target / "lock").unlink()
    away.write_text("somebody's")
    (target / "manifest.new").symlink_to(away)
    backup(server, target)
    assert away.read_text() == "somebody's" and not (target / "manifest").is_symlink()
    [packs] = target.glob("packs-*")
    for linked in *packs.iterdir(), packs:
        kept = linked.rename(tmp_path / linked.name)
        linked.symlink_to(kept)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*.pack")}
        deliver(server, ANN, b"Subject: new\r\n\r\nx\r\n")
        done = server.command("backup", str(target), status=73)
        assert "cannot make packs-" in done.stderr and LINK in done.stderr, done.stderr
        assert {path: path.read_bytes() for path in tmp_path.rglob("*.pack")} == before
        linked.unlink()
        kept.rename(linked)
    backup(server, target)
    server.command("restore", str(target), "--verify", data=False)


def test_nothing_is_written_into_files_that_have_other_names(make_server, tmp_path):
    """Nor into what is no file."""
    server, target, away = make_server(accounts=("ann",)), tmp_path / "backup", tmp_path / "away"
    deliver(server, ANN, b"Subject: first\r\n\r\nx\r\n")
    backup(server, target)
    away.write_bytes(b"somebody's" * 10000)
    [pack] = target.glob("packs-*/*")
    for make in lambda: os.link(away, pack), lambda: os.mkfifo(pack):
        kept = pack.rename(tmp_path / "kept")
        make()
        deliver(server, ANN, b"Subject: new\r\n\r\nx\r\n")
        done = server.command("backup", str(target), status=73)
        assert "what stands there is no file, or has another name too" in done.stderr, done.stderr
        assert away.read_bytes() == b"somebody's" * 10000
        pack.unlink()
        kept.rename(pack)
    backup(server, target)
    server.command("restore", str(target), "--verify", data=False)


# ---- what is there before a backup, and stays when none comes of it ----

def test_packs_without_a_manifest_stay_until_there_is_another(hundred, tmp_path):
    server, target = hundred, tmp_path / "backup"
    backup(server, target)
    manifest = (target / "manifest").read_bytes()
    before = {path: path.read_bytes() for path in target.glob("*-*/*") if path.is_file()}
    (target / "manifest").unlink()
    with broken_off(server):
        server.command("backup", str(target), status=74)
    assert {path: path.read_bytes() for path in target.glob("*-*/*") if path.is_file()} == before
    (target / "manifest").write_bytes(manifest)
    as_written(server, target, lost=False)
    (target / "manifest").unlink()
    backup(server, target)
    assert not any(path.exists() for path in before)
    assert restored(server, target, tmp_path, 0) == 100


def test_a_pack_that_only_a_broken_off_backup_saw_goes(hundred, tmp_path):
    """With the next one; what bears no name of a pack is somebody's."""
    server, target = hundred, tmp_path / "backup"
    backup(server, target)
    before = pack_names(target)
    with put_back(server, tmp_path):
        import_large(server, tmp_path, "1", 43000)
        with broken_off(server):
            server.command("backup", str(target), status=74)
    assert len(pack_names(target)) == len(before) + 1
    for name in "9.pack", "0000000009.pack.orphan", "0000000009.packs":
        (target / before[0]).with_name(name).write_text("somebody's")
    backup(server, target)
    assert len(pack_names(target)) == len(before) + 3 and set(before) < set(pack_names(target))
    assert restored(server, target, tmp_path, 0) == 100


def test_nothing_is_made_for_what_is_no_data_directory(hundred, tmp_path):
    os.rename(os.path.join(hundred.data, "lock"), tmp_path / "lock")
    done = hundred.command("backup", str(tmp_path / "backup"), status=65)
    assert "has lost the file" in done.stderr and not (tmp_path / "backup").exists()
    os.rename(tmp_path / "lock", os.path.join(hundred.data, "lock"))


@pytest.mark.parametrize("there", [[], ["lock"], [".hidden"]])
def test_a_first_backup_that_fails_leaves_nothing(make_server, tmp_path, there):
    """But what was there before."""
    server, new, old = make_server(start=False), tmp_path / "new", tmp_path / "old"
    old.mkdir()
    for name in there:
        (old / name).touch()
    os.rename(os.path.join(server.data, "store.db"), tmp_path / "store.db")
    for target in new, old:
        assert "store.db is missing" in server.command("backup", str(target), status=74).stderr
    assert not new.exists() and os.listdir(old) == there
    os.rename(tmp_path / "store.db", os.path.join(server.data, "store.db"))
    for target in new, old:
        backup(server, target)
        assert (target / "lock").exists()


# ---- what lies in tls/, and what godwit.conf names ----

def names_tls(server, certificate, key):
    server.configure(f'tls_certificate = "{certificate}";\ntls_key = "{key}";')


def test_files_with_a_dot_in_front_come_along(make_server, other, tmp_path):
    server = make_server()
    os.rename(server.key, os.path.join(server.data, "tls/.key.pem"))
    names_tls(server, "tls/certificate.pem", "tls/.key.pem")
    assert server.command("backup", str(tmp_path / "backup")).stderr == ""
    other.command("restore", str(tmp_path / "backup"))
    with open(os.path.join(server.data, "tls/.key.pem"), "rb") as file:
        assert pathlib.Path(other.data, "tls/.key.pem").read_bytes() == file.read()


@pytest.mark.parametrize("name", ["reserve", "run", "lock", "tls", "store.db-wal"])
def test_a_name_of_the_data_directory_is_left_out(make_server, tmp_path, name):
    """Told as what it is."""
    server = make_server()
    server.configure(ROUTE.format(name))
    server.stop()
    done = server.command("backup", str(tmp_path / "backup"), status=65)
    assert done.stderr == (f"godwit: {name} is not in the backup: the data directory uses that name for a file of its "
                           "own; give it another name, also in godwit.conf\n")


def test_what_is_named_elsewhere_is_noted_once(make_server, tmp_path):
    """What is in the backup is not, however it is named; what lies deeper in tls/ is missed."""
    server, away = make_server(), tmp_path / "away"
    shutil.copytree(os.path.join(server.data, "tls"), away)
    names_tls(server, away / "certificate.pem", away / "certificate.pem")
    done = server.command("backup", str(tmp_path / "backup"))
    assert done.stderr == NOTE.format(away / "certificate.pem") and "left out" not in done.stdout
    (tmp_path / "link").symlink_to(os.path.join(server.data, "tls"))
    names_tls(server, tmp_path / "link/certificate.pem", f"{server.data}/../data/tls/key.pem")
    assert server.command("backup", str(tmp_path / "backup")).stderr == ""
    names_tls(server, "tls/certificate.pem", "tls/none.pem")
    assert server.command("backup", str(tmp_path / "backup"), status=65).stderr == (
        f"godwit: {server.data}/tls/none.pem is not in the backup: it is missing, or a link to what is: put it there, and run this "
        "command again\n")
    names_tls(server, tmp_path / "none.pem", "tls/key.pem")
    assert server.command("backup", str(tmp_path / "backup")).stderr == (
        f"note: {tmp_path}/none.pem, which godwit.conf names, is missing, and so not in the backup\n")
    names_tls(server, "tls/certificate.pem", "tls/key.pem")
    (pathlib.Path(server.data) / "tls" / "old" / "older").mkdir(parents=True)
    noted = "note: tls/old is a directory and is not in the backup\n"
    assert server.command("backup", str(tmp_path / "backup")).stderr == noted
    os.rename(server.key, os.path.join(server.data, "tls/old/older/key.pem"))
    names_tls(server, "tls/certificate.pem", "tls/old/older/key.pem")
    done = server.command("backup", str(tmp_path / "backup"), status=65)
    assert done.stderr == noted + (f"godwit: {server.data}/tls/old/older/key.pem is not in the backup: "
                                   "it lies in a directory below tls/\n")


@pytest.mark.parametrize("part", ["packs", "files"])
def test_a_directory_of_a_backup_that_is_missing_is_made_anew(server, tmp_path, part):
    """As the comparison says."""
    user, target = server.mailbox(), tmp_path / "backup"
    fill(server, user, 3)
    backup(server, target)
    [gone] = target.glob(f"{part}-*")
    shutil.rmtree(gone)
    done = server.command("restore", str(target), "--verify", data=False, status=65)
    assert "it is missing; the next backup copies " in done.stderr and "look at" not in done.stderr
    backup(server, target)
    assert "as it was written" in server.command("restore", str(target), "--verify", data=False).stdout
