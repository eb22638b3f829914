"""The LMTP listener: off by default, one reply for each recipient."""

import smtplib

import pytest
from conftest import DOMAIN
from server import STANDARD_PORTS, free_offset
from wire import Wire, count_of, deliver, letter


@pytest.fixture
def server(make_server):
    server = make_server(start=False)
    server.offset = free_offset(more=[24])
    server.configure(f"port_offset = {server.offset};\nports = {{ lmtp = 24; }};")
    server.ports = {name: port + server.offset for name, port in STANDARD_PORTS.items()}
    server.ports["lmtp"] = 24 + server.offset
    for name in ("alice", "bob"):
        server.add_account(f"{name}@{DOMAIN}", "correct horse battery staple")
    server.start()
    server.mark()
    return server


def test_a_reply_for_each_recipient(server):
    with Wire(server, "lmtp") as wire:
        assert wire.say("LHLO client.test").startswith("250")
        assert wire.say("MAIL FROM:<a@b.test>").startswith("250")
        replies = [wire.say(f"RCPT TO:<{name}@{DOMAIN}>")[:3] for name in ("alice", "no", "bob")]
        assert replies == ["250", "550", "250"]
        wire.say("DATA")
        wire.send(letter() + b".\r\nNOOP\r\n")
        assert [wire.reply()[:3] for _ in range(3)] == ["250", "250", "250"]
    for name in ("alice", "bob"):
        assert count_of(server, f"{name}@{DOMAIN}") == 1


def test_other_greetings_are_refused(server):
    with Wire(server, "lmtp") as wire:
        assert wire.say("EHLO client.test")[:1] == "5"
        assert wire.say("HELO client.test")[:1] == "5"
    with Wire(server) as wire:
        assert wire.say("LHLO client.test")[:1] == "5"


def test_smtplib(server):
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"]) as client:
        client.sendmail("a@b.test", [f"alice@{DOMAIN}"], letter())
    deliver(server, f"alice@{DOMAIN}")
    assert count_of(server, f"alice@{DOMAIN}") == 2


def test_relaying_is_refused(server):
    with Wire(server, "lmtp") as wire:
        wire.say("LHLO client.test")
        wire.say("MAIL FROM:<a@b.test>")
        assert wire.say("RCPT TO:<someone@elsewhere.test>").startswith("550")
