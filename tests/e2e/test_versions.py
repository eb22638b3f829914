"""Data directories of other versions: what each wrote is served, what a newer one wrote is refused. What this
program writes is made anew (tests/data/make_version.py), so that it can become the fixture of its version."""

import contextlib
import ctypes
import os
import shutil
import sqlite3
import sys

import pytest

from test_export import delete
from wire import deliver, mail_of

DATA = os.path.join(os.path.dirname(__file__), "..", "data")
sys.path.insert(0, DATA)

import make_version  # noqa: E402

pytestmark = pytest.mark.rare

ANN, BOB = "ann@example.test", "bob@example.test"
FIRST_PASSWORD = "secret"  # of version 1


@pytest.fixture(params=[*sorted(name for name in os.listdir(DATA) if name.startswith("version-")), "now"])
def written(request, tmp_path):
    """The folder with what the program of a version wrote."""
    if request.param != "now":
        return os.path.join(DATA, request.param)
    folder = tmp_path / "now"
    folder.mkdir()
    make_version.make(str(folder))
    return str(folder)


def password_of(folder):
    return FIRST_PASSWORD if folder.endswith("version-1") else make_version.PASSWORD


def put_version(server, folder):
    """Replaces what the server stores by it."""
    for name in os.listdir(server.data):
        if name.startswith("store.db"):
            os.unlink(os.path.join(server.data, name))
    path = os.path.join(server.data, "store.db")
    db = sqlite3.connect(path)
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    with open(os.path.join(folder, "store.sql"), encoding="utf-8") as script:
        db.executescript(script.read())
    db.close()
    os.chmod(path, 0o600)
    packs = os.path.join(server.data, "packs")
    files = [shutil.copy(os.path.join(folder, name), packs) for name in os.listdir(folder) if name.endswith(".pack")]
    owner = os.stat(packs)
    for name in (path, *files):
        os.chown(name, owner.st_uid, owner.st_gid)


def test_each_version_is_served(make_server, written):
    server = make_server('dns_server = "127.0.0.1@1";', start=False)
    put_version(server, written)
    server.command("store", "verify", "--rate", "0")
    server.start()
    server.mark()
    assert [b"number 0" in m or b"number 2" in m for m in mail_of(server, ANN, password_of(written))] == [True] * 2
    deliver(server, BOB)
    assert len(mail_of(server, BOB, password_of(written))) == 2
    assert [a["account"] for a in server.json("account", "list")] == [ANN, BOB]
    assert server.json("queue", "list")[0]["recipient"] == "far@else.test"
    assert "the books balance" in server.command("audit").stdout


def backup_of_version(server, version, folder):
    """A backup as the program of that version wrote it: its database and pack, and their manifest."""
    server.command("backup", str(folder))
    manifest = (folder / "manifest").read_text()
    files = next(line.split()[1] for line in manifest.splitlines() if line.startswith("files "))
    database = folder / files / "store.db"
    packs = folder / next(line.split()[1] for line in manifest.splitlines() if line.startswith("packs "))
    for path in (database, *packs.iterdir()):
        path.unlink()
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        with open(os.path.join(DATA, f"version-{version}", "store.sql"), encoding="utf-8") as script:
            db.executescript(script.read())
        generation, end = db.execute("SELECT generation, end_offset FROM pack WHERE pack = 1").fetchone()
    pack = (packs / "0000000001.pack")
    shutil.copy(os.path.join(DATA, f"version-{version}", pack.name), pack)
    lines = [line for line in manifest.splitlines() if not line.startswith(("part ", "sum "))]
    for at, line in enumerate(lines):
        if line.startswith("file ") and line.endswith(" store.db"):
            content = database.read_bytes()
            lines[at] = f"file {line.split()[1]} {len(content)} {checksum(content):016x} store.db"
    lines.append(f"part 1 {generation} 0 0 {end} {checksum(pack.read_bytes()[:end]):016x}")
    text = "\n".join(lines) + "\n"
    (folder / "manifest").write_text(text + f"sum {checksum(text.encode()):016x}\n")
    return database


def checksum(content):
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    return library.XXH3_64bits(content, ctypes.c_size_t(len(content)))


