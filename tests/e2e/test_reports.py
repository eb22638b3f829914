"""Reports to senders [RFC 3461, 3464, 6533]: what is told, to whom, with which parameters asked for."""

import email
import email.policy
import itertools
import smtplib

import pytest
from conftest import DOMAIN, PASSWORD
from relay_net import ALICE, net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import EXTENSIONS
from wire import TIMEOUT, count_of, letter, mail_of, message_id

WITH_DSN = (*EXTENSIONS, "DSN")
accounts = itertools.count(1)


@pytest.fixture
def sender(net):
    """An account whose mailbox holds nothing but what the test brings about."""
    address = f"sender{next(accounts)}@{DOMAIN}"
    net.server.add_account(address, PASSWORD)
    return address


def hand_in(net, sender, *recipients, options=(), content=None, port="smtp"):
    """recipients: addresses, or pairs (address, parameters). Gives the id."""
    with smtplib.SMTP("127.0.0.1", net.server.ports[port], timeout=TIMEOUT) as client:
        client.ehlo("mail.stranger.test")
        code, text = client.mail(sender, options)
        assert code == 250, text
        for recipient in recipients:
            address, *parameters = (recipient,) if isinstance(recipient, str) else recipient
            code, text = client.rcpt(address, parameters)
            assert code == 250, text
        code, text = client.data(content or letter(sender=sender))
        assert code == 250, text
    return message_id(text.decode())


def report_of(net, address, count=1):
    wait_for(f"report {count} to {address}", lambda: count_of(net.server, address) >= count)
    return email.message_from_bytes(mail_of(net.server, address)[count - 1], policy=email.policy.default)


def blocks(report):
    """Of the part for machines: about the message, then about each recipient."""
    return list(report.iter_parts())[1].get_payload()


def words_of(report):
    """The part for people, its lines joined."""
    return " ".join(next(report.iter_parts()).get_content().split())


# ---- parameters travel along ----

def test_parameters_go_to_the_next_server(net, sender):
    peer = net.peer(extensions=WITH_DSN)
    hand_in(net, sender, (f"bob@{peer.domain}", "NOTIFY=SUCCESS,DELAY", "ORCPT=RFC822;Bob+2Bx@first.test"),
            f"eve@{peer.domain}", options=["RET=HDRS", "ENVID=a+2Bb"])
    peer.wait_taken()
    assert f"MAIL FROM:<{sender}> RET=HDRS ENVID=a+2Bb" in peer.commands
    assert (f"RCPT TO:<bob@{peer.domain}> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;Bob+2Bx@first.test"
            in peer.commands)
    assert f"RCPT TO:<eve@{peer.domain}>" in peer.commands
    net.wait_gone(peer.domain)
    assert count_of(net.server, sender) == 0


def test_relayed_where_nobody_reports_further(net, sender):
    """The next server has no DSN: it is asked for nothing, and the sender learns that it was passed on."""
    peer = net.peer()
    hand_in(net, sender, (f"bob@{peer.domain}", "NOTIFY=SUCCESS", "ORCPT=rfc822;first@x.test"),
            f"eve@{peer.domain}", options=["ENVID=number+3D1"])
    report = report_of(net, sender)
    about, one = blocks(report)
    assert about["Original-Envelope-Id"] == "number=1"
    assert one["Action"] == "relayed" and one["Status"] == "2.0.0"
    assert "was passed on to a server that will not report its delivery, for:" in words_of(report)
    assert one["Original-Recipient"] == "rfc822;first@x.test"
    assert one["Final-Recipient"] == f"rfc822; bob@{peer.domain}"
    assert not any("NOTIFY" in command or "ENVID" in command for command in peer.commands)
    net.wait_gone(peer.domain)
    assert count_of(net.server, sender) == 1


def test_a_sender_at_a_domain_in_unicode(net):
    """Any server takes his report: it has his domain as DNS does."""
    home, peer = net.peer(extensions=("8BITMIME",)), net.peer(RCPT=b"550 5.1.1 who?\r\n")
    ascii = "bücher.test".encode("idna").decode()
    net.names.answers[ascii] = net.names.answers[home.domain]
    number = hand_in(net, "carol@bücher.test", f"bob@{peer.domain}", options=["SMTPUTF8"], content=letter())
    [report] = home.wait_taken()
    assert report.recipients == [f"<carol@{ascii}>"] and "SMTPUTF8" not in report.mail
    assert f"\r\nTo: carol@{ascii}\r\n".encode() in report.content
    net.wait_gone(number)


# ---- success here ----

def test_delivered_into_a_mailbox(net, sender):
    """Asked for, it is told; whoever does not ask is not told; a report is never reported on."""
    bob = net.server.mailbox()
    hand_in(net, sender, bob)
    hand_in(net, sender, (bob, "NOTIFY=FAILURE,DELAY"))
    hand_in(net, "", (bob, "NOTIFY=SUCCESS"))
    number = hand_in(net, sender, (bob, "NOTIFY=SUCCESS", f"ORCPT=rfc822;{bob}"), options=["RET=FULL"])
    report = report_of(net, sender)
    about, one = blocks(report)
    assert about["Reporting-MTA"] == "dns; mail.example.test"
    assert one["Action"] == "delivered" and one["Status"] == "2.0.0"
    assert one["Final-Recipient"] == f"rfc822; {bob}" and one["Original-Recipient"] == f"rfc822;{bob}"
    _, _, original = report.iter_parts()
    assert "was delivered to" in words_of(report)
    assert original.get_content_type() == "text/rfc822-headers"  # RET=FULL is about failures
    assert count_of(net.server, bob) == 4
    assert "the sender is told by message" in net.trace(number)
    wait_for("an empty queue", lambda: not net.queue())
    assert count_of(net.server, sender) == 1


