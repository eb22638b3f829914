"""To and from real servers of others: Postfix, Exim, OpenSMTPD (see mta.py).

One Godwit and one other server for all tests of a kind; mail for bench.test goes there by a route.
"""

import email
import email.policy
import os
import re
import shutil
import smtplib
import uuid

import mta
import pytest
from conftest import DOMAIN, PASSWORD, TROUBLE, TestServer, check_soundness, new_folder
from server import HOST, wait_for
from wire import fetch, mail_of, pop3, without_trace

ANN = f"ann@{DOMAIN}"
QUEUE = 'queue = { retry = ["1s"]; };'


def first_line():
    """A header field that begins a message, so that what it gets in front can be told apart."""
    return f"X-Number: {uuid.uuid4()}\r\n".encode()


def letter(body, sender=ANN, to=mta.address(0)):
    return (first_line() + f"From: {sender}\r\nTo: {to}\r\nSubject: A letter\r\n"
            "Date: Sat, 28 Nov 2026 12:00:00 +0000\r\n".encode()
            + f"Message-ID: <{uuid.uuid4()}@{DOMAIN}>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode()
            + body)


def number_of(message):
    """What its Message-ID field has between the brackets."""
    return message.split(b"Message-ID: <")[1].split(b">")[0].decode()


BODIES = {
    "words": b"Hello.\r\n",
    "dots": b".\r\n..\r\n.a\r\n\r\n.\r\nend\r\n",
    "8bit": "Grüße, 你好\r\n".encode(),
    "long-lines": b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\n",
    "empty": b"",
    "blank-lines": b"\r\n\r\n\r\n",
    "large": b"".join(b"%07d a line of a larger message, of which there are many\r\n" % n
                      for n in range(50_000)),
}


class Pair:
    """A Godwit, and the other server."""

    def __init__(self, kind):
        self.folder = new_folder()
        self.server = TestServer(self.folder)
        self.server.create([DOMAIN], {ANN: PASSWORD})
        self.other = kind(self.folder, self.server.ports["smtp"])
        self.fetched = {}  # of ann's messages, by UIDL

    def start(self):
        self.other.start()
        self.server.configure(
            f'{QUEUE}\nroutes = ( {{ domain = "{mta.DOMAIN}"; host = "{HOST}"; '
            f'port = {self.other.ports["smtp"]}; }} );')
        self.server.start()

    def close(self):
        status = self.server.stop()
        self.other.stop()
        log = self.server.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert status == 0 and not TROUBLE.search(log), log[-5000:]

    # ---- sending ----

    def submit(self, message, *to, options=(), rcpt_options=()):
        with smtplib.SMTP("localhost", self.server.ports["submission"], timeout=60) as client:
            client.starttls(context=self.server.trust())
            client.login(ANN, PASSWORD)
            client.sendmail(ANN, to, message, mail_options=options, rcpt_options=rcpt_options)

    def hand_over(self, message, *to, sender=mta.address(0)):
        """Gives the other server mail of a user of its own."""
        with smtplib.SMTP(HOST, self.other.ports["smtp"], timeout=60) as client:
            client.sendmail(sender, to, message)

    # ---- what has arrived ----

    def copies_there(self, message, n=0):
        return [m for m in self.other.mail(n) if message[:46] in m]

    def arrives_there(self, message, n=0):
        """The message as the other server keeps it, from its first line on."""
        found = wait_for(f"{message[:46]} at {self.other.name}", lambda: self.copies_there(message, n))
        assert len(found) == 1
        return found[0][found[0].index(message[:46]):]

    def mail_here(self):
        """All of ann's; each is fetched once."""
        client = pop3(self.server, ANN)
        uids = [line.split()[1] for line in client.uidl()[1]]
        for number, uid in enumerate(uids, 1):
            if uid not in self.fetched:
                self.fetched[uid] = fetch(client, number)
        client.quit()
        return [self.fetched[uid] for uid in uids]

    def copies_here(self, message):
        return [m for m in self.mail_here() if message[:46] in m]

    def arrives_here(self, message):
        """The same of ann's mailbox."""
        before = self.server.message_count()
        if not self.copies_here(message):
            wait_for(f"a message from {self.other.name}", lambda: self.server.message_count() > before)
        found = wait_for(f"{message[:46]}", lambda: self.copies_here(message))
        assert len(found) == 1
        return found[0]

    def reports(self, words):
        """Reports in ann's mailbox that have these words."""
        return [email.message_from_bytes(m, policy=email.policy.default)
                for m in self.mail_here() if b"message/delivery-status" in m and words in m]

    def dialogue(self, message):
        """Of the transfer of a message, once it has been taken."""
        def taken():
            text = self.server.command("trace", number_of(message)).stdout
            return text if "taken by" in text else None

        return wait_for("the result", taken)

    def log_of(self, message, end):
        """The other's lines about a message, once one of them matches end."""
        def lines():
            log = self.other.log().split("\n")
            naming = [re.search(r"(\S+?):? (?:message-id=<|<= )", line) for line in log
                      if number_of(message) in line]
            ids = [found.group(1) for found in naming if found]
            of_it = [line for line in log if ids and ids[0] in line]
            return of_it if any(re.search(end, line) for line in of_it) else None

        return wait_for(f"{end} in the log of {self.other.name}", lines)

    def queue_is_empty(self):
        return self.server.json("queue", "list") == []


