"""The classic sendmail command of programs on this machine."""

import email
import email.policy
import os
import pwd
import shutil
import socket
import stat
import subprocess

import pytest
from conftest import DOMAIN, PASSWORD, new_folder
from server import binary_path, wait_for
from wire import TIMEOUT, count_of, deliver, letter, mail_of, message_id, without_trace


def sendmail(server, *words, text, status=0):
    env = {**os.environ, "GODWIT_DATA": server.data}
    done = subprocess.run([server.binary, "sendmail", *words], input=text, capture_output=True,
                          env=env, timeout=60)
    assert done.returncode == status, (done.returncode, done.stderr)
    return done.stderr.decode()


def parsed(server, mailbox):
    [got] = mail_of(server, mailbox)
    return email.message_from_bytes(got.replace(b"\r\n", b"\n"), policy=email.policy.default)


def test_local_parts_as_long_as_in_smtp(server, mailbox):
    """A sender's may be longer than 64 octets, a recipient's may not."""
    sender = f"list-bounces+{'0123456789' * 8}@lists.test"
    sendmail(server, "-f", sender, mailbox, text=b"Subject: x\n\nx\n")
    assert parsed(server, mailbox)["Return-Path"] == f"<{sender}>"
    said = sendmail(server, "-f", sender, sender, text=b"Subject: x\n\nx\n", status=67)
    assert "5.1.3" in said, said


def test_recipients_as_arguments(server, mailbox):
    sendmail(server, "-f", "cron@example.test", mailbox, text=b"Subject: cron\n\nline\n.hidden\n")
    got = parsed(server, mailbox)
    assert got["Subject"] == "cron" and got["Return-Path"] == "<cron@example.test>"
    assert got["Date"] and got["Message-ID"] and got["From"]
    assert got.get_content() == "line\n.hidden\n"
    accepted = [line for line in server.new_log().split("\n") if " event=accepted " in line]
    assert len(accepted) == 1 and f' account="uid {os.getuid()}" ' in accepted[0], accepted
    number = message_id(accepted[0])
    assert f"[local uid {os.getuid()}] with " in server.command("trace", number).stdout
    assert f"[local uid {os.getuid()}] with " in server.json("trace", number)[0]["text"]


@pytest.mark.parametrize("postmaster", ("postmaster", "postmaster@[127.0.0.1]", "Postmaster@[IPv6:::1]"))
def test_the_postmaster_at_this_machine(make_server, postmaster):
    server = make_server(accounts=["alice"])
    sendmail(server, postmaster, text=b"Subject: disk is full\n\nreally\n")
    assert parsed(server, f"alice@{DOMAIN}")["Subject"] == "disk is full"


def test_recipients_from_the_header(server, mailbox):
    hidden = server.mailbox()
    sendmail(server, "-t", "-i", text=f"From: a@{DOMAIN}\nTo: {mailbox}\nBcc: {hidden}\n"
             "Subject: x\n\none\n.\ntwo\n".encode())
    got = parsed(server, mailbox)
    assert got["Bcc"] is None and got.get_content() == "one\n.\ntwo\n"
    assert b"\nbcc:" not in mail_of(server, hidden)[0].lower()


def test_a_field_that_is_too_long_for_t(server, mailbox):
    text = f"To: {mailbox}".encode() + b",\n (a comment that goes on for long) " * 2_000 + f"{mailbox}\n\nx\n".encode()
    told = sendmail(server, "-t", text=text, status=65)
    assert "To has more than 65536 octets" in told and "name the recipients as arguments" in told
    sendmail(server, mailbox, text=text)
    assert count_of(server, mailbox) == 1


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


def test_a_list_longer_than_other_programs_may_have(make_server):
    server = make_server("recipients_max = 2;", accounts=["ann", "bob", "carl"])
    everybody = [f"{name}@{DOMAIN}" for name in ("ann", "bob", "carl")]
    sendmail(server, *everybody, text=b"Subject: to all\n\nx\n")
    assert [count_of(server, user) for user in everybody] == [1, 1, 1]


def test_a_list_that_fills_the_envelope(server, mailbox):
    """Who was accepted gets the message; to the others it is sent separately, as they were told."""
    local, _, domain = mailbox.partition("@")
    with Local(server) as wire:
        wire.reply()
        for line in ("EHLO c.test", "MAIL FROM:<cron@example.test>"):
            assert wire.say(line).startswith("250")
        wire.socket.sendall(b"".join(b"RCPT TO:<%s+%05d%s@%s>\r\n" % (
            local.encode(), n, b"x" * (57 - len(local)), domain.encode()) for n in range(10_000)))
        replies = [wire.reply()[:3] for _ in range(10_000)]
        assert set(replies) == {"250", "452"} and replies.count("250") > 5000
        assert wire.say("DATA").startswith("354")
        wire.socket.sendall(b"Subject: to many\r\n\r\nx\r\n.\r\n")
        assert wire.reply().startswith("250")
    assert count_of(server, mailbox) == 1


# ---- ordinary users ----

@pytest.fixture(scope="module")
def ordinary():
    """Runs godwit as a user who owns nothing of the server: nobody, where root runs the tests; else whoever runs
    them, to whom the server belongs."""
    folder = new_folder()
    binary = os.path.join(folder, "godwit")
    shutil.copy(binary_path(), binary)
    os.chmod(binary, 0o755)
    words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []

    def run(server, *more, text=b""):
        return subprocess.run([*words, binary, *more], input=text, capture_output=True, timeout=60,
                              env={**os.environ, "GODWIT_DATA": server.data}, cwd="/")

    yield run
    shutil.rmtree(folder)


