"""Time and the queue: hosts that come back, reports of delay and of the end."""

import email
import itertools
import smtplib

import pytest
from conftest import DOMAIN, PASSWORD
from relay_net import ALICE, net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import HANG
from wire import TIMEOUT, count_of, letter, mail_of, submit

# Its own server has retries a second apart, domains for which there is much time, each for one test, since
# what DNS says of it is kept, and some to which one message goes at a time.
MUCH_TIME = PATIENT, GREY, TRIED, DOWN = "patient.test", "grey.test", "tried.test", "down.test"
ONE_BY_ONE = ("first.test", "second.test", "third.test")
NET_OPTIONS = f"""destinations = ( {",".join(f'{{ domain = "{domain}"; lifetime = "1d"; }}' for domain in MUCH_TIME)},
{",".join(f'{{ domain = "{domain}"; connections = 1; }}' for domain in ONE_BY_ONE)} );
queue = {{ retry = ["1s"]; lifetime = "4s"; bounce_lifetime = "4s"; delay_warning = ["1s"]; }};
"""
SILENT = {"RCPT": HANG}
accounts = itertools.count(1)



@pytest.fixture
def sender(net):
    """An account whose mailbox holds nothing but what the test brings about."""
    address = f"sender{next(accounts)}@{DOMAIN}"
    net.server.add_account(address, PASSWORD)
    return address


def report_of(net, sender, count=1):
    """The count-th message of the sender's mailbox, parsed."""
    wait_for(f"report {count}", lambda: count_of(net.server, sender) >= count)
    return email.message_from_bytes(mail_of(net.server, sender)[count - 1])


def field(report, name):
    """Of the part for machines, from all its blocks."""
    return [block[name] for block in report.get_payload()[1].get_payload() if block[name]]


def recipients(report):
    return sorted(one.split(";")[1].strip() for one in field(report, "Final-Recipient"))


# ---- hosts that come back ----

def test_what_waits_goes_by_itself_when_the_host_is_there(net, sender):
    """All of it, though only one is tried at a time while it fails."""
    peer = net.peer()
    net.names.answers[PATIENT] = net.names.answers[peer.domain]
    peer.domain = PATIENT
    peer.down()
    numbers = [net.send(f"r{n}@{peer.domain}", sender=sender) for n in range(8)]
    net.wait_attempt(numbers[0])
    wait_for("a failing destination", lambda: all(row["state"] in ("unreachable", "under way")
                                                  for row in net.queue(peer.domain)))
    assert {row["id"] for row in net.queue(peer.domain)} == set(numbers)
    peer.up()
    wait_for("an empty queue", lambda: not net.queue(peer.domain))
    assert sorted(m.recipients[0] for m in peer.taken) == [f"<r{n}@{peer.domain}>" for n in range(8)]
    assert len(peer.received) == 8


def test_refused_for_now_goes_by_itself(net, sender):
    peer = net.peer(RCPT=[b"450 4.2.0 greylisted\r\n"])
    net.names.answers[GREY] = net.names.answers[peer.domain]
    peer.domain = GREY
    number = net.send(f"bob@{peer.domain}", sender=sender)
    net.wait_gone(number)
    assert net.attempts(number) == [(0, 0, 1), (1, 0, 0)]
    assert len(peer.received) == 1


# ---- what the sender is told ----

def test_delay_then_end(net, sender):
    """One warning, then one report with the message's header; then nothing."""
    peer = net.peer(RCPT=b"450 4.2.1 mailbox busy\r\n")
    number = net.send(f"bob@{peer.domain}", sender=sender,
                      content=letter(subject="never arrives", sender=sender))
    warning = report_of(net, sender)
    assert field(warning, "Action") == ["delayed"] and recipients(warning) == [f"bob@{peer.domain}"]
    report = report_of(net, sender, 2)
    assert field(report, "Action") == ["failed"] and field(report, "Status")[0][0] in "45"
    assert "450 4.2.1 mailbox busy" in str(report) and "never arrives" in str(report)
    net.wait_gone(number)
    assert count_of(net.server, sender) == 2 and not peer.received
    assert "could not be delivered: " in net.trace(number)


@pytest.mark.parametrize("domain, answers", zip(ONE_BY_ONE, [
    {"RCPT": [b"450 4.2.1 locked: carl.secret\r\n", HANG]},
    {"end": [b"250 2.0.0 taken for carl.secret\r\n"], "DATA": [None, HANG]},
    SILENT,
]), ids=["450", "250", "silence"])
def test_whose_turn_never_came(net, sender, domain, answers):
    """What the server said about others is not told, nor is it said to have refused anything."""
    peer = net.peer(**answers)
    net.names.answers[domain] = net.names.answers[peer.domain]
    if answers != SILENT:
        net.wait_attempt(net.send(f"carl.secret@{domain}"))
    net.send(f"eve@{domain}")
    peer.wait_hanging()
    number = net.send(f"bob@{domain}", sender=sender)
    for count, action, status in ((1, "delayed", "4.0.0"), (2, "failed", "4.4.7")):
        report = report_of(net, sender, count)
        assert field(report, "Action") == [action] and field(report, "Status") == [status]
        for name in ("Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date"):
            assert field(report, name) == []
        text = " ".join(report.get_payload()[0].get_payload().split())
        assert f"The message has not had its turn yet with the mail server of {domain}." in text
        assert "carl" not in str(report)
    net.wait_gone(number)
    assert "carl" not in net.trace(number)
    peer.go_on.set()