@pytest.fixture(scope="module", params=mta.ALL, ids=lambda kind: kind.name)
def module_pair(request):
    pair = Pair(request.param)
    why = pair.other.missing()
    if why:
        shutil.rmtree(pair.folder, ignore_errors=True)
        mta.give_up(why)
    pair.start()
    yield pair
    pair.close()


@pytest.fixture
def pair(request, module_pair):
    module_pair.server.mark()
    yield module_pair
    check_soundness(request, module_pair.server)
    module_pair.server.command("audit")


# ---- from here to there ----

@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_arrives_byte_for_byte(pair, body):
    message = letter(body)
    pair.submit(message, mta.address(0), options=["BODY=8BITMIME"])
    assert pair.arrives_there(message) == message


def test_with_tls_and_its_dialogue(pair):
    message = letter(b"x\r\n")
    pair.submit(message, mta.address(0))
    pair.arrives_there(message)
    trace = pair.dialogue(message)
    assert ("over TLSv1." in trace) == pair.other.tls
    assert f"C: RCPT TO:<{mta.address(0)}>" in trace


def test_content_goes_in_chunks_where_they_are_offered(pair):
    message = letter(BODIES["large"])
    pair.submit(message, mta.address(0), options=["BODY=8BITMIME"])
    assert pair.arrives_there(message) == message
    commands = re.findall("C: (BDAT|DATA)", pair.dialogue(message))
    assert set(commands) == {"BDAT" if pair.other.offers_chunking else "DATA"}
    assert len(commands) > 20 or not pair.other.offers_chunking


def test_many_recipients_in_one_transaction(pair):
    message = letter(b"x\r\n")
    everyone = [mta.address(n) for n in range(mta.USERS)]
    pair.submit(message, *everyone)
    for n in range(mta.USERS):
        pair.arrives_there(message, n)
    wait_for("an empty queue", pair.queue_is_empty)
    trace = pair.dialogue(message)
    assert trace.count("C: MAIL FROM:") == 1 and trace.count("C: RCPT TO:") == mta.USERS


def test_many_messages_one_after_the_other(pair):
    messages = [letter(b"%d\r\n" % n) for n in range(30)]
    for message in messages:
        pair.submit(message, mta.address(1))
    for message in messages:
        assert pair.arrives_there(message, 1) == message
    wait_for("an empty queue", pair.queue_is_empty)


def test_unknown_recipient_is_reported(pair):
    stranger = f"stranger-{uuid.uuid4()}@{mta.DOMAIN}"
    message = letter(b"x\r\n")
    pair.submit(message, stranger, mta.address(0))
    pair.arrives_there(message)
    report = wait_for("a report", lambda: pair.reports(stranger.encode()))[0]
    text, fields, _ = report.iter_parts()
    one = fields.get_payload()[1]
    assert one["Action"] == "failed" and one["Final-Recipient"] == f"rfc822; {stranger}"
    assert one["Status"].startswith("5.1.") and "550" in one["Diagnostic-Code"]
    assert "> 550" in text.get_content() and "no mailbox" in " ".join(text.get_content().split())


