"""The LMTP listener: off by default, one reply for each recipient."""

import random
import shutil
import smtplib
import socket

import pytest
from conftest import DOMAIN, PASSWORD, TestServer, check_soundness, new_folder
from server import free_offset, wait_for
from wire import Wire, count_of, deliver, letter, mail_of, without_trace


@pytest.fixture(scope="module")
def shared():
    folder = new_folder()
    server = TestServer(folder, offset=free_offset(more=[24]))
    server.create([DOMAIN], {f"first@{DOMAIN}": PASSWORD}, "ports = { lmtp = 24; };")
    server.ports["lmtp"] = 24 + server.offset
    server.start()
    yield server
    assert server.stop() == 0, server.log()[-5000:]
    shutil.rmtree(folder)


@pytest.fixture
def server(request, shared):
    shared.mark()
    yield shared
    check_soundness(request, shared)


@pytest.fixture
def alice(server):
    return server.mailbox()


@pytest.fixture
def bob(server):
    return server.mailbox()


def begin(wire, *recipients):
    """A transaction; gives the reply to each RCPT."""
    assert wire.say("LHLO client.test").startswith("250")
    assert wire.say("MAIL FROM:<a@b.test>").startswith("250")
    return [wire.say(f"RCPT TO:<{recipient}>") for recipient in recipients]


def test_a_reply_for_each_recipient(server, alice, bob):
    with Wire(server, "lmtp") as wire:
        replies = [reply[:3] for reply in begin(wire, alice, f"no@{DOMAIN}", bob)]
        assert replies == ["250", "550", "250"]
        wire.say("DATA")
        wire.send(letter() + b".\r\nNOOP\r\n")
        assert [wire.reply()[:3] for _ in range(3)] == ["250", "250", "250"]
    assert count_of(server, alice) == count_of(server, bob) == 1


@pytest.mark.parametrize("chunked", [False, True], ids=["data", "bdat"])
def test_each_recipient_has_his_own_answer(server, alice, bob, chunked):
    """One takes it, one is unknown, one is full, one is too small for it: each is told of himself, in the order of
    RCPT, and who took it has it [RFC 2033 4.2]."""
    full, small = server.mailbox(), server.mailbox()
    server.command("account", "quota", full, "--messages", "1")
    deliver(server, full)
    server.command("account", "quota", small, "--bytes", "5000")
    large = letter("large", ["x" * 70] * 100)
    with Wire(server, "lmtp") as wire:
        at_rcpt = begin(wire, alice, small, f"no@{DOMAIN}", full, bob)
        assert [reply[:9] for reply in at_rcpt] == ["250 2.1.5", "250 2.1.5", "550 5.1.1", "452 4.2.2", "250 2.1.5"]
        if chunked:
            wire.send(b"BDAT %d LAST\r\n" % len(large) + large)
        else:
            assert wire.say("DATA").startswith("354")
            wire.send(large + b".\r\n")
        at_end = [wire.reply() for _ in range(3)]
        assert [reply[:9] for reply in at_end] == ["250 2.0.0", "552 5.2.3", "250 2.0.0"], at_end
        assert wire.say("NOOP").startswith("250")
    has = [[without_trace(m) for m in mail_of(server, mailbox)].count(large) for mailbox in (alice, small, full, bob)]
    assert has == [1, 0, 0, 1]
    server.command("audit")


def test_nobody_is_left(server):
    """Without a recipient there is no content, and no answer to its end: DATA fails with 503 [RFC 2033 4.2]."""
    with Wire(server, "lmtp") as wire:
        assert begin(wire, f"no@{DOMAIN}")[0].startswith("550")
        assert wire.say("DATA").startswith("503 5.5.1")
        wire.send("BDAT 3 LAST\r\nx\r\n")
        assert wire.reply().startswith("503 5.5.1")
        assert wire.say("NOOP").startswith("250")