def test_expanded(net, sender):
    """An alias for several: it was expanded, and none of them reports success."""
    peer = net.peer(extensions=WITH_DSN)
    bob, team = net.server.mailbox(), f"team{next(accounts)}@{DOMAIN}"
    net.server.command("alias", "add", team, bob)
    net.server.command("alias", "add", team, f"carl@{peer.domain}")
    hand_in(net, sender, (team, "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;team@old.test"))
    report = report_of(net, sender)
    [one] = blocks(report)[1:]
    assert one["Action"] == "expanded" and one["Final-Recipient"] == f"rfc822; {team}"
    assert one["Original-Recipient"] == "rfc822;team@old.test"
    peer.wait_taken()
    assert (f"RCPT TO:<carl@{peer.domain}> NOTIFY=FAILURE ORCPT=rfc822;team@old.test" in peer.commands)
    assert count_of(net.server, bob) == 1
    wait_for("an empty queue", lambda: not net.queue())
    assert count_of(net.server, sender) == 1


def test_alias_for_one_hides_where_it_leads(net, sender):
    bob, alias = net.server.mailbox(), f"alias{next(accounts)}@{DOMAIN}"
    net.server.command("alias", "add", alias, bob)
    hand_in(net, sender, (alias, "NOTIFY=SUCCESS"))
    report = report_of(net, sender)
    [one] = blocks(report)[1:]
    assert one["Action"] == "delivered" and one["Final-Recipient"] == f"rfc822; {alias}"
    assert bob not in str(report)


# ---- failure ----

@pytest.mark.parametrize("octets, ret, whole", [(100, None, True), (40_000, "FULL", True), (60_000, None, False),
                                                (60_000, "FULL", False), (100, "HDRS", False)])
def test_how_much_is_returned(net, sender, octets, ret, whole):
    """All of it up to 50 KiB, else the header; the header if that is what the sender wants."""
    peer = net.peer(RCPT=b"550 5.1.1 who?\r\n")
    lines = ["x" * 70] * (octets // 72) + ["the end"]
    hand_in(net, sender, f"bob@{peer.domain}", options=[f"RET={ret}"] if ret else [],
            content=letter(body=lines, sender=sender))
    original = list(report_of(net, sender).iter_parts())[2]
    assert original.get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers")
    assert ("the end" in original.as_string()) == whole and "Subject: A letter" in original.as_string()


def test_internationalised_addresses(net, sender):
    """The fields of RFC 6533, in UTF-8."""
    peer = net.peer(RCPT=b"550 5.1.1 who?\r\n")
    with smtplib.SMTP("127.0.0.1", net.server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo("mail.stranger.test")
        client.command_encoding = "utf-8"
        assert client.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"])[0] == 250
        assert client.docmd("RCPT", f"TO:<bób@{peer.domain}> ORCPT=utf-8;b\\x{{F3}}b@x.test")[0] == 250
        assert client.data(letter(sender=sender))[0] == 250
    wait_for("the report", lambda: count_of(net.server, sender) == 1)
    raw = mail_of(net.server, sender)[0]
    assert b"Content-Type: message/global-delivery-status" in raw
    assert f"Final-Recipient: utf-8; bób@{peer.domain}".encode() in raw
    assert "Original-Recipient: utf-8;bób@x.test".encode() in raw


def test_report_that_cannot_be_delivered_goes_to_the_postmaster(net):
    """To be read: which report it was, why it failed, and the report itself."""
    home, away = net.peer(RCPT=b"550 5.7.1 go away\r\n"), net.peer(RCPT=b"550 5.1.1 who?\r\n")
    before = count_of(net.server, ALICE)  # the first account is the postmaster's
    hand_in(net, f"carol@{home.domain}", f"bob@{away.domain}", content=letter(subject="the first letter"))
    report = report_of(net, ALICE, before + 1)
    assert report["Subject"] == "A report could not be delivered"
    _, fields, original = report.iter_parts()
    words = words_of(report)
    assert "goes to you, the postmaster" in words and "go away" in words
    assert fields.get_payload()[1]["Final-Recipient"] == f"rfc822; carol@{home.domain}"
    assert "the first letter" in original.as_string() and f"bob@{away.domain}" in original.as_string()
    wait_for("an empty queue", lambda: not net.queue())
    assert count_of(net.server, ALICE) == before + 1


# ---- language ----

def test_language_of_the_account(net, sender):
    """Set for the account it goes before what the message shows."""
    peer = net.peer(RCPT=b"550 5.1.1 who?\r\n")
    chinese = letter(subject="=?utf-8?b?5L2g5aW9?=", sender=sender)
    hand_in(net, sender, f"bob@{peer.domain}", content=chinese)
    assert report_of(net, sender)["Subject"] == "您的邮件无法投递"
    net.server.command("account", "language", sender, "zh-TW")
    hand_in(net, sender, f"bob@{peer.domain}")
    assert report_of(net, sender, 2)["Subject"] == "您的郵件無法投遞"
    assert {row["account"]: row["language"] for row in net.server.json("account", "list")}[sender] == "zh-hant"
    net.server.command("account", "language", sender, "en")
    hand_in(net, sender, f"bob@{peer.domain}", content=chinese)
    assert report_of(net, sender, 3)["Subject"] == "Your message could not be delivered"
    net.server.command("account", "language", sender, "auto")
    hand_in(net, sender, f"bob@{peer.domain}", content=chinese)
    assert report_of(net, sender, 4)["Subject"] == "您的邮件无法投递"
    said = net.server.command("account", "language", sender, "tlh", status=64).stderr
    assert "say en, zh-hans, zh-hant or auto" in said
