"""The godwit command: every command's help, wrong input, with and without a running server."""

import json
import os
import subprocess

import pytest
from conftest import DOMAIN, PASSWORD
from server import binary_path, wait_for
from wire import Wire, count_of, deliver, letter, mail_of, message_id

COMMANDS = ["init", "serve", "check-config", "domain", "domain add", "domain change",
            "domain list", "domain remove",
            "account", "account add", "account list", "account passwd", "account disable",
            "account enable", "account send-only", "account remove", "alias", "alias add", "alias list", "alias remove",
            "trace", "audit", "status", "test-delivery", "mail", "mail send", "mail list",
            "mail read", "sendmail"]
LISTS = [("domain", "list"), ("account", "list"), ("alias", "list"), ("trace",), ("audit",),
         ("status",)]


def godwit(*words, stdin=""):
    return subprocess.run([binary_path(), *words], input=stdin, text=True, capture_output=True,
                          timeout=60)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    done = godwit(*command.split(), "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert f"godwit {command}" in done.stdout
    if command not in ("domain", "account", "alias", "mail", "sendmail"):
        assert "--data" in done.stdout


def test_help_of_the_whole():
    done = godwit("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert command.split()[0] in done.stdout
    assert godwit().returncode == 64


@pytest.mark.parametrize("words, says", [
    (("accuont", "list"), "account"),
    (("account", "lits"), "list"),
    (("status", "--jsn"), "json"),
    (("status", "--data"), "--data"),
    (("domain", "add"), "DOMAIN"),
    (("domain", "add", "a.test", "b.test"), "b.test"),
    (("init", "--data", "/nonexistent/x"), "hostname"),
    (("init", "--data", "/tmp/x", "--hostname", "bad name"), "bad name"),
    (("init", "--data", "/tmp/x", "--hostname", "a.test", "--port-offset", "x"), "port-offset"),
    (("init", "--data", "/tmp/x", "--hostname", "a.test", "--port-offset", "70000"), "port-offset"),
    (("init", "--data", "/tmp/x", "--hostname", "a.test", "--listen", "1.2.3"), "1.2.3"),
    (("mail", "list", "--server", "host:port"), "--server"),
    (("mail", "read", "--server", "localhost:1", "--user", "x"), ""),
    (("test-delivery",), "--to"),
])
def test_wrong_usage(words, says):
    done = godwit(*words)
    assert done.returncode == 64, done
    assert done.stderr.startswith("godwit: ") and says in done.stderr


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_whole_administration(make_server, running):
    server = make_server(start=running)
    server.command("domain", "add", "Other.Test")
    assert {d["domain"] for d in server.json("domain", "list")} == {DOMAIN, "other.test"}
    server.add_account(f"Alice@{DOMAIN}", PASSWORD)
    server.add_account("bob@other.test", PASSWORD, "--send-only")
    names = {a["account"].lower() for a in server.json("account", "list")}
    assert names == {f"alice@{DOMAIN}", "bob@other.test"}
    assert len(server.json("account", "list", DOMAIN)) == 1
    server.command("alias", "add", f"team@{DOMAIN}", f"alice@{DOMAIN}")
    server.command("alias", "add", f"team@{DOMAIN}", "someone@elsewhere.test")
    server.command("alias", "add", "@other.test", f"alice@{DOMAIN}")
    assert len(server.json("alias", "list")) == 3
    assert len(server.json("alias", "list", DOMAIN)) == 2
    server.command("alias", "remove", f"team@{DOMAIN}", "someone@elsewhere.test")
    server.command("alias", "remove", f"team@{DOMAIN}")
    assert len(server.json("alias", "list")) == 1
    server.command("account", "disable", f"alice@{DOMAIN}")
    server.command("account", "enable", f"alice@{DOMAIN}")
    for password, short in (("x", True), ("\u00fcn\u00efc\u00f6de", True), ("eight888", False)):
        done = server.command("account", "passwd", f"alice@{DOMAIN}", "--password-stdin", stdin=password + "\n")
        assert ("fewer than 8 characters" in done.stderr) is short, done.stderr
    server.command("account", "passwd", f"alice@{DOMAIN}", "--password-stdin", stdin="another one\n")
    told = server.command("test-delivery", "--from", "a@b.test", "--to", f"alice@{DOMAIN}", stdin="Subject: x\n\nx\n")
    assert f"alice@{DOMAIN}" in told.stdout
    refused = server.command("domain", "remove", "other.test", status=None)
    assert refused.returncode not in (0, 70)
    server.command("account", "remove", "bob@other.test")
    server.command("alias", "remove", "@other.test")
    server.command("domain", "remove", "other.test")
    assert [d["domain"] for d in server.json("domain", "list")] == [DOMAIN]
    assert server.json("status")["mailbox_messages"] == 0
    server.command("audit")
    server.command("trace")
    if not running:
        server.start()
        server.mark()
    assert mail_of(server, f"alice@{DOMAIN}", "another one") == []


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_lists_for_people_and_for_programs(server, mailbox, words):
    deliver(server, mailbox)
    json.loads(server.command(*words, "--json").stdout)
    text = server.command(*words).stdout
    assert text.strip() and "\t" not in text


def test_account_removed_with_its_mail(server, mailbox):
    deliver(server, mailbox)
    before = server.message_count()
    server.command("account", "remove", mailbox)
    assert server.message_count() == before - 1
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        assert wire.say(f"RCPT TO:<{mailbox}>").startswith("550 5.1.1")
    server.add_account(mailbox, PASSWORD)
    assert count_of(server, mailbox) == 0
    server.command("audit")


def test_removed_account_has_nothing_left_to_read(server, mailbox):
    deliver(server, mailbox)
    with Wire(server, "pop3s", tls=True) as wire:
        wire.pop3_login(mailbox)
        server.command("account", "remove", mailbox)
        assert not wire.say("RETR 1").startswith("+OK")


def test_trace_finds_a_message_by_any_of_its_names(server, mailbox):
    name = message_id(deliver(server, mailbox, b"Message-ID: <" + mailbox.encode()
                              + b".unique>\r\n\r\nx\r\n"))
    for query in (name, mailbox, f"<{mailbox}.unique>"):
        told = server.command("trace", query).stdout
        assert name in told and "carol@stranger.test" in told and mailbox in told, query
    assert json.loads(server.command("trace", name, "--json").stdout)
    assert server.command("trace", "nobody@nowhere.test", status=None).returncode in (0, 1, 66)


def test_status(server):
    status = server.json("status")
    assert isinstance(status["mailbox_messages"], int)
    text = server.command("status").stdout
    for word in ("store", "mx", "user"):
        assert word in text


def test_status_tells_how_much_of_the_packs_is_dead(make_server):
    """What was deleted for good, until compaction gives it back."""
    server = make_server('undelete = "0";', ["alice"])
    alice = f"alice@{DOMAIN}"
    for number in range(3):
        deliver(server, alice, letter(f"number {number}", ["x" * 70] * 1000))
    before = server.json("status")
    assert before["packs"] == 1 and before["pack_size"] > 3 * 71_000
    with Wire(server, "pop3") as wire:
        wire.pop3_login(alice)
        wire.say("DELE 2")
        wire.say("QUIT")

    def counted():
        status = server.json("status")
        return status.get("pack_dead") and status

    after = wait_for("a look at the packs", counted)
    assert 71_000 < after["pack_dead"] < 73_000
    assert after["pack_live"] + after["pack_dead"] == after["pack_size"] == before["pack_size"]
    assert "Pack dead" in server.command("status").stdout
    server.stop()
    stopped = server.json("status")
    assert stopped["pack_size"] == before["pack_size"] and "pack_dead" not in stopped


def test_test_delivery_tells_what_would_happen(server, mailbox):
    def plan(to, sender="a@b.test", *more):
        done = server.command("test-delivery", "--from", sender, "--to", to, *more,
                              stdin=letter().decode(), status=None)
        return done.returncode, done.stdout + done.stderr

    before = server.message_count()
    status, told = plan(mailbox)
    assert status == 0 and "INBOX" in told and mailbox in told
    assert "550" in plan(f"nobody@{DOMAIN}")[1]
    assert "550" in plan("x@elsewhere.test", "a@b.test", "--ip", "192.0.2.7")[1]
    assert server.message_count() == before


def test_test_delivery_reads_addresses_as_smtp_does(server, mailbox):
    local = mailbox.split("@")[0]
    addresses = (f'"{local}"@{DOMAIN}', f'"{local[:-1]}\\{local[-1]}"@{DOMAIN}', f'"{local}+x"@{DOMAIN}',
                 f'"{local} "@{DOMAIN}', f'"no body"@{DOMAIN}', f'"postmaster"@{DOMAIN}', "postmaster",
                 "PostMaster@[127.0.0.1]", f"{local}@[127.0.0.1]", f"{local}@elsewhere.test")
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        said = {to: wire.say(f"RCPT TO:<{to}>")[:3] for to in addresses}
    assert set(said.values()) == {"250", "550"}
    for to, code in said.items():
        for spelt in (to, f"<{to}>"):
            told = server.command("test-delivery", "--from", "a@b.test", "--to", spelt, stdin=letter().decode()).stdout
            assert ("refused with 550" in told) == (code == "550"), (spelt, code, told)


def test_test_delivery_measures_addresses_as_smtp_does(server, mailbox):
    long = f"{'a' * 65}@elsewhere.test"
    assert "INBOX" in server.command("test-delivery", "--from", long, "--to", mailbox, stdin=letter().decode()).stdout
    done = server.command("test-delivery", "--from", long, "--to", long, stdin=letter().decode(), status=64)
    assert f'--to: "{long}" is no address' in done.stderr


def replied_to(server, to, message):
    with Wire(server) as wire:
        wire.hello()
        for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{to}>", "DATA"):
            assert wire.say(command)[:1] in "23"
        wire.send(message + b".\r\n")
        return wire.reply().strip()


@pytest.mark.parametrize("newline", ["refuse", "normalize"])
def test_test_delivery_of_a_bare_cr(make_server, newline):
    """Said as the server says it, and of those to whom it says it; line ends of files here are none."""
    server = make_server(f'trusted_networks = ["127.0.0.0/8"]; bare_newline = "{newline}";', accounts=["alice"])
    to = f"alice@{DOMAIN}"
    bare = letter(body=("one\rtwo",))

    def plan(text, ip):
        return json.loads(server.command("test-delivery", "--json", "--from", "a@b.test", "--to", to, "--ip", ip,
                                         stdin=text.decode()).stdout)

    def check():
        for ip, refused in (("192.0.2.1", True), ("127.0.0.1", newline == "refuse")):
            told = plan(bare, ip)
            assert (told["action"], told["code"]) == (("reject", 550) if refused else ("mailbox", 0)), (ip, told)
            assert plan(letter().replace(b"\r\n", b"\n"), ip)["action"] == "mailbox"
        return told

    told, reply = check(), replied_to(server, to, bare)
    assert reply.startswith("250") or reply == f"550 {told['status']} {told['reason']}", reply
    assert reply.startswith("250") == (told["action"] == "mailbox")
    server.stop()
    check()


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_an_alias_that_takes_all_mail_of_an_account_is_warned_of(make_server, running):
    server = make_server(start=running, accounts=["alice", "bob"])
    alice, bob = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
    warned = (f"\nwarning: {alice} is an account and no longer gets its mail; to keep a copy: "
              f"godwit alias add {alice} {alice}\n")
    assert server.command("alias", "add", alice, bob).stdout == "alias added" + warned
    assert server.command("alias", "add", alice, alice).stdout == "alias added\n"
    assert server.command("alias", "remove", alice, alice).stdout == "alias removed" + warned
    assert server.command("alias", "remove", alice).stdout == "alias removed\n"
    assert "takes all mail" in server.command("alias", "add", "--help").stdout


def test_test_delivery_for_programs(make_server):
    server = make_server('trusted_networks = ["127.0.0.0/8"];\n'
                         'routes = ( { domain = "routed.test"; host = "127.0.0.1"; port = 1; } );', accounts=["alice"])
    alice, relaying = f"alice@{DOMAIN}", ("--ip", "127.0.0.1")
    for target in ("x@elsewhere.test", alice):
        server.command("alias", "add", f"both@{DOMAIN}", target)

    def plan(to, *more, sender="a@b.test"):
        done = server.command("test-delivery", "--json", "--from", sender, "--to", to, *more, stdin=letter().decode())
        told = json.loads(done.stdout)
        assert told["recipient"] == to and told["size"] == len(letter()) and done.stderr == ""
        assert all(set(fact) == {"text"} for fact in told["facts"]) and len(told["facts"]) >= 4
        return told

    def account(address):
        return {"kind": "account", "address": address, "destination": "", "host": ""}

    def elsewhere(address, destination, host=""):
        return {"kind": "elsewhere", "address": address, "destination": destination, "host": host}

    told = plan(alice)
    assert (told["action"], told["mailbox"], told["code"], told["status"], told["reason"]) == ("mailbox", "INBOX", 0, "", "")
    assert (told["sender"], told["ip"], told["may_relay"], told["sent_on_as"]) == ("a@b.test", "192.0.2.1", False, "")
    assert told["targets"] == [account(alice)]
    told = plan(f"nobody@{DOMAIN}", sender="<>")
    assert (told["action"], told["code"], told["status"]) == ("reject", 550, "5.1.1")
    assert told["reason"] == "there is no such user here" and "targets" not in told and told["sender"] == ""
    told = plan("x@elsewhere.test")
    assert (told["action"], told["code"], told["status"], told["mailbox"]) == ("reject", 550, "5.7.1", "")
    told = plan("x@elsewhere.test", *relaying)
    assert (told["action"], told["may_relay"], told["code"]) == ("relay", True, 0)
    assert told["targets"] == [elsewhere("x@elsewhere.test", "elsewhere.test")]
    assert plan("x@routed.test", *relaying)["targets"] == [elsewhere("x@routed.test", "routed.test", "127.0.0.1")]
    told = plan(f"both@{DOMAIN}")
    assert told["action"] == "mailbox" and told["sent_on_as"].endswith(f"@{DOMAIN}")
    assert told["targets"] == [elsewhere("x@elsewhere.test", "elsewhere.test"), account(alice)]
    server.stop()
    assert plan(alice)["action"] == "mailbox" and plan("x@routed.test", *relaying)["targets"][0]["host"] == "127.0.0.1"


def test_test_delivery_knows_the_addresses_of_this_server(make_server):
    """Whether it runs or is stopped, and though the client may relay."""
    server = make_server('trusted_networks = ["127.0.0.0/8"];', accounts=["alice"])

    def told(to, *client):
        return server.command("test-delivery", *(client or ("--ip", "127.0.0.1")), "--to", to,
                              stdin=letter().decode()).stdout

    for _ in ("running", "stopped"):
        assert "refused with 550 5.1.1: there is no such user here" in told("bob@[127.0.0.1]")
        assert f"account alice@{DOMAIN}" in told("postmaster@[127.0.0.1]")
        for to in ("bob@[192.0.2.1]", "postmaster@[192.0.2.1]"):
            assert "sent to the mail server of that domain" in told(to)
        # an address of loopback that this server does not listen on: its own to programs of this machine alone
        assert f"account alice@{DOMAIN}" in told("postmaster@[127.0.0.2]")
        for client in (("--ip", "192.0.2.9"), ("--from", "a@b.test")):  # a stranger is what is asked about else
            assert f"alice@{DOMAIN}" not in told("postmaster@[127.0.0.2]", *client)
        server.stop()


def test_trace_finds_an_address_however_it_is_quoted(server, mailbox):
    local = mailbox.split("@")[0]
    number = message_id(deliver(server, mailbox, sender='"a b"@quoted.test'))
    for asked in (f'"{local}"@{DOMAIN}', f'"{local[:-1]}\\{local[-1]}"@{DOMAIN.upper()}', f' <"{local}"@{DOMAIN}> ',
                  '"a b"@quoted.test', '"a\\ b"@quoted.test'):
        assert {row["id"] for row in server.json("trace", asked)} == {number}, asked
    server.command("trace", f'"{local}x"@{DOMAIN}', status=66)


def test_control_characters_are_not_sent_to_the_terminal(server, mailbox):
    deliver(server, mailbox, b"Message-ID: <\x1b[31m@x>\r\nSubject: \x1b]0;evil\x07\r\n\r\nx\r\n")
    assert "\x1b" not in server.command("trace", mailbox).stdout
    listing = server.command(
        "mail", "list", "--server", f"localhost:{server.ports['pop3s']}", "--ca", server.certificate,
        "--tls", "implicit", "--user", mailbox, data=False, env={"GODWIT_PASSWORD": PASSWORD})
    assert "\x1b" not in listing.stdout


def test_mail_against_a_wrong_certificate_and_password(server, mailbox):
    base = ("mail", "list", "--server", f"localhost:{server.ports['pop3s']}", "--tls", "implicit",
            "--user", mailbox)
    done = server.command(*base, data=False, status=None, env={"GODWIT_PASSWORD": PASSWORD})
    assert done.returncode not in (0, 70) and "certificate" in done.stderr
    done = server.command(*base, "--insecure", data=False, status=77,
                          env={"GODWIT_PASSWORD": "wrong"})
    assert "password" in done.stderr or "refuses" in done.stderr


@pytest.mark.parametrize("words", [
    ("mail", "list", "--user", "me"), ("mail", "send", "--from", "a@b.test", "--to", "c@d.test")],
    ids=["list", "send"])
def test_mail_to_a_name_that_the_certificate_has_not(server, words):
    port = server.ports["pop3" if "list" in words else "submission"]
    done = server.command(*words, "--server", f"127.0.0.1:{port}", "--ca", server.certificate, data=False,
                          status=69, env={"GODWIT_PASSWORD": PASSWORD})
    assert f"IP address mismatch (write --server NAME:{port} with a name that the certificate has," in done.stderr
    assert "--ca" not in done.stderr


def test_mail_to_the_port_of_the_other_protocol(server):
    for port, words, says in (
            ("submission", ("mail", "list", "--user", "me"), "this is no port for reading mail: the server does "
             "not speak POP3: 220 "),
            ("pop3", ("mail", "send", "--from", "a@b.test", "--to", "c@d.test"), "this is no port for sending "
             "mail: the server sent what is no SMTP reply")):
        done = server.command(*words, "--server", f"localhost:{server.ports[port]}", "--ca", server.certificate,
                              data=False, status=69, env={"GODWIT_PASSWORD": PASSWORD})
        assert done.stderr.startswith("godwit: " + says)


def test_mail_of_a_data_directory(server, mailbox):
    """Its server is talked to, over TLS, and nothing but its own certificate is believed."""
    def mail(*words, **more):
        return server.command("mail", *words, env={"GODWIT_PASSWORD": PASSWORD}, **more).stdout

    mail("send", "--user", mailbox, "--from", mailbox, "--to", mailbox, "--subject", "To myself", stdin="Hello\n")
    assert "To myself" in mail("list", "--user", mailbox)
    told = mail("read", "1", "--raw", "--user", mailbox)
    assert "Hello" in told and "with ESMTPSA" in " ".join(told.split())
    other = "/etc/ssl/certs/ca-certificates.crt"
    done = server.command("mail", "list", "--user", mailbox, "--ca", other, status=None,
                          env={"GODWIT_PASSWORD": PASSWORD})
    assert done.returncode not in (0, 70) and "certificate" in done.stderr


NOWHERE = {"full": ">/dev/full", "reader gone": ">&0", "closed": ">&-"}


def read_to(server, mailbox, where, *words):
    """`mail read 1` whose output goes where a shell says; its standard input is a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(["sh", "-c", f'"$@" {where}', "sh", server.binary, "mail", "read", "1",
                               "--user", mailbox, "--data", server.data, *words], stdin=writer, text=True,
                              capture_output=True, timeout=60, env={**os.environ, "GODWIT_PASSWORD": PASSWORD})
    finally:
        os.close(writer)


@pytest.mark.parametrize("size", [10, 30000])
def test_mail_that_could_not_be_written_is_not_deleted(server, mailbox, tmp_path, size):
    deliver(server, mailbox, letter(body=["x" * 70] * (size // 70)))
    for name, where in NOWHERE.items():
        for words in ((), ("--raw",)):
            done = read_to(server, mailbox, where, "--delete", *words)
            says = "standard output is closed" if name == "closed" else "it was not deleted"
            assert (done.returncode, done.stderr.count("\n")) == (74, 1) and says in done.stderr, done
            assert [row["flags"] for row in server.json("flags", mailbox)] == [""], (name, words)
    done = read_to(server, mailbox, ">&-")
    assert done.returncode == 74 and "would be marked as read without" in done.stderr, done
    assert "No space left" in read_to(server, mailbox, ">/dev/full").stderr
    assert [row["flags"] for row in server.json("flags", mailbox)] == [""]
    written = tmp_path / "message"
    done = read_to(server, mailbox, f">{written}", "--delete", "--raw")
    assert (done.returncode, done.stderr, count_of(server, mailbox)) == (0, "", 0)
    assert written.stat().st_size > size


def test_mail_to_more_than_the_server_takes_at_once(make_server):
    server = make_server("recipients_max = 2;", accounts=["ann", "bob", "carl", "dan", "eve"])
    everybody = [f"{name}@{DOMAIN}" for name in ("ann", "bob", "carl", "dan", "eve")]
    done = server.command("mail", "send", "--user", everybody[0], "--from", everybody[0], "--to", ",".join(everybody),
                          stdin="Hello\n", env={"GODWIT_PASSWORD": PASSWORD})
    assert done.stdout.count("Sent: 250 ") == 3 and done.stderr == "", done
    assert [count_of(server, user) for user in everybody] == [1] * 5


def test_mail_to_a_server_that_is_not_there(server):
    done = server.command("mail", "list", "--server", "localhost:1", "--user", "x", data=False,
                          status=None, env={"GODWIT_PASSWORD": "x"})
    assert done.returncode in (68, 69, 75) and "localhost" in done.stderr
