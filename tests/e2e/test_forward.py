"""Mail that aliases send on to other servers: the reverse path it goes with (SRS), the way back, and loops."""

import itertools
import re
import shutil
import smtplib

import pytest
from conftest import DOMAIN, PASSWORD, TestServer, check_soundness, new_folder
from relay_net import ALICE, OPTIONS, net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from wire import TIMEOUT, deliver, letter, mail_of, message_id

SRS0 = re.compile(rf"SRS0=[A-Z2-7]{{8}}=[A-Z2-7]{{2}}=(?P<rest>.*)@{re.escape(DOMAIN)}")
numbers = itertools.count(1)


@pytest.fixture
def home(net):
    """The sender's server."""
    return net.peer()


@pytest.fixture
def away(net):
    """Where the alias leads to. .alias: a new one, to away.target."""
    peer = net.peer()
    peer.alias, peer.target = f"alias{next(numbers)}@{DOMAIN}", f"out@{peer.domain}"
    net.server.command("alias", "add", peer.alias, peer.target)
    return peer


def path_of(message):
    """The address that MAIL FROM had."""
    return re.match("<([^>]*)>", message.mail)[1]


def send(net, sender, to, content=None, options=()):
    return message_id(deliver(net.server, [to], content or letter(sender="carol@home.test"), sender=sender,
                              options=options))


def sent_as(net, peer, sender, options=()):
    """The reverse path with which mail of sender comes to the peer."""
    count = len(peer.taken)
    send(net, sender, peer.alias, options=options)
    return path_of(peer.wait_taken(count + 1)[-1])


