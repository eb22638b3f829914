"""Clients that leave while the server owes them an answer: the store has their question and does not answer yet."""

import base64
import contextlib
import os
import socket

import pytest
from conftest import DOMAIN, PASSWORD
from server import wait_for
from test_hung import hung
from test_lmtp import server, shared  # noqa: F401 (fixtures: one with LMTP)
from wire import TIMEOUT, Wire, count_of, deliver, letter, mail_of, without_trace

RESET = b"\1\0\0\0\0\0\0\0"  # struct linger: at once
INLINE = 256 * 1024  # a front gathers so much


def secret(mailbox):
    return base64.b64encode(f"\0{mailbox}\0{PASSWORD}".encode()).decode()


# Name: port, what is said and answered, what is sent while the store still answers, what it is asked by and what then
# becomes of the mailbox: messages more or fewer. %s: the mailbox.
ENVELOPE = ["EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<%s>"]
USER = ["EHLO c.test", "AUTH PLAIN %a", "MAIL FROM:<%s>", "RCPT TO:<%s>"]
LOGIN = ["USER %s", f"PASS {PASSWORD}"]
SMALL = b"Subject: new\r\n\r\n"
LARGE = SMALL + b"0123456789abcde\r\n" * 20_000  # more than is gathered in a front
OWED = {
    "greeting": ("smtp", None, b"", b"", 0),
    "rcpt": ("smtp", ENVELOPE[:2], b"", b"RCPT TO:<%s>\r\n", 0),
    "data": ("smtp", [*ENVELOPE, "DATA"], SMALL, b"x\r\n.\r\n", 1),
    "data and quit": ("smtp", [*ENVELOPE, "DATA"], SMALL, b"x\r\n.\r\nQUIT\r\n", 1),
    "large": ("smtp", [*ENVELOPE, "DATA"], LARGE, b"x\r\n.\r\n", 1),
    "chunk": ("smtp", ENVELOPE, b"BDAT %d LAST\r\n" % (len(SMALL) + 3) + SMALL, b"x\r\n", 1),
    "large chunk": ("smtp", ENVELOPE, b"BDAT %d LAST\r\n" % (len(LARGE) + 3) + LARGE, b"x\r\n", 1),
    "lmtp": ("lmtp", ["LHLO c.test", *ENVELOPE[1:], "DATA"], SMALL, b"x\r\n.\r\n", 1),
    "auth": ("submission", USER[:1], b"", b"AUTH PLAIN %a\r\n", 0),
    "user's data": ("submission", [*USER, "DATA"], SMALL, b"x\r\n.\r\n", 1),
    "local greeting": ("sendmail", None, b"", b"", 0),
    "local rcpt": ("sendmail", ENVELOPE[:2], b"", b"RCPT TO:<%s>\r\n", 0),
    "local data": ("sendmail", [*ENVELOPE, "DATA"], SMALL, b"x\r\n.\r\n", 1),
    "local large": ("sendmail", [*ENVELOPE, "DATA"], LARGE, b"x\r\n.\r\n", 1),
    "pop3 greeting": ("pop3", None, b"", b"", 0),
    "pass": ("pop3", LOGIN[:1], b"", f"PASS {PASSWORD}\r\n".encode(), 0),
    "retr": ("pop3", LOGIN, b"", b"RETR 1\r\n", 0),
    "update": ("pop3", [*LOGIN, "DELE 1"], b"", b"QUIT\r\n", -1),
}


class LocalWire(Wire):
    """To the socket of this machine's programs."""

    def __init__(self, server, greet=True):  # noqa: F811
        self.server = server
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(os.path.join(server.data, "run", "sendmail.sock"))
        self.input = b""
        self.greeting = self.reply() if greet else None


def dial(server, port, greet=True):  # noqa: F811
    return LocalWire(server, greet) if port == "sendmail" else Wire(server, port, greet)


def filled_in(text, mailbox):
    return text.replace("%s", mailbox).replace("%a", secret(mailbox))


def unnamed_files(server):  # noqa: F811
    """Sizes of the files that the store has open and that have no name: messages that come."""
    folder = f"/proc/{server.pids('store')[0]}/fd"
    sizes = []
    for path in (os.path.join(folder, name) for name in os.listdir(folder)):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if "(deleted)" in os.readlink(path):
                sizes.append(os.stat(path).st_size)
    return sizes


def is_quiet(server):  # noqa: F811
    """Nobody is there, nothing is kept for anybody, and each who came was seen to leave."""
    status, log = server.json("status"), server.log()
    return (status["connections"] == status["sessions"] == 0 and not unnamed_files(server) and
            log.count("event=connected ") == log.count("event=disconnected "))


def begin(server, owed, mailbox):  # noqa: F811
    """The session up to the question; None where the connection itself is the question."""
    port, said, before, *_ = OWED[owed]
    if said is None:
        return None
    wire = dial(server, port)
    for line in said:
        assert wire.say(filled_in(line, mailbox))[:1] in "23+"
    wire.send(before)
    if len(before) > len(LARGE) // 2:  # what is left then is within the credit
        wait_for("the upload", lambda: sum(unnamed_files(server)) >= INLINE)
    return wire


def leave(wire, how):
    if how == "reset":
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    wire.socket.close()


def is_kept(server):  # noqa: F811
    """By the log: nobody knows of the message, or it was accepted because its sender was not seen to be gone before his
    answer was on its way: where he has said more than was read yet, nobody looks."""
    return any("unanswered=" in line or "event=accepted" in line and " from=carol@" not in line
               for line in server.new_log().splitlines())


@pytest.mark.rare
@pytest.mark.parametrize("owed,how", [  # a Unix socket knows no reset
    (owed, how) for owed in OWED for how in ("close", "reset") if how == "close" or OWED[owed][0] != "sendmail"])
def test_a_client_leaves_before_its_answer(server, owed, how):  # noqa: F811
    """Who closes has asked all the same, and his question is carried out. Who is seen to be gone will send his message
    again: it is withdrawn, or the log says that nobody knows of it."""
    port, _, before, question, change = OWED[owed]
    mailbox = server.mailbox()
    deliver(server, mailbox, letter("stays"))
    with Wire(server, port if port in ("smtp", "lmtp") else "submission") as other:
        wire = begin(server, owed, mailbox)
        with hung(server, "store"):
            wire = wire or dial(server, port, greet=False)
            wire.send(filled_in(question.decode(), mailbox))
            for _ in range(2):  # behind the question: the front has read that
                assert other.say("NOOP").startswith("250")
            leave(wire, how)
            assert other.say("NOOP").startswith("250")
    wait_for("the end of all of it", lambda: is_quiet(server))
    deliver(server, f"first@{DOMAIN}")  # behind whatever is on its way into the store
    if how == "reset" and change == 1 and not is_kept(server):
        change = 0
    wait_for("what becomes of it", lambda: count_of(server, mailbox) == 1 + change)
    new = before[before.find(SMALL):] + b"x\r\n"
    kept = [letter("stays"), new][:1 + change]
    assert sorted(without_trace(message) for message in mail_of(server, mailbox)) == sorted(kept)
    server.command("audit")
