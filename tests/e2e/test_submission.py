"""Ports 587 and 465: who may send, and that nobody else learns a thing."""

import base64
import poplib
import smtplib
import ssl

import pytest
from conftest import DOMAIN, PASSWORD
from wire import Wire, count_of, deliver, letter, mail_of, submit, without_trace


def secret(user, password, authzid=""):
    return base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()


def test_submission_needs_a_login(server, mailbox):
    with Wire(server, "submission") as wire:
        wire.hello()
        assert wire.say("MAIL FROM:<a@b.test>").startswith("530 5.7.0")
        assert wire.say(f"RCPT TO:<{mailbox}>")[:3] in ("503", "530")


def test_starttls_login_and_delivery(server, mailbox):
    sender = server.mailbox()
    message = letter("over TLS", sender=sender)
    submit(server, sender, mailbox, message)
    [got] = mail_of(server, mailbox)
    assert without_trace(got) == message
    assert b"with ESMTPSA" in got


def test_implicit_tls(server, mailbox):
    with smtplib.SMTP_SSL("localhost", server.ports["smtps"], context=server.trust()) as client:
        client.login(mailbox, PASSWORD)
        client.sendmail(mailbox, mailbox, letter())
    assert count_of(server, mailbox) == 1


def test_nobody_but_the_postmaster_is_at_an_address_of_this_server(server, mailbox):
    """What could only come back is refused at once."""
    local = mailbox.split("@")[0]
    with Wire(server, "submission") as wire:
        wire.hello()
        wire.login(mailbox)
        assert wire.say(f"MAIL FROM:<{mailbox}>").startswith("250")
        for nobody in ("bob", local, '"no body"', "postmaster+x"):
            for literal in ("127.0.0.1", "IPv6:::ffff:127.0.0.1"):
                assert wire.say(f"RCPT TO:<{nobody}@[{literal}]>").startswith("550 5.1.1 ")
        assert wire.say("RCPT TO:<postmaster@[127.0.0.1]>").startswith("250 ")
        assert wire.say("RCPT TO:<bob@[192.0.2.1]>").startswith("250 ")
    assert "event=recipient-refused" in server.new_log()


@pytest.mark.parametrize("mechanism", ["PLAIN", "PLAIN in two", "LOGIN", "LOGIN with name"])
def test_mechanisms(server, mailbox, mechanism):
    def code(text):
        return base64.b64encode(text.encode()).decode()

    with Wire(server, "smtps", tls=True) as wire:
        words = wire.hello()
        assert any(word.split()[0] == "AUTH" and {"PLAIN", "LOGIN"} <= set(word.split())
                   for word in words)
        if mechanism == "PLAIN":
            reply = wire.say(f"AUTH PLAIN {secret(mailbox, PASSWORD)}")
        elif mechanism == "PLAIN in two":
            assert wire.say("AUTH PLAIN").startswith("334")
            reply = wire.say(secret(mailbox, PASSWORD))
        else:
            first = wire.say("AUTH LOGIN" + ("" if mechanism == "LOGIN" else f" {code(mailbox)}"))
            assert first.startswith("334")
            if mechanism == "LOGIN":
                assert wire.say(code(mailbox)).startswith("334")
            reply = wire.say(code(PASSWORD))
        assert reply.startswith("235 2.7.0")
        assert wire.say(f"AUTH PLAIN {secret(mailbox, PASSWORD)}").startswith("503")
        assert wire.say(f"MAIL FROM:<{mailbox}>").startswith("250")


def test_wrong_password_and_unknown_user_look_alike(make_server):
    server = make_server(accounts=["alice"])
    replies = []
    for user, password in ((f"alice@{DOMAIN}", "wrong"), (f"nobody@{DOMAIN}", PASSWORD),
                           ("alice", "wrong"), (f"alice@{DOMAIN}", ""), ("", PASSWORD)):
        with Wire(server, "smtps", tls=True) as wire:
            wire.hello()
            replies.append(wire.say(f"AUTH PLAIN {secret(user, password)}"))
    assert len(set(replies[:3])) == 1 and replies[0].startswith("535 5.7.8")
    assert all(reply[:1] == "5" for reply in replies)


def test_login_as_somebody_else_is_refused(server, mailbox):
    other = server.mailbox()
    with Wire(server, "smtps", tls=True) as wire:
        wire.hello()
        assert wire.say(f"AUTH PLAIN {secret(mailbox, PASSWORD, other)}")[:3] == "535"


def test_malformed_and_cancelled_logins(server, mailbox):
    with Wire(server, "smtps", tls=True) as wire:
        wire.hello()
        assert wire.say("AUTH PLAIN ====")[:3] == "501"
        assert wire.say("AUTH PLAIN")[:3] == "334"
        assert wire.say("*")[:3] == "501"
        assert wire.say("AUTH NONSENSE")[:3] == "504"
        assert wire.say("AUTH")[:3] == "501"
        wire.login(mailbox)


def test_disabled_account_cannot_log_in(server, mailbox):
    server.command("account", "disable", mailbox)
    with Wire(server, "smtps", tls=True) as wire:
        wire.hello()
        assert wire.say(f"AUTH PLAIN {secret(mailbox, PASSWORD)}")[:3] in ("535", "525")
    server.command("account", "enable", mailbox)
    with Wire(server, "smtps", tls=True) as wire:
        wire.hello()
        wire.login(mailbox)


def test_send_only_account_may_send(server, mailbox):
    sender = server.mailbox("--send-only")
    submit(server, sender, mailbox)
    assert count_of(server, mailbox) == 1


