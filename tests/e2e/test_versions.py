"""Data directories of other versions: what version 1 wrote is served, what a newer one wrote is refused."""

import os
import shutil
import sqlite3

from wire import deliver, mail_of

DATA = os.path.join(os.path.dirname(__file__), "..", "data")
ANN, BOB = "ann@example.test", "bob@example.test"


def put_version(server, version):
    """Replaces what the server stores by what the program of that version wrote."""
    folder = os.path.join(DATA, f"version-{version}")
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
    pack = shutil.copy(os.path.join(folder, "0000000001.pack"), packs)
    owner = os.stat(packs)
    for name in (path, pack):
        os.chown(name, owner.st_uid, owner.st_gid)


def test_version_1_is_served(make_server):
    server = make_server('dns_server = "127.0.0.1@1";', start=False)
    put_version(server, 1)
    server.start()
    server.mark()
    assert [b"number 0" in m or b"number 2" in m for m in mail_of(server, ANN, "secret")] == [True] * 2
    deliver(server, BOB)
    assert len(mail_of(server, BOB, "secret")) == 2
    assert [a["account"] for a in server.json("account", "list")] == [ANN, BOB]
    assert server.json("queue", "list")[0]["recipient"] == "far@else.test"
    assert "the books balance" in server.command("audit").stdout


def test_a_newer_one_is_refused(make_server):
    server = make_server(start=False)
    db = sqlite3.connect(os.path.join(server.data, "store.db"))
    db.execute("PRAGMA user_version = 1000")
    db.close()
    done = server.command("account", "list", status=None)
    assert done.returncode and "newer version" in done.stderr and "use that version" in done.stderr
    done = server.command("serve", status=None)
    assert done.returncode and "newer version" in done.stderr
