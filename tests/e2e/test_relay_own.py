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


def test_addresses_of_the_machine(alone):
    """Those it has at the start, and those it is given later, at the latest with the next configuration."""
    for address in ("127.0.0.1", "IPv6:::1"):
        assert "mail loop" in send(alone, f"bob@[{address}]")
    waits = "bob@[192.0.2.1]"
    assert "mail loop" not in send(alone, waits)
    alone.network.add_address("192.0.2.1/32")
    alone.network.add_address("2001:db8::1/128")
    alone.reload()
    wait_for("the configuration", lambda: "event=reloaded" in alone.log())
    assert "mail loop" in after_attempt(alone, waits, lambda: alone.command("queue", "retry", waits))
    assert "mail loop" in send(alone, "bob@[IPv6:2001:db8::1]")
    assert "mail loop" not in send(alone, "bob@[192.0.2.2]")
    alone.command("audit")


def test_the_next_relay_knows_them_too(alone):
    alone.kill("relay")
    assert "mail loop" in send(alone, "bob@[127.0.0.1]")
