"""Networks that are trusted: what they may that strangers may not, and that the plan is told as it is kept."""

import json
import smtplib

import pytest
from conftest import DOMAIN
from wire import TIMEOUT, letter, mail_of, without_trace

ALICE = f"alice@{DOMAIN}"
TRUSTED, STRANGER = "127.0.0.1", "127.0.0.2"  # both may connect; one network is trusted
ELSEWHERE = "someone@elsewhere.test"
BARE = b"Subject: scan\n\nold\r\n"
WHOLE = b"Subject: scan\r\n\r\nold\r\n"


@pytest.fixture(scope="module")
def options():
    return f'trusted_networks = ["{TRUSTED}/32", "198.51.100.0/24"];'


def answer(server, source, sender, recipient, message):
    """The code that the attempt ends with: that of RCPT if it is refused there."""
    with smtplib.SMTP(server.host, server.ports["smtp"], timeout=TIMEOUT,
                      source_address=(source, 0)) as client:
        client.ehlo("old.device.test")
        client.mail(sender)
        code, text = client.rcpt(recipient)
        if code == 250:
            assert client.docmd("DATA")[0] == 354
            client.send(message + b".\r\n")
            code, text = client.getreply()
        return f"{code} {text.decode()}"[:9]


def plan(server, ip, sender, recipient):
    """What test-delivery says."""
    told = server.command("test-delivery", "--json", "--ip", ip, "--from", sender, "--to", recipient,
                          stdin=letter().decode())
    return json.loads(told.stdout)


def test_the_plan_is_that_of_the_address(make_server, options):
    """Relaying hangs on where the client is, not on who it says that it is."""
    server = make_server(options, ["alice"])
    for sender in ("a@b.test", ALICE, ""):
        for ip, trusted in (("198.51.100.7", True), (TRUSTED, True), ("198.51.101.7", False),
                            ("192.0.2.1", False), ("2001:db8::1", False)):
            there = plan(server, ip, sender, ELSEWHERE)
            facts = [fact["text"] for fact in there["facts"]]
            assert any(ip in fact and ("trusted and may relay" in fact) == trusted
                       and ("may not relay" in fact) != trusted for fact in facts), facts
            assert any(f"<{sender}>" in fact for fact in facts), facts
            assert (there["recipient"], there["ip"], there["sender"], there["may_relay"]) == (
                ELSEWHERE, ip, sender, trusted)
            assert (there["action"], there["code"]) == (("relay", 0) if trusted else ("reject", 550)), there
            here = plan(server, ip, sender, ALICE)
            assert (here["action"], here["mailbox"], [target["address"] for target in here["targets"]]) == (
                "mailbox", "INBOX", [ALICE])


def test_what_the_plan_says_is_done(make_server, options):
    server = make_server(options, ["alice"])
    for sender in ("a@b.test", ALICE):
        assert answer(server, TRUSTED, sender, ELSEWHERE, letter()) == "250 2.0.0"
        assert answer(server, STRANGER, sender, ELSEWHERE, letter()) == "550 5.7.1"
        assert answer(server, STRANGER, sender, ALICE, letter()) == "250 2.0.0"
    server.command("audit")


@pytest.mark.parametrize("bare_newline, codes", [
    ("normalize", {TRUSTED: "250 2.0.0", STRANGER: "550 5.6.0"}),
    ("refuse", {TRUSTED: "550 5.6.0", STRANGER: "550 5.6.0"}),
    (None, {TRUSTED: "550 5.6.0", STRANGER: "550 5.6.0"})])
def test_bare_line_ends(make_server, options, bare_newline, codes):
    """They are put right for devices of a trusted network if the administrator wants it, for no one else."""
    more = f'\nbare_newline = "{bare_newline}";' if bare_newline else ""
    server = make_server(options + more, ["alice"])
    got = {source: answer(server, source, "scanner@b.test", ALICE, BARE) for source in codes}
    assert got == codes
    mail = [without_trace(m) for m in mail_of(server, ALICE)]
    assert mail == [WHOLE] * sum(code.startswith("250") for code in codes.values())
