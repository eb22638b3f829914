"""Restores of everything with something in their way: what lies in the target already, another restore, the target's
owner, disks that do not give it all, users and options that are not there."""

import contextlib
import fcntl
import os
import pathlib
import pwd
import re
import shlex
import shutil
import sqlite3
import subprocess

import pytest

from conftest import DOMAIN, preload
from server import wait_for
from test_backup import MARK, backup, fill_large
from test_backup_hindered import other  # noqa: F401 (a fixture)
from test_cli_wrong import codes_for
from test_export import fill
from wire import deliver, letter

pytestmark = pytest.mark.rare

ANN = f"ann@{DOMAIN}"
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def all_in(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in pathlib.Path(folder).rglob("*")}


@pytest.mark.parametrize("running", [True, False])
def test_a_data_directory_with_a_mark_is_one(make_server, tmp_path, running):
    """As of a restore that ended between the two. The next start removes the mark."""
    server = make_server(accounts=("ann",), start=running)
    backup(server, tmp_path / "backup")
    mark = pathlib.Path(server.data, MARK)
    mark.touch()
    config = os.stat(server.config_path)
    done = server.command("restore", str(tmp_path / "backup"), status=73)
    assert f"{server.data} is not empty" in done.stderr and done.stdout == ""
    now = os.stat(server.config_path)
    assert (now.st_ino, now.st_mtime_ns) == (config.st_ino, config.st_mtime_ns)
    server.stop()
    assert len(server.json("account", "list")) == 1 and not mark.exists()


def mark_of(other, *names):
    """Of a restore that makes these files."""
    mark = pathlib.Path(other.data, MARK)
    mark.write_text("\n".join(["godwit-restore 1", *names, "end", ""]) if names else "")
    return mark


def begun(other, *names):
    """The target of a restore that was broken off at its beginning, or was to make these files; its mark."""
    pathlib.Path(other.data).mkdir()
    return mark_of(other, *names)


def test_one_restore_at_a_time(server, other, tmp_path):
    backup(server, tmp_path / "backup")
    with open(begun(other), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = other.command("restore", str(tmp_path / "backup"), status=75)
    assert f"another restore into {other.data} is under way" in done.stderr and os.listdir(other.data) == [MARK]
    other.command("restore", str(tmp_path / "backup"))
    assert MARK not in os.listdir(other.data)


def hot_journal(folder):
    """As SQLite leaves it when the power goes while a database of ours gets a log."""
    (folder / "store.db").unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as db:
        db.execute("PRAGMA cache_size = 1")
        db.executescript("CREATE TABLE t (x); BEGIN;" + "INSERT INTO t VALUES (randomblob(4000));" * 50)
        journal = (folder / "store.db-journal").read_bytes()
        assert journal[:4] == b"\xd9\xd5\x05\xf9"
        db.execute("ROLLBACK")
    (folder / "store.db-journal").write_bytes(journal)


def test_of_a_restore_of_another_backup_nothing_stays(make_server, other, tmp_path):
    """Least of all its journal, which would be rolled back into this one's database."""
    server = make_server(accounts=("ann",))
    deliver(server, ANN, letter("kept", ["x"]))
    backup(server, tmp_path / "backup")
    data = begun(other, "tls/other.pem", "relay.password").parent
    for name in "tls/other.pem", "packs/0000099999.pack", "store.db-wal", "store.db-shm", "relay.password":
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(b"x" * 5000)
    (data / "run").mkdir()
    hot_journal(data)
    other.command("restore", str(tmp_path / "backup"))
    assert sorted(os.listdir(data / "tls")) == sorted(os.listdir(os.path.join(server.data, "tls")))
    assert sorted(os.listdir(data)) == ["godwit.conf", "lock", "packs", "run", "store.db", "tls"]
    assert sorted(os.listdir(data / "packs")) == [one.name for one in sorted((tmp_path / "backup").glob("packs-*/*"))]
    assert len(other.json("flags", ANN)) == 1


@pytest.mark.parametrize("theirs", [
    "letters/", "packs/letters/", "tls/letters/", "run/letters/", "godwit.conf/", "packs/0000000001.pack/",
    "notes", "provider.password", "key.pem", "packs/notes", "packs/1.pack", "tls/notes", "tls/godwit.conf", "run/one",
    "packs", "tls", "run", "store.db-backup", "store.db-", "store.db-wal2"])
def test_what_no_restore_leaves_is_not_removed(server, other, tmp_path, theirs):
    """Nor is anything else then."""
    backup(server, tmp_path / "backup")
    data = begun(other, "godwit.conf", "tls/key.pem", "store.db").parent
    for name in theirs + "one" * theirs.endswith("/"), "store.db", "tls/key.pem", "packs/0000000007.pack":
        if not name.startswith(f"{theirs}/"):
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).write_text("mine\n")
    before, refused = all_in(data), theirs.rstrip("/")
    done = other.command("restore", str(tmp_path / "backup"), status=73)
    assert f"{data} holds {refused}, which is of no restore that was broken off: take it away, or" in done.stderr
    assert all_in(data) == before
    (data / refused).rename(other.folder + "/theirs")
    other.command("restore", str(tmp_path / "backup"))
    assert sorted(os.listdir(data)) == ["godwit.conf", "lock", "packs", "run", "store.db", "tls"]


