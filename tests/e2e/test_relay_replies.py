"""The relay and what the next server says: refusals at every command, nonsense, ends.

What is said to a message is seen once; then the peer is good, and the message, if it still waits, goes:
nothing is lost, and nothing goes twice but what was broken off behind its final dot.
"""

import contextlib
import json
import os
import re
import signal
import socket
import threading

import pytest
from conftest import DOMAIN
from relay_net import ALICE, net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import CHUNKING, CLOSE, EXTENSIONS, HANG, RESET
from wire import letter, mail_of

STEPS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")
PLAIN = ("8BITMIME", "SMTPUTF8")  # without pipelining
UNREACHABLE, WAITING, RETURNED = "unreachable", "waiting", "returned"
MEGABYTE = b"x" * 1_000_000


def goes_at_last(net, peer, number, sent=1):
    """The attempt that is made now delivers. sent: how often the content came in all."""
    before = len(net.attempts(number))
    net.retry(number)
    assert net.wait_attempt(number, before + 1) == (1, 0, 0)
    assert net.queue(number) == []
    assert len(peer.received) == sent and len(peer.taken) == 1


def check(net, peer, number, outcome, says, sent=0):
    """The first attempt ended so; the queue and the trace say it; what waits is then delivered."""
    failed = outcome == RETURNED
    assert net.wait_attempt(number) == (0, failed, not failed)
    assert len(peer.received) == sent and not peer.taken
    trace = net.trace(number)
    assert says in trace, trace
    if failed:
        net.wait_gone(number)
        assert "could not be delivered: " in net.trace(number)
        return
    [row] = net.queue(number)
    assert row["state"] == outcome and says in row["last_reply"], row
    goes_at_last(net, peer, number, sent + 1)


# ---- refusals ----

REFUSALS = [
    ("greeting", b"450 4.7.1 not now\r\n", UNREACHABLE),
    ("greeting", b"554 5.7.1 not you\r\n", UNREACHABLE),
    ("greeting", b"521 5.3.2 no mail here\r\n", RETURNED),
    ("greeting", b"250 2.0.0 what\r\n", UNREACHABLE),
    ("greeting", b"354 3.0.0 what\r\n", UNREACHABLE),
    ("EHLO", b"451 4.3.0 not now\r\n", UNREACHABLE),
    ("EHLO", b"220 again\r\n", UNREACHABLE),
    ("MAIL", b"450 4.2.0 not now\r\n", WAITING),
    ("MAIL", b"550 5.7.1 not you\r\n", RETURNED),
    ("MAIL", b"354 what\r\n", WAITING),
    ("MAIL", b"354 3.0.0 what\r\n", WAITING),  # there is no such status
    ("RCPT", b"450 4.2.1 not now\r\n", WAITING),
    ("RCPT", b"550 5.1.1 not him\r\n", RETURNED),
    ("RCPT", b"354 what\r\n", WAITING),
    ("RCPT", b"354 3.0.0 what\r\n", WAITING),
    ("DATA", b"451 4.3.0 not now\r\n", WAITING),
    ("DATA", b"554 5.7.1 not this\r\n", RETURNED),
    ("DATA", b"250 2.0.0 what\r\n", WAITING),
    ("end", b"452 4.3.1 not now\r\n", WAITING),
    ("end", b"550 5.6.0 not this\r\n", RETURNED),
    ("end", b"354 go on\r\n", WAITING),
    ("end", b"354 3.0.0 go on\r\n", WAITING),
]


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("step, reply, outcome", REFUSALS, ids=[f"{s}-{r.decode().strip()}" for s, r, _ in REFUSALS])
def test_refusal(net, step, reply, outcome, extensions):
    peer = net.peer(extensions=extensions, **{step: [reply]})
    number = net.send(f"bob@{peer.domain}")
    check(net, peer, number, outcome, reply.decode().strip(), step == "end")


def test_helo_where_ehlo_is_not_known(net):
    peer = net.peer(EHLO=b"502 5.5.1 what?\r\n")
    number = net.send(f"bob@{peer.domain}")
    peer.wait_taken()
    assert net.wait_attempt(number) == (1, 0, 0)
    assert peer.commands[:3] == ["EHLO mail.example.test", "HELO mail.example.test", f"MAIL FROM:<{ALICE}>"]


@pytest.mark.parametrize("reply, outcome", [(b"450 4.7.1 not now\r\n", UNREACHABLE),
                                            (b"550 5.7.1 not you\r\n", RETURNED)], ids=["450", "550"])
