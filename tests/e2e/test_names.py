"""Names of mailboxes beyond ASCII: one in every encoding and case."""

import base64
import itertools
import smtplib
import unicodedata

import pytest
from conftest import DOMAIN, PASSWORD
from relay_net import ALICE, net, shared_net  # noqa: F401 (fixtures)
from wire import TIMEOUT, Wire, count_of, deliver, letter, message_id

UTF8 = ["SMTPUTF8"]
numbers = itertools.count(1)


@pytest.fixture
def name():
    """A new one, with precomposed letters in lower case."""
    return f"jörg.ñandú{next(numbers)}"


def decomposed(text):
    return unicodedata.normalize("NFD", text)


def log_in(server, user, authzid=""):
    secret = base64.b64encode(f"{authzid}\0{user}\0{PASSWORD}".encode()).decode()
    with Wire(server, "smtps", tls=True) as wire:
        wire.hello()
        return wire.say(f"AUTH PLAIN {secret}")


def test_every_spelling_finds_the_account(server, name):
    spellings = [name, decomposed(name), name.upper(), decomposed(name.upper())]
    assert len(set(spellings)) == 4
    server.add_account(f"{spellings[1]}@{DOMAIN}", PASSWORD)
    ids = {message_id(deliver(server, f"{text}@{DOMAIN}", options=UTF8)) for text in spellings}
    for text in spellings:
        assert count_of(server, f"{text}@{DOMAIN}") == 4
        assert log_in(server, f"{text}@{DOMAIN}", f"{name}@{DOMAIN}").startswith("235")
        for asked in (f"{text}@{DOMAIN}", f'"{text}"@{DOMAIN}', f'<"{text}"@{DOMAIN}>'):
            assert {row["id"] for row in server.json("trace", asked)} == ids
    deliver(server, f"{spellings[3]}+tag@{DOMAIN}", options=UTF8)
    assert count_of(server, f"{name}@{DOMAIN}") == 5


def test_an_equal_name_is_there_already(server, name):
    server.add_account(f"{name}@{DOMAIN}", PASSWORD)
    for text in (decomposed(name), name.upper()):
        done = server.command("account", "add", f"{text}@{DOMAIN}", "--password-stdin", stdin=PASSWORD + "\n",
                              status=65)
        assert f"the account {name}@{DOMAIN} is there already" in done.stderr
    server.command("account", "remove", f"{decomposed(name).upper()}@{DOMAIN}")
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo("mail.stranger.test")
        client.mail("carol@stranger.test", UTF8)
        assert client.rcpt(f"{name}@{DOMAIN}")[0] == 550


@pytest.mark.parametrize("local, status, words", [
    ("j\udcf6rg", 64, "is not in UTF-8"),
    ("j\u0378rg", 65, "has not assigned"),
    ("j\u200brg", 65, "nobody sees"),
], ids=["no UTF-8", "unassigned", "hidden"])
def test_what_is_no_name(server, local, status, words):
    done = server.command("account", "add", f"{local}@{DOMAIN}", "--password-stdin", stdin=PASSWORD + "\n",
                          status=status)
    assert words in done.stderr


def test_another_server_gets_the_spelling_that_was_given(net, name):  # noqa: F811
    peer = net.peer()
    local = decomposed(name).title()
    net.server.command("alias", "add", f"{name}@{DOMAIN}", f"{local}@{peer.domain}")
    number = net.send(f"{local}@{peer.domain}", options=UTF8)
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    number = net.send(f"{name.upper()}@{DOMAIN}", ALICE, sender="someone@stranger.test", options=UTF8)
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    assert [m.recipients for m in peer.taken] == [[f"<{local}@{peer.domain}>"]] * 2
    assert net.queue() == []


def test_a_circle_of_spellings_is_a_circle(net, name):  # noqa: F811
    """What came here as one spelling comes back as another [RFC 5321 6.3]."""
    address = f"{name}@{DOMAIN}"
    net.server.command("alias", "add", address, f"out@{net.peer().domain}")
    with smtplib.SMTP("127.0.0.1", net.server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo("mail.stranger.test")
        client.mail("carol@stranger.test", UTF8)
        assert client.rcpt(address.upper())[0] == 250
        code, text = client.data(f"Delivered-To: {decomposed(address)}\r\n".encode() + letter())
    assert (code, text[:5]) == (554, b"5.4.6")
