"""What senders ask for: mail that is sent later [RFC 4865], before other mail [RFC 6710], in time [RFC 2852]."""

import datetime
import email
import email.policy
import itertools
import re
import smtplib
import subprocess
import time

import pytest
from conftest import DOMAIN, PASSWORD
from relay_net import net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import EXTENSIONS, HANG
from test_reports import words_of
from wire import TIMEOUT, count_of, letter, mail_of, message_id

WISHES = (*EXTENSIONS, "MT-PRIORITY", "DELIVERBY 60")
TIMES = (*EXTENSIONS, "DELIVERBY")
accounts = itertools.count(1)


@pytest.fixture
def sender(net):
    address = f"writer{next(accounts)}@{DOMAIN}"
    net.server.add_account(address, PASSWORD)
    return address


class Submission(smtplib.SMTP):
    """Logged in on port 587."""

    def __init__(self, net, sender):
        super().__init__("localhost", net.server.ports["submission"], timeout=TIMEOUT)
        self.sender = sender
        self.starttls(context=net.server.trust())
        self.login(sender, PASSWORD)

    def hand_in(self, *recipients, options=(), rcpt_options=(), fields=b""):
        code, text = self.mail(self.sender, options)
        assert code == 250, text
        for recipient in recipients:
            assert self.rcpt(recipient, rcpt_options)[0] == 250
        code, text = self.data(fields + letter(sender=self.sender))
        assert code == 250, text
        return message_id(text.decode())


@pytest.fixture
def client(net, sender):
    with Submission(net, sender) as session:
        yield session


def report_of(net, address, count=1):
    wait_for(f"report {count} to {address}", lambda: count_of(net.server, address) >= count)
    return email.message_from_bytes(mail_of(net.server, address)[count - 1], policy=email.policy.default)


def blocks(report):
    return list(report.iter_parts())[1].get_payload()


# ---- later ----

def test_what_is_offered(net, client):
    found = re.fullmatch(r"5184000 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", client.esmtp_features["futurerelease"])
    assert found and "deliverby" in client.esmtp_features and "mt-priority" in client.esmtp_features
    with smtplib.SMTP("127.0.0.1", net.server.ports["smtp"], timeout=TIMEOUT) as stranger:
        stranger.ehlo("x.test")
        assert "futurerelease" not in stranger.esmtp_features and "deliverby" in stranger.esmtp_features
        assert stranger.mail("a@b.test", ["HOLDFOR=60"])[0] == 555


def test_sent_later(net, client, sender):
    """To others and into mailboxes here: nothing of it is there before its time."""
    peer, bob = net.peer(), net.server.mailbox()
    much_later = client.hand_in(f"carl@{peer.domain}", bob, options=["HOLDFOR=86400"])
    rows = net.queue(much_later)
    assert [row["state"] for row in rows] == ["scheduled"] * 2
    assert all(row["hold_until"] == row["next"] for row in rows)
    said = " ".join(row["explanation"] for row in net.server.json("queue", "explain", much_later))
    assert "wants it to be sent on " in said and "at the earliest" in said and "then it goes into the mailbox" in said
    taken = []
    peer.answers["end"] = (lambda session: taken.append(time.monotonic()), b"250 2.0.0 taken\r\n")
    begin = time.monotonic()
    number = client.hand_in(f"carl@{peer.domain}", bob, options=["HOLDFOR=3"])
    peer.wait_taken()
    assert taken[0] - begin >= 3 and len(peer.sessions) == 1
    wait_for("bob's copy", lambda: count_of(net.server, bob) == 1)
    net.wait_gone(number)
    assert len(net.queue(much_later)) == 2
    net.server.command("queue", "cancel", much_later)
    net.server.command("audit")
    assert count_of(net.server, sender) == 0 and len(peer.taken) == 1
    assert "to be sent no earlier than 20" in net.trace(number)
    assert mail_of(net.server, bob)[0].startswith(f"Return-Path: <{sender}>\r\nDelivered-To: {bob}\r\n".encode())


