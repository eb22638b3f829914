#!/usr/bin/python3
"""Are our reports what Python's email package takes for multipart/report [RFC 6522, 3464, 6533]?

usage: dsn_read.py PRINTER     PRINTER is the program made of dsn_print.c; its reports are read
                               strictly. Exit 0, or an assertion that names the report.
"""

import email
import email.policy
import email.utils
import subprocess
import sys

ORIGINAL = (b"From: Alice <alice@a.test>\r\nTo: bob@b.test\r\nSubject: the plan\r\n"
            b"Message-ID: <1@a.test>\r\n")


MIXED = """\
This is the mail server mail.a.test. The message that it took from you on
Monday 23 November 2026 at 20:00 UTC could not be delivered to:

e@b.test
    According to the mail server of b.test there is no mailbox e@b.test. It
    could not be sent for 3 seconds and has been given up. Please check the
    spelling of the address, or ask the recipient for the right one.
    The server mx.b.test answered:
    > 550 5.1.1 No such user here

The message that it took from you on Monday 23 November 2026 at 20:00 UTC
has not been delivered yet to:

d@b.test
    According to the mail server of b.test there is no mailbox d@b.test. It
    will be tried again. You need not send it again.
    The answer was:
    > 550 5.1.1 No such user here

The message that it took from you on Monday 23 November 2026 at 20:00 UTC
was delivered to:

c@b.test

The message that it took from you on Monday 23 November 2026 at 20:00 UTC
was passed on to a server that will not report its delivery, for:

b@b.test

The message that it took from you on Monday 23 November 2026 at 20:00 UTC
was sent on to all addresses behind:

a@b.test

The header of your message is attached, its content is not. Its Message-ID
is 1@a.test.
"""


def samples(printer):
    """{name: (bytes, eightbit, utf8)}"""
    output = subprocess.run([printer], check=True, stdout=subprocess.PIPE).stdout
    found = {}
    while output:
        line, _, output = output.partition(b"\n")
        name, size, eightbit, utf8 = line.split()
        found[name.decode()] = (output[:int(size)], eightbit == b"1", utf8 == b"1")
        output = output[int(size):]
    return found


def raw_parts(raw, message):
    """The three parts' bytes, cut at the boundary without any parser."""
    boundary = b"\r\n--" + message.get_boundary().encode()
    body = raw[raw.index(b"\r\n\r\n") + 2:]
    pieces = body.split(boundary)
    assert len(pieces) == 5 and pieces[0] == b"" and pieces[4] == b"--\r\n", len(pieces)
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces[1:4]]


def fields(block):
    """One block of delivery-status as {name: value}; each name once."""
    unfolded = block.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").decode()
    pairs = [line.split(": ", 1) for line in unfolded.split("\r\n") if line]
    assert all(len(pair) == 2 and pair[0].replace("-", "").isalpha() for pair in pairs), pairs
    found = dict(pairs)
    assert len(found) == len(pairs), pairs
    return found


class Report:
    """One report, and what holds for all of them."""

    def __init__(self, name, raw, eightbit, utf8):
        policy = email.policy.SMTPUTF8 if utf8 else email.policy.SMTP
        self.name, self.raw = name, raw
        self.message = email.message_from_bytes(raw, policy=policy)
        message = self.message
        assert not message.defects, message.defects
        assert message.get_content_type() == "multipart/report"
        assert message.get_param("report-type") == "delivery-status"
        assert message["Auto-Submitted"] == "auto-replied"
        assert message["MIME-Version"] == "1.0"
        assert message["Message-ID"] == "<report1@mail.a.test>"
        sender = message["From"].addresses[0]
        assert sender.addr_spec == "postmaster@mail.a.test"
        assert sender.display_name == "Mail delivery at mail.a.test"
        assert len(message["To"].addresses) == 1
        assert utf8 or not message["To"].defects  # a local part beyond ASCII is one to it
        assert not message["From"].defects
        assert message["Subject"].startswith("Your message ")
        email.utils.parsedate_to_datetime(message["Date"])
        self.parts = message.get_payload()
        assert len(self.parts) == 3
        for part in message.walk():
            assert not part.defects, part.defects
        assert self.parts[0].get_content_type() == "text/plain"
        self.text = self.parts[0].get_content().replace("\r\n", "\n")
        assert eightbit == any(octet > 127 for octet in raw[raw.index(b"\r\n\r\n"):])
        assert eightbit == (message["Content-Transfer-Encoding"] == "8bit")
        bodies = raw_parts(raw, message)
        self.original = bodies[2]
        blocks = bodies[1].split(b"\r\n\r\n")
        self.per_message = fields(blocks[0])
        self.recipients = [fields(block) for block in blocks[1:]]
        assert self.per_message["Reporting-MTA"] == "dns; mail.a.test"
        assert self.recipients
        for one in self.recipients:
            assert {"Final-Recipient", "Action", "Status"} <= set(one)
            replied = one.get("Diagnostic-Code", "").startswith("smtp; ")
            assert replied or "Remote-MTA" not in one, one  # it reported nothing [RFC 3464 2.3.5]

    def kinds(self):
        return [part.get_content_type() for part in self.parts[1:]]

    def says(self, *sentences):
        words = " ".join(self.text.split())
        for sentence in sentences:
            assert sentence in words, (self.name, sentence, words)