def test_wanted_reports_of_success(pair):
    """NOTIFY, ORCPT and ENVID travel along, and the other server reports."""
    message = letter(b"x\r\n")
    envid = uuid.uuid4().hex
    pair.submit(message, mta.address(2), options=[f"ENVID={envid}", "RET=HDRS"],
                rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;first+2Baddress@bench.test"])
    pair.arrives_there(message, 2)
    pair.other.try_again()
    report = wait_for("a report", lambda: pair.reports(message[:46]))[0]
    about, one = list(report.iter_parts())[1].get_payload()
    assert "bench.test" in about["Reporting-MTA"] and one["Action"].lower() == "delivered"
    if pair.other.originals:
        plus = "+" if pair.other.orcpt_decoded else "+2B"
        assert about["Original-Envelope-Id"] == envid
        assert one["Original-Recipient"].replace(" ", "") == f"rfc822;first{plus}address@bench.test"


@pytest.mark.parametrize("ret", ["FULL", "HDRS"])
def test_wanted_report_of_a_later_failure(pair, ret):
    """The other server takes the message and fails afterwards: it returns as much as RET says."""
    if not pair.other.closed:
        pytest.skip("it refuses at RCPT whatever it cannot deliver")
    message = letter(b"the text of the letter\r\n")
    pair.submit(message, pair.other.closed, options=[f"RET={ret}"], rcpt_options=["NOTIFY=FAILURE"])
    report = wait_for("a report", lambda: pair.reports(message[:46]))[0]
    _, fields, returned = report.iter_parts()
    assert "bench.test" in fields.get_payload()[0]["Reporting-MTA"]
    assert fields.get_payload()[1]["Action"] == "failed"
    assert ("the text of the letter" in returned.as_string()) == (ret == "FULL")


def test_unwanted_report_of_a_later_failure(pair):
    if not pair.other.closed:
        pytest.skip("it refuses at RCPT whatever it cannot deliver")
    message = letter(b"x\r\n")
    pair.submit(message, pair.other.closed, rcpt_options=["NOTIFY=NEVER"])
    lines = pair.log_of(message, r": removed|Completed")
    reports = re.compile(r"non-delivery notification|R=\S+-\S+-")
    assert not [line for line in lines if reports.search(line)]
    wanted = letter(b"x\r\n")  # with which the same would be seen
    pair.submit(wanted, pair.other.closed)
    lines = pair.log_of(wanted, r": removed|Completed")
    assert [line for line in lines if reports.search(line)]


def test_waits_while_the_other_is_down(pair):
    pair.other.stop()
    message = letter(b"x\r\n")
    pair.submit(message, mta.address(0))
    # not while the next attempt is under way
    wait_for("the reason", lambda: "could not be reached (connection refused" in
             pair.server.json("queue", "explain")[0]["explanation"])
    pair.other.start()
    assert pair.arrives_there(message) == message
    wait_for("an empty queue", pair.queue_is_empty)


# ---- from there to here ----

@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_comes_byte_for_byte(pair, body):
    message = letter(body, sender=mta.address(0), to=ANN)
    pair.hand_over(message, ANN)
    got = pair.arrives_here(message)
    assert got[got.index(message[:46]):] == message
    received = email.message_from_bytes(without_trace(got) and got).get_all("Received")
    assert "with ESMTPS" in " ".join(received[0].split())


def test_comes_in_chunks_and_in_advance(pair):
    """BDAT, and commands that do not wait for replies, from who can send them."""
    if not pair.other.chunking:
        pytest.skip("it sends no BDAT, or does not say so")
    for body in (BODIES["dots"], BODIES["large"]):
        message = letter(body, sender=mta.address(0), to=ANN)
        pair.hand_over(message, ANN)
        got = pair.arrives_here(message)
        assert got[got.index(message[:46]):] == message
        sent = next(line for line in pair.log_of(message, " => ") if " => " in line)
        assert re.search(pair.other.chunking, sent) and re.search(pair.other.pipelining, sent), sent


def test_several_recipients_come_together(pair):
    ben = pair.server.mailbox()
    message = letter(b"x\r\n", sender=mta.address(0), to=ANN)
    pair.hand_over(message, ANN, ben)
    pair.arrives_here(message)
    wait_for("ben's copy", lambda: [m for m in mail_of(pair.server, ben) if message[:46] in m])


def test_unknown_recipient_there_is_bounced(pair):
    stranger = f"stranger-{uuid.uuid4()}@{DOMAIN}"
    message = letter(b"x\r\n", sender=mta.address(3), to=stranger)
    pair.hand_over(message, stranger, sender=mta.address(3))
    bounce = wait_for("a bounce", lambda: [m for m in pair.other.mail(3) if stranger.encode() in m])[0]
    assert b"no such user here" in bounce


def test_comes_once_when_godwit_was_down(pair, long):
    if pair.other.slow_to_return and not long:
        pytest.skip("it does not look at a server that was down for 15 seconds: see --long")
    pair.server.stop()
    message = letter(b"x\r\n", sender=mta.address(0), to=ANN)
    pair.hand_over(message, ANN)
    pair.server.start()
    pair.server.mark()

    def came():
        pair.other.try_again()
        return pair.server.message_count() > before

    before = pair.server.message_count()
    if not pair.copies_here(message):
        wait_for("the message", came)
    assert len(wait_for("the message", lambda: pair.copies_here(message))) == 1


def test_comes_once_when_godwit_was_full(pair):
    """452 while the disk has less space than wanted; then it is taken. The free space is looked at now and
    then: a few may still be taken."""
    sent = []
    before = pair.other.log().count("452 4.3.1")

    def was_refused():
        return pair.other.log().count("452 4.3.1") > before

    def is_refused():
        sent.append(letter(b"x\r\n", sender=mta.address(0), to=ANN))
        pair.hand_over(sent[-1], ANN)
        wait_for("what becomes of it", lambda: was_refused() or pair.copies_here(sent[-1]))
        return was_refused()

    pair.server.configure('min_free = "1T";')
    pair.server.reload()
    wait_for("a refusal", is_refused)
    pair.server.configure('min_free = "1M";')
    pair.server.reload()

    def came():
        pair.other.try_again()
        return pair.copies_here(sent[-1])

    wait_for("the message", came)
    assert [len(pair.copies_here(message)) for message in sent] == [1] * len(sent)


def test_cleans_up_after_itself():
    assert not [name for name in os.listdir("/usr/sbin") if name in ("exim4", "smtpd")]
