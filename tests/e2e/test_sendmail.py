"""The classic sendmail command of programs on this machine."""

import email
import email.policy
import os
import subprocess

import pytest
from conftest import DOMAIN
from server import binary_path
from wire import count_of, mail_of, without_trace


def sendmail(server, *words, text, status=0):
    env = {**os.environ, "GODWIT_DATA": server.data}
    done = subprocess.run([server.binary, "sendmail", *words], input=text, capture_output=True,
                          env=env, timeout=60)
    assert done.returncode == status, (done.returncode, done.stderr)
    return done.stderr.decode()


def parsed(server, mailbox):
    [got] = mail_of(server, mailbox)
    return email.message_from_bytes(got.replace(b"\r\n", b"\n"), policy=email.policy.default)


def test_recipients_as_arguments(server, mailbox):
    sendmail(server, "-f", "cron@example.test", mailbox, text=b"Subject: cron\n\nline\n.hidden\n")
    got = parsed(server, mailbox)
    assert got["Subject"] == "cron" and got["Return-Path"] == "<cron@example.test>"
    assert got["Date"] and got["Message-ID"] and got["From"]
    assert got.get_content() == "line\n.hidden\n"


def test_recipients_from_the_header(server, mailbox):
    hidden = server.mailbox()
    sendmail(server, "-t", "-i", text=f"From: a@{DOMAIN}\nTo: {mailbox}\nBcc: {hidden}\n"
             "Subject: x\n\none\n.\ntwo\n".encode())
    got = parsed(server, mailbox)
    assert got["Bcc"] is None and got.get_content() == "one\n.\ntwo\n"
    assert b"bcc" not in mail_of(server, hidden)[0].lower()


def test_a_dot_ends_the_message_without_i(server, mailbox):
    sendmail(server, mailbox, text=b"Subject: x\n\none\n.\ntwo\n")
    assert parsed(server, mailbox).get_content() == "one\n"


@pytest.mark.parametrize("words", [["-oi"], ["-i", "-oem", "-odb"], ["-bm", "-i"],
                                   ["-F", "Jürgen", "-i"], ["-i", "--"]], ids=" ".join)
def test_classic_options(server, mailbox, words):
    sendmail(server, *words, mailbox, text=b"Subject: x\n\none\n.\ntwo\n")
    assert parsed(server, mailbox).get_content() == "one\n.\ntwo\n"


def test_crlf_input_stays(server, mailbox):
    sendmail(server, "-i", mailbox, text=b"From: a@b.test\r\nSubject: x\r\n\r\none\r\n")
    assert without_trace(mail_of(server, mailbox)[0]).endswith(b"\r\n\r\none\r\n")


def test_called_by_the_name_sendmail(server, mailbox, tmp_path):
    link = tmp_path / "sendmail"
    link.symlink_to(os.path.abspath(binary_path()))
    done = subprocess.run([str(link), "-i", mailbox], input=b"Subject: x\n\nhello\n",
                          env={**os.environ, "GODWIT_DATA": server.data}, capture_output=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    assert count_of(server, mailbox) == 1


def test_unknown_recipient(server):
    said = sendmail(server, f"nobody@{DOMAIN}", text=b"Subject: x\n\nx\n", status=67)
    assert f"nobody@{DOMAIN}" in said


def test_malformed_recipient(server):
    sendmail(server, "a@b@c", text=b"Subject: x\n\nx\n", status=65)


def test_no_recipient(server):
    for words, text in (([], b"Subject: x\n\nx\n"), (["-t"], b"Subject: x\n\nx\n")):
        said = sendmail(server, *words, text=text, status=64)
        assert "recipient" in said


def test_one_good_and_one_bad_recipient(server, mailbox):
    """Nobody gets a message whose sender is told that it failed; the exit status tells."""
    said = sendmail(server, mailbox, f"nobody@{DOMAIN}", text=b"Subject: x\n\nx\n", status=67)
    assert f"nobody@{DOMAIN}" in said


def test_server_is_down(make_server):
    server = make_server(start=False)
    said = sendmail(server, f"x@{DOMAIN}", text=b"Subject: x\n\nx\n", status=75)
    assert server.data in said or "server" in said


def test_large_message(server, mailbox):
    body = b"0123456789abcdef\n" * 200_000
    sendmail(server, "-i", mailbox, text=b"Subject: large\n\n" + body)
    assert mail_of(server, mailbox)[0].endswith(body.replace(b"\n", b"\r\n"))