def test_other_greetings_are_refused(server):
    with Wire(server, "lmtp") as wire:
        assert wire.say("EHLO client.test")[:1] == "5"
        assert wire.say("HELO client.test")[:1] == "5"
    with Wire(server) as wire:
        assert wire.say("LHLO client.test")[:1] == "5"


def test_smtplib(server, alice):
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"]) as client:
        client.sendmail("a@b.test", [alice], letter())
    deliver(server, alice)
    assert count_of(server, alice) == 2


def test_relaying_is_refused(server):
    with Wire(server, "lmtp") as wire:
        wire.say("LHLO client.test")
        wire.say("MAIL FROM:<a@b.test>")
        assert wire.say("RCPT TO:<someone@elsewhere.test>").startswith("550")


# ---- bad input ----

SESSION = [b"LHLO c.test\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<%s>\r\n", b"RCPT TO:<no@example.test>\r\n",
           b"DATA\r\n", b"Subject: never\r\n\r\nhalf a mess", b"age\r\n.\r"]
CHUNKS = [*SESSION[:4], b"BDAT 100\r\n", b"Subject: never\r\n", b"x" * 84, b"BDAT 100 LAST\r\n", b"x" * 99]


@pytest.mark.parametrize("session", [SESSION, CHUNKS], ids=["data", "bdat"])
@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_disconnect_at_every_state(server, alice, session, how):
    for steps in range(len(session) + 1):
        for more in (b"", *(part[:3] for part in session[steps:steps + 1])):
            with Wire(server, "lmtp") as wire:
                for part in session[:steps]:
                    wire.send(part % alice.encode() if b"%s" in part else part)
                    if part.endswith(b"\r\n") and b"Subject" not in part and not part.startswith(b"BDAT"):
                        assert wire.reply()[:1] in "235"
                wire.send(more)
                if how == "reset":
                    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                elif how == "half":
                    wire.socket.shutdown(socket.SHUT_WR)
                    wire.rest()
    wait_for("the end of all", lambda: server.log().count("event=connected listener=lmtp") ==
             server.log().count("event=disconnected listener=lmtp"))
    assert count_of(server, alice) == 0
    deliver(server, alice)
    assert count_of(server, alice) == 1


def test_nonsense_is_answered(server):
    noise = random.Random(4).randbytes(300).replace(b"\n", b"?").replace(b"\r", b"?")
    with Wire(server, "lmtp") as wire:
        wire.send(noise + b"\r\n\0\xff\r\n\r\nMAIL FROM:<a@b.test>\r\nQUIT\r\n")
        answers = wire.rest().split(b"\r\n")[:-1]
    assert [answer[:1] for answer in answers] == [b"5"] * 4 + [b"2"], answers


@pytest.mark.parametrize("seed", [1, 2])
def test_garbage(server, seed):
    with Wire(server, "lmtp") as wire:
        try:
            wire.send(random.Random(seed).randbytes(200_000))
            wire.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has closed, which is its good right
        answer = wire.rest()
    assert answer == b"" or b"421" in answer or answer.startswith(b"5")


SECOND = b"MAIL FROM:<evil@b.test>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"
ENDS = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n.\r\r\n"]


@pytest.mark.parametrize("end", ENDS, ids=lambda e: ascii(e)[2:-1])
def test_smuggling(server, alice, bob, end):
    """Only CRLF . CRLF ends a message. What has another end in it is refused, to each recipient, and nothing of it
    is a command."""
    with Wire(server, "lmtp") as wire:
        assert [reply[:3] for reply in begin(wire, alice, bob)] == ["250", "250"]
        assert wire.say("DATA").startswith("354")
        wire.send(b"Subject: first\r\n\r\nfirst" + end + SECOND % alice.encode() + b"QUIT\r\n")
        answers = wire.rest().decode().split("\r\n")[:-1]
    assert [answer[:9] for answer in answers] == ["550 5.6.0"] * 2 + ["221 2.0.0"], answers
    assert count_of(server, alice) == count_of(server, bob) == 0
