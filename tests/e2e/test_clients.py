"""Round trips with the programs that people use."""

import email
import email.policy
import mailbox as mailboxes
import os
import pty
import select
import subprocess
import time
from urllib.parse import quote

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


def on_terminal(*command, env):
    """Runs a program that wants a terminal; gives what it drew there."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                               start_new_session=True, env={**os.environ, "TERM": "vt100", **env})
    os.close(slave)
    drawn, end = b"", time.monotonic() + TIMEOUT
    try:
        while select.select([master], [], [], max(0, end - time.monotonic()))[0]:
            drawn += os.read(master, 65536)
    except OSError:
        pass  # no process has the terminal open any more
    finally:
        os.close(master)
        if time.monotonic() > end:
            process.kill()
    status = process.wait(TIMEOUT)
    assert status == 0, (command, status, drawn)
    return drawn


def login_url(server, scheme, port, user):
    """The address of a server as mutt and s-nail want it, with name and password."""
    return f"{scheme}://{quote(user)}:{quote(PASSWORD)}@localhost:{server.ports[port]}"


def mutt_config(server, tmp_path, *lines):
    path = tmp_path / "muttrc"
    path.write_text("\n".join([f'set ssl_ca_certificates_file="{server.certificate}"',
                               f'set certificate_file="{server.certificate}"', "set ssl_starttls=yes",
                               "set ssl_force_tls=yes", f"set folder={tmp_path}", *lines, ""]))
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize("scheme, port", [("smtp", "submission"), ("smtps", "smtps")])
def test_mutt_sends(server, mailbox, tmp_path, scheme, port):
    attachment = tmp_path / "bytes.bin"
    attachment.write_bytes(bytes(range(256)) * 10)
    url = login_url(server, scheme, port, mailbox)
    config = mutt_config(server, tmp_path, f'set smtp_url="{url}"', f'set from="{mailbox}"', "set copy=no", 'set charset="utf-8"')
    run("mutt", "-n", "-F", config, "-s", "Grüße, 你好", "-a", str(attachment), "--", mailbox,
        stdin="Hallo\n.\nÜber\n".encode(), env={"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    got = email.message_from_bytes(mail_of(server, mailbox)[0], policy=email.policy.default)
    assert got["Subject"] == "Grüße, 你好"
    assert got.get_body().get_content().splitlines() == ["Hallo", ".", "Über"]
    [part] = list(got.iter_attachments())
    assert part.get_content() == attachment.read_bytes()


@pytest.mark.parametrize("scheme, port", [("pop", "pop3"), ("pops", "pop3s")])
def test_mutt_reads(server, mailbox, tmp_path, scheme, port):
    """It opens the mailbox by POP3, copies what is there into a file and deletes it."""
    sent = letter("for mutt", [".", "..x", "", "hello"])
    deliver(server, mailbox, sent)
    copy = tmp_path / "copy"
    config = mutt_config(server, tmp_path, "set confirmcreate=no", "set confirmappend=no",
                         "set delete=yes", "set quit=yes", "set mbox_type=Maildir",
                         f"push '<copy-message>{copy}<enter><delete-message><quit>'")
    drawn = on_terminal("mutt", "-n", "-F", config, "-f", login_url(server, scheme, port, mailbox),
                        env={"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    assert b"for mutt" in drawn
    [got] = [mailboxes.Maildir(copy).get_bytes(key) for key in mailboxes.Maildir(copy).keys()]
    assert got.replace(b"\n", b"\r\n").endswith(sent.partition(b"\r\n\r\n")[2])
    assert mail_of(server, mailbox) == []


def s_nail(server, tmp_path, *more, stdin):
    return run("s-nail", "-:/", "-S", "v15-compat", "-S", f"tls-ca-file={server.certificate}",
               "-S", "tls-verify=strict", "-S", "ttycharset=utf-8", *more, stdin=stdin.encode(),
               env={"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})


@pytest.mark.parametrize("scheme, port", [("smtp", "submission"), ("smtps", "smtps")])
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_s_nail_sends(server, mailbox, tmp_path, scheme, port, mechanism):
    s_nail(server, tmp_path, "-S", f"mta={login_url(server, scheme, port, mailbox)}", "-S",
           f"smtp-config=-all,{mechanism},starttls", "-S", "smtp-use-starttls", "-S",
           f"from={mailbox}", "-s", "Grüße, 你好", mailbox, stdin="Hallo\n.\nÜber\n")
    got = email.message_from_bytes(mail_of(server, mailbox)[0], policy=email.policy.default)
    assert got["Subject"] == "Grüße, 你好" and got.get_content().splitlines() == ["Hallo", ".", "Über"]


@pytest.mark.parametrize("scheme, port", [("pop3", "pop3"), ("pop3s", "pop3s")])
def test_s_nail_reads(server, mailbox, tmp_path, scheme, port):
    sent = [letter(f"number {n}", [".", "..x", "", f"hello {n}"]) for n in range(2)]
    for one in sent:
        deliver(server, mailbox, one)
    copy = tmp_path / "copy"
    said = s_nail(server, tmp_path, "-S", "pop3-use-starttls", "-f", "-#",
                  login_url(server, scheme, port, mailbox),
                  stdin=f"headers\ncopy * {copy}\ndelete 1\nquit\n")
    assert b"number 0" in said and b"number 1" in said
    got = list(mailboxes.mbox(copy))
    assert [one["Subject"] for one in got] == ["number 0", "number 1"]
    for one, whole in zip(sent, got):
        assert whole.get_payload().split() == one.partition(b"\r\n\r\n")[2].decode().split()
    [left] = mail_of(server, mailbox)
    assert without_trace(left) == sent[1]


@pytest.mark.parametrize("kind, port", [("SimplePOP3SSLRetriever", "pop3s"),
                                        ("SimplePOP3Retriever", "pop3")])
def test_getmail(server, mailbox, tmp_path, kind, port):
    letters = [letter(f"number {n}", [".", "x" * n]) for n in range(3)]
    for one in letters:
        deliver(server, mailbox, one)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    tls = f"ca_certs = {server.certificate}\n" if port == "pop3s" else ""
    config = tmp_path / "getmailrc"

    def get(delete):
        config.write_text(f"[retriever]\ntype = {kind}\nserver = localhost\n"
                          f"port = {server.ports[port]}\nusername = {mailbox}\n"
                          f"password = {PASSWORD}\n{tls}[destination]\ntype = MDA_external\n"
                          f"path = /bin/sh\narguments = ('-c', 'cat >$(mktemp {inbox}/XXXXXXXX)')\n"
                          f"allow_root_commands = true\n[options]\nread_all = false\ndelete = {delete}\n"
                          "delivered_to = false\nreceived = false\n")
        run("getmail", f"--getmaildir={tmp_path}", f"--rcfile={config}")
        return [file.read_bytes().replace(b"\n", b"\r\n") for file in inbox.iterdir()]

    assert sorted(without_trace(text) for text in get(delete=False)) == sorted(letters)
    assert len(get(delete=False)) == 3  # nothing is new: the UIDLs are the same
    deliver(server, mailbox, letter("one more"))
    assert len(get(delete=True)) == 4
