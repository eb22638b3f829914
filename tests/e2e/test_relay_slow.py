"""Hosts that take their time: they hold up nobody else, nor do they hold on to anything."""

import contextlib
import itertools
import re
import socket
import time

import pytest
from relay_net import net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import CLOSE, GOOD, HANG, End


def test_slow_destination_delays_nobody_else(net):
    """Twenty messages for a host that answers nothing, more than it may have sessions; then others go."""
    slow = net.peer(greeting=HANG)
    held = [net.send(f"r{n}@{slow.domain}") for n in range(20)]
    slow.wait_hanging()
    for _ in range(5):
        peer = net.peer()
        number = net.send(f"bob@{peer.domain}")
        assert net.wait_attempt(number) == (1, 0, 0)
    waiting = {row["id"] for row in net.queue(slow.domain)}
    assert waiting == set(held) and not any(net.attempts(number) for number in held)
    assert 1 <= len(slow.sessions) <= 5


def drip(*parts):
    """An answer of which one part comes now and then, again and again: it is never whole."""

    def answer(session):
        for part in itertools.cycle(parts):
            session.send(part)
            if session.peer.go_on.wait(0.3):
                raise End
    return answer


OCTETS = drip(*(bytes([octet]) for octet in b"250-and so on\r\n"))
LINES = drip(b"250-and so on\r\n")


def test_tarpit_delays_nobody_else(net):
    """It answers, but never to an end, over as many connections as it may have."""
    pit = net.peer(greeting=OCTETS)
    held = [net.send(f"r{n}@{pit.domain}") for n in range(20)]
    wait_for("all connections", lambda: len(pit.sessions) == 5)
    began = time.monotonic()
    for _ in range(5):
        assert net.wait_attempt(net.send(f"bob@{net.peer().domain}")) == (1, 0, 0)
    assert time.monotonic() - began < 40
    states = [row["state"] for row in net.queue(pit.domain)]
    assert len(states) == 20 and states.count("under way") == len(pit.sessions) == 5
    assert not any(net.attempts(number) for number in held)


def test_tarpit_has_no_more_time_than_silence(net):
    """An answer is to be whole in time; all at the same time."""
    net.reload('timeouts = { relay_command = "3s"; relay_data = "3s"; relay_end = "3s"; };')
    try:
        pits = [(step, net.peer(**{step: parts})) for parts in (OCTETS, LINES)
                for step in ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")]
        numbers = [net.send(f"bob@{pit.domain}") for _, pit in pits]
        for (step, pit), number in zip(pits, numbers):
            assert net.wait_attempt(number) == (0, 0, 1), step
            early = step in ("greeting", "EHLO")
            trace = net.trace(number)
            told = re.search(rf"{'no service at' if early else 'broken off with'} mx0\.{pit.domain} \S+, "
                             r"after ([\d.]+) s: no answer in time", trace)
            assert told and 2 < float(told[1]) < 40, trace  # by the server's own clock
            assert ("it may have the message" in trace) == (step == "end"), trace
            said = net.server.command("queue", "explain", number).stdout
            assert f"{'could not be reached' if early else f'transferred to {pit.domain}'} (no answer in time: " in said
            assert len(pit.sessions) == 1
    finally:
        net.reload("timeouts = { };")


@contextlib.contextmanager
def silence(net, count, going):
    """Mail to so many hosts that do not greet; so many attempts at them are there. Gives its id."""
    addresses = [net.address() for _ in range(count)]
    listeners = [socket.create_server((address, net.port)) for address in addresses]
    try:
        number = net.send(*[f"bob@{net.domain(address)}" for address in addresses])
        wait_for("attempts", lambda: sum(row["state"] == "under way" for row in net.queue()) >= going)
        yield number
    finally:
        for each in listeners:
            each.close()


def test_silence_at_first_contact_delays_nobody_else_for_long(net):
    """More hosts than there are attempts for those never tried: the last of them are not waited for."""
    with silence(net, 250, 200) as silent:
        began = time.monotonic()
        assert net.wait_attempt(net.send(f"bob@{net.peer().domain}")) == (1, 0, 0)
        assert time.monotonic() - began < 40
        assert net.server.new_log().count(f"event=attempt id={silent} ") >= 50


def test_haste_is_at_the_cost_of_nobody(net):
    """While others wait, who is silent at first contact is left, whatever more could be tried there: a host of his
    that is known to be well goes on with others, and nothing goes out in clear that TLS would have protected."""
    known = net.peer(greeting=[GOOD["greeting"], HANG])
    assert net.wait_attempt(net.send(f"bob@{known.domain}")) == (1, 0, 0)
    wait_for("its end", lambda: known.sessions[0].commands[-1] == "QUIT")
    shy = net.peer(tls=net.tls(), STARTTLS=HANG)
    several = net.domain(*[net.peer(greeting=HANG).address for _ in range(3)])
    with silence(net, 110, 110):
        hasty = [net.send(f"bob@{name}") for name in (net.domain(known.address), shy.domain, several)]
        assert [net.wait_attempt(number) for number in hasty] == [(0, 0, 1)] * 3
        assert net.wait_attempt(net.send(f"bob@{known.domain}")) == (1, 0, 0)
    assert len(shy.sessions) == 1 and "MAIL" not in " ".join(shy.sessions[0].commands)
    for number in hasty:
        trace = net.trace(number)
        assert "no answer in the short time of an attempt while others wait" in trace
        assert 19 < float(re.search(r"after ([\d.]+) s", trace)[1]) < 40, trace  # by the server's own clock


def test_who_has_answered_may_take_his_time(net, long):
    """Also on another connection of a session that began while others waited."""
    if not long:
        pytest.skip("takes 25 seconds")

    def late(session):
        time.sleep(23)
        session.send(GOOD["greeting"])

    peer = net.peer(greeting=[GOOD["greeting"], late], MAIL=[GOOD["MAIL"], CLOSE])
    with silence(net, 110, 110):
        assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
        assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)
    assert len(peer.sessions) == 2


def test_destinations_that_refuse_delay_nobody_else(net):
    dead = [net.domain(net.address()) for _ in range(20)]
    for domain in dead:
        net.send(f"bob@{domain}")
    peer = net.peer()
    assert net.wait_attempt(net.send(f"bob@{peer.domain}")) == (1, 0, 0)


def test_sessions_survive_new_configurations(net):
    """A session keeps the configuration it began with, however many come after it."""
    peer = net.peer(greeting=[HANG])
    number = net.send(f"bob@{peer.domain}")
    peer.wait_hanging()
    for _ in range(3):
        seen = net.server.log().count("event=reloaded")
        net.server.reload()
        wait_for("the new configuration", lambda: net.server.log().count("event=reloaded") > seen)
    peer.go_on.set()
    assert net.wait_attempt(number) == (1, 0, 0)
    assert peer.commands[0] == f"EHLO {net.server.hostname}"