def test_no_probe_before_its_time(net, client):
    """Of a destination that is down, with nobody left who may be sent to it now, the summary shows when one may."""
    domain = net.domain(net.address())
    number = client.hand_in(f"bob@{domain}")
    later = client.hand_in(f"carl@{domain}", options=["HOLDFOR=86400"])
    net.wait_attempt(number)

    def shown():
        [row] = [row for row in net.server.json("queue", "summary") if row["destination"] == domain]
        return row

    wait_for("the failure", lambda: (shown()["state"], shown()["sessions"]) == ("unreachable", 0))
    net.server.command("queue", "remove", number)
    assert shown()["next_probe"] == net.queue(later)[0]["hold_until"], shown()
    net.server.command("queue", "cancel", later)


def test_released_early(net, client):
    peer, bob = net.peer(), net.server.mailbox()
    number = client.hand_in(f"carl@{peer.domain}", bob, options=["HOLDFOR=86400"])
    assert "nothing was changed: 2 recipients are held, or to be sent later" in \
        net.server.command("queue", "retry", number, status=66).stderr
    for which in ((), ("--to", bob), (peer.domain,), ("--from", client.sender)):
        said = net.server.command("queue", "release", *which).stdout
        assert said.startswith("nothing was changed: ") and "released by its id only" in said, said
    assert [row["state"] for row in net.queue(number)] == ["scheduled"] * 2
    assert "2 recipients released" in net.server.command("queue", "release", number).stdout
    peer.wait_taken()
    wait_for("bob's copy", lambda: count_of(net.server, bob) == 1)
    net.wait_gone(number)


def test_postmaster_is_kept_when_released(net, client):
    """Not refused by an account that was disabled in between, or is full: the one who stands in has it."""
    server = net.server
    bob = server.mailbox()
    server.command("alias", "add", f"postmaster@{DOMAIN}", bob)
    try:
        number = client.hand_in(f"postmaster@{DOMAIN}", options=["HOLDFOR=86400"])
        full = client.hand_in(f"postmaster@{DOMAIN}", options=["HOLDFOR=86400"])
        assert net.queue(number)[0]["recipient"] == bob
        server.command("account", "disable", bob)
        server.command("queue", "release", number)
        net.wait_gone(number)
        server.command("account", "enable", bob)
        server.command("account", "quota", bob, "--bytes", "1")
        server.command("queue", "release", full)
        net.wait_gone(full)
    finally:
        server.command("alias", "remove", f"postmaster@{DOMAIN}")
    for each in number, full:
        assert "mailbox" in net.trace(each) and "report" not in net.trace(each)
    assert count_of(server, client.sender) == 0
    server.command("account", "quota", bob, "--bytes", "none")
    assert count_of(server, bob) == 0
    server.command("audit")


def test_cancelled(net, client):
    """Nothing is sent, nobody is told, and the trace says who did it."""
    peer, bob = net.peer(), net.server.mailbox()
    number = client.hand_in(f"carl@{peer.domain}", bob, options=["HOLDFOR=86400"])
    waiting = net.send(f"eve@{net.domain(net.address())}")
    assert "2 recipients cancelled: it will not be sent" in net.server.command("queue", "cancel", number).stdout
    assert net.queue(number) == [] and not peer.sessions and count_of(net.server, bob) == 0
    assert "cancelled before its time by" in net.trace(number)
    assert "nothing was changed: 1 recipient is not" in net.server.command("queue", "cancel", waiting, status=66).stderr
    assert net.queue(waiting)
    net.server.command("audit")


def test_too_late_or_too_far(client):
    assert client.mail(client.sender, ["HOLDUNTIL=2020-01-01T00:00:00Z"])[0] == 250
    client.rset()
    for wrong in ("HOLDFOR=5184001", "HOLDFOR=0", "HOLDUNTIL=2199-01-01T00:00:00Z", "HOLDUNTIL=tomorrow"):
        assert client.mail(client.sender, [wrong])[0] == 501
    for mode in "RN":  # [RFC 4865 5.2.2]
        assert client.mail(client.sender, ["HOLDFOR=3600", f"BY=60;{mode}"])[0] == 501


@pytest.mark.parametrize("asked", ["for", "until"])
def test_report_says_how_it_was_asked(net, client, sender, asked):
    """[RFC 4865 5.1.2]"""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
    value = "3600" if asked == "for" else f"{when:%Y-%m-%dT%H:%M:%SZ}"
    number = client.hand_in(f"carl@{net.domain(net.address())}", options=[f"HOLD{asked.upper()}={value}"])
    net.server.command("queue", "bounce", number)
    about, one = blocks(report_of(net, sender))
    assert about["Future-Release-Request"] == f"{asked};{value}" and about["Arrival-Date"] and one["Action"] == "failed"