def test_retry_of_what_is_under_way(net, sender):
    """It is being tried as it was asked for; what is not, is counted apart."""
    peer = net.peer(**SILENT)
    net.names.answers[TRIED] = net.names.answers[peer.domain]
    net.names.answers[DOWN] = net.names.answers[net.domain(net.address())]  # nobody is there
    number, held = net.send(f"bob@{TRIED}", sender=sender), net.send(f"eve@{DOWN}", sender=sender)
    peer.wait_hanging()
    done = net.server.command("queue", "retry", number)
    assert done.stdout == "1 recipient is being tried at this moment\n"
    assert net.server.json("queue", "retry", number)["under_way"] == 1
    wait_for("it to be held", lambda: net.server.command("queue", "hold", held, status=None).returncode == 0)
    done = net.server.command("queue", "retry")
    assert done.stdout == ("1 recipient is being tried at this moment; 1 other is held, or to be sent later: "
                           "release them first\n")
    peer.go_on.set()


def test_end_where_nobody_ever_answered(net, sender):
    domain = net.domain(net.address())
    number = net.send(f"bob@{domain}", f"eve@{domain}", sender=sender)
    net.wait_gone(number)
    report = report_of(net, sender, 2)
    assert recipients(report) == [f"bob@{domain}", f"eve@{domain}"]
    assert count_of(net.server, sender) == 2


@pytest.mark.parametrize("reply", [b"450 4.2.1 busy\r\n", b"550 5.1.1 who?\r\n"], ids=["450", "550"])
def test_never_a_report_about_a_report(net, reply):
    """With the null reverse-path nobody is told: the end is in the trace alone."""
    peer = net.peer(RCPT=reply)
    before = net.server.message_count()
    number = net.send(f"bob@{peer.domain}", sender="")
    net.wait_gone(number)
    assert net.server.message_count() == before
    assert all(row["id"] != number for row in net.queue())
    assert reply.decode().strip() in net.trace(number)
    assert "nobody is told: it has no sender" in net.trace(number)
    assert "to the sender" not in net.trace(number)


def test_report_to_a_sender_elsewhere(net):
    """It goes out itself, with the null reverse-path."""
    home, away = net.peer(), net.peer(RCPT=b"550 5.1.1 who?\r\n")
    number = net.send(f"bob@{away.domain}", sender=f"carol@{home.domain}")
    [report] = home.wait_taken()
    assert report.mail.startswith("<>") and report.recipients == [f"<carol@{home.domain}>"]
    assert b"5.1.1 who?" in report.content
    net.wait_gone(number)


def test_report_that_cannot_be_delivered_is_given_up(net):
    """Its own lifetime ends; the postmaster is told about that."""
    home, away = net.peer(RCPT=b"450 4.2.1 busy\r\n"), net.peer(RCPT=b"550 5.1.1 who?\r\n")
    before = net.server.message_count()
    net.send(f"bob@{away.domain}", sender=f"carol@{home.domain}")
    wait_for("the report", lambda: net.queue(home.domain))
    wait_for("its end", lambda: not net.queue(home.domain))
    assert net.server.message_count() == before + 1 and not home.received
    assert f"carol@{home.domain}".encode() in mail_of(net.server, ALICE)[-1]


def test_submitted_mail_is_reported_too(net, sender):
    """As a user sends it: with a password, on port 587."""
    peer = net.peer(RCPT=b"550 5.1.1 who?\r\n")
    submit(net.server, sender, f"bob@{peer.domain}", letter(sender=sender))
    report = report_of(net, sender)
    assert field(report, "Status") == ["5.1.1"]


@pytest.mark.parametrize("notify, reports", [("NEVER", 0), ("FAILURE", 1)])
def test_notify(net, sender, notify, reports):
    peer = net.peer(RCPT=b"550 5.1.1 who?\r\n")
    with smtplib.SMTP("127.0.0.1", net.server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo("x.test")
        client.sendmail(sender, f"bob@{peer.domain}", letter(), rcpt_options=[f"NOTIFY={notify}"])
    wait_for("an empty queue", lambda: peer.sessions and not net.queue(peer.domain))
    assert count_of(net.server, sender) == reports