def test_a_backup_of_version_1_is_restored(make_server, tmp_path):
    """One account, one message, everything; the backup itself stays as it is."""
    server = make_server('dns_server = "127.0.0.1@1";')
    database = backup_of_version(server, 1, tmp_path / "backup")
    before = database.read_bytes()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {"TMPDIR": str(temporary)}
    server.command("restore", str(tmp_path / "backup"), "--verify", data=False)
    refused = server.command("restore", str(tmp_path / "backup"), "--account", ANN, status=65,
                             env={"TMPDIR": str(temporary / "none")})
    assert "earlier version" in refused.stderr and "TMPDIR" in refused.stderr
    done = server.command("restore", str(tmp_path / "backup"), "--account", ANN, env=environment)
    assert "2 messages restored" in done.stdout
    first = mail_of(server, ANN, FIRST_PASSWORD)
    assert [b"number 0" in m or b"number 2" in m for m in first] == [True] * 2
    delete(server, ANN, 1, password=FIRST_PASSWORD)
    trace = server.json("trace", ANN)
    ids = [row["id"] for row in trace if row.get("id")]
    back = [server.command("restore", str(tmp_path / "backup"), "--account", ANN, "--message-id", one,
                           env=environment, status=None).stdout for one in ids]
    assert any("1 message restored" in text for text in back), (trace, back)
    assert sorted(mail_of(server, ANN, FIRST_PASSWORD)) == sorted(first)
    assert not os.listdir(temporary)
    # everything
    other = make_server(start=False)
    shutil.rmtree(other.data)
    other.command("restore", str(tmp_path / "backup"))
    assert [a["account"] for a in other.json("account", "list")] == [ANN, BOB]
    assert "the books balance" in other.command("audit").stdout
    assert database.read_bytes() == before
    assert [name for name in os.listdir(database.parent) if name.startswith("store")] == ["store.db"]


def test_a_damaged_database_of_version_1_is_salvaged(make_server):
    server = make_server('dns_server = "127.0.0.1@1";', start=False)
    put_version(server, os.path.join(DATA, "version-1"))
    path = os.path.join(server.data, "store.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'email'").fetchone()[0]
    with open(path, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    server.command("store", "salvage", ANN)
    server.command("store", "verify", "--rate", "0")
    server.start()
    server.mark()
    assert sorted(b"number 0" in m or b"number 2" in m for m in mail_of(server, ANN, FIRST_PASSWORD)) == [True] * 2
    assert len(mail_of(server, BOB, FIRST_PASSWORD)) == 1


def everything(server):
    """All files of the data directory but those of a process: {name: content and times}."""
    found = {}
    for folder, _, names in os.walk(server.data):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.basename(folder) != "run" and name not in ("lock", "reserve"):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, server.data)] = (file.read(), os.stat(path).st_mtime_ns)
    return found


def must_be_refused(server, *words):
    before = everything(server)
    for command in (("account", "list"), ("serve",), ("store", "salvage", ANN), ("store", "verify")):
        done = server.command(*command, status=None)
        assert done.returncode and all(word in done.stderr for word in words), (command, done.stderr)
        assert everything(server) == before, command


def test_a_newer_one_is_refused(make_server, written):
    """And stays as it is, to the last octet: also one whose log was not worked in, by a crash, and one that is
    not in the log's mode."""
    server = make_server(start=False)
    path = os.path.join(server.data, "store.db")
    put_version(server, written)
    with open(os.path.join(server.data, "backup.db"), "wb") as file:
        file.write(b"its own")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE domain ADD COLUMN more integer")
        db.execute("PRAGMA user_version = 1000")
    must_be_refused(server, "newer version", "use that version")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA user_version = 2")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA user_version = 1001")
        files = {name: open(name, "rb").read() for name in (path, path + "-wal")}
    for name, content in files.items():
        with open(name, "wb") as file:
            file.write(content)
    assert len(files[path + "-wal"]) > 4096
    must_be_refused(server, "newer version", "use that version")


def test_another_programs_database_is_refused(make_server):
    server = make_server(start=False)
    path = os.path.join(server.data, "store.db")
    os.unlink(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
    before = everything(server)
    for command in (("account", "list"), ("serve",)):
        done = server.command(*command, status=None)
        assert done.returncode and "another program" in done.stderr, (command, done.stderr)
        assert everything(server) == before, command


@pytest.mark.parametrize("bit", [0, 1, 9, 31])
def test_a_flipped_number_of_version_is_salvaged(make_server, written, bit):
    """The tables tell which version it is."""
    server = make_server('dns_server = "127.0.0.1@1";', start=False)
    put_version(server, written)
    path = os.path.join(server.data, "store.db")
    with open(path, "r+b") as file:
        file.seek(60)
        number = int.from_bytes(file.read(4), "big") ^ 1 << bit
        file.seek(60)
        file.write(number.to_bytes(4, "big"))
    done = server.command("account", "list", status=None)
    assert done.returncode and "is damaged" in done.stderr and "godwit store salvage" in done.stderr, done.stderr
    server.command("store", "salvage", ANN)
    server.command("store", "verify", "--rate", "0")
    assert [a["account"] for a in server.json("account", "list")] == [ANN, BOB]
    server.start()
    server.mark()
    assert sorted(b"number 0" in m or b"number 2" in m for m in mail_of(server, ANN, password_of(written))) == [True] * 2
