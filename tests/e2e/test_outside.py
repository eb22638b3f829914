"""Clients that are not of this machine: how many of them may connect, who guessed too often, what they say in clear."""

import base64
import select

import pytest
from conftest import DOMAIN, PASSWORD, check_soundness
from own_net import serving
from server import wait_for
from wire import Wire
from world import world  # noqa: F401 (a fixture)

ALICE = f"alice@{DOMAIN}"
REFUSALS = 64  # LIMIT_FRONT_REFUSALS
OPTIONS = """mx_processes = 2;
user_processes = 2;
limits = { auth_failures = 4; connections_per_address = 3; connections_per_network = 5; };"""


@pytest.fixture(scope="module")
def shared():
    with serving(OPTIONS) as server:
        yield server


@pytest.fixture
def server(request, shared):
    """Counts are kept: each test has addresses of its own."""
    shared.mark()
    yield shared
    check_soundness(request, shared)


def guess(server, source, password="wrong", user=ALICE):
    """Logs in on a connection of its own; gives the answer."""
    with Wire(server, "smtps", tls=True, source=source) as wire:
        if not wire.greeting.startswith("220"):
            return wire.greeting
        wire.hello()
        return wire.say("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())


def guess_pop3(wire, password="wrong"):
    assert wire.say(f"USER {ALICE}").startswith("+OK")
    return wire.say(f"PASS {password}")


def bans(server):
    return [line.split(" ip=")[1] for line in server.new_log().split("\n") if " event=banned " in line]


# ---- who guesses passwords ----

def test_banned_after_failed_logins(server):
    """By all protocols together, in all processes; also where he is connected already; and nobody else."""
    guesser, neighbour = "192.0.2.66", "192.0.2.67"
    with Wire(server, "pop3s", tls=True, source=guesser) as early:
        for _ in range(3):
            assert guess(server, guesser).startswith("535 5.7.8")
        assert bans(server) == []
        assert guess_pop3(early).startswith("-ERR [AUTH]")
        wait_for("the ban to be logged", lambda: bans(server))
        assert bans(server) == [guesser]
        refused = guess_pop3(early, PASSWORD)
        assert "too many failed logins from your address; try again in 15 minutes" in refused
    for port in ("smtps", "pop3s"):
        with Wire(server, port, tls=True, source=guesser) as late:
            assert late.greeting[:3] in ("421", "-ER"), late.greeting
            assert "too many failed logins from your address" in late.greeting
            assert late.rest() == b""
    for source in (neighbour, None):
        assert guess(server, source, PASSWORD).startswith("235")
    assert bans(server) == [guesser]


def test_a_good_login_forgets_the_failures(server):
    for _ in range(3):
        for password in ("wrong", "wrong", "wrong", PASSWORD):
            answer = guess(server, "192.0.2.70", password)
        assert answer.startswith("235")
    assert bans(server) == []


def test_a_good_login_does_not_forget_those_of_others(server):
    source = "192.0.2.71"
    for _ in range(3):
        assert guess(server, source, user=f"nobody@{DOMAIN}").startswith("535")
        assert guess(server, source, PASSWORD).startswith("235")
    assert guess(server, source, user=f"nobody@{DOMAIN}").startswith("535")
    assert bans(server) == [source]


def test_loopback_is_never_banned(server):
    """Whoever fails there does not lock the administrator out."""
    for _ in range(12):
        assert guess(server, None).startswith("535")
    assert guess(server, None, PASSWORD).startswith("235")


def test_a_ban_ends(world):  # noqa: F811
    with serving(OPTIONS) as server:
        for _ in range(4):
            assert guess(server, "192.0.2.66").startswith("535")
        assert guess(server, "192.0.2.66", PASSWORD).startswith("421 4.7.0")
        world.let_pass(14 * 60)
        assert guess(server, "192.0.2.66", PASSWORD).startswith("421 4.7.0")
        world.let_pass(61)
        assert guess(server, "192.0.2.66", PASSWORD).startswith("235")


# ---- how many connections ----

def closed(server, wires, left):
    """Ends them, and waits until the server knows that so many are left."""
    for wire in wires:
        wire.socket.close()
    wait_for("their end", lambda: server.json("status")["connections"] == left)


@pytest.mark.parametrize("port, refused", [
    ("smtp", "421 4.7.0 "), ("submission", "421 4.7.0 "), ("pop3", "-ERR "), ("smtps", "421 4.7.0 "), ("pop3s", "-ERR ")])
def test_connections_of_an_address_and_of_a_network(server, port, refused):
    first, second = "198.51.100.1", "198.51.100.2"

    def connected(source, quiet=False):
        return Wire(server, port, source=source, tls=port.endswith("s") and not quiet, greet=not quiet)

    wires = [connected(first, quiet=port.endswith("s")) for _ in range(3)]  # also without a handshake
    assert all(wire.greeting is None or wire.greeting[:3] in ("220", "+OK") for wire in wires)
    wait_for("all of them", lambda: server.json("status")["connections"] == 3)
    with connected(first) as late:
        assert late.greeting.startswith(refused)
        assert "your address has 3 connections open, which is the limit" in late.greeting
        assert late.rest() == b""
    wires += [connected(second) for _ in range(2)]
    with connected(second) as late:
        assert late.greeting.startswith(refused)
        assert "your network has 5 connections open, which is the limit" in late.greeting
    for source in ("192.0.2.9", *[None] * 6):
        wires.append(connected(source))
    assert all(wire.greeting is None or wire.greeting[:3] in ("220", "+OK") for wire in wires)
    closed(server, [wires.pop(0)], len(wires))
    wires.append(connected(second))
    assert wires[-1].greeting[:3] in ("220", "+OK")
    closed(server, wires, 0)


@pytest.mark.parametrize("port", ["smtps", "pop3s"])
def test_those_who_are_refused_hold_little_before_their_handshake(server, port):
    """A few may still be told why; more are just closed, and others are served meanwhile."""
    count = 3 + 2 * REFUSALS + 20
    silent = [Wire(server, port, source="198.51.100.9", greet=False) for _ in range(count)]

    def ended():
        return len(select.select([wire.socket for wire in silent], [], [], 0)[0])

    wait_for("all but three to be refused", lambda: server.new_log().count("event=connection-refused") == count - 3)
    wait_for("the end of those above", lambda: ended() >= 20)
    with Wire(server, port, source="192.0.2.9", tls=True) as other:
        assert other.greeting[:3] in ("220", "+OK")
    closed(server, silent, 0)


# ---- passwords in clear ----

def secret(password=PASSWORD):
    return base64.b64encode(f"\0{ALICE}\0{password}".encode()).decode()


def says_auth(wire):
    return any(word.startswith("AUTH") for word in wire.hello())


def test_loopback_alone_may_log_in_without_tls(server):
    """plaintext_auth is "loopback" where nothing is said."""
    with Wire(server, "submission") as wire:
        assert says_auth(wire)
        wire.login(ALICE)
    with Wire(server, "pop3") as wire:
        wire.pop3_login(ALICE)
    with Wire(server, "submission", source="192.0.2.80") as wire:
        assert not says_auth(wire)
        reply = wire.say(f"AUTH PLAIN {secret()}")
        assert reply.startswith("538 5.7.11") and "STARTTLS" in reply, reply
        assert wire.say("AUTH LOGIN").startswith("538")
        assert wire.say("MAIL FROM:<a@b.test>").startswith("530")
        assert wire.say("STARTTLS").startswith("220")
        wire.start_tls()
        assert says_auth(wire)
        wire.login(ALICE)
    with Wire(server, "pop3", source="192.0.2.80") as wire:
        assert wire.say("CAPA").startswith("+OK")
        assert not any(word.startswith(("USER", "SASL")) for word in wire.multiline())
        for command in (f"USER {ALICE}", f"AUTH PLAIN {secret()}"):
            reply = wire.say(command)
            assert reply.startswith("-ERR") and "STLS" in reply, reply
        assert wire.say("STLS").startswith("+OK")
        wire.start_tls()
        wire.pop3_login(ALICE)
    assert "event=login-failed" not in server.new_log()


def test_others_may_when_it_is_allowed():
    with serving('plaintext_auth = "always";') as server:
        with Wire(server, "submission", source="192.0.2.80") as wire:
            assert says_auth(wire)
            wire.login(ALICE)
        with Wire(server, "pop3", source="192.0.2.80") as wire:
            wire.pop3_login(ALICE)