def test_refused_helo(net, reply, outcome):
    peer = net.peer(EHLO=[b"500 what?\r\n", b"500 what?\r\n"], HELO=[reply])
    number = net.send(f"bob@{peer.domain}")
    check(net, peer, number, outcome, reply.decode().strip())


HELO_BREAKS = {"close": (CLOSE, "connection lost"), "reset": (RESET, "connection lost"),
               "421": ((b"421 4.3.2 shutting down\r\n", CLOSE), "421 4.3.2"), "nonsense": (b"banana\r\n", "no SMTP reply"),
               "megabyte": (MEGABYTE, "no SMTP reply")}


@pytest.mark.parametrize("how, says", HELO_BREAKS.values(), ids=HELO_BREAKS)
def test_broken_helo(net, how, says):
    peer = net.peer(EHLO=[b"500 what?\r\n"], HELO=[how])
    check(net, peer, net.send(f"bob@{peer.domain}"), UNREACHABLE, says)


# ---- RSET and QUIT: they say nothing about a message ----

def refused_then(net, peer):
    """A message whose recipient is refused, and on the same connection, which is not at its beginning, another."""
    assert net.wait_attempt(net.send(f"nobody@{peer.domain}")) == (0, 1, 0)
    return net.send(f"bob@{peer.domain}")


@pytest.mark.parametrize("how", [b"450 4.3.0 not now\r\n", b"502 5.5.1 what?\r\n", (b"421 4.3.2 enough\r\n", CLOSE), CLOSE,
                                 RESET], ids=["450", "502", "421", "close", "reset"])
def test_reset_that_fails(net, how):
    """The next message goes over another connection, at once."""
    peer = net.peer(RCPT=[b"550 5.1.1 who?\r\n"], RSET=how)
    number = refused_then(net, peer)
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    assert "RSET" in peer.sessions[0].commands and len(peer.sessions) == 2 and len(peer.taken) == 1


@pytest.mark.parametrize("how", [b"banana\r\n", MEGABYTE], ids=["word", "megabyte"])
def test_nonsense_to_reset(net, how):
    peer = net.peer(RCPT=[b"550 5.1.1 who?\r\n"], RSET=how)
    check(net, peer, refused_then(net, peer), WAITING, "no SMTP reply")


def test_whatever_is_said_to_quit(net):
    """The message has gone; the next goes too, over another connection."""
    peers = [net.peer(QUIT=how) for how in (b"450 4.3.0 not now\r\n", b"550 5.3.0 never\r\n", b"banana\r\n", MEGABYTE,
                                            CLOSE, RESET, HANG)]
    for peer in peers:
        assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
    for peer in peers:
        wait_for("QUIT", lambda peer=peer: "QUIT" in peer.commands)
        assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
        assert len(peer.sessions) == 2 and len(peer.taken) == len(peer.received) == 2


# ---- 421, at any time ----

@pytest.mark.parametrize("step", [*STEPS, "content"])
def test_421(net, step):
    peer = net.peer(**{step: [(b"421 4.3.2 shutting down\r\n", CLOSE)]})
    number = net.send(f"bob@{peer.domain}")
    outcome = UNREACHABLE if step in ("greeting", "EHLO") else WAITING
    check(net, peer, number, outcome, "421 4.3.2 shutting down", step == "end")


# ---- the connection ends ----

@pytest.mark.parametrize("how", [CLOSE, RESET])
@pytest.mark.parametrize("step", [*STEPS, "content"])
def test_connection_ends(net, step, how):
    peer = net.peer(**{step: [how]})
    number = net.send(f"bob@{peer.domain}")
    outcome = UNREACHABLE if step in ("greeting", "EHLO") else WAITING
    check(net, peer, number, outcome, "connection lost", step == "end")


def test_end_behind_the_last_reply_is_none_of_ours(net):
    peer = net.peer(end=(b"250 2.0.0 taken\r\n", CLOSE))
    for _ in range(3):
        number = net.send(f"bob@{peer.domain}")
        assert net.wait_attempt(number) == (1, 0, 0)
    assert len(peer.taken) == len(peer.received) == 3


@pytest.mark.parametrize("how", [CLOSE, (b"421 4.7.0 enough for one connection\r\n", CLOSE)], ids=["close", "421"])
def test_kept_connection_that_ends_with_the_next_message(net, how):
    """It says nothing about the message: there is another connection at once."""
    peer = net.peer(MAIL=[b"250 2.1.0 ok\r\n", how])
    assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
    assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
    assert len(peer.sessions) == 2 and len(peer.taken) == len(peer.received) == 2


def test_connection_is_kept_for_the_next_message(net):
    peer = net.peer()
    for _ in range(4):
        assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
    assert len(peer.sessions) == 1 and len(peer.taken) == 4


