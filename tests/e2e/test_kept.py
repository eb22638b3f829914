"""What store keeps for a session goes with the session, however that ends."""

import poplib
import socket
import struct

import pytest
from conftest import DOMAIN, PASSWORD
from server import open_files, wait_for
from wire import Wire, count_of, deliver, letter, pop3, submit

ALICE = f"alice@{DOMAIN}"
LARGE = ["0123456789" * 7] * 5000


def sessions(server):
    return server.json("status")["sessions"]


def open_uploads(server):
    """Files of large messages that have no name yet."""
    files = open_files(server.pids("store")[0]).values()
    return [path for path in files if "/packs/" in path and path.endswith("(deleted)")]


def reset(wire):
    """Ends a connection at once, not when all answers are read."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.socket.close()


def test_sessions_end(make_server):
    server = make_server('trusted_networks = ["127.0.0.0/8"];', ["alice"])
    for _ in range(5):
        deliver(server, ALICE)
        reset(Wire(server, greet=False))  # gone before it is admitted
        submit(server, ALICE, ALICE)  # trusted, then logged in as well
        pop3(server, ALICE).quit()
        with pytest.raises(poplib.error_proto):
            pop3(server, ALICE, "wrong " + PASSWORD)
        hasty = Wire(server, "pop3")
        hasty.say(f"USER {ALICE}")
        hasty.send(f"PASS {PASSWORD}\r\n")
        reset(hasty)  # gone while the password is checked
    wait_for("the end of all sessions", lambda: sessions(server) == 0)
    with Wire(server, "pop3") as reader:
        reader.pop3_login(ALICE)
        assert sessions(server) == 1
    wait_for("the end of the last", lambda: sessions(server) == 0)


def test_large_message_that_is_refused_leaves_no_file(make_server):
    """The disk fills after the first part was taken; RSET and a lost client beside it."""
    server = make_server(accounts=["alice"])
    with Wire(server) as sender, Wire(server) as lost:
        for wire in (sender, lost):
            wire.hello()
            for line in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{ALICE}>", "DATA"):
                assert wire.say(line)[0] in "23"
            wire.send(letter("large", LARGE))
        wait_for("two uploads", lambda: len(open_uploads(server)) == 2)
        server.configure('min_free = "1T";')
        server.reload()
        wait_for("no room", lambda: not server.json("status")["accepting"])
        assert sender.say("\r\n.").startswith("452")
    wait_for("no uploads", lambda: not open_uploads(server))
    server.configure('min_free = "1M";')
    server.reload()
    wait_for("room", lambda: server.json("status")["accepting"])
    assert count_of(server, ALICE) == 0
    deliver(server, ALICE, letter("large", LARGE))
    wait_for("no uploads", lambda: not open_uploads(server))
