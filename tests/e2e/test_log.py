"""The log: every line about a message has its id, whatever becomes of the message; and nobody waits for its reader."""

import contextlib
import fcntl
import os
import re

import pytest
from conftest import DOMAIN
from server import wait_for
from test_damage import flip, packs
from wire import Wire, deliver, letter, mail_of, message_id

ANN, FAR = f"ann@{DOMAIN}", f"far@{DOMAIN}"


def lines_of(server, event):
    return [line for line in server.new_log().split("\n") if f"event={event} " in line]


def ids_of(server, event, count=1):
    """The id of each line of an event, of which so many must be there and none of them without."""
    wait_for(event, lambda: len(lines_of(server, event)) >= count)
    lines = lines_of(server, event)
    found = [[word[3:] for word in line.split() if word.startswith("id=")] for line in lines]
    assert all(len(ids) == 1 for ids in found), lines
    return [ids[0] for ids in found]


def begin(wire, *rcpts):
    wire.hello()
    assert wire.say("MAIL FROM:<a@b.test>").startswith("250")
    return [wire.say(f"RCPT TO:<{rcpt}>")[:3] for rcpt in rcpts]


def test_what_happens_to_a_message_is_logged_with_its_id(make_server):
    server = make_server('routes = ( { domain = "*"; host = "127.0.0.1"; port = 1; } );', accounts=["ann"])
    server.command("account", "quota", ANN, "--messages", "10")
    server.command("alias", "add", FAR, "far@else.test")
    taken = [message_id(deliver(server, ANN, letter(f"number {n}"))) for n in range(9)]
    assert ids_of(server, "accepted", 9) == taken and ids_of(server, "stored", 9) == taken
    [warning] = ids_of(server, "quota-warning")
    assert warning in server.command("trace", warning).stdout
    with Wire(server) as wire:
        assert begin(wire, f"nobody@{DOMAIN}") == ["550"]
    assert len(ids_of(server, "recipient-refused")) == 1
    far = message_id(deliver(server, FAR))
    assert far in ids_of(server, "attempt")
    server.command("queue", "bounce", far)
    assert ids_of(server, "report") == [far]


def test_a_message_that_cannot_be_read_is_named(make_server):
    server = make_server(accounts=["ann"])
    name = message_id(deliver(server, ANN, letter("damaged", ["a line of it"])))
    for path in packs(server):
        with open(path, "rb") as file:
            at = file.read().find(b"a line of it")
        if at >= 0:
            flip(path, at, 3)
    with Wire(server, "pop3") as wire:
        wire.pop3_login(ANN)
        wire.send("RETR 1\r\n")
        while not lines_of(server, "read-failed"):
            assert wire.receive() or lines_of(server, "read-failed")
    assert ids_of(server, "read-failed") == [name]


@pytest.mark.parametrize("commands, code", [
    (b"DATA\r\nSubject: x\r\n\r\nx\r\r\n.\r\n", "550"), (b"DATA\r\n" + b"0123456789abcd\r\n" * 8000 + b".\r\n", "552"),
    (b"BDAT 200000 LAST\r\n" + b"x" * 200_000, "552"), (b"BDAT 4 LAST\r\nx\ny\n", "550")],
    ids=["bare", "large", "chunk", "bare-chunk"])
def test_refused_content_is_logged(make_server, commands, code):
    server = make_server('message_size_limit = "100K";', accounts=["ann"])
    with Wire(server) as wire:
        assert begin(wire, ANN) == ["250"]
        wire.send(commands)
        replies = [wire.reply()[:3] for _ in range(2 if commands.startswith(b"DATA") else 1)]
        assert replies[-1] == code
    assert len(ids_of(server, "refused")) == 1
    [line] = lines_of(server, "refused")
    assert f" code={code} " in line and " why=" in line and " from=" in line and ANN in line


def test_content_without_end_is_logged(make_server):
    server = make_server('timeouts = { smtp_data = "4s"; };', accounts=["ann"])
    with Wire(server) as wire:
        assert begin(wire, ANN) == ["250"]
        wire.send("DATA\r\nhalf a mess")
        assert wire.reply().startswith("354")
        assert wire.reply().startswith("421 4.4.2")
    [line] = wait_for("the line", lambda: lines_of(server, "refused"))
    assert " code=421 " in line
    for commands in ("DATA\r\nhalf a mess", "BDAT 3\r\nx\r\n", "BDAT 50 LAST\r\n"):
        with Wire(server) as wire:
            assert begin(wire, ANN) == ["250"]
            wire.send(commands)
            if commands.startswith("DATA"):
                assert wire.reply().startswith("354")
    wait_for("all three", lambda: len(lines_of(server, "message-broken-off")) == 3)
    assert len(set(ids_of(server, "message-broken-off"))) == 3
    assert all(ANN in line for line in lines_of(server, "message-broken-off"))
    with Wire(server) as wire:  # an envelope alone is no message
        assert begin(wire, ANN) == ["250"]
        assert wire.say("RSET").startswith("250")
        assert wire.say("MAIL FROM:<a@b.test>").startswith("250")
        assert wire.say("QUIT").startswith("221")
        assert wire.rest() == b""  # what is logged of it is logged
    assert len(lines_of(server, "message-broken-off")) == 3 and len(lines_of(server, "refused")) == 1
    assert not mail_of(server, ANN)


def test_the_end_of_a_connection_says_why(server):
    def fail(port, count):
        with Wire(server, port) as wire:
            wire.send("NONSENSE\r\n" * count)
            assert b"oo many errors" in wire.rest()

    fail("smtp", 50)
    fail("pop3", 20)
    with Wire(server) as wire:
        assert wire.say("QUIT").startswith("221")
        assert wire.rest() == b""
    for port, why in ("smtp", '"Too many errors, closing the connection"'), ("pop3", '"too many errors"'), ("smtp", "Goodbye"):
        wait_for(why, lambda port=port, why=why: any(
            f"listener={port} " in line and line.endswith(f" why={why}") for line in lines_of(server, "disconnected")))


def test_a_reader_who_stands_still_stops_nobody(make_server):
    """What there is no room for is left out, and told of when there is room again."""
    server = make_server(accounts=["ann"], start=False)
    path, words, text = os.path.join(server.folder, "log"), server.serve_words(), b""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    server.serve_words = lambda: ["sh", "-c", 'exec "$@" 2>"$0"', path, *words]

    def connect(times):
        for _ in range(times):
            for port in ("smtp", "pop3"):
                with Wire(server, port) as wire:
                    wire.say("QUIT")

    def left_out():
        nonlocal text
        connect(1)
        with contextlib.suppress(BlockingIOError):
            text += os.read(reader, 65536)
        return re.search(rb" process=mx event=log-dropped lines=(\d+)\n", text)

    try:
        server.start(wait=False)
        server.wait_ready()
        server.mark()
        connect(100)
        deliver(server, ANN)
        assert len(mail_of(server, ANN)) == 1
        assert int(wait_for("a word about lines that are missing", left_out)[1]) > 50
        assert all(re.match(rb"\d{4}-\S+Z level=", line) for line in text.split(b"\n")[:-1])
        connect(100)
        assert server.stop() == 0
    finally:
        os.close(reader)