def test_refused_connection(net):
    domain = net.domain(net.address())
    number = net.send(f"bob@{domain}")
    assert net.wait_attempt(number) == (0, 0, 1)
    [row] = net.queue(number)
    assert row["state"] == UNREACHABLE and "connection refused" in row["last_reply"]


# ---- what is no SMTP ----

@pytest.mark.rare
@pytest.mark.parametrize("octets", [b"banana\r\n", b"\0\xff\x80\r\n", b"600 too high\r\n", b"2500 too long\r\n",
                                    b"150 too low\r\n", b"\r\n", MEGABYTE, b"250-so\r\n550 or so\r\n",
                                    b"250-and so on\r\n" * 2000],
                         ids=["word", "binary", "600", "2500", "150", "empty", "megabyte", "two codes", "endless"])
def test_nonsense(net, octets):
    peers = {step: net.peer(**{step: [octets]}) for step in STEPS}
    numbers = {step: net.send(f"bob@{peer.domain}") for step, peer in peers.items()}
    for step, peer in peers.items():
        outcome = UNREACHABLE if step in ("greeting", "EHLO") else WAITING
        check(net, peer, numbers[step], outcome, "no SMTP reply", step == "end")


def test_a_megabyte_without_a_line_end_at_tls_and_chunks(net):
    """Of STARTTLS it is forgotten with the connection; of a chunk the message waits."""
    about_tls = net.peer(extensions=(*PLAIN, "STARTTLS"), STARTTLS=[(MEGABYTE, HANG)])
    about_chunk = net.peer(extensions=CHUNKING, chunk=[(MEGABYTE, HANG)])
    numbers = [net.send(f"bob@{about_tls.domain}"),
               net.send(f"bob@{about_chunk.domain}", content=letter(body=["0123456789" * 9] * 110_000))]
    assert net.wait_attempt(numbers[0]) == (1, 0, 0), net.trace(numbers[0])
    assert len(about_tls.sessions) == 2 and len(about_tls.taken) == 1
    check(net, about_chunk, numbers[1], WAITING, "no SMTP reply")


def test_replies_of_many_lines(net):
    lines = {step: b"".join(b"%b-2.1.0 line %d\r\n" % (code, n) for n in range(200)) + code + b" 2.1.0 last\r\n"
             for step, code in (("greeting", b"220"), ("EHLO", b"250"), ("MAIL", b"250"), ("RCPT", b"250"),
                                ("DATA", b"354"), ("end", b"250"))}
    peer = net.peer(**lines)
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (1, 0, 0)
    assert len(peer.taken) == 1


def test_replies_octet_by_octet(net):
    def drip(session):
        octets = b"250-2.1.0 slow\r\n250 2.1.0 ly\r\n"
        for octet in octets[:-1]:
            session.send(bytes([octet]))
        return octets[-1:]

    peer = net.peer(greeting=(b"220", b"-x\r", b"\n220 y", b"\r\n"), MAIL=drip, RCPT=drip)
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (1, 0, 0)


def test_reply_to_nothing(net):
    """Behind a reply comes another that nobody asked for: the session is over, the message is not."""
    peer = net.peer(end=b"250 2.0.0 taken\r\n250 2.0.0 and again\r\n")
    for _ in range(2):
        assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
    assert len(peer.taken) == 2


def test_text_of_a_peer_reaches_no_terminal(net):
    peer = net.peer(RCPT=[b"450 4.2.0 \x1b[31mred\xff\xfe \x07\r\n"])
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (0, 0, 1)
    for text in (net.trace(number), net.server.command("queue", "list").stdout, net.server.new_log()):
        assert "\x1b" not in text and "\x07" not in text


# ---- content in chunks ----

LINES = [f".{n:06} a line of a message of several chunks" for n in range(5000)]
LARGE = letter(body=LINES, sender=ALICE)
IN_CHUNKS = pytest.mark.parametrize("extensions", [CHUNKING, ("CHUNKING",)], ids=["pipelining", "plain"])


@IN_CHUNKS
@pytest.mark.parametrize("body", [(), (".", "..", ".x"), LINES], ids=["empty", "dots", "large"])
def test_chunks(net, extensions, body):
    """By BDAT where it is offered: octet for octet what DATA brings to another."""
    peer, plain = net.peer(extensions=extensions), net.peer()
    content = letter(body=body, sender=ALICE)
    number = net.send(f"bob@{peer.domain}", f"bob@{plain.domain}", content=content)
    [message], [other] = peer.wait_taken(), plain.wait_taken()
    net.wait_gone(number)
    assert message.content == other.content and message.content.endswith(content)
    assert "DATA" not in peer.commands and not other.chunks
    assert peer.commands[-1] == f"BDAT {message.chunks[-1]} LAST"
    assert len(message.chunks) == (4 if body is LINES else 1) and max(message.chunks) <= 65536
    assert f"C: BDAT {message.chunks[-1]} LAST" in net.trace(number)


