"""The relay and servers that say nothing: at each step there is a time after which it goes away."""

import os
import signal
import time

import pytest
from relay_net import full_listener, net, shared_net  # noqa: F401 (fixtures)
from smtp_peer import CHUNKING, EXTENSIONS, HANG
from wire import letter

# Three seconds for everything.
NET_OPTIONS = """timeouts = { relay_connect = "3s"; relay_command = "3s"; relay_data = "3s"; relay_body = "3s"; relay_end = "3s"; };
"""
# Or one after the other.
ORDER = ("relay_connect", "relay_command", "relay_data", "relay_body", "relay_end")
WHOSE = {"connect": 0, "greeting": 1, "EHLO": 1, "MAIL": 1, "RCPT": 1, "DATA": 2, "content": 3, "end": 4}
EARLY = ("connect", "greeting", "EHLO")  # it is the host's failure
STEPS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "end")
LARGE = letter(body=["0123456789" * 9] * 110_000)  # more than the kernel takes ahead


def test_silence_at_each_step(net):
    """All at the same time; each ends by its own timeout, and the message goes with the next attempt."""
    silent = {step: net.peer(**{step: [HANG]}) for step in STEPS}
    silent["chunk"] = net.peer(extensions=CHUNKING, chunk=[HANG])
    silent["last chunk"] = net.peer(extensions=CHUNKING, end=[HANG])
    numbers = {step: net.send(f"bob@{peer.domain}", content=LARGE if step in ("content", "chunk") else None)
               for step, peer in silent.items()}
    address = net.address()
    sockets = full_listener(address, net.port)
    numbers["connect"] = net.send(f"bob@{net.domain(address)}")
    for step, number in numbers.items():
        assert net.wait_attempt(number) == (0, 0, 1), step
        [row] = net.queue(number)
        assert row["state"] == ("unreachable" if step in EARLY else "waiting"), (step, row)
        assert "no answer in time" in row["last_reply"], (step, row)
        trace = net.trace(number)
        assert "no answer in time" in trace
        assert ("broken off with mx0" in trace) == (step not in EARLY), (step, trace)
        assert ("it may have the message" in trace) == (step in ("end", "last chunk")), (step, trace)
    for each in sockets:
        each.close()
    silent["connect"] = net.peer(address)
    for step, peer in silent.items():
        net.retry(numbers[step])
        assert net.wait_attempt(numbers[step], 2) == (1, 0, 0), step
        assert len(peer.received) == (2 if step in ("end", "last chunk") else 1), step
    assert not net.queue()


def test_who_stands_still_takes_nobody_for_silent(net):
    """This side is not run for a while, at the final dot of one message and in the TLS handshake of another: what the
    others say meanwhile is heard."""
    dot = net.peer(end=HANG)
    tls = net.peer(tls=net.tls(), STARTTLS=HANG)
    numbers = [net.send(f"bob@{peer.domain}") for peer in (dot, tls)]
    dot.wait_hanging()
    tls.wait_hanging()
    [relay] = net.server.pids("relay")
    os.kill(relay, signal.SIGSTOP)
    try:
        dot.go_on.set()
        tls.go_on.set()
        time.sleep(4)
    finally:
        os.kill(relay, signal.SIGCONT)
    for peer, number in zip((dot, tls), numbers):
        assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
        assert len(peer.sessions) == len(peer.received) == 1
    assert tls.sessions[0].tls and not net.queue()


def test_silence_at_helo_and_rset(net):
    """Commands that come only behind a refusal, of EHLO or of another message; both at once."""
    helo = net.peer(EHLO=[b"500 what?\r\n"], HELO=[HANG])
    rset = net.peer(RCPT=[b"550 5.1.1 who?\r\n"], RSET=[HANG])
    assert net.wait_attempt(net.send(f"nobody@{rset.domain}")) == (0, 1, 0)
    for peer, state in ((rset, "waiting"), (helo, "unreachable")):
        number = net.send(f"bob@{peer.domain}")
        assert net.wait_attempt(number) == (0, 0, 1)
        [row] = net.queue(number)
        assert row["state"] == state and "no answer in time" in row["last_reply"], row
        net.retry(number)
        assert net.wait_attempt(number, 2) == (1, 0, 0)
        assert len(peer.taken) == len(peer.received) == 1
    assert "RSET" in rset.commands and "HELO mail.example.test" in helo.commands


def test_silence_about_tls_is_done_without(net):
    """To the command, and to the handshake: each until its timeout, both at once."""
    peers = [net.peer(extensions=(*EXTENSIONS, "STARTTLS"), STARTTLS=answer)
             for answer in (HANG, (b"220 go\r\n", HANG))]
    numbers = [net.send(f"bob@{peer.domain}") for peer in peers]
    for peer, number in zip(peers, numbers):
        assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
        assert len(peer.sessions) == 2 and len(peer.taken) == 1


def test_next_host_when_the_first_falls_silent(net):
    """At a step before it has said anything about the recipient; all at once."""
    pairs = {step: (net.peer(**{step: HANG}), net.peer()) for step in ("greeting", "EHLO", "MAIL", "RCPT", "DATA")}
    numbers = {step: net.send(f"bob@{net.domain(*(peer.address for peer in pair))}")
               for step, pair in pairs.items()}
    for step, (first, second) in pairs.items():
        assert net.wait_attempt(numbers[step]) == (1, 0, 0), net.trace(numbers[step])
        assert not first.received and len(second.taken) == len(second.received) == 1


def test_each_step_has_its_own_timeout(net, long):
    """They end in the order of their times, whichever began first [RFC 5321 4.5.3.2]."""
    if not long:
        pytest.skip("in the long form")
    net.reload("timeouts = { " + "".join(f'{name} = "{1 + 2 * n}s"; ' for n, name in enumerate(ORDER)) + "};")
    silent = {step: net.peer(**{step: [HANG]}) for step in STEPS}
    numbers = {step: net.send(f"bob@{silent[step].domain}", content=LARGE if step == "content" else None)
               for step in reversed(STEPS)}
    address = net.address()
    sockets = full_listener(address, net.port)
    numbers["connect"] = net.send(f"bob@{net.domain(address)}")
    for step, number in numbers.items():
        assert net.wait_attempt(number) == (0, 0, 1), step
        assert "no answer in time" in net.trace(number)
    log = net.server.new_log()
    ends = sorted(numbers, key=lambda step: log.index(f"event=attempt id={numbers[step]} "))
    assert [WHOSE[step] for step in ends] == sorted(WHOSE.values()), ends
    for each in sockets:
        each.close()
