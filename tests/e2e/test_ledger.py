"""The books: a table by day, what is missing is named, who changed what."""

import os
import sqlite3

from conftest import DOMAIN
from wire import deliver

ANN = f"ann@{DOMAIN}"


def test_whatever_is_removed_by_hand_is_named(make_server):
    server = make_server("", ["ann"])
    server.command("account", "disable", ANN)
    server.command("account", "enable", ANN)
    deliver(server, ANN)
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
        assert ident in done.stdout or table == "membership", (table, done.stdout)
        db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(kept[0]))})", kept)
        db.commit()
        db.close()
    assert "the books balance" in server.command("audit").stdout


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