CHUNK_REFUSALS = [("chunk", b"452 4.3.1 not now\r\n", WAITING), ("chunk", b"552 5.3.4 not this\r\n", RETURNED),
                  ("end", b"452 4.3.1 not now\r\n", WAITING), ("end", b"550 5.6.0 not this\r\n", RETURNED)]


@IN_CHUNKS
@pytest.mark.parametrize("step, reply, outcome", CHUNK_REFUSALS,
                         ids=[f"{s}-{r[:3].decode()}" for s, r, _ in CHUNK_REFUSALS])
def test_refused_chunk(net, extensions, step, reply, outcome):
    """The message fails or waits; the connection goes on with the next behind a RSET."""
    peer = net.peer(extensions=extensions, **{step: [reply]})
    number = net.send(f"bob@{peer.domain}", content=LARGE)
    failed = outcome == RETURNED
    assert net.wait_attempt(number) == (0, failed, not failed)
    assert reply.decode().strip() in net.trace(number)
    assert net.wait_attempt(net.send(f"bob@{peer.domain}", content=LARGE)) == (1, 0, 0)
    assert len(peer.sessions) == 1 and peer.commands.count("RSET") == 1 and len(peer.taken) == 1
    if not failed:
        [row] = net.queue(number)
        assert row["state"] == WAITING and reply.decode().strip() in row["last_reply"]
        net.retry(number)
        assert net.wait_attempt(number, 2) == (1, 0, 0)


def read_to_the_end(session):
    """Closing before all was read would be a reset, which can overtake what was said before."""
    while session.lines.read(65536):
        pass
    return CLOSE


@IN_CHUNKS
@pytest.mark.parametrize("how", [CLOSE, RESET, (b"421 4.3.2 shutting down\r\n", read_to_the_end)],
                         ids=["close", "reset", "421"])
@pytest.mark.parametrize("step", ["content", "chunk", "end"])
def test_connection_ends_among_chunks(net, extensions, step, how):
    peer = net.peer(extensions=extensions, **{step: [how]})
    number = net.send(f"bob@{peer.domain}", content=LARGE)
    says = "421 4.3.2" if isinstance(how, tuple) else "connection lost"
    check(net, peer, number, WAITING, says, step == "end")


@IN_CHUNKS
@pytest.mark.parametrize("code", [b"500", b"502", b"503", b"504"])
@pytest.mark.parametrize("step", ["chunk", "end"])
def test_chunks_that_are_offered_and_not_known(net, extensions, code, step):
    """The message goes by DATA in the same attempt; over another connection, as nobody knows what became of the chunk."""
    peer = net.peer(extensions=extensions, **{step: [code + b" 5.5.1 what?\r\n"]})
    content = LARGE if step == "chunk" else letter(sender=ALICE)
    number = net.send(f"bob@{peer.domain}", content=content)
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    [message] = peer.taken
    assert message.content.endswith(content) and not message.chunks
    assert len(peer.sessions) == 2 and "DATA" in peer.sessions[1].commands
    assert ", without BDAT" in net.trace(number)


def test_a_chunk_behind_one_that_was_taken(net):
    """BDAT is known there: the refusal is of the message."""
    peer = net.peer(extensions=CHUNKING, chunk=[b"250 2.0.0 ok\r\n", b"503 5.5.1 not this\r\n"])
    check(net, peer, net.send(f"bob@{peer.domain}", content=LARGE), RETURNED, "503 5.5.1 not this")
    assert len(peer.sessions) == 1


def test_no_chunk_for_nobody(net):
    peer = net.peer(extensions=CHUNKING, RCPT=[b"450 4.2.1 later\r\n", b"550 5.1.1 who?\r\n"])
    number = net.send(f"r0@{peer.domain}", f"r1@{peer.domain}")
    assert net.wait_attempt(number) == (0, 1, 1)
    assert not [command for command in peer.commands if command.startswith(("BDAT", "DATA"))]


# ---- several recipients ----

