"""Round trips with the programs that people use."""

import email
import email.policy
import os
import subprocess

import pytest
from conftest import PASSWORD
from wire import TIMEOUT, deliver, letter, mail_of, without_trace


def run(*command, stdin=b"", status=0, env=None):
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=TIMEOUT,
                          env={**os.environ, **(env or {})})
    assert done.returncode == status, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout


def curl(server, *more, user=None, stdin=b"", status=0):
    login = ["--user", f"{user}:{PASSWORD}"] if user else []
    return run("curl", "-sS", "--cacert", server.certificate, *login, *more, stdin=stdin,
               status=status)


@pytest.mark.parametrize("port, scheme, tls", [
    ("submission", "smtp", ["--ssl-reqd"]), ("smtps", "smtps", []), ("smtp", "smtp", [])])
def test_curl_sends(server, mailbox, port, scheme, tls):
    sent = letter("by curl", [".", "hello"], sender=mailbox)
    curl(server, *tls, f"{scheme}://localhost:{server.ports[port]}/client.test", "--mail-from",
         mailbox, "--mail-rcpt", mailbox, "--upload-file", "-", stdin=sent,
         user=mailbox if port != "smtp" else None)
    [got] = mail_of(server, mailbox)
    assert without_trace(got) == sent


@pytest.mark.parametrize("port, scheme, tls", [
    ("pop3", "pop3", ["--ssl-reqd"]), ("pop3s", "pop3s", []), ("pop3", "pop3", [])])
def test_curl_reads(server, mailbox, port, scheme, tls):
    sent = letter("for curl", [".", "..x", "", "hello"])
    deliver(server, mailbox, sent)
    url = f"{scheme}://localhost:{server.ports[port]}/"
    listing = curl(server, *tls, url, user=mailbox).split()
    got = curl(server, *tls, url + "1", user=mailbox)
    assert listing == [b"1", b"%d" % len(got)]
    assert without_trace(got) == sent
    curl(server, *tls, url + "1", "-X", "DELE", "--list-only", user=mailbox)
    assert curl(server, *tls, url, user=mailbox).strip() == b""


def test_curl_with_wrong_password(server, mailbox):
    run("curl", "-sS", "--cacert", server.certificate, "--user", f"{mailbox}:wrong",
        f"pop3s://localhost:{server.ports['pop3s']}/", status=67)


@pytest.mark.parametrize("port, options", [
    ("smtp", []),
    ("smtp", ["--tls"]),
    ("smtp", ["--pipeline"]),
    ("submission", ["--tls", "--auth", "PLAIN"]),
    ("submission", ["--tls", "--auth", "LOGIN"]),
    ("smtps", ["--tls-on-connect", "--auth", "PLAIN"]),
], ids=lambda v: v if isinstance(v, str) else " ".join(v) or "plain")
def test_swaks(server, mailbox, port, options):
    login = ["--auth-user", mailbox, "--auth-password", PASSWORD] if "--auth" in options else []
    run("swaks", "--server", "127.0.0.1", "--port", str(server.ports[port]), "--from", mailbox,
        "--to", mailbox, "--header", "Subject: by swaks", *options, *login)
    [got] = mail_of(server, mailbox)
    assert b"Subject: by swaks\r\n" in got


def test_swaks_cannot_relay(server):
    run("swaks", "--server", "127.0.0.1", "--port", str(server.ports["smtp"]), "--from",
        "a@b.test", "--to", "c@elsewhere.test", status=24)


@pytest.mark.parametrize("port, tls", [("submission", "tls_starttls on"),
                                       ("smtps", "tls_starttls off")])
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_msmtp(server, mailbox, tmp_path, port, tls, mechanism):
    config = tmp_path / "msmtprc"
    config.write_text(f"account default\nhost localhost\nport {server.ports[port]}\ntls on\n{tls}\n"
                      f"tls_trust_file {server.certificate}\nauth {mechanism}\nuser {mailbox}\n"
                      f"password {PASSWORD}\nfrom {mailbox}\n")
    config.chmod(0o600)
    run("msmtp", f"--file={config}", "--", mailbox,
        stdin=b"Subject: by msmtp\n\n.\nhello\n")
    [got] = mail_of(server, mailbox)
    assert b"Subject: by msmtp\r\n" in got and got.endswith(b"\r\n\r\n.\r\nhello\r\n")