def answer(net, sender, to):
    """The code and words that RCPT gets."""
    with smtplib.SMTP("127.0.0.1", net.server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo("mail.stranger.test")
        assert client.mail(sender)[0] == 250
        code, text = client.rcpt(to)
    return code, text.decode()


def comes_back(net, address, peer, to):
    """A report to the address goes to `to` at the peer, from nobody."""
    count = len(peer.taken)
    deliver(net.server, [address], letter("a report", sender="mailer-daemon@away.test"), sender="")
    report = peer.wait_taken(count + 1)[-1]
    assert path_of(report) == "" and report.recipients[0].startswith(f"<{to}>"), report.recipients
    assert f"Delivered-To: {address}".lower().encode() in report.content.lower()


# ---- there and back ----

def test_sent_on(net, home, away):
    sender = f"Carol.C@{home.domain}"
    number = send(net, sender, away.alias, letter(body=["x" * 70] * 2000))
    [message] = away.wait_taken()
    address = path_of(message)
    assert SRS0.fullmatch(address)["rest"] == f"{home.domain}=Carol.C"
    assert message.recipients == [f"<{away.target}>"]
    first, rest = message.content.split(b"\r\n", 1)
    assert first == f"Delivered-To: {away.alias}".encode() and rest.startswith(b"Received: from ")
    net.wait_gone(number)
    trace = net.trace(number)
    assert f"sent on for {away.alias} with the reverse path {address}" in trace and f"MAIL FROM:<{address}>" in trace
    comes_back(net, address, home, sender)
    comes_back(net, address.lower(), home, sender.lower())
    comes_back(net, address.upper(), home, f"CAROL.C@{home.domain}")


def test_size_is_of_all_that_is_sent(net, home, away):
    away.extensions = (*away.extensions, "SIZE")
    send(net, f"carol@{home.domain}", away.alias)
    [message] = away.wait_taken()
    assert int(re.search(r"SIZE=(\d+)", message.mail)[1]) == len(message.content)


def test_after_a_restart(net, home, away):
    address = sent_as(net, away, f"carol@{home.domain}")
    assert net.server.stop() == 0
    net.server.start()
    net.server.mark()
    comes_back(net, address, home, f"carol@{home.domain}")


SENDERS = {"long": ("a" * 60, ()), "longer": ("a" * 100, ()), "quoted": ('"carol @ c"', ()), "utf8": ("c\u00e4rol", ("SMTPUTF8",))}


@pytest.mark.parametrize("local, options", SENDERS.values(), ids=SENDERS)
def test_whoever_does_not_fit_in_it(net, home, away, local, options):
    """Then the address names the message."""
    sender = f"{local}@{home.domain}"
    count = len(away.taken)
    with smtplib.SMTP("127.0.0.1", net.server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo("mail.stranger.test")
        client.command_encoding = "utf-8"
        for command in (f"MAIL FROM:<{sender}> {' '.join(options)}".strip(), f"RCPT TO:<{away.alias}>"):
            assert client.docmd(command)[0] == 250, command
        code, text = client.data(letter())
        assert code == 250, text
    address = path_of(away.wait_taken(count + 1)[-1])
    assert SRS0.fullmatch(address)["rest"] == f"={message_id(text.decode())}"
    if not options:  # else the report would have to ask for SMTPUTF8
        comes_back(net, address, home, sender)


def test_sent_on_by_others_before(net, home, away):
    """The first of them is led back to, whoever comes between."""
    first = f"SRS0+abcd=ef=far.test=carol@{home.domain}"
    address = sent_as(net, away, first)
    assert re.fullmatch(rf"SRS1=[A-Z2-7]{{10}}={home.domain}=\+abcd=ef=far.test=carol@{DOMAIN}", address)
    comes_back(net, address, home, first)
    between = address.replace(f"@{DOMAIN}", "@between.test").replace("SRS1=", "SRS1=XX")
    assert sent_as(net, away, between) == address


@pytest.mark.parametrize("sender", ["", f"alice@{DOMAIN}", "root@mail.example.test"])
def test_who_keeps_his_reverse_path(net, away, sender):
    assert sent_as(net, away, sender) == sender
    assert away.taken[0].content.startswith(f"Delivered-To: {away.alias}\r\n".encode())


def test_only_through_an_alias(net, home):
    net.send(f"bob@{home.domain}", sender="carol@stranger.test")
    [message] = home.wait_taken()
    assert path_of(message) == "carol@stranger.test" and message.content.startswith(b"Received:")


def test_turned_off(net, home, away):
    """What was sent on before finds back all the same."""
    address = sent_as(net, away, f"carol@{home.domain}")
    net.reload("srs = false;")
    try:
        assert sent_as(net, away, f"carol@{home.domain}") == f"carol@{home.domain}"
        assert away.taken[-1].content.startswith(f"Delivered-To: {away.alias}\r\n".encode())
        comes_back(net, address, home, f"carol@{home.domain}")
        code, text = answer(net, "", changed(address))  # another server may make some for this domain
        assert code == 550 and "no such user" in text
    finally:
        net.reload("srs = true;")


# ---- who may not come back ----

def changed(address):
    """Another hash."""
    return address[:5] + ("B" if address[5] == "A" else "A") + address[6:]


def test_refused(net, home, away):
    address = sent_as(net, away, f"carol@{home.domain}")
    assert answer(net, "", address)[0] == 250
    code, text = answer(net, "eve@stranger.test", address)
    assert code == 550 and text.startswith("5.7.1 ") and "reports" in text
    code, text = answer(net, "", changed(address))
    assert code == 550 and text.startswith("5.1.1 ") and "not made by this server" in text
    code, text = answer(net, "", address.replace("=carol@", "=peter@"))
    assert code == 550 and text.startswith("5.1.1 ")
    assert answer(net, "", "SRS0=AAAAAAAA=AA=victim.test=bob@" + DOMAIN)[0] == 550
    assert home.taken == []


def test_what_is_said_beforehand(net, home, away):
    sender = f"carol@{home.domain}"

    def said(sender, to):
        done = net.server.command("test-delivery", "--from", sender, "--to", to, stdin=letter().decode())
        return done.stdout

    words = said(sender, away.alias)
    address = SRS0.search(words)[0]
    assert f"goes with the reverse path {address}" in words
    assert "reverse path" not in said(f"alice@{DOMAIN}", away.alias)
    words = said("", address)
    assert f"{address} is the way back to {sender}" in words and f"address elsewhere {sender}" in words
    assert f"redirected to {sender}" in words
    assert "550 5.7.1: this address only takes reports" in said(sender, address)
    assert "550 5.1.1: this return address (SRS) was not made by this server" in said("", changed(address))
    assert away.taken == [] and home.taken == []


# ---- what waits, and what fails ----

def test_explained_while_it_waits(net, home, away):
    away.answers["RCPT"] = [b"450 4.2.1 not now\r\n"]
    number = send(net, f"carol@{home.domain}", away.alias)
    assert net.wait_attempt(number) == (0, 0, 1)
    [address] = [re.search("<(.*)>", command)[1] for command in away.commands if command.startswith("MAIL")]
    explained = net.server.command("queue", "explain", number).stdout
    assert f"It is sent on for {away.alias} with the reverse path {address}, because" in explained
    [row] = net.server.json("queue", "show", number)["recipients"]
    assert row["sent_on_for"] == away.alias and row["reverse_path"] == address
    net.retry(number)
    assert path_of(away.wait_taken()[0]) == address


def test_found_by_the_address_that_was_written_to(net, home, away):
    away.answers["RCPT"] = [b"450 4.2.1 not now\r\n"]
    number = send(net, f"carol@{home.domain}", away.alias)
    net.wait_attempt(number)
    for address in (away.alias, away.target):
        assert [row["id"] for row in net.queue(address)] == [number]
        assert "It is sent on for" in net.server.command("queue", "explain", address).stdout
        assert {row["id"] for row in net.server.json("trace", address)} == {number}
    [event] = [row for row in net.server.json("trace", away.alias) if row["event"] == "sent-on"]
    assert event["address"] == away.target and event["text"] == f"sent on for {away.alias}"
    assert net.server.json("queue", "hold", away.alias)["changed"] == 1
    assert net.server.json("queue", "release", "--to", away.alias)["changed"] == 1
    away.wait_taken()
    net.wait_gone(number)
    assert {row["id"] for row in net.server.json("trace", away.alias)} == {number}


def test_next_server_is_told_the_address_that_was_written_to(net, home, away):
    away.extensions = (*away.extensions, "DSN")
    send(net, f"carol@{home.domain}", away.alias)
    away.wait_taken()
    assert f"RCPT TO:<{away.target}> ORCPT=rfc822;{away.alias}" in away.commands


def test_our_own_report_goes_straight_to_the_sender(net, home, away):
    away.answers["RCPT"] = b"550 5.1.1 who?\r\n"
    number = send(net, f"carol@{home.domain}", away.alias)
    [report] = home.wait_taken()
    assert path_of(report) == "" and report.recipients == [f"<carol@{home.domain}>"]
    text = " ".join(report.content.decode().split())
    assert f"Original-Recipient: rfc822;{away.alias} Final-Recipient: rfc822; {away.target}" in text
    assert f"The message was written to {away.alias}, which sends its mail on to {away.target}." in text
    net.wait_gone(number)


def test_postmaster_hears_of_what_has_no_sender(net, away):
    """Whoever stands in for him: the first account."""
    away.answers["RCPT"] = b"550 5.1.1 who?\r\n"
    number = send(net, "", away.alias)
    net.wait_gone(number)
    told = f"The message was written to {away.alias},".encode()
    [report] = [mail for mail in mail_of(net.server, ALICE) if told in mail]
    assert report.startswith(b"Return-Path: <>") and b"5.1.1 who?" in report
    assert "it has no sender; the postmaster is told by message " in net.trace(number)


# ---- loops ----

def hand_over(net, sender, to, content):
    """As another server does; the reply to the content."""
    with smtplib.SMTP("127.0.0.1", net.server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo("mail.away.test")
        for code, _ in (client.mail(sender), client.rcpt(to)):
            assert code == 250
        code, text = client.data(content)
    return code, text.decode()


def sends_back(net, away, refusals):
    """A server that sends on what it takes to the alias it came from, and reports what is refused."""
    def end(session):
        message = away.received[-1]
        code, text = hand_over(net, path_of(message), away.alias,
                               f"Delivered-To: {away.target}\r\n".encode() + message.content)
        if code != 250:
            refusals.append((code, text))
            deliver(net.server, [path_of(message)], letter("Returned", [text], "mailer-daemon@away.test"), sender="")
    return end, b"250 2.0.0 taken\r\n"


def test_a_loop_ends_in_one_report(net, home, away):
    refusals = []
    away.answers["end"] = sends_back(net, away, refusals)
    number = send(net, f"carol@{home.domain}", away.alias)
    [report] = home.wait_taken()
    net.wait_gone(number)
    wait_for("an empty queue", lambda: not net.queue())
    assert len(away.taken) == 1 and len(home.taken) == 1
    [(code, text)] = refusals
    assert code == 554 and text.startswith("5.4.6 ") and "loop" in text
    assert report.recipients == [f"<carol@{home.domain}>"] and b"5.4.6" in report.content


def test_a_loop_of_what_has_no_sender_ends_too(net, away):
    refusals = []
    away.answers["end"] = (lambda session: refusals.append(hand_over(net, "", away.alias, away.received[-1].content)),
                           b"250 2.0.0 taken\r\n")
    number = send(net, "", away.alias)
    net.wait_gone(number)
    wait_for("an empty queue", lambda: not net.queue())
    assert [code for code, _ in refusals] == [554] and len(away.taken) == 1


@pytest.fixture
def other(net, request):
    """A server of the same kind, for the domain loop.test; each has a route to the other."""
    server = TestServer(new_folder(), hostname="mail.loop.test", host=net.address())
    server.create(["loop.test"], {"ann@loop.test": PASSWORD}, OPTIONS.format(port=net.port, dns=net.names.dns.server) +
                  f'routes = ( {{ domain = "{DOMAIN}"; host = "127.0.0.1"; port = {net.server.ports["smtp"]}; }} );')
    server.start()
    server.mark()
    net.reload(f'routes = ( {{ domain = "loop.test"; host = "{server.host}"; port = {server.ports["smtp"]}; }} );')
    yield server
    net.reload("routes = ();")
    try:
        check_soundness(request, server)
        assert server.stop() == 0
    finally:
        if server.process:
            server.kill_all()
        shutil.rmtree(server.folder, ignore_errors=True)


def test_a_loop_of_two_servers_ends_in_one_report(net, home, other):
    """The report goes from the second to the first, and from there to the sender."""
    net.server.command("alias", "add", f"ring@{DOMAIN}", "ring@loop.test")
    other.command("alias", "add", "ring@loop.test", f"ring@{DOMAIN}")
    send(net, f"carol@{home.domain}", f"ring@{DOMAIN}")
    [report] = home.wait_taken()
    wait_for("empty queues", lambda: not net.queue() and not other.json("queue", "list"))
    assert path_of(report) == "" and report.recipients == [f"<carol@{home.domain}>"] and b"5.4.6" in report.content
    assert len(home.taken) == 1
    other.command("audit")


# ---- the last one: the postmaster is told of nothing more behind it ----

def test_strangers_do_not_fill_the_postmasters_mailbox(net, away):
    """Of mail without a sender he is told a hundred times in a day; of the rest the trace tells."""
    away.answers["RCPT"] = b"550 5.1.1 who?\r\n"
    numbers = [send(net, "", away.alias) for _ in range(103)]
    wait_for("an empty queue", lambda: not net.queue())
    untold = "nobody is told: it has no sender, and the postmaster is told of 100 such within a day, and no more"
    assert untold in net.trace(numbers[-1])
    told = [mail for mail in mail_of(net.server, ALICE) if b"Subject: A message without a sender" in mail]
    assert len(told) == 100
    assert "discarded" not in net.trace(numbers[-1])