def states(net, number):
    return {row["recipient"].split("@")[0]: row["last_reply"] for row in net.queue(number)}


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
def test_each_recipient_has_his_own_answer(net, extensions):
    peer = net.peer(extensions=extensions, RCPT=[
        b"250 2.1.5 ok\r\n", b"450 4.2.1 greylisted\r\n", b"550 5.1.1 who?\r\n", b"251 2.1.5 forwarded\r\n",
        b"451 4.3.0 later\r\n", b"553 5.1.3 what?\r\n"])
    number = net.send(*(f"r{n}@{peer.domain}" for n in range(6)))
    assert net.wait_attempt(number) == (2, 2, 2)
    [message] = peer.taken
    assert message.recipients == [f"<r0@{peer.domain}>", f"<r3@{peer.domain}>"]
    wait_for("the report", lambda: len(net.queue(number)) == 2)
    assert states(net, number) == {"r1": "450 4.2.1 greylisted", "r4": "451 4.3.0 later"}
    report = mail_of(net.server, ALICE)[-1]
    assert b"5.1.1 who?" in report and b"5.1.3 what?" in report and b"greylisted" not in report
    net.retry(number)
    assert net.wait_attempt(number, 2) == (2, 0, 0)
    assert [len(message.recipients) for message in peer.taken] == [2, 2]


def test_long_refusals_leave_the_beginning_and_the_end_of_the_dialogue(net):
    """16 lines of 512 octets to each of 100 recipients: what does not fit is counted, in a line of ours."""
    def refuse(session):
        recipient = session.commands[-1]
        lines = [b"550-5.1.1 %02d %b" % (n, b"x" * 497) for n in range(15)]
        return b"\r\n".join([*lines, b"550 5.1.1 not " + recipient.encode()]) + b"\r\n"

    peer = net.peer(extensions=PLAIN, RCPT=refuse)
    number = net.send(*(f"r{n}@{peer.domain}" for n in range(100)))
    assert net.wait_attempt(number) == (0, 100, 0)
    events = json.loads(net.server.command("trace", number, "--dialogue", "--json").stdout)
    [dialogue] = [event["dialogue"] for event in events if event.get("dialogue")]
    lines = dialogue.splitlines()
    assert 64_000 < len(dialogue) <= 65_536
    assert lines[:2] == ["S: 220 peer.test ESMTP", "C: EHLO mail.example.test"]
    assert f"S: 550 5.1.1 not RCPT TO:<r99@{peer.domain}>" in lines
    [mark] = [n for n, line in enumerate(lines) if not re.match(r"[CS]: ", line)]
    left_out = int(re.fullmatch(r"\* lines left out: (\d+)", lines[mark]).group(1))
    before = lines[:mark].index(f"C: RCPT TO:<r0@{peer.domain}>")
    assert before + 100 * 17 == lines.index(f"S: 550 5.1.1 not RCPT TO:<r99@{peer.domain}>") + left_out
    assert all(len(line) == 3 + 510 for line in lines if "xxx" in line)
    assert f"* lines left out: {left_out}\n" in net.trace(number)
    net.wait_gone(number)


@pytest.mark.parametrize("data", [b"354 go on\r\n", b"554 5.5.1 no valid recipients\r\n", b"503 5.5.1 no\r\n"],
                         ids=["354", "554", "503"])
def test_nobody_is_accepted(net, data):
    """With pipelining DATA is out before: whatever the server makes of it, nothing is sent."""
    peer = net.peer(RCPT=[b"450 4.2.1 later\r\n", b"550 5.1.1 who?\r\n"], DATA=[data])
    number = net.send(f"r0@{peer.domain}", f"r1@{peer.domain}")
    assert net.wait_attempt(number) == (0, 1, 1)
    assert not peer.received and peer.empty == ([b""] if data[:3] == b"354" else [])
    wait_for("the report", lambda: states(net, number) == {"r0": "450 4.2.1 later"})


@pytest.mark.parametrize("reply", [b"452 4.5.3 too many\r\n", b"452 too many\r\n", b"552 too many\r\n"],
                         ids=["452-4.5.3", "452", "552"])
def test_too_many_recipients_go_in_several_transactions(net, reply):
    taken = []

    def two(session):
        message = session.message
        return b"250 2.1.5 ok\r\n" if len(message.recipients) < 2 else reply

    peer = net.peer(RCPT=two)
    number = net.send(*(f"r{n}@{peer.domain}" for n in range(7)))
    wait_for("all of them", lambda: sum(len(message.recipients) for message in peer.taken) >= 7)
    net.wait_gone(number)
    for message in peer.taken:
        taken += message.recipients
    assert sorted(taken) == [f"<r{n}@{peer.domain}>" for n in range(7)]