@pytest.mark.parametrize("name", ["precious", "store.db", "tls/key.pem", "packs/0000000001.pack"])
def test_an_empty_mark_is_of_nothing(server, other, tmp_path, name):
    """As anyone's file of that name."""
    backup(server, tmp_path / "backup")
    data = begun(other).parent
    (data / name).parent.mkdir(exist_ok=True)
    (data / name).write_text("x\n")
    before, theirs = all_in(data), name.partition("/")[0]
    done = other.command("restore", str(tmp_path / "backup"), status=73)
    assert f"{data} holds {theirs}, which is of no restore" in done.stderr and all_in(data) == before
    (data / theirs).rename(other.folder + "/theirs")
    other.command("restore", str(tmp_path / "backup"))


@pytest.mark.parametrize("names", [(), ("godwit.conf",)], ids=["first", "again"])
def test_a_mark_that_was_being_written_goes(server, other, tmp_path, names):
    """Whatever is in it."""
    backup(server, tmp_path / "backup")
    data = begun(other, *names).parent
    (data / "restoring.new").write_bytes(b"\0\xa5")
    other.command("restore", str(tmp_path / "backup"))
    assert sorted(os.listdir(data)) == ["godwit.conf", "lock", "packs", "run", "store.db", "tls"]


def test_a_file_that_is_no_mark_stays(server, other, tmp_path):
    backup(server, tmp_path / "backup")
    mark = begun(other)
    mark.write_text("how restoring is done\n")
    done = other.command("restore", str(tmp_path / "backup"), status=73)
    assert f"{mark.parent} holds {MARK}, which is of no restore" in done.stderr
    assert mark.read_text() == "how restoring is done\n" and os.listdir(mark.parent) == [MARK]


@ROOT_ONLY
@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("name", ["godwit.conf", "store.db"])
def test_links_of_the_owner_lead_root_nowhere(server, other, tmp_path, name, link):
    """To files: they are gone then."""
    backup(server, tmp_path / "backup")
    victim = pathlib.Path(other.folder, "victim")
    victim.write_text("root's\n")
    data = begun(other, "godwit.conf").parent
    link(victim, data / name)
    shutil.chown(data, "nobody", "nogroup")
    other.command("restore", str(tmp_path / "backup"))
    assert victim.read_text() == "root's\n" and victim.stat().st_uid == 0
    assert (data / name).is_file() and not (data / name).is_symlink()