@pytest.mark.parametrize("port, tls", [("pop3", "tls_starttls on"), ("pop3s", "tls_starttls off")])
def test_mpop(server, mailbox, tmp_path, port, tls):
    letters = [letter(f"number {n}", [".", "x" * n]) for n in range(3)]
    for one in letters:
        deliver(server, mailbox, one)
    inbox = tmp_path / "inbox"
    for name in ("cur", "new", "tmp"):
        (inbox / name).mkdir(parents=True)
    config = tmp_path / "mpoprc"
    config.write_text(f"account default\nhost localhost\nport {server.ports[port]}\ntls on\n{tls}\n"
                      f"tls_trust_file {server.certificate}\nuser {mailbox}\npassword {PASSWORD}\n"
                      f"delivery maildir {inbox}\nuidls_file {tmp_path}/uidls\nkeep on\n")
    config.chmod(0o600)
    command = ("mpop", f"--file={config}", "--quiet")
    run(*command)
    files = sorted((inbox / "new").iterdir())
    # a Maildir has lines with LF, and mpop puts its own Received field in front
    got = {file.read_bytes().replace(b"\n", b"\r\n") for file in files}
    assert len(files) == 3
    for one in letters:
        assert sum(without_trace(text) == one for text in got) == 1
    run(*command)  # nothing is new: the UIDLs are the same
    assert len(list((inbox / "new").iterdir())) == 3
    config.write_text(config.read_text().replace("keep on", "keep off"))
    run(*command)
    assert mail_of(server, mailbox) == []


@pytest.mark.parametrize("port, options", [("pop3", "sslproto TLS1.2+"), ("pop3s", "ssl")])
def test_fetchmail(server, mailbox, tmp_path, port, options):
    """fetchmail takes from one mailbox by POP3 and hands it to another by SMTP."""
    target = server.mailbox()
    sent = letter("for fetchmail", ["hello", ".", "end"], to=mailbox)
    deliver(server, mailbox, sent)
    config = tmp_path / "fetchmailrc"
    config.write_text(f"poll localhost protocol POP3 port {server.ports[port]}\n"
                      f"  user \"{mailbox}\" password \"{PASSWORD}\"\n"
                      f"  {options} sslcertck sslcertfile {server.certificate}\n"
                      f"  smtphost localhost/{server.ports['smtp']} smtpname {target} fetchall\n")
    config.chmod(0o600)
    run("fetchmail", "--fetchmailrc", str(config), "--pidfile", str(tmp_path / "pid"), "--idfile",
        str(tmp_path / "ids"), "--nosyslog", "--nodetach",
        env={"HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path)})
    assert mail_of(server, mailbox) == []
    [got] = mail_of(server, target)
    assert got.endswith(b"\r\n\r\nhello\r\n.\r\nend\r\n") and b"Subject: for fetchmail" in got


@pytest.mark.parametrize("send, read", [(("submission", "starttls"), ("pop3", "starttls")),
                                        (("smtps", "implicit"), ("pop3s", "implicit"))])
def test_godwit_mail(server, mailbox, tmp_path, send, read):
    attachment = tmp_path / "bytes.bin"
    attachment.write_bytes(bytes(range(256)) * 10)
    env = {"GODWIT_PASSWORD": PASSWORD}

    def mail(command, port, tls, *more, stdin=""):
        return server.command("mail", command, "--server", f"localhost:{server.ports[port]}",
                              "--tls", tls, "--ca", server.certificate, "--user", mailbox, *more,
                              stdin=stdin, env=env, data=False).stdout

    mail("send", *send, "--from", mailbox, "--to", mailbox, "--subject", "Grüße, 你好",
         "--attach", str(attachment), stdin="Hallo\n.\nEnde\n")
    listing = mail("list", *read)
    assert "Grüße, 你好" in listing and mailbox in listing
    assert "Hallo\n.\nEnde" in mail("read", *read, "1")
    got = email.message_from_bytes(mail_of(server, mailbox)[0], policy=email.policy.default)
    assert got["Subject"] == "Grüße, 你好"
    [part] = list(got.iter_attachments())
    assert part.get_filename() == "bytes.bin"
    assert part.get_content() == attachment.read_bytes()