def check_failed(report):
    assert report.message["To"].addresses[0].addr_spec == "alice@a.test"
    assert report.message["Subject"] == "Your message could not be delivered"
    assert report.message["In-Reply-To"] == report.message["References"] == "<1@a.test>"
    assert report.kinds() == ["message/delivery-status", "text/rfc822-headers"]
    assert report.per_message == {
        "Original-Envelope-Id": "QQ314159", "Reporting-MTA": "dns; mail.a.test",
        "Arrival-Date": "Mon, 23 Nov 2026 20:00:00 +0000"}
    assert report.recipients == [{
        "Original-Recipient": "rfc822;bob+plan@b.test", "Final-Recipient": "rfc822; bob@b.test",
        "Action": "failed", "Status": "5.1.1", "Remote-MTA": "dns; mx.b.test",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user here",
        "Last-Attempt-Date": "Mon, 23 Nov 2026 20:00:02 +0000"}]
    assert report.original == ORIGINAL
    # The email package has a reader of its own for delivery-status.
    blocks = report.parts[1].get_payload()
    assert [block["Status"] for block in blocks] == [None, "5.1.1"], blocks
    report.says("could not be delivered to: bob@b.test",
                "there is no mailbox bob@b.test.", "Please check the spelling of the address",
                "The server mx.b.test answered: > 550 5.1.1 No such user here",
                "The header of your message is attached", "Its Message-ID is 1@a.test.")


def check_full(report):
    assert report.kinds()[1] == "message/rfc822"
    assert report.original == ORIGINAL + b"\r\nthe text\r\n"
    assert report.parts[2].get_payload(0)["Subject"] == "the plan"
    report.says("Your message is attached.")


def check_incomplete(report):
    assert report.kinds()[1] == "text/rfc822-headers" and report.original == ORIGINAL


def check_bare(report):
    assert report.per_message.keys() == {"Reporting-MTA", "Arrival-Date"}
    assert report.recipients == [{"Final-Recipient": "rfc822; bob@b.test", "Action": "failed",
                                  "Status": "5.0.0"}]
    assert report.message["References"] is None
    assert "answer" not in report.text
    report.says("The domain b.test does not exist.",
                "Please check the spelling of the address behind the @ sign.")


def check_delayed(report):
    assert report.message["Subject"] == "Your message has not been delivered yet"
    one = report.recipients[0]
    assert (one["Action"], one["Status"]) == ("delayed", "4.4.1")
    assert one["Will-Retry-Until"] == "Sat, 28 Nov 2026 20:00:00 +0000"
    assert one["Diagnostic-Code"] == "x-godwit; connection refused"
    assert report.kinds()[1] == "text/rfc822-headers", "only what failed is returned whole"
    assert "answered" not in report.text
    report.says("has not been delivered yet to: bob@b.test",
                "The mail server of b.test could not be reached.", "You need not send it again.",
                "it will be returned to you on Saturday 28 November 2026 at 20:00 UTC.")


def check_expired(report):
    one = report.recipients[0]
    assert (one["Action"], one["Status"]) == ("failed", "4.4.7")
    assert "Will-Retry-Until" not in one
    assert report.kinds()[1] == "message/rfc822"
    report.says("could not be delivered to: bob@b.test", "could not be reached.",
                "It was tried for 5 days, the last time on Saturday 28 November 2026 at 19:51 UTC, "
                "and has been given up.", "Please send the message again later")