@contextlib.contextmanager
def stopped_where_it_tells(other, source):
    """A restore that has something to tell, until what takes it reads on."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, b"\n" * 4096)
    os.set_blocking(into, True)
    with subprocess.Popen([other.binary, "restore", source, "--data", other.data], stderr=into) as process:
        os.close(into)
        yield process
        with open(out, "rb") as file:
            assert b"differs from its checksum" in file.read()


@ROOT_ONLY
def test_another_directory_by_the_name_of_the_target_is_not_handed_over(server, other, tmp_path):
    """Whoever has the directory above can put one there meanwhile."""
    backup(server, tmp_path / "backup")
    certificate = part_of(tmp_path / "backup", "tls/certificate.pem")
    certificate.write_bytes(certificate.read_bytes().replace(b"M", b"N"))
    data, moved, victim = (pathlib.Path(name) for name in (other.data, f"{other.data}.moved", f"{other.folder}/victim"))
    victim.mkdir()
    (victim / "one").write_text("root's\n")
    (victim / "godwit.conf").write_text('hostname = "mail.example.test";\nuser_store = "nobody";\n')
    with stopped_where_it_tells(other, tmp_path / "backup") as process:
        wait_for("the certificate", lambda: (data / "tls/certificate.pem").exists())
        data.rename(moved)
        data.symlink_to(victim)
    assert process.returncode == 65
    assert {path.stat().st_uid for path in (victim, *victim.iterdir())} == {0}
    user = pwd.getpwnam("godwit").pw_uid
    owners = {path.name: path.stat().st_uid for path in (moved, *moved.iterdir())}
    assert owners == {moved.name: user, "godwit.conf": 0, "lock": user, "packs": user, "run": user, "store.db": user,
                      "tls": 0}


@ROOT_ONLY
@pytest.mark.parametrize("name", ["packs", "tls", MARK])
def test_directories_that_are_links_are_none(server, other, tmp_path, name):
    """They are gone then, but for the mark, which refuses."""
    backup(server, tmp_path / "backup")
    victim = pathlib.Path(other.folder, "victim")
    victim.mkdir()
    (victim / "other.pem").write_text("root's\n")
    mark = begun(other, "godwit.conf")
    if name == MARK:
        mark.unlink()
        mark.symlink_to(victim / "none")
        (victim / "none").touch()
    else:
        (mark.parent / name).symlink_to(victim)
    shutil.chown(mark.parent, "nobody", "nogroup")
    before = all_in(victim)
    done = other.command("restore", str(tmp_path / "backup"), status=73 if name == MARK else 0)
    assert all_in(victim) == before and victim.stat().st_uid == 0
    if name == MARK:
        assert f"cannot make {other.data}/{name}: " in done.stderr
        mark.unlink()
        other.command("restore", str(tmp_path / "backup"))
    assert not (mark.parent / "packs").is_symlink() and not (mark.parent / "tls").is_symlink()


def part_of(target, name):
    """files-*/NAME; the first pack; or what lies beside them."""
    found = {"pack": "packs-*/*.pack", "packs": "packs-*", "files": "files-*"}.get(name, f"files-*/{name}")
    return sorted(target.glob(found))[0] if name not in ("manifest", "lock") else target / name


def to_link(part):
    moved = part.parent.parent / f"moved-{part.name}"
    part.rename(moved)
    part.symlink_to(moved)


def to_pipe(part):
    part.unlink()
    os.mkfifo(part)


NO_FILE = {to_link: "it is a link, and links are not followed", to_pipe: "it is no file"}


@pytest.mark.parametrize("change", [to_link, to_pipe])
@pytest.mark.parametrize("name,status", [
    ("manifest", 65), ("lock", 0), ("godwit.conf", 65), ("store.db", 65), ("tls/key.pem", 65), ("pack", 65),
    ("files", 65), ("packs", 65)], ids=lambda value: value if isinstance(value, str) else "")
def test_only_files_of_the_backup_are_restored(make_server, other, tmp_path, name, status, change):
    """Whoever it belongs to is given nothing of others, and keeps nobody waiting."""
    server = make_server(accounts=("ann",))
    deliver(server, ANN, letter("kept", ["x"]))
    backup(server, tmp_path / "backup")
    part = part_of(tmp_path / "backup", name)
    if part.is_dir() and change == to_pipe:
        pytest.skip("a directory")
    change(part)
    for words in ("--verify",), ():
        done = other.command("restore", str(tmp_path / "backup"), *words, data=not words, status=status)
        assert (NO_FILE[change] in done.stderr) == (name != "lock"), done.stderr
    assert ("restored" in done.stdout) == (name in ("lock", "tls/key.pem", "pack", "packs"))
    if name in ("manifest", "store.db", "files", "pack", "packs"):
        server.command("account", "remove", ANN)
        done = server.command("restore", str(tmp_path / "backup"), "--account", ANN, status=65)
        assert f"{part.name}/store.db" not in done.stderr or name == "files"
        assert NO_FILE[change] in done.stderr if "pack" not in name else "1 message of the backup is damaged" in done.stdout


def test_a_damaged_database_is_named_as_it_is_called(make_server, tmp_path):
    """Not as it is opened."""
    server = make_server(accounts=("ann",))
    backup(server, tmp_path / "backup")
    database = part_of(tmp_path / "backup", "store.db")
    database.write_bytes(b"no database" + database.read_bytes()[11:])
    done = server.command("restore", str(tmp_path / "backup"), "--account", ANN, status=65)
    assert f"the database {database} is damaged" in done.stderr and "/proc/" not in done.stderr


def test_bad_sectors_of_a_pack_cost_what_is_in_them(make_server, other, tmp_path, monkeypatch):
    """Also one at its end."""
    server = make_server(accounts=("ann",))
    for n in range(12):
        deliver(server, ANN, letter(f"number {n}", ["x" * 70] * 100))
    backup(server, tmp_path / "backup")
    [pack, *_] = sorted((tmp_path / "backup").glob("packs-*/*.pack"))
    content = bytearray(pack.read_bytes())
    bad = 16384, len(content) // 4096 * 4096
    monkeypatch.setenv("GODWIT_TEST_SECTORS", " ".join(f"{pack.stat().st_ino}:{at}" for at in bad))
    monkeypatch.setenv("LD_PRELOAD", preload("sectors")["LD_PRELOAD"])
    for words in (("--verify",), ()):
        done = other.command("restore", str(tmp_path / "backup"), *words, data=not words, status=65)
        assert f"cannot read {pack.parent.name}/{pack.name} in the backup: Input/output error" in done.stderr
        assert done.stderr.count("\n") == 1
    for at in bad:
        content[at:at + 4096] = bytes(len(content[at:at + 4096]))
    assert pathlib.Path(other.data, "packs", pack.name).read_bytes() == content
    assert len(other.json("flags", ANN)) == 12


def test_a_bad_sector_is_asked_for_twice_at_most(make_server, tmp_path, monkeypatch):
    """With what stands before it, and alone: a failing disk takes its time for each."""
    server = make_server(accounts=("ann",))
    for n in range(3):
        deliver(server, ANN, letter(f"number {n}", [f"{line:070}" for line in range(2000)]))
    backup(server, tmp_path / "backup")
    [pack, *_] = sorted((tmp_path / "backup").glob("packs-*/*.pack"), key=lambda path: -path.stat().st_size)
    assert pack.stat().st_size > 256 * 1024
    monkeypatch.setenv("GODWIT_TEST_SECTORS", f"{pack.stat().st_ino}:{252 * 1024}")
    monkeypatch.setenv("GODWIT_TEST_FAILED", str(tmp_path / "failed"))
    monkeypatch.setenv("LD_PRELOAD", preload("sectors")["LD_PRELOAD"])
    server.command("restore", str(tmp_path / "backup"), "--verify", data=False, status=65)
    assert (tmp_path / "failed").stat().st_size == 2


def test_packs_that_a_backup_never_had_are_told(make_server, other, tmp_path):
    server = make_server(accounts=("ann",))
    fill_large(server, ANN, 1, tmp_path)
    for pack in pathlib.Path(server.data, "packs").iterdir():
        if pack.stat().st_size > 100_000:
            pack.unlink()
    server.command("backup", str(tmp_path / "backup"), status=65)
    for words in (("--verify",), ()):
        done = other.command("restore", str(tmp_path / "backup"), *words, data=not words, status=65)
        assert done.stderr.startswith("godwit: 1 pack could not be read in full when the backup was made"), done
    assert done.stdout.startswith("restored ")


def files_of(target):
    [files] = target.glob("files-*")
    return files


def test_what_ends_too_early_is_left_out(server, other, tmp_path):
    """Of the keys, half a one would be in the way."""
    backup(server, tmp_path / "backup")
    os.truncate(files_of(tmp_path / "backup") / "tls/key.pem", 20)
    done = other.command("restore", str(tmp_path / "backup"), status=65)
    assert "key.pem in the backup: it ends too early; the rest is restored without it" in done.stderr
    assert os.listdir(os.path.join(other.data, "tls")) == ["certificate.pem"]


def test_a_damaged_database_does_not_end_a_comparison(server, tmp_path):
    user = server.mailbox()
    fill(server, user, 2)
    backup(server, tmp_path / "backup")
    database = files_of(tmp_path / "backup") / "store.db"
    octets = bytearray(database.read_bytes())
    octets[-1] ^= 1
    database.write_bytes(octets)
    [pack, *_] = sorted((tmp_path / "backup").glob("packs-*/*.pack"))
    os.truncate(pack, 100)
    done = server.command("restore", str(tmp_path / "backup"), "--verify", data=False, status=65)
    assert f"{database.parent.name}/store.db in the backup differs from its checksum" in done.stderr
    assert f"{pack.name} in the backup: it ends too early" in done.stderr and done.stderr.count("\n") == 2


def test_who_writes_a_backup_holds_its_directory(server, other, tmp_path):
    """Also where a copy of one has no lock in it."""
    backup(server, tmp_path / "backup")
    os.unlink(tmp_path / "backup/lock")
    fd = os.open(tmp_path / "backup", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    done = other.command("restore", str(tmp_path / "backup"), status=75)
    assert f"a backup into {tmp_path}/backup is under way" in done.stderr
    os.close(fd)
    other.command("restore", str(tmp_path / "backup"))


@ROOT_ONLY
def test_the_user_is_missed_before_the_rest_comes(make_server, other, tmp_path):
    """Made as the sentence says, he has it all when the same command is run again."""
    server = make_server(start=False)
    server.configure('user_store = "no-such-user";')
    backup(server, tmp_path / "backup")
    done = other.command("restore", str(tmp_path / "backup"), status=78)
    assert "there is no system user no-such-user; make it with: useradd " in done.stderr
    assert sorted(os.listdir(other.data)) == ["godwit.conf", "packs", MARK, "tls"]
    users = pathlib.Path("/etc/passwd").read_text() + "no-such-user:x:4242:65534::/:/usr/sbin/nologin\n"
    (tmp_path / "passwd").write_text(users)
    with_him = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', tmp_path / "passwd"]
    if subprocess.run([*with_him, "true"], check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    subprocess.run([*with_him, other.binary, "restore", tmp_path / "backup", "--data", other.data], check=True)
    owners = {name: os.stat(os.path.join(other.data, name)).st_uid for name in os.listdir(other.data)}
    assert owners == {"godwit.conf": 0, "lock": 4242, "packs": 4242, "run": 4242, "store.db": 4242, "tls": 0}


def test_a_file_system_that_was_just_made_is_empty(server, other, tmp_path):
    """What is its own stays in it, and stays whose it is."""
    backup(server, tmp_path / "backup")
    lost = pathlib.Path(other.data, "lost+found")
    lost.mkdir(mode=0o700, parents=True)
    for _ in range(2):
        done = other.command("restore", str(tmp_path / "backup"))
        assert lost.is_dir() and lost.stat().st_uid == os.getuid() and done.stdout.startswith("restored ")
        os.unlink(os.path.join(other.data, "lock"))
        mark_of(other, "godwit.conf", "tls/certificate.pem", "tls/key.pem")


def test_the_command_that_starts_it_is_quoted(server, other, tmp_path):
    backup(server, tmp_path / "backup")
    other.data = os.path.join(other.folder, "Ann's data")
    done = other.command("restore", str(tmp_path / "backup"))
    [command] = re.findall("start it with: (.*)", done.stdout)
    assert shlex.split(command) == ["godwit", "serve", "--data", other.data]


def test_a_configuration_that_is_not_accepted_is_mended_in_place(make_server, other, tmp_path):
    """As of another version. All else is as it is to be."""
    server = make_server(accounts=("ann",))
    config = pathlib.Path(server.config_path)
    config.write_text("no_option = 1;\n" + config.read_text())
    server.command("backup", str(tmp_path / "backup"), status=65)
    done = other.command("restore", str(tmp_path / "backup"), status=78)
    assert f"{other.config_path}:1: there is no option no_option" in done.stderr
    assert done.stderr.endswith("; mend that before the start\n") and done.stdout.startswith("restored ")
    config = pathlib.Path(other.config_path)
    config.write_text(config.read_text().replace("no_option = 1;\n", ""))
    server.stop()
    other.ports = server.ports
    other.start()
    assert len(other.json("account", "list")) == 1


@pytest.mark.parametrize("words,status", [
    (["serve"], 78), (["check-config"], 78), (["status"], 65), (["account", "list"], 65), (["backup", "elsewhere"], 65),
    (["export", ANN, "--mbox", "elsewhere"], 65), (["init", "--hostname", "a.test"], 73),
    (["mail", "list", "--user", ANN], 78)],
    ids=lambda words: words[0] if isinstance(words, list) else "")
def test_what_has_nothing_but_the_mark_is_told_as_half_restored(other, tmp_path, words, status):
    begun(other)
    done = other.command(*[str(tmp_path / word) if word == "elsewhere" else word for word in words], status=status)
    assert f"{other.data} is not restored in full" in done.stderr, done.stderr
    assert status in codes_for(words)


@pytest.mark.parametrize("name,new,trouble", [
    ("a\tb", "a b~", "has control characters"), (b"\xfcber", "\ufffdber~", "is not UTF-8"),
    ("/".join("a" * 21), "-".join("a" * 21), "has more than 20 parts"), ("", "~", "is empty")],
    ids=["control", "octets", "deep", "empty"])
def test_a_damaged_name_of_a_mailbox_keeps_no_mail_back(make_server, tmp_path, name, new, trouble):
    """Neither its own nor others'."""
    server = make_server(accounts=("ann",))
    for mailbox in "Alpha", "Beta", "Gamma":
        (tmp_path / mailbox).write_text(f"From a@b Mon Nov 23 19:54:33 2026\nSubject: {mailbox}\n\nx\n")
        server.command("import", ANN, str(tmp_path / mailbox), "--mailbox", mailbox)
    backup(server, tmp_path / "backup")
    with contextlib.closing(sqlite3.connect(files_of(tmp_path / "backup") / "store.db")) as db:
        db.execute("UPDATE mailbox SET name = CAST(? AS TEXT) WHERE name = 'Beta'", (name,))
        db.commit()
    server.command("account", "remove", ANN)
    for again in False, True:
        done = server.command("restore", str(tmp_path / "backup"), "--account", ANN, status=65)
        assert f": the name {trouble}; what is in this mailbox goes into {new}" in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and "; 1 mailbox of the backup is damaged" in done.stdout
        assert done.stdout.startswith("0 messages restored; 3 were" if again else "3 messages restored;")
        found = sorted(row["mailbox"] for row in server.json("flags", ANN))
        assert len(found) == 3 and {"Alpha", "Gamma"} < set(found) and any(one.startswith(new) for one in found)


@pytest.mark.parametrize("running", [True, False])
def test_of_an_account_that_is_gone_no_names_are_told(make_server, tmp_path, running):
    """Nothing of it goes anywhere."""
    server = make_server(accounts=("ann", "bob"))
    (tmp_path / "Beta").write_text("From a@b Mon Nov 23 19:54:33 2026\nMessage-ID: <one@x>\n\nx\n")
    for user in ANN, f"bob@{DOMAIN}":
        server.command("import", user, str(tmp_path / "Beta"), "--mailbox", "Beta")
    backup(server, tmp_path / "backup")
    with contextlib.closing(sqlite3.connect(files_of(tmp_path / "backup") / "store.db")) as db:
        db.execute("UPDATE mailbox SET name = CAST('a\tb' AS TEXT) WHERE name = 'Beta'")
        db.commit()
    server.command("account", "remove", ANN)
    if not running:
        assert server.stop() == 0
    done = server.command("restore", str(tmp_path / "backup"), "--message-id", "<one@x>", status=65)
    assert done.stderr.count("goes into") == 1 and "1 mailbox of the backup is damaged" in done.stdout, done
