"""Port 25 as other servers see it: dialogue, acceptance, what arrives in the mailbox."""

import email
import smtplib

import pytest
from conftest import DOMAIN
from wire import (Wire, count_of, deliver, deliver_exactly, fetch, letter, mail_of, message_id, pop3,
                  without_trace)


def test_greeting_and_extensions(server):
    with Wire(server) as wire:
        assert wire.greeting.startswith(f"220 {server.hostname} ")
        words = wire.hello()
        assert words[0].split()[0] == server.hostname
        offered = {word.split()[0] for word in words[1:]}
        assert {"PIPELINING", "SIZE", "8BITMIME", "CHUNKING", "SMTPUTF8", "ENHANCEDSTATUSCODES",
                "DSN", "LIMITS", "STARTTLS"} <= offered
        assert "AUTH" not in offered and "BINARYMIME" not in offered
        assert wire.say("AUTH PLAIN AGEAYg==")[:3] in ("502", "503", "504")
        assert wire.say("QUIT").startswith("221 2.0.0")
        assert wire.rest() == b""


def test_strangers_mail_does_not_go_first(server):
    with Wire(server) as wire:
        wire.hello()
        assert wire.say("MAIL FROM:<a@b.test> MT-PRIORITY=3").startswith("250 2.3.6 0 ")
        assert wire.say("RSET").startswith("250")
        assert wire.say("MAIL FROM:<a@b.test> MT-PRIORITY=-3").startswith("250 2.1.0 ")


@pytest.mark.parametrize("options, field, reply, counts", [
    ("", b"MT-Priority: 3", "250 2.3.6 0 ", None), ("", b"MT-Priority: -3", "250 2.0.0 ", -3),
    (" MT-PRIORITY=-2", b"MT-Priority: 3", "250 2.0.0 ", -2), ("", b"MT-Priority: high", "250 2.0.0 ", None)])
def test_strangers_mail_does_not_raise_itself(server, mailbox, options, field, reply, counts):
    """By no field either [RFC 6710 4.1, RFC 6758 3.1]; it may lower itself."""
    with Wire(server) as wire:
        wire.hello()
        assert wire.say(f"MAIL FROM:<a@b.test>{options}").startswith("250 ")
        assert wire.say(f"RCPT TO:<{mailbox}>").startswith("250 ")
        wire.say("DATA")
        said = wire.say(field.decode() + "\r\n" + letter().decode() + ".")
        assert said.startswith(reply) and "accepted, id=" in said, said
    trace = server.command("trace", message_id(said)).stdout
    assert ("priority" in trace) == (counts is not None) and (counts is None or f"priority {counts}" in trace)
    assert field + b"\r\n" in mail_of(server, mailbox)[-1]


def test_helo_has_no_extensions(server):
    with Wire(server) as wire:
        assert "\n" not in wire.say("HELO client.test")


def test_delivery_is_byte_exact(server, mailbox):
    sent = letter("exact", ["", ".", "..", ".dot", "", "Grüße", "tail "])
    deliver(server, mailbox, sent, options=["BODY=8BITMIME"])
    [got] = mail_of(server, mailbox)
    assert without_trace(got) == sent
    fields = email.message_from_bytes(got)
    assert fields["Return-Path"] == "<carol@stranger.test>"
    assert fields["Delivered-To"] == mailbox


def test_received_field_and_log_name_the_id(server, mailbox):
    name = message_id(deliver(server, mailbox))
    [got] = mail_of(server, mailbox)
    received = email.message_from_bytes(got)["Received"]
    assert f"id {name}" in received and "with ESMTP" in received
    assert "mail.stranger.test" in received and "127.0.0.1" in received
    assert f"id={name}" in server.new_log()


@pytest.mark.parametrize("message", [
    b"",
    b"\r\n",
    b"\r\nno header\r\n",
    b"Subject: only a header\r\n",
    b"not a field at all\r\n",
    b"Subject: long\r\n\r\n" + b"x" * 5000 + b"\r\n",
    b"Subject: eight\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
    b"Subject: nul\r\n\r\na\0b\r\n",
    b"Subject: dots\r\n\r\n" + b".\r\n" * 500,
    b"Subject: large\r\n\r\n" + b"0123456789abcdef.\r\n" * 40000,
], ids=["empty", "blank", "no header", "no body", "no field", "long line", "8 bit", "NUL", "dots",
        "large"])
def test_any_content_comes_back(server, mailbox, message):
    deliver_exactly(server, mailbox, message)
    with Wire(server, "pop3s", tls=True) as wire:
        wire.pop3_login(mailbox)
        size = int(wire.say("LIST 1").split()[2])
        got = wire.retrieve(1)
    assert len(got) == size
    assert without_trace(got) == message