@pytest.mark.parametrize("first", [None, b"550 5.1.1 who?\r\n"], ids=["taken", "refused"])
def test_no_more_recipients_than_are_announced(net, first):
    """RCPTMAX [RFC 9422 4]: none waits longer for it, also where those before him are refused."""
    peer = net.peer(extensions=["PIPELINING", "LIMITS MAILMAX=9 RCPTMAX=2"], RCPT=[first, first])
    number = net.send(*(f"r{n}@{peer.domain}" for n in range(5)))
    net.wait_gone(number)
    words = " ".join(line.split(":")[0] for session in peer.sessions for line in session.commands)
    assert words.count("RCPT TO") == 5 and "RCPT TO RCPT TO RCPT TO" not in words
    assert sum(len(message.recipients) for message in peer.taken) == (3 if first else 5)
    assert "left for the next transaction" in net.trace(number)


def test_a_kept_connection_that_ends_is_replaced_for_many_recipients_too(net):
    peer = net.peer(extensions=["PIPELINING", "LIMITS RCPTMAX=2"], MAIL=[None, CLOSE])
    net.wait_gone(net.send(f"first@{peer.domain}"))
    number = net.send(*(f"r{n}@{peer.domain}" for n in range(5)))
    net.wait_gone(number)
    assert sum(len(message.recipients) for message in peer.taken) == 6
    assert [waiting for _, _, waiting in net.attempts(number)] == [3, 1, 0]


def test_421_behind_some_answers_leaves_those_as_they_are(net):
    peer = net.peer(RCPT=[b"550 5.1.1 who?\r\n", (b"421 4.3.2 enough\r\n", CLOSE)])
    number = net.send(f"r0@{peer.domain}", f"r1@{peer.domain}", f"r2@{peer.domain}")
    assert net.wait_attempt(number) == (0, 1, 2)
    wait_for("the report", lambda: set(states(net, number)) == {"r1", "r2"})
    net.retry(number)
    assert net.wait_attempt(number, 2) == (2, 0, 0)


# ---- what the next server can ----

EIGHT = "Grüße, с приветом, 你好".encode()


def eight_bit_letter():
    return letter(subject="8 bit", body=["%"]).replace(
        b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n").replace(b"%", EIGHT)


@pytest.mark.parametrize("offered", [True, False], ids=["offered", "not offered"])
def test_8bitmime(net, offered):
    peer = net.peer(extensions=("8BITMIME",) if offered else ())
    number = net.send(f"bob@{peer.domain}", content=eight_bit_letter(), options=["BODY=8BITMIME"])
    assert net.wait_attempt(number) == (1, 0, 0)
    [message] = peer.taken
    assert EIGHT in message.content and ("BODY=8BITMIME" in message.mail) == offered


IN_PART = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
           b"Content-Disposition: attachment; filename=" + "привет".encode() + b"\r\n\r\nhello\r\n--x--\r\n")


@pytest.mark.parametrize("content, outcome", [(letter(), (1, 0, 0)), (eight_bit_letter(), (1, 0, 0)), (IN_PART, (0, 1, 0)),
                                              (letter(subject="привет"), (0, 1, 0))],
                         ids=["ascii", "body", "header of a part", "header"])
def test_smtputf8_where_nothing_needs_it(net, content, outcome):
    """That the sender's program asked for it is no reason to return what any server can take."""
    peer = net.peer(extensions=("8BITMIME",))
    number = net.send(f"bob@{peer.domain}", content=content, options=["SMTPUTF8", "BODY=8BITMIME"])
    assert net.wait_attempt(number) == outcome
    if outcome[0]:
        assert "SMTPUTF8" not in peer.taken[0].mail and b"UTF8SMTP" in peer.taken[0].content


def test_recipients_who_need_smtputf8_hold_up_no_others(net):
    peer = net.peer(extensions=("8BITMIME",))
    number = net.send(f"bob@{peer.domain}", f"боб@{peer.domain}", options=["SMTPUTF8"])
    assert net.wait_attempt(number) == (1, 1, 0)
    assert peer.taken[0].recipients == [f"<bob@{peer.domain}>"]


@pytest.mark.parametrize("offered, outcome", [(True, (1, 0, 0)), (False, (0, 1, 0))])
def test_an_alias_in_unicode_needs_smtputf8(net, offered, outcome):
    """What is sent on for it begins with its name; nothing else in the message is but ASCII."""
    peer = net.peer(extensions=("8BITMIME", "SMTPUTF8") if offered else ("8BITMIME",))
    alias = f"jürgen{offered}@{DOMAIN}".lower()
    net.server.command("alias", "add", alias, f"out@{peer.domain}")
    number = net.send(alias, ALICE, sender="someone@stranger.test", options=["SMTPUTF8"])
    assert net.wait_attempt(number) == outcome, net.trace(number)
    if offered:
        assert peer.taken[0].content.startswith(f"Delivered-To: {alias}\r\n".encode())
        assert "SMTPUTF8" in peer.taken[0].mail and "BODY=8BITMIME" in peer.taken[0].mail


