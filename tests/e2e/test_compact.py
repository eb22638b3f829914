"""The space of deleted mail comes back while the server works: at its pace, not too early, under nobody's feet."""

import contextlib
import errno
import os
import re
import socket
import sqlite3
import threading
import time

import pytest
from conftest import DOMAIN, PASSWORD
from load import Load, add_accounts
from server import open_files, wait_for
from wire import TIMEOUT, Wire, count_of, deliver, letter, mail_of, without_trace
from world import PACK, WRITE, world  # noqa: F401 (fixture)

ANN, BOB = f"ann@{DOMAIN}", f"bob@{DOMAIN}"
RATE = 1 << 20  # octets a second
COUNT, KEPT = 60, 6  # messages of 100 KB for Bob; every KEPT-th of 240 KB for Ann
SLICE = 256 * 1024 + 250_000  # what may be copied at once
OPTIONS = """pack_size = "1M";
compact_rate = "1M";
undelete = "1h";
timeouts = { process = "1h"; store = "1h"; pop3 = "1h"; smtp_command = "1h"; };
"""


def text(n):
    return letter(f"number {n}", [f"{n:06} " + "x" * 62] * (1480 if n % KEPT else 3400))


@contextlib.contextmanager
def database(server):
    db = sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


def places(server):
    """{blob: (pack, length)}."""
    with database(server) as db:
        return {blob: (pack, length) for blob, pack, length in db.execute("SELECT id, pack, length FROM blob")}


def pack_files(server):
    return {int(name.split(".")[0]) for name in os.listdir(os.path.join(server.data, "packs")) if name.endswith(".pack")}


def delete_all(server, user):
    with Wire(server, "pop3") as wire:
        wire.pop3_login(user)
        count = int(wire.say("STAT").split()[1])
        for n in range(1, count + 1):
            assert wire.say(f"DELE {n}").startswith("+OK")
        assert wire.say("QUIT").startswith("+OK")