def test_ordinary_users_send_by_the_socket_and_have_no_other(server, mailbox, ordinary):
    """One socket is open to all, and all that leads there lets through; who it is, the kernel says."""
    modes = {name: stat.S_IMODE(os.stat(os.path.join(server.data, "run", name)).st_mode)
             for name in ("sendmail.sock", "admin.sock")}
    assert modes == {"sendmail.sock": 0o666, "admin.sock": 0o600}
    assert stat.S_IMODE(os.stat(os.path.join(server.data, "run")).st_mode) == 0o755
    done = ordinary(server, "sendmail", mailbox, text=b"Subject: from a program\n\nx\n")
    assert (done.returncode, done.stderr) == (0, b"")
    got, user = parsed(server, mailbox), "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    assert got["Return-Path"] == f"<{user}@{server.hostname}>"
    assert got["From"].addresses[0].addr_spec == f"{user}@{server.hostname}"
    done = ordinary(server, "sendmail", f"nobody-here@{DOMAIN}", text=b"Subject: x\n\nx\n")
    assert done.returncode == 67 and b"nobody-here" in done.stderr
    if os.getuid() == 0:
        for words in (["status"], ["queue", "list"], ["account", "list"]):
            done = ordinary(server, *words)
            assert done.returncode == 77 and b"does not let you in" in done.stderr


def test_an_ordinary_user_reads_his_mail(server, mailbox, ordinary):
    """The configuration tells where the server is, the certificate whether it is the one; both are for all to read."""
    deliver(server, mailbox, letter("for an ordinary user"))
    done = ordinary(server, "mail", "list", "--user", mailbox, "--password-stdin", text=PASSWORD.encode())
    assert done.returncode == 0 and b"for an ordinary user" in done.stdout, done


@pytest.mark.parametrize("closed", ["data", "socket"])
def test_a_socket_that_is_closed_to_ordinary_users(make_server, ordinary, closed):
    """Tried again later, as when the server is down: the message stays with the program."""
    server = make_server(accounts=["alice"])
    run = os.path.join(server.data, "run")
    os.chmod(server.data if closed == "data" else os.path.join(run, "sendmail.sock"), 0 if os.getuid() else 0o600)
    done = ordinary(server, "sendmail", f"alice@{DOMAIN}", text=b"Subject: x\n\nx\n")
    os.chmod(server.data, 0o711)
    assert done.returncode == 75 and b"permission denied; it may well run: " in done.stderr, done
    assert b"start it" not in done.stderr
    assert count_of(server, f"alice@{DOMAIN}") == 0


# ---- programs that do not use the command ----

class Local:
    """A connection to the socket."""

    def __init__(self, server):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(os.path.join(server.data, "run", "sendmail.sock"))
        self.input = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.input.close()
        self.socket.close()

    def say(self, line):
        """The first line of the answer."""
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def reply(self):
        while (line := self.input.readline())[3:4] == b"-":
            pass
        return line.decode()


def test_it_is_greeted_by_the_name_of_this_machine(server):
    with Local(server) as local:
        name = local.reply().split()[1]
        local.socket.sendall(b"HELO c.test\r\n")
        assert local.reply() == f"250 {name} greets localhost\r\n"


LOCAL = 250  # LIMIT_STORE_LOCAL
SESSION = ["EHLO c.test", "MAIL FROM:<cron@example.test>", "RCPT TO:<{mailbox}>", "DATA",
           "Subject: never\r\n\r\nhalf a mess", "age\r\n."]


def open_now(server):
    log = server.log()
    return log.count("event=connected listener=sendmail") - log.count("event=disconnected listener=sendmail")


def test_one_user_does_not_take_all_connections(server):
    wait_for("the end of those before", lambda: open_now(server) == 0)
    made = [Local(server) for _ in range(LOCAL)]
    try:
        assert all(local.reply().startswith("220") for local in made)
        with Local(server) as late:
            reply = late.reply()
            assert reply.startswith("421 4.7.0 this user has") and "which is the limit" in reply, reply
        made[0].say("QUIT")
        made.pop(0).__exit__()
        wait_for("two ends", lambda: open_now(server) == LOCAL - 1)
        with Local(server) as another:
            assert another.reply().startswith("220")
    finally:
        for local in made:
            local.__exit__()


def test_disconnect_at_every_state(server, mailbox):
    """The last step is the end of the message, but for its last octets."""
    for steps in range(len(SESSION) + 1):
        for more in ("", *[line[:3] for line in SESSION[steps:steps + 1]]):
            with Local(server) as local:
                assert local.reply().startswith("220")
                for line in SESSION[:steps]:
                    if len(line) < 100 and "Subject" not in line and not line.startswith("age"):
                        assert local.say(line.format(mailbox=mailbox))[0] in "23"
                    else:
                        local.socket.sendall(line.encode())
                local.socket.sendall(more.encode())
    wait_for("the end of all", lambda: open_now(server) == 0)
    assert count_of(server, mailbox) == 0


def test_only_the_end_of_the_message_is_its_end(server, mailbox):
    with Local(server) as local:
        local.reply()
        for line in SESSION[:4]:
            assert local.say(line.format(mailbox=mailbox))[0] in "23"
        local.socket.sendall(b"Subject: x\r\n\r\nfirst\n.\nMAIL FROM:<evil@b.test>\r\n.\r\nNOOP\r\n")
        assert local.reply().startswith("550 5.6.0") and local.reply().startswith("250")
    assert count_of(server, mailbox) == 0
