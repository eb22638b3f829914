"""A server that listens on all addresses of its machine sends no mail to any of them.

It has a network of its own, which has nothing but a loopback interface with the addresses that the test
gives it; mail comes by the local socket.
"""

import os
import subprocess

import pytest
from conftest import DOMAIN
from own_net import serving
from server import wait_for

SENDER = f"alice@{DOMAIN}"
OPTIONS = 'listen = ["0.0.0.0", "::"];\nrelay_allow_private = true;\ndnssec = "off";\nqueue = { retry = ["1h"]; };'


@pytest.fixture
def alone():
    with serving(OPTIONS, addresses=()) as server:
        yield server


def after_attempt(server, recipient, act):
    """The trace of what there is for him, after the attempt that act() brings about."""
    seen = server.log().count("event=attempt ")
    act()
    wait_for("an attempt", lambda: server.log().count("event=attempt ") > seen)
    return server.command("trace", recipient).stdout


def send(server, recipient):
    return after_attempt(server, recipient, lambda: subprocess.run(
        [server.binary, "sendmail", "-f", SENDER, recipient], input=b"Subject: x\n\nx\n", check=True,
        env={**os.environ, "GODWIT_DATA": server.data}))


WAITING = ("bob@[192.0.2.1]", "bob@[IPv6:2001:db8::1]")


def give_addresses(server):
    server.network.add_address("192.0.2.1/32")
    server.network.add_address("2001:db8::1/128")


def reload(server):
    server.reload()
    wait_for("the configuration", lambda: "event=reloaded" in server.log())


def retry(server, recipient):
    return after_attempt(server, recipient, lambda: server.command("queue", "retry", recipient))


def test_addresses_of_the_machine(alone):
    """Those it is given later it knows at the latest with the next configuration."""
    for address in WAITING:
        assert "mail loop" not in send(alone, address)
    give_addresses(alone)
    reload(alone)
    for address in WAITING:
        assert "mail loop" in retry(alone, address)
    assert "mail loop" not in send(alone, "bob@[192.0.2.2]")
    alone.command("audit")


def test_addresses_that_it_has_at_the_start(alone):
    send(alone, WAITING[0])
    assert alone.stop() == 0
    give_addresses(alone)
    alone.start()
    assert "mail loop" in retry(alone, WAITING[0])


def test_the_next_relay_knows_them_too(alone):
    send(alone, WAITING[0])
    give_addresses(alone)
    reload(alone)
    alone.kill("relay")
    assert "mail loop" in retry(alone, WAITING[0])


def hand_in(server, recipient):
    return subprocess.run([server.binary, "sendmail", "-f", SENDER, recipient], input=b"Subject: x\n\nx\n",
                          capture_output=True, check=False, env={**os.environ, "GODWIT_DATA": server.data})


def test_nobody_but_the_postmaster_is_there(alone):
    """By the local socket too, at each address of the machine; also at one that it has been given since."""
    give_addresses(alone)
    reload(alone)
    for literal in ("127.0.0.1", "IPv6:::1", "192.0.2.1", "IPv6:2001:db8::1"):
        done = hand_in(alone, f"bob@[{literal}]")
        assert done.returncode == 67 and b"no such user here" in done.stderr, done
        assert hand_in(alone, f"postmaster@[{literal}]").returncode == 0
        assert "delivered to the mailbox INBOX" in alone.command("trace", f"postmaster@[{literal}]").stdout
    assert alone.json("queue", "list") == []
    alone.command("audit")
