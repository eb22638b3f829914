#!/usr/bin/python3
"""Makes tests/data/version-N: a small data directory as the program of that version writes it, as SQL
and one pack. Run it for a version just before it is released, and never again."""

import glob
import os
import shutil
import smtplib
import sqlite3
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))

from server import Server, wait_for  # noqa: E402

ANN, BOB = "ann@example.test", "bob@example.test"


def fill(server):
    """Mail that is there, mail that was deleted, mail that waits, an alias, quota."""
    server.create(["example.test"], {ANN: "secret", BOB: "secret"}, 'dns_server = "127.0.0.1@1";')  # nobody is there: the mail waits
    server.command("alias", "add", "all@example.test", ANN)
    server.command("alias", "add", "all@example.test", "far@else.test")
    server.command("account", "quota", BOB, "--bytes", "1M")
    server.start()
    with smtplib.SMTP(server.host, server.ports["smtp"]) as smtp:
        for number, to in enumerate([ANN, BOB, "all@example.test"]):
            smtp.sendmail("x@else.test", [to], f"Subject: number {number}\r\n\r\ntext\r\n")
    wait_for("three deliveries", lambda: server.message_count() == 3)
    server.stop()


def dump(data, folder):
    db = sqlite3.connect(os.path.join(data, "store.db"))
    version = db.execute("PRAGMA user_version").fetchone()[0]
    app = db.execute("PRAGMA application_id").fetchone()[0]
    end, pack = db.execute("SELECT end_offset, pack FROM pack WHERE single = 0").fetchone()
    lines = [line for line in db.iterdump() if "BEGIN TRANSACTION" not in line and line != "COMMIT;"]
    with open(os.path.join(folder, "store.sql"), "w", encoding="utf-8") as out:
        out.write(f"PRAGMA application_id = {app};\nPRAGMA user_version = {version};\n")
        out.write("\n".join(lines) + "\n")
    name = f"{pack:010d}.pack"
    with open(os.path.join(data, "packs", name), "rb") as source:
        content = source.read(end)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(content)
    return version


def main():
    work = tempfile.mkdtemp(prefix="godwit-version-")
    server = Server(work)
    try:
        fill(server)
        new = os.path.join(work, "new")
        os.mkdir(new)
        version = dump(server.data, new)
        folder = os.path.join(HERE, f"version-{version}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(new, folder)
        for name in sorted(glob.glob(os.path.join(folder, "*"))):
            print(name, os.path.getsize(name))
    finally:
        server.stop()
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