@pytest.mark.parametrize("offered", [True, False])
def test_a_domain_in_unicode_needs_no_smtputf8(net, offered):
    """Any server knows it by the name that DNS has [RFC 5890]."""
    peer = net.peer(extensions=("8BITMIME", "SMTPUTF8") if offered else ("8BITMIME",))
    unicode = f"bücher{offered}.test".lower()
    ascii = unicode.encode("idna").decode()
    net.names.answers[ascii] = net.names.answers[peer.domain]
    number = net.send(f"bob@{unicode}", sender=f"alice@{unicode}", options=["SMTPUTF8"])
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    [message] = peer.taken
    assert message.recipients == [f"<bob@{ascii}>"]
    assert message.mail.startswith(f"<alice@{ascii}>")
    assert message.content.isascii()


@pytest.mark.parametrize("local, offered, outcome", [("bob", True, (1, 0, 0)), ("боб", True, (1, 0, 0)),
                                                     ("боб", False, (0, 1, 0))],
                         ids=["header", "address", "not offered"])
def test_smtputf8(net, local, offered, outcome):
    peer = net.peer(extensions=("8BITMIME", "SMTPUTF8") if offered else ("8BITMIME",))
    number = net.send(f"{local}@{peer.domain}", content=letter(subject="привет"),
                      options=["SMTPUTF8", "BODY=8BITMIME"])
    assert net.wait_attempt(number) == outcome
    net.wait_gone(number)
    if outcome[0]:
        assert "SMTPUTF8" in peer.taken[0].mail
    else:
        assert not peer.received and "SMTPUTF8 not offered" in net.trace(number)
        assert b"Status: 5.6.7" in mail_of(net.server, ALICE)[-1]


def test_size_is_declared(net):
    peer = net.peer(extensions=("SIZE 1000000",))
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (1, 0, 0)
    [message] = peer.taken
    assert f"SIZE={len(message.content)}" in message.mail


def test_size_too_small(net):
    peer = net.peer(extensions=("SIZE 100",))
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (0, 1, 0)
    net.wait_gone(number)
    assert not any(command.startswith("MAIL") for command in peer.commands)
    assert b"Status: 5.3.4" in mail_of(net.server, ALICE)[-1]


def test_content_arrives_as_it_was_accepted(net):
    """Dots, long lines and much of it."""
    content = letter(body=[".", "..", ".a", "", "x" * 990, *(["0123456789" * 7] * 20_000), "."])
    peer = net.peer()
    number = net.send(f"bob@{peer.domain}", content=content)
    assert net.wait_attempt(number) == (1, 0, 0)
    [message] = peer.taken
    assert message.content.endswith(b"\r\n" + content)


# ---- several hosts ----

def test_next_host_when_the_first_refuses(net):
    bad, good = net.peer(greeting=b"521 5.3.2 not here\r\n"), net.peer()
    number = net.send(f"bob@{net.domain(bad.address, net.address(), good.address)}")
    assert net.wait_attempt(number) == (1, 0, 0)
    assert len(bad.sessions) == 1 and len(good.taken) == 1


def test_host_that_cannot_be_reached_outweighs_one_that_refuses(net):
    """The first may take it tomorrow: what the backup says is not the last word."""
    bad, first = net.peer(greeting=b"521 5.3.2 not here\r\n"), net.address()
    number = net.send(f"bob@{net.domain(first, bad.address)}")
    assert net.wait_attempt(number) == (0, 0, 1)
    good = net.peer(first)
    net.retry(number)
    assert net.wait_attempt(number, 2) == (1, 0, 0)
    assert len(good.taken) == 1


def test_all_hosts_refuse_for_good(net):
    peers = [net.peer(greeting=b"521 5.3.2 not here\r\n") for _ in range(3)]
    number = net.send(f"bob@{net.domain(*(peer.address for peer in peers))}")
    assert net.wait_attempt(number) == (0, 1, 0)
    assert [len(peer.sessions) for peer in peers] == [1, 1, 1]


BREAKS = {"close": CLOSE, "reset": RESET, "421": (b"421 4.3.2 shutting down\r\n", CLOSE), "nonsense": b"banana\r\n"}