def test_several_recipients_get_a_copy_each(server):
    names = [server.mailbox() for _ in range(3)]
    deliver(server, names)
    for name in names:
        [got] = mail_of(server, name)
        assert email.message_from_bytes(got)["Delivered-To"] == name
        for other in names:
            assert other == name or other.encode() not in got


def test_a_recipient_named_twice_gets_one_copy(server, mailbox):
    local = mailbox.split("@")[0]
    deliver(server, [mailbox, mailbox, f"{local.upper()}@{DOMAIN.upper()}", f"{local}+x@{DOMAIN}"])
    assert count_of(server, mailbox) == 1


def test_null_sender(server, mailbox):
    deliver(server, mailbox, sender="<>")
    assert email.message_from_bytes(mail_of(server, mailbox)[0])["Return-Path"] == "<>"


def test_postmaster_is_always_accepted(server):
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<>")
        assert wire.say("RCPT TO:<postmaster>").startswith("250 2.1.5")
        assert wire.say(f"RCPT TO:<PostMaster@{DOMAIN}>").startswith("250 2.1.5")
        assert wire.say("RCPT TO:<Postmaster@[127.0.0.1]>").startswith("250 2.1.5")
        assert wire.say("RCPT TO:<postmaster@[127.0.0.2]>").startswith("550 5.7.1")
        assert wire.say("RCPT TO:<other@[127.0.0.1]>").startswith("550 5.1.1")


def test_postmaster_of_a_server_where_nobody_takes_mail(make_server):
    """Full or disabled, the first account gets it; only without any is it put off."""
    server = make_server()
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<>")
        assert wire.say(f"RCPT TO:<postmaster@{DOMAIN}>").startswith("451 4.3.5 ")
    assert "event=recipient-refused" in server.new_log() and "godwit account add" in server.new_log()
    ann = server.mailbox()
    server.command("account", "quota", ann, "--bytes", "1M")
    sent = letter("postmaster", ["x" * 70] * 20000)
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<>")
        assert wire.say(f"RCPT TO:<{ann}>").startswith("250 ")
        wire.say("DATA")
        assert wire.say(sent.decode() + ".").startswith("552 5.2.3 ")
    for address in "postmaster", f"postmaster@{DOMAIN}":
        deliver(server, address, sent)
    server.command("account", "disable", ann)
    deliver(server, "postmaster@[127.0.0.1]", sent)
    server.command("account", "enable", ann)
    got = [without_trace(each) for each in mail_of(server, ann)]
    assert got.count(sent) == 3  # and perhaps the warning that it is nearly full


def test_subaddress(server, mailbox):
    local = mailbox.split("@")[0]
    deliver(server, f"{local}+lists@{DOMAIN}")
    assert count_of(server, mailbox) == 1


def test_alias_and_catch_all(server, mailbox):
    other = server.mailbox()
    server.command("alias", "add", f"team.{mailbox}", mailbox)
    server.command("alias", "add", f"team.{mailbox}", other)
    deliver(server, f"team.{mailbox}")
    assert count_of(server, mailbox) == count_of(server, other) == 1

    domain = f"all{mailbox.split('@')[0]}.test"
    server.command("domain", "add", domain)
    server.command("alias", "add", f"@{domain}", mailbox)
    deliver(server, f"whoever@{domain}")
    assert count_of(server, mailbox) == 2


def test_unknown_disabled_and_send_only_recipients(server):
    disabled = server.mailbox()
    server.command("account", "disable", disabled)
    sender = server.mailbox("--send-only")
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        assert wire.say(f"RCPT TO:<nobody@{DOMAIN}>").startswith("550 5.1.1")
        assert wire.say(f"RCPT TO:<{disabled}>").startswith("550 5.2.1")
        assert wire.say(f"RCPT TO:<{sender}>").startswith("550 5.")
        assert wire.say("DATA").startswith("554 5.5.1")


def test_one_pipelined_write(server, mailbox):
    with Wire(server) as wire:
        wire.send(f"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@{DOMAIN}>\r\n"
                  f"RCPT TO:<{mailbox}>\r\nDATA\r\n")
        codes = [wire.reply()[:3] for _ in range(5)]
        assert codes == ["250", "250", "550", "250", "354"]
        wire.send("Subject: x\r\n\r\nhi\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n")
        assert [wire.reply()[:3] for _ in range(4)] == ["250", "250", "250", "221"]
    assert count_of(server, mailbox) == 1


