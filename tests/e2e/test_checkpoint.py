"""The database's log stays bounded: under load, and after somebody who reads for long has let go."""

import contextlib
import os
import sqlite3

from load import Load, add_accounts
from server import wait_for
from wire import deliver

MIB = 1 << 20
GROWN = 20 * MIB  # above the 16 MB at which it is checkpointed
KEPT = 32 * MIB  # its file's size once it has begun anew


@contextlib.contextmanager
def long_reader(server):
    """Keeps a state of the database, as a backup does."""
    db = sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True, isolation_level=None)
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM email").fetchone()
    try:
        yield db
    finally:
        db.close()


def log_size(server):
    return server.json("status")["wal_size"]


def heavy():
    """A message whose summary is large: each copy writes some 30 KB into the log."""
    people = [", ".join(f"{n} {'x' * 40} <{field}{n}@example.test>" for n in range(200)) for field in ("to", "cc")]
    return f"From: a@b.test\r\nTo: {people[0]}\r\nCc: {people[1]}\r\n\r\nx\r\n".encode()


def grow(server, users, size):
    """Until the log has that size."""
    while log_size(server) < size:
        for _ in range(5):
            deliver(server, users, heavy())


def test_log_stays_bounded(make_server):
    server = make_server()
    users = add_accounts(server, 8)
    load = Load(server, users[:2], senders=10, pause=0.05)
    with load:
        load.wait_for_more(20)
        with long_reader(server) as reader:
            before = reader.execute("SELECT count(*) FROM message").fetchone()
            grow(server, users[2:], GROWN)
            assert reader.execute("SELECT count(*) FROM message").fetchone() == before
        # without a reader that stays it begins anew while the load goes on
        wait_for("a new log", lambda: deliver(server, users[2:], heavy()) and 0 < log_size(server) < GROWN / 2)
        load.wait_for_more(20)
    wait_for("a checkpoint when idle", lambda: log_size(server) == 0)
    assert server.json("status")["longest_checkpoint_ms"] > 0  # one of them copied more than 16 MB
    load.check()
    deliver(server, users)  # whoever writes next cuts the file
    assert os.path.getsize(f"{server.data}/store.db-wal") <= KEPT
    server.command("audit")