@pytest.mark.parametrize("how", BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_next_host_when_the_first_breaks_off(net, step, how):
    """It said nothing about the recipient, so the next one has the message at once; and only he has it."""
    bad, good = net.peer(**{step: how}), net.peer()
    number = net.send(f"bob@{net.domain(bad.address, good.address)}")
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    assert len(bad.sessions) == 1 and not bad.received and len(good.taken) == len(good.received) == 1
    trace = net.trace(number)
    says = "421 4.3.2" if isinstance(how, tuple) else "no SMTP reply" if isinstance(how, bytes) else "connection lost"
    assert "taken by mx1.d" in trace
    assert re.search(rf"^ +\* {says}.*\n +\* next: mx1\.d\d+\.test \[{good.address}\]$", trace, re.M), trace


def test_next_host_when_the_first_breaks_off_in_the_content(net):
    bad, good = net.peer(content=CLOSE), net.peer()
    bad.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # or all of it may be on its way when it closes
    content = letter(body=["0123456789" * 7] * 100_000)
    number = net.send(f"bob@{net.domain(bad.address, good.address)}", content=content)
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    [message] = good.received
    assert message.content.endswith(content) and not bad.received


@pytest.mark.parametrize("how", [CLOSE, RESET, b"banana\r\n", (b"421 4.3.2 shutting down\r\n", CLOSE)],
                         ids=["close", "reset", "nonsense", "421"])
@pytest.mark.parametrize("extensions", [EXTENSIONS, CHUNKING], ids=["dot", "last chunk"])
def test_no_other_host_behind_the_end(net, how, extensions):
    """The first may have taken the message: the next would be a second time."""
    first, second = net.peer(extensions=extensions, end=how), net.peer()
    number = net.send(f"bob@{net.domain(first.address, second.address)}")
    assert net.wait_attempt(number) == (0, 0, 1)
    assert not second.sessions and len(first.received) == 1


def test_no_other_host_when_a_recipient_has_his_answer(net):
    """The refusal is reported as that host's; the other recipient is tried again later."""
    first, second = net.peer(RCPT=[b"550 5.1.1 who?\r\n", CLOSE]), net.peer()
    domain = net.domain(first.address, second.address)
    number = net.send(f"r0@{domain}", f"r1@{domain}")
    assert net.wait_attempt(number) == (0, 1, 1)
    assert not second.sessions


def test_all_hosts_break_off(net):
    """What broke off says more than who was not there: it is the message that waits, not the destination."""
    first, second = net.peer(MAIL=[CLOSE]), net.peer(RCPT=[RESET])
    number = net.send(f"bob@{net.domain(first.address, second.address, net.address())}")
    assert net.wait_attempt(number) == (0, 0, 1)
    [row] = net.queue(number)
    assert row["state"] == WAITING and "connection lost" in row["last_reply"]
    assert f"[{second.address}]" in net.trace(number)
    goes_at_last(net, first, number)
    assert len(second.sessions) == 1


def test_connection_that_breaks_while_our_store_is_busy(net):
    """The peer goes while the relay waits for content: then the next one has the whole of it."""
    reading, stopped = threading.Event(), threading.Event()

    def take_what_there_is(session):
        session.lines.read(1000)
        reading.set()
        stopped.wait(60)
        session.socket.settimeout(0.2)  # what is on its way comes within that; more does not
        with contextlib.suppress(OSError):
            while session.lines.read1(65536):
                pass
        return RESET

    store = net.server.pids("store")[0]
    content = letter(body=["0123456789" * 9] * 110_000)  # more than the kernel takes ahead
    first, second = net.peer(content=[take_what_there_is]), net.peer()
    number = net.send(f"bob@{net.domain(first.address, second.address)}", content=content)
    assert reading.wait(60)
    relay = net.server.pids("relay")[0]
    connections = len(os.listdir(f"/proc/{relay}/fd"))
    os.kill(store, signal.SIGSTOP)
    try:
        stopped.set()
        wait_for("the relay to see it", lambda: len(os.listdir(f"/proc/{relay}/fd")) < connections)
    finally:
        os.kill(store, signal.SIGCONT)
    assert net.wait_attempt(number) == (1, 0, 0)
    [message] = second.taken
    assert message.content.endswith(content) and not first.taken


def test_no_more_messages_of_a_session_than_it_takes(net):
    """LIMITS MAILMAX [RFC 9422 4]"""
    peer = net.peer(extensions=(*EXTENSIONS, "LIMITS RCPTMAX=9 MAILMAX=2"))
    for _ in range(3):
        assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
    assert len(peer.taken) == 3
    assert max(sum(line.startswith("MAIL") for line in session.commands) for session in peer.sessions) <= 2
