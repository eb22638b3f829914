#!/usr/bin/python3
"""Makes tests/data/version-N: a small data directory as the program of that version writes it, as SQL
and its packs. `tests/data/make_version.py` makes the fixture of the program that is built (GODWIT names
another): run it just before that version is released, commit what it made, and never run it for that version
again. Until then the end-to-end tests make such a directory anew each time."""

import glob
import os
import shutil
import poplib
import smtplib
import sqlite3
import ssl
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))

from server import Server, wait_for  # noqa: E402

ANN, BOB = "ann@example.test", "bob@example.test"
PASSWORD = "secrets of Ann"  # of version 1 it is "secret": that short it was taken then


def say(session, sender, to, number, options=()):
    session.sendmail(sender, [to], f"Subject: number {number}\r\nMessage-ID: <{number}@else.test>\r\n\r\ntext\r\n", options)


def submit(server):
    """Mail that waits, before other mail and until tomorrow."""
    with smtplib.SMTP(server.host, server.ports["submission"]) as session:
        session.starttls(context=ssl._create_unverified_context())
        session.login(ANN, PASSWORD)
        say(session, ANN, "far@else.test", 4, ["MT-PRIORITY=4", "HOLDFOR=86400"])


def delete_first(server, user):
    client = poplib.POP3(server.host, server.ports["pop3"])
    client.user(user)
    client.pass_(PASSWORD)
    client.dele(1)
    client.quit()


def fill(server):
    """Mail that is there, is flagged, was deleted, waits; aliases, a quota, a language, a relay domain."""
    server.create(["example.test"], {ANN: PASSWORD, BOB: PASSWORD}, 'dns_server = "127.0.0.1@1";')  # nobody is there: the mail waits
    server.command("alias", "add", "all@example.test", ANN)
    server.command("alias", "add", "all@example.test", "far@else.test")
    server.command("account", "quota", BOB, "--bytes", "1M")
    server.command("account", "language", ANN, "zh-hans")
    server.command("domain", "add", "relay.test", "--relay", "--no-verify")
    server.start()
    with smtplib.SMTP(server.host, server.ports["smtp"]) as smtp:
        for number, to in enumerate([BOB, ANN, BOB, "all@example.test"], -1):
            say(smtp, "x@else.test", to, number)
    submit(server)
    wait_for("the deliveries", lambda: server.message_count() == 4)
    delete_first(server, BOB)
    server.command("flags", ANN, "--mailbox", "INBOX", "--add", "flagged")
    server.stop()


def dump(data, folder):
    """The database as SQL, each pack as far as it is committed. The version."""
    db = sqlite3.connect(os.path.join(data, "store.db"))
    version = db.execute("PRAGMA user_version").fetchone()[0]
    app = db.execute("PRAGMA application_id").fetchone()[0]
    lines = [line for line in db.iterdump() if "BEGIN TRANSACTION" not in line and line != "COMMIT;"]
    with open(os.path.join(folder, "store.sql"), "w", encoding="utf-8") as out:
        out.write(f"PRAGMA application_id = {app};\nPRAGMA user_version = {version};\n")
        out.write("\n".join(lines) + "\n")
    for pack, end in db.execute("SELECT pack, end_offset FROM pack").fetchall():
        name = f"{pack:010d}.pack"
        with open(os.path.join(data, "packs", name), "rb") as source, open(os.path.join(folder, name), "wb") as out:
            out.write(source.read(end))
    db.close()
    return version


def make(folder):
    """Into an empty folder, with the program that is built. Its version."""
    work = tempfile.mkdtemp(prefix="godwit-version-")
    server = Server(work)
    try:
        fill(server)
        return dump(server.data, folder)
    finally:
        server.stop()
        shutil.rmtree(work)


def main():
    with tempfile.TemporaryDirectory() as new:
        version = make(new)
        folder = os.path.join(HERE, f"version-{version}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(new, folder)
    for name in sorted(glob.glob(os.path.join(folder, "*"))):
        print(name, os.path.getsize(name))


if __name__ == "__main__":
    main()