def test_an_account_becomes_send_only_and_back(server, mailbox):
    other = server.mailbox()
    server.command("account", "send-only", mailbox, "on")
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        assert wire.say(f"RCPT TO:<{mailbox}>").startswith("550 5.2.1")
    with pytest.raises(poplib.error_proto, match="only sends"):
        count_of(server, mailbox)
    submit(server, mailbox, other)
    server.command("account", "send-only", mailbox, "off")
    deliver(server, mailbox)
    assert (count_of(server, mailbox), count_of(server, other)) == (1, 1)


# What ends the logins of an account: words behind "account", and what they read.
ENDS = {
    "disabled": ("disable", "{}", ""),
    "another password": ("passwd", "{} --password-stdin", "another one\n"),
    "removed": ("remove", "{}", ""),
    "only sends": ("send-only", "{} on", ""),
}


def end_logins(server, how, address):
    verb, rest, stdin = ENDS[how]
    server.command("account", verb, *rest.format(address).split(), stdin=stdin)


def assert_over(wire):
    """The server says so by itself, and hangs up."""
    assert wire.reply() == "421 4.7.0 This login has ended, log in again"
    assert wire.rest() == b""


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("recipient", ["here", "elsewhere"])
def test_open_submission_ends_with_its_login(server, mailbox, how, recipient):
    sender = server.mailbox()
    with Wire(server, "submission") as idle, Wire(server, "submission") as wire, Wire(server, "submission") as other:
        for client, user in ((idle, sender), (wire, sender), (other, mailbox)):
            client.hello()
            client.login(user)
        wire.say(f"MAIL FROM:<{sender}>")
        assert wire.say(f"RCPT TO:<{mailbox if recipient == 'here' else 'x@elsewhere.test'}>")[:3] == "250"
        assert wire.say("DATA")[:3] == "354"
        end_logins(server, how, sender)
        assert_over(idle)
        wire.send(letter() + b".\r\n")  # what is under way is read, but not taken
        assert wire.reply() == "451 4.7.0 This login has ended, log in again and send the message again"
        assert_over(wire)
        assert other.say(f"MAIL FROM:<{mailbox}>")[:3] == "250"
    assert count_of(server, mailbox) == 0
    assert server.json("queue", "list") == []


def test_login_that_is_checked_while_the_account_is_disabled(server, mailbox):
    """The password waits behind others; whatever comes first, the login does not last."""
    others = [Wire(server, "submission") for _ in range(30)]
    try:
        for other in others:
            other.hello()
            other.send(f"AUTH PLAIN {secret(f'nobody@{DOMAIN}', 'x')}\r\n")
        with Wire(server, "submission") as wire:
            wire.hello()
            wire.send(f"AUTH PLAIN {secret(mailbox, PASSWORD)}\r\n")
            server.command("account", "disable", mailbox)
            if (reply := wire.reply()).startswith("235"):
                assert_over(wire)
            else:
                assert reply.startswith("535 5.7.13"), reply
    finally:
        for other in others:
            other.socket.close()


def test_plaintext_login_can_be_forbidden(make_server):
    server = make_server('plaintext_auth = "never";', ["alice"])
    with Wire(server, "submission") as wire:
        assert not any(word.startswith("AUTH") for word in wire.hello())
        reply = wire.say(f"AUTH PLAIN {secret(f'alice@{DOMAIN}', PASSWORD)}")
        assert reply[:3] in ("538", "530", "503", "504", "502") and "TLS" in reply
    with Wire(server, "pop3") as wire:
        assert wire.say(f"USER alice@{DOMAIN}").startswith("-ERR")
    submit(server, f"alice@{DOMAIN}", f"alice@{DOMAIN}")
    assert count_of(server, f"alice@{DOMAIN}") == 1


def test_plaintext_login_on_loopback_by_default(server, mailbox):
    with Wire(server, "submission") as wire:
        wire.hello()
        wire.login(mailbox)


def test_new_password_counts_at_once(server, mailbox):
    submit(server, mailbox, mailbox)
    server.command("account", "passwd", mailbox, "--password-stdin", stdin="another one\n")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        submit(server, mailbox, mailbox)
    submit(server, mailbox, mailbox, password="another one")


@pytest.mark.parametrize("port", ["smtp", "submission"])
def test_what_is_sent_before_tls_is_dropped(server, mailbox, port):
    """STARTTLS injection: a command smuggled in front of the handshake must not be executed."""
    with Wire(server, port) as wire:
        wire.hello()
        wire.send("STARTTLS\r\nMAIL FROM:<evil@b.test>\r\nRSET\r\n")
        assert wire.reply().startswith("220")
        wire.start_tls()
        wire.send("NOOP\r\n")
        assert wire.reply().startswith("250")
        # the session begins anew: no EHLO, no transaction
        assert wire.say(f"RCPT TO:<{mailbox}>")[:3] in ("503", "530")
        assert not any(word.startswith("STARTTLS") for word in wire.hello())
        assert wire.say("STARTTLS")[:3] in ("503", "502", "554")


def test_tls_may_be_left_out_on_port_25_only_before_login(server):
    client = smtplib.SMTP("localhost", server.ports["smtp"])
    client.starttls(context=server.trust())
    client.ehlo()
    assert not client.has_extn("auth")
    client.quit()


def test_certificate_is_for_this_host(server):
    context = server.trust()
    with smtplib.SMTP("127.0.0.1", server.ports["submission"]) as client:
        client._host = server.hostname
        client.starttls(context=context)
    with smtplib.SMTP("127.0.0.1", server.ports["submission"]) as client:
        client._host = "mail.other.test"
        with pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(context=context)