# ---- before other mail ----

def test_priority_orders_and_travels(net, client):
    """While one is under way the others queue up; the highest is the next. Where it is offered it goes along."""
    peer = net.peer(extensions=WISHES)
    peer.down()
    domain = peer.domain
    first = client.hand_in(f"first@{domain}")
    net.wait_attempt(first)
    for priority in (0, -3, 7, 4):
        client.hand_in(f"p{priority}@{domain}", options=[f"MT-PRIORITY={priority}"])
    assert sorted(row["priority"] for row in net.queue(domain)) == [-3, 0, 0, 4, 7]
    peer.answers["DATA"] = [HANG]
    peer.up()
    net.retry(first)
    peer.wait_hanging()
    assert peer.commands[1].split("<")[0] == "MAIL FROM:" and "MT-PRIORITY=7" in peer.commands[1]
    peer.go_on.set()
    net.wait_gone(domain)
    mails = [command for command in peer.commands if command.startswith("MAIL")]
    said = sorted(int(re.search(r" MT-PRIORITY=(-?\d)", mail)[1]) for mail in mails)  # 0 is said too [RFC 6758 3.2]
    assert said == [-3, 0, 0, 4, 7]
    assert not any(b"MT-Priority:" in message.content for message in peer.taken)


FIELDS = b"MT-Priority: 5 (high)\r\nX-Before: 1\r\nmt-priority:\r\n 6\r\n"


@pytest.mark.parametrize("options, fields, said, large", [
    (["MT-PRIORITY=3"], b"", 3, False), (["MT-PRIORITY=0"], b"", 0, False), ([], b"MT-Priority: -4 (x)\r\n", -4, False),
    (["MT-PRIORITY=2"], FIELDS, 2, True), ([], FIELDS, 0, False), ([], b"", None, True)])
def test_priority_in_the_message(net, client, options, fields, said, large):
    """Where the next server does not know MT-PRIORITY, one field says it, and no other does [RFC 6758 3.3]."""
    peer = net.peer(extensions=(*EXTENSIONS, "SIZE"))
    body = b"MT-Priority: 9\r\n" + b"0123456789abcde\r\n" * (20000 if large else 1)
    client.mail(client.sender, options)
    assert client.rcpt(f"carl@{peer.domain}")[0] == 250
    whole = fields + letter(sender=client.sender) + body
    number = message_id(client.data(whole)[1].decode())
    peer.wait_taken()
    net.wait_gone(number)
    [message] = peer.taken
    head, _, rest = message.content.partition(b"\r\n\r\n")
    found = re.findall(rb"(?im)^mt-priority:.*", head)
    assert found == ([] if said is None else [b"MT-Priority: %d\r" % said])
    assert said is None or head.startswith(found[0])
    assert (b"X-Before: 1" in head) == (b"X-Before" in fields) and rest.endswith(body)
    assert int(re.search(r" SIZE=(\d+)", message.mail)[1]) >= len(message.content)
    clause = re.search(rb"\r\n\tpriority (-?\d);\r\n", head)
    assert bool(clause) == bool(options) and (not options or int(clause[1]) == said)


def test_priority_of_the_message_counts(net, client, sender):
    """The field is what MAIL would have said; and the report has it too [RFC 6758 3.1, RFC 6710 4.6]."""
    peer = net.peer(extensions=WISHES, RCPT=b"550 5.1.1 nobody\r\n")
    number = client.hand_in(f"carl@{peer.domain}", fields=b"MT-Priority: 7 (ultra)\r\n")
    report_of(net, sender)
    assert any("MT-PRIORITY=7" in command for command in peer.commands)
    assert "priority 7" in net.trace(number)
    told = re.search(r"the sender is told by message (\w+)", net.trace(number))[1]
    assert "priority 7" in net.trace(told)