class SlowReader:
    """Asks for all mail several times over and takes hardly anything."""

    def __init__(self, server, user, times):
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.socket.connect(("127.0.0.1", server.ports["pop3"]))
        lines = self.socket.makefile("rb", buffering=0)
        lines.readline()
        for command in (f"USER {user}", f"PASS {PASSWORD}", "STAT"):
            self.socket.sendall(command.encode() + b"\r\n")
            reply = lines.readline()
            assert reply.startswith(b"+OK"), reply
        self.count, self.data, self.ended = int(reply.split()[1]) * times, bytearray(), 0
        for _ in range(times):
            self.socket.sendall(b"".join(b"RETR %d\r\n" % (n + 1) for n in range(self.count // times)))

    def take(self):
        at = max(0, len(self.data) - 4)
        self.data += self.socket.recv(1 << 16)
        self.ended += self.data.count(b"\r\n.\r\n", at)

    def take_all(self):
        """Each message, each time."""
        while self.ended < self.count:
            self.take()
        self.socket.close()
        for reply in bytes(self.data).split(b"\r\n.\r\n")[:-1]:
            status, message = reply.split(b"\r\n", 1)
            assert status.startswith(b"+OK")
            yield without_trace(message + b"\r\n")


def stands_in(server, slow, packs):
    """One of these packs that the store keeps open for the slow reader. Where nothing more of a message is to be
    read, a little is taken."""
    while True:
        wait_for("the stream to stand", lambda: server.are_at_rest("store", "user"))
        if held := pinned(server) & packs:
            return held
        slow.take()


def pinned(server):
    """Packs that the store has open."""
    names = open_files(server.pids("store")[0]).values()
    return {int(os.path.basename(name).split(".")[0]) for name in names if ".pack" in name and "deleted" not in name}


class Watch:
    """Between which moments how many octets of these blobs had moved from where they were."""

    def __init__(self, server, blobs):
        self.server, self.blobs, self.before = server, blobs, places(server)
        self.seen = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopping.wait(0.02):
            before = time.monotonic()
            now = places(self.server)
            moved = sum(now[blob][1] for blob in self.blobs if now[blob][0] != self.before[blob][0])
            self.seen.append((before, time.monotonic(), moved))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def fastest(self):
        """Octets above the rate in any stretch of time that was watched."""
        return max(moved - before - RATE * (when - since) for at, (since, _, before) in enumerate(self.seen)
                   for _, when, moved in self.seen[at:])


def are_given_up(server, packs):
    """Their rows are gone, and the store knows: from now on the minute counts."""
    with database(server) as db:
        rows = {row[0] for row in db.execute("SELECT pack FROM pack")}
    said = sum(int(count) for count in re.findall(r"event=compacted packs=(\d+)", server.new_log()))
    return not packs & rows and said >= len(packs)


@pytest.mark.rare
def test_space_comes_back_under_load(make_server, world):
    server = make_server(OPTIONS, accounts=("ann", "bob"))
    for n in range(COUNT):
        deliver(server, [ANN] if n % KEPT == 0 else [BOB], text(n))
    kept = [text(n) for n in range(0, COUNT, KEPT)]
    old = places(server)
    with database(server) as db:
        blobs = [row[0] for row in db.execute("SELECT blob FROM email WHERE account = (SELECT min(account) FROM email)")]
    assert len(blobs) == len(kept)
    live = max(pack for pack, _ in old.values())
    slow = SlowReader(server, ANN, 6)
    held = stands_in(server, slow, pack_files(server) - {live})

    delete_all(server, BOB)
    packs = pack_files(server)
    # within the window nothing moves, and all can be brought back
    load = Load(server, add_accounts(server, 3), senders=10, pause=0.05)
    with load:
        load.wait_for_more(40)
        load.wait_for_more(40)
        assert all(places(server)[blob] == old[blob] for blob in blobs) and packs <= pack_files(server)
        server.command("undelete", BOB, "--since", "2h")
        assert count_of(server, BOB) == COUNT - len(kept)
        delete_all(server, BOB)

        # then all that lives is moved, no faster than allowed, and the packs are dropped
        with Watch(server, blobs) as watch:
            server.configure('undelete = "0s";')
            server.reload()
            wait_for("packs to be given up", lambda: server.new_log().count("event=compacted") > 0)
            live = max(pack for pack, _ in old.values())
            wait_for("all to be moved", lambda: all(
                place[0] > live or place[0] == old[blob][0] == live for blob, place in places(server).items() if blob in blobs))
        assert watch.fastest() <= SLICE, watch.fastest()
        wait_for("all packs to be given up", lambda: are_given_up(server, packs - {live}))
        assert packs <= pack_files(server)  # whoever found the old place has a minute to open it
        world.let_pass(61)
        # the one that was written to may stay or, full by now and emptied like the others, go
        wait_for("the files to go", lambda: (packs - {live}) & pack_files(server) == held - {live})
    assert list(slow.take_all()) == kept * 6
    wait_for("the last file to go", lambda: not (packs - {live}) & pack_files(server))
    assert [without_trace(message) for message in mail_of(server, ANN)] == kept
    load.check()
    server.command("audit")
    server.command("store", "verify", "--rate", "0")


def test_mail_that_the_database_seeks_elsewhere_keeps_its_pack(make_server):
    """A bit in the index: where the message truly lies all looks dead, and its pack stays until a repair."""
    server = make_server(OPTIONS.replace('undelete = "1h"', 'undelete = "0s"'), accounts=("ann", "bob"))
    for n in range(24):
        deliver(server, [ANN] if n == 1 else [BOB], text(1))
    before = mail_of(server, ANN)
    assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(f"{server.data}/store.db")) as db:
        [(blob, pack)] = db.execute("SELECT b.id, b.pack FROM blob b JOIN email e ON e.blob = b.id JOIN account a"
                                    " ON a.id = e.account WHERE a.local = 'ann'").fetchall()
        [live] = db.execute("SELECT max(pack) FROM pack").fetchone()
        assert pack < live
        db.execute("UPDATE blob SET pack = ? WHERE id = ?", (live, blob))
        db.commit()
    server.start()
    server.mark()
    delete_all(server, BOB)
    wait_for("the pack to be told of", lambda: f"event=pack-stays pack={pack} id=" in server.new_log())
    wait_for("the others to go", lambda: "event=compacted" in server.new_log())
    assert server.stop() == 0
    assert pack in pack_files(server)
    server.command("store", "repair")
    server.command("store", "verify", "--rate", "0")
    server.start()
    server.mark()
    assert mail_of(server, ANN) == before


def delete_first(server, user):
    with Wire(server, "pop3") as wire:
        wire.pop3_login(user)
        assert wire.say("DELE 1").startswith("+OK")
        assert wire.say("QUIT").startswith("+OK")


def test_a_move_that_fails_is_told_once(make_server, world):
    """With what to do about it; it is tried again whenever something is deleted, and where there is room it goes on."""
    server = make_server(OPTIONS.replace('undelete = "1h"', 'undelete = "0s"'), accounts=("ann", "bob"))
    for n in range(5):
        deliver(server, [ANN], letter(str(n)))
    for n in range(12):
        deliver(server, [BOB], text(1))
    world.fail(WRITE, file=PACK, error=errno.ENOSPC)
    delete_all(server, BOB)
    wait_for("it to be told", lambda: "event=compaction " in server.new_log())
    for _ in range(3):
        fired = world.fired(WRITE)
        delete_first(server, ANN)
        wait_for("another try", lambda fired=fired: world.fired(WRITE) > fired)
    assert server.new_log().count("event=compaction ") == 1
    assert re.search("event=compaction .*No space left.* cure=.*make room on the disk", server.new_log())
    world.heal()
    delete_first(server, ANN)
    wait_for("a pack to go", lambda: "event=compacted" in server.new_log())
    assert count_of(server, ANN) == 1
    server.command("audit")