def check_mixed(report):
    assert [(one["Final-Recipient"], one["Action"], one["Status"])
            for one in report.recipients] == [
                ("rfc822; a@b.test", "expanded", "2.0.0"), ("rfc822; b@b.test", "relayed", "2.0.0"),
                ("rfc822; c@b.test", "delivered", "2.0.0"),
                ("rfc822; d@b.test", "delayed", "4.0.0"),
                ("rfc822; e@b.test", "failed", "4.4.7")]
    assert report.message["Subject"] == "Your message could not be delivered"
    assert ["Original-Recipient" in one for one in report.recipients] == [False] * 4 + [True]
    assert [one.get("Remote-MTA") for one in report.recipients] == [
        "dns; mx.b.test", "dns; [192.0.2.7]", "dns; [IPv6:2001:db8::7]", None, "dns; mx.b.test"]
    assert report.text == MIXED, report.text


def check_routed(report):
    through = "server smart.test through which mail for b.test is sent"
    report.says(f"a@b.test The {through} could not be reached. It will be tried again.",
                f"b@b.test The {through} has no address. Please show this report to the administrator of "
                "your mail server.",
                f"c@b.test The rules of the {through} forbid the message.",
                "d@b.test The mail server of b.test could not be reached. It will be tried again.")


def check_international(report):
    assert report.kinds() == ["message/global-delivery-status", "message/global-headers"]
    one = report.recipients[0]
    assert one["Final-Recipient"] == "utf-8; 用户@b.test"
    assert one["Original-Recipient"] == "utf-8;用户@b.test"
    assert one["Status"] == "5.6.7"
    assert one["Diagnostic-Code"] == "x-godwit; SMTPUTF8 not offered: 用"
    assert report.original.decode() == "Subject: 用\r\n"
    report.says("用户@b.test", "cannot take international characters")


def check_international_long(report):
    assert report.recipients[0]["Final-Recipient"] == "utf-8; " + "用" * 21 + "@" + "例" * 16 + ".test"


def check_international_sender(report):
    assert "\r\nTo: älice@a.test\r\n".encode() in report.raw  # more than the package reads
    assert report.kinds() == ["message/delivery-status", "message/global"]
    assert report.original.decode() == "Subject: 用\r\n\r\ntext\r\n"


def check_quoted_sender(report):
    assert report.message["To"].addresses[0].username == 'a b,"c'
    assert report.message["To"].addresses[0].domain == "a.test"


def check_eightbit(report):
    assert report.kinds() == ["message/delivery-status", "message/rfc822"]
    assert report.original == ORIGINAL + b"\r\ncaf\xe9\r\n"


def check_hostile(report):
    assert len(report.recipients) == 1 and report.recipients[0]["Action"] == "failed"
    assert report.message.get_all("Subject") == ["Your message could not be delivered"]
    words = report.recipients[0]["Diagnostic-Code"]
    assert words.startswith("smtp; 550 5.1.1 x --=_godwit_= Subject: evil ?[2J???"), words
    assert words.endswith("...") and len(words) < 1000
    assert "Original-Recipient" not in report.recipients[0]
    assert not any(ord(c) < 32 and c != "\n" or c == "\u202e" for c in report.text)
    assert len(report.text) < 8000


def check_many_words(report):
    assert report.recipients[0]["Diagnostic-Code"].endswith(" words of the server")
    quoted = [line for line in report.text.split("\n") if "words of" in line]
    assert len(quoted) > 5 and all(line.startswith("    > ") for line in quoted)
    assert all(len(line) <= 76 for line in report.text.split("\n"))
    report.says("The rules of the mail server of b.test forbid the message.")


def check_long_header(report):
    assert 31 * 1024 < len(report.original) <= 32 * 1024
    assert report.original.startswith(ORIGINAL) and report.original.endswith(b"789\r\n")


def check_no_original(report):
    assert report.original == b"\r\n"


def check_thousand(report):
    assert len(report.recipients) == 1000


def main(printer):
    found = samples(printer)
    checks = {name[len("check_"):]: check for name, check in globals().items()
              if name.startswith("check_")}
    assert found.keys() == checks.keys(), found.keys() ^ checks.keys()
    for name, check in checks.items():
        try:
            report = Report(name, *found[name])
            check(report)
        except AssertionError as error:
            raise AssertionError(name) from error
        assert found[name][2] == (name == "international_sender"), name
    print(f"{len(checks)} reports read")


if __name__ == "__main__":
    main(sys.argv[1])