def test_pipelined_answers_leave_together(server, mailbox):
    """Each recipient is asked for at the store; the replies wait for each other all the same."""
    with Wire(server) as wire:
        wire.hello()
        wire.send("MAIL FROM:<a@b.test>\r\n" + f"RCPT TO:<{mailbox}>\r\n" * 50 + "DATA\r\n")
        first = wire.receive()
        assert first.count(b"\r\n") == 52 and first.endswith(b"\r\n"), first[-200:]
        wire.send("Subject: x\r\n\r\nhi\r\n.\r\n")
        assert [line[:3] for line in first.split(b"\r\n")][-2] == b"354"
        assert wire.reply().startswith("250")
    assert count_of(server, mailbox) == 1


def test_chunking(server, mailbox):
    message = letter("chunks", ["one", ".", "two"])
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        cuts = [0, 1, 7, 8, len(message)]
        for begin, end in zip(cuts, cuts[1:]):
            wire.send(f"BDAT {end - begin}\r\n".encode() + message[begin:end])
            assert wire.reply().startswith("250 2.")
        assert wire.say("BDAT 0 LAST").startswith("250 2.")
    assert without_trace(mail_of(server, mailbox)[0]) == message


def test_chunk_without_a_last_line_end_gets_one(server, mailbox):
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        wire.send(b"BDAT 15 LAST\r\nSubject: x\r\n\r\na")
        assert wire.reply().startswith("250 2.")
    assert without_trace(mail_of(server, mailbox)[0]) == b"Subject: x\r\n\r\na\r\n"


def test_a_message_too_large_by_its_own_word(server, mailbox):
    with Wire(server) as wire:
        size = next(int(word.split()[1]) for word in wire.hello() if word.startswith("SIZE"))
        assert wire.say(f"MAIL FROM:<a@b.test> SIZE={size + 1}").startswith("552 5.3.4")
        assert wire.say(f"MAIL FROM:<a@b.test> SIZE={size}").startswith("250 ")


def test_other_commands(server, mailbox):
    with Wire(server) as wire:
        wire.hello()
        assert wire.say(f"VRFY {mailbox}").startswith("252")
        assert wire.say("HELP")[:3] in ("214", "211")
        assert wire.say("NOOP whatever").startswith("250")
        assert wire.say("RSET").startswith("250")
        assert wire.say("RCPT TO:<a@b.test>").startswith("503 5.5.1")
        assert wire.say("MAIL FROM:<a@b.test>").startswith("250")
        assert wire.say("MAIL FROM:<a@b.test>").startswith("503 5.5.1")
        assert wire.say("RSET").startswith("250")
        assert wire.say("DATA").startswith("503 5.5.1")
        assert wire.say("EXPN list")[:3] in ("500", "502")
        assert wire.say("XYZZY")[:3] in ("500", "502")


def test_dsn_parameters(server, mailbox):
    with Wire(server) as wire:
        wire.hello()
        assert wire.say("MAIL FROM:<a@b.test> RET=HDRS ENVID=QQ+2B314").startswith("250")
        assert wire.say(f"RCPT TO:<{mailbox}> NOTIFY=SUCCESS,FAILURE "
                        "ORCPT=rfc822;x@y.test").startswith("250")
        assert wire.say(f"RCPT TO:<{mailbox}> NOTIFY=NEVER,DELAY")[:3] == "501"


def test_international_addresses(server, mailbox):
    message = letter("intl", sender="jürgen@bücher.test")
    with Wire(server) as wire:
        wire.hello()
        assert wire.say("MAIL FROM:<jürgen@bücher.test>")[:1] == "5"
        assert wire.say("MAIL FROM:<jürgen@bücher.test> SMTPUTF8").startswith("250")
        assert wire.say(f"RCPT TO:<{mailbox}>").startswith("250")
        wire.say("DATA")
        wire.send(message + b".\r\n")
        assert wire.reply().startswith("250")
    got = mail_of(server, mailbox)[0]
    assert without_trace(got) == message
    assert "Return-Path: <jürgen@bücher.test>".encode() in got
    assert b"with UTF8SMTP" in got


def test_a_loop_is_broken(server, mailbox):
    with pytest.raises(smtplib.SMTPDataError) as refused:
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
            client.sendmail("a@b.test", mailbox,
                            b"Received: from x by y; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 101
                            + letter())
    assert refused.value.smtp_code == 554 and b"5.4.6" in refused.value.smtp_error
    assert count_of(server, mailbox) == 0


def test_many_messages_on_one_connection(server, mailbox):
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
        for number in range(50):
            client.sendmail("a@b.test", mailbox, letter(f"number {number}"))
    client = pop3(server, mailbox)
    assert client.stat()[0] == 50
    subjects = [email.message_from_bytes(fetch(client, n + 1))["Subject"] for n in range(50)]
    assert subjects == [f"number {n}" for n in range(50)]
    client.quit()


def test_mailbox_message_count(server, mailbox):
    before = server.message_count()
    deliver(server, mailbox)
    assert server.message_count() == before + 1