def test_priorities_are_checked(net):
    bob = net.server.mailbox()
    with smtplib.SMTP("127.0.0.1", net.server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo("x.test")
        code, text = client.mail("a@b.test", ["MT-PRIORITY=-2"])
        assert code == 250
        client.rset()
        assert client.mail("a@b.test", ["MT-PRIORITY=11"])[0] == 501
        assert client.mail("a@b.test", ["MT-PRIORITY=2"])[0] == 250
        assert client.rcpt(bob)[0] == 250


# ---- in time ----

def test_returned_when_late(net, client, sender):
    peer = net.peer(extensions=TIMES, RCPT=b"450 4.2.1 busy\r\n")
    in_time = client.hand_in(f"carl@{peer.domain}", options=["BY=3600;R"])
    assert net.queue(in_time)[0]["deliver_by_else"] == "return"
    number = client.hand_in(f"carl@{peer.domain}", options=["BY=2;R"])
    assert re.search(r"to be delivered by 20\S+, else to be returned", net.trace(number))
    report = report_of(net, sender)
    about, one = blocks(report)
    assert about["Deliver-By-Date"] and one["Action"] == "failed" and one["Status"] == "5.4.7"
    assert "It was to be delivered" in words_of(report)
    net.wait_gone(number)


def test_told_when_late(net, client, sender):
    peer = net.peer(RCPT=[b"450 4.2.1 busy\r\n"])
    number = client.hand_in(f"carl@{peer.domain}", options=["BY=1;N"])
    about, one = blocks(report_of(net, sender))
    assert about["Deliver-By-Date"] and one["Action"] == "delayed" and one["Status"] == "4.4.7"
    assert net.queue(number)[0]["deliver_by_else"] == "notified"
    net.retry(number)
    peer.wait_taken()
    net.wait_gone(number)


def test_late_at_a_full_mailbox(net, client, sender):
    """Released into a mailbox here that was filled meanwhile: as of what goes elsewhere."""
    server, bob = net.server, net.server.mailbox()
    server.command("account", "quota", bob, "--messages", "1")
    told = client.hand_in(bob, options=["HOLDFOR=3", "BY=4;N"], fields=b"X-Which: told\r\n")
    returned = client.hand_in(bob, options=["HOLDFOR=3", "BY=4;R"], fields=b"X-Which: returned\r\n")
    net.send(bob)
    report_of(net, sender, 2)
    found = {}
    for count in (1, 2):
        about, one = blocks(report_of(net, sender, count))
        assert about["Deliver-By-Date"]
        found[one["Action"]] = one["Status"]
    assert found == {"delayed": "4.4.7", "failed": "5.4.7"}
    net.wait_gone(returned)
    assert net.queue(told)[0]["deliver_by_else"] == "notified"
    server.command("account", "quota", bob, "--messages", "none")
    net.retry(told)
    net.wait_gone(told)
    assert count_of(server, sender) == 2
    assert re.findall(rb"X-Which: (\w+)", b"".join(mail_of(server, bob))) == [b"told"]
    server.command("audit")


@pytest.mark.parametrize("offers, options, relayed", [(True, "BY=600;R", False), (True, "BY=600;RT", True),
                                                      (False, "BY=600;N", True)])
def test_time_travels_along(net, client, sender, offers, options, relayed):
    """What is left of it, to who knows of it; else, or if each is to report, the sender is told."""
    peer = net.peer(extensions=WISHES if offers else EXTENSIONS)
    number = client.hand_in(f"carl@{peer.domain}", options=[options])
    peer.wait_taken()
    said = [re.search(r" BY=(\d+);(\w+)", command) for command in peer.commands if command.startswith("MAIL")]
    assert bool(said[0]) == offers
    if offers:
        assert 590 <= int(said[0][1]) <= 600 and said[0][2] == options.split(";")[1]
    net.wait_gone(number)
    if relayed:
        report = report_of(net, sender)
        assert blocks(report)[1]["Action"] == "relayed"
        assert "was passed on to the next server, for:" in words_of(report)  # which may report too
    assert count_of(net.server, sender) == relayed


@pytest.mark.parametrize("offers, status, why", [
    (EXTENSIONS, "5.3.3", "DELIVERBY"), ((*EXTENSIONS, "DELIVERBY 601"), "5.4.7", "more time")])
def test_rather_back_than_late(net, client, sender, offers, status, why):
    """It goes to no server that knows of no time, or that wants more of it [RFC 2852 4.1.4.1]."""
    peer = net.peer(extensions=offers)
    number = client.hand_in(f"carl@{peer.domain}", options=["BY=600;R"])
    _, one = blocks(report_of(net, sender))
    assert one["Action"] == "failed" and one["Status"] == status and why in one["Diagnostic-Code"]
    assert not any(command.startswith("MAIL") for command in peer.commands)
    net.wait_gone(number)


def test_delays_are_told_elsewhere(net, client):
    """By a server that knows of no time, but reports [RFC 2852 4.1.4.2]."""
    peer = net.peer(extensions=(*EXTENSIONS, "DSN"))
    client.hand_in(f"carl@{peer.domain}", options=["BY=600;N"], rcpt_options=["NOTIFY=SUCCESS"])
    peer.wait_taken()
    client.hand_in(f"dora@{peer.domain}", options=["BY=600;N"])
    peer.wait_taken(2)
    assert f"RCPT TO:<carl@{peer.domain}> NOTIFY=SUCCESS,DELAY" in peer.commands
    assert f"RCPT TO:<dora@{peer.domain}> NOTIFY=FAILURE,DELAY" in peer.commands


# ---- the command line ----

def send(net, sender, *options, status=0):
    """godwit mail send, as sender."""
    return net.server.command("mail", "send", "--server", f"localhost:{net.server.ports['submission']}", "--tls",
                              "starttls", "--ca", net.server.certificate, "--user", sender, "--from", sender,
                              *options, stdin="Hello\n", status=status, env={"GODWIT_PASSWORD": PASSWORD}, data=False)


def test_mail_send(net, sender):
    peer = net.peer(extensions=(*WISHES, "DSN"))
    begin = time.monotonic()
    done = send(net, sender, "--to", f"bob@{peer.domain}", "--hold-until", "2h", "--priority", "3", "--deliver-by", "3h",
                "--notify", "never")
    passed = time.monotonic() - begin
    assert "Sent" in done.stdout
    [row] = net.queue(peer.domain)
    assert parse(net.server.json("queue", "show", row["id"])["until"]) == parse(row["deliver_by"])
    assert row["state"] == "scheduled" and row["priority"] == 3 and row["deliver_by_else"] == "return"
    assert (parse(row["deliver_by"]) - parse(row["hold_until"])).total_seconds() == pytest.approx(3600, abs=2 + passed)
    net.server.command("queue", "release", row["id"])
    peer.wait_taken()
    mail = next(command for command in peer.commands if command.startswith("MAIL"))
    assert re.search(r" MT-PRIORITY=3 BY=10\d\d\d;R$", mail)
    assert f"RCPT TO:<bob@{peer.domain}> NOTIFY=NEVER" in peer.commands


def parse(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.parametrize("options, said", [
    (["--priority", "10"], "it goes from -9 to 9"), (["--hold-until", "2020-01-01"], "has passed"),
    (["--hold-until", "soon"], "--hold-until"), (["--notify", "always"], "never, or some of success,failure,delay"),
    (["--deliver-by", "1h", "--tell-by", "2h"], "exclude each other"), (["--hold-until", "70d"], "60 days at most"),
    (["--hold-until", "2h", "--deliver-by", "1h"], "before it is released")])
def test_wrong_wishes(net, sender, options, said):
    done = send(net, sender, "--to", f"bob@{DOMAIN}", *options, status=None)
    assert done.returncode != 0 and said in done.stderr, done.stderr
    assert not net.queue()


def test_sendmail(net):
    """Its classic options -N, -R and -V, and ours."""
    peer = net.peer(extensions=(*WISHES, "DSN"))
    words = ["-N", "success,delay", "-R", "hdrs", "-V", "a b", "--priority=-2", "--tell-by", "1d", f"bob@{peer.domain}"]
    done = subprocess.run([net.server.binary, "sendmail", "--data", net.server.data, *words], input="Subject: x\n\nx\n",
                          text=True, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    peer.wait_taken()
    mail = next(command for command in peer.commands if command.startswith("MAIL"))
    assert re.search(r" RET=HDRS ENVID=a\+20b MT-PRIORITY=-2 BY=86\d\d\d;N$", mail), mail
    assert f"RCPT TO:<bob@{peer.domain}> NOTIFY=SUCCESS,DELAY" in peer.commands
