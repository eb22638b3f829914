"""The mailbox as POP3 programs see it."""

import base64
import contextlib
import poplib
import re
import smtplib

import pytest
from conftest import DOMAIN, PASSWORD
from test_submission import ENDS, end_logins
from wire import TIMEOUT, Wire, count_of, deliver, fetch, letter, mail_of, pop3, without_trace


def test_whole_session(server, mailbox):
    letters = [letter(f"number {n}", ["."] * n) for n in range(3)]
    for one in letters:
        deliver(server, mailbox, one)
    client = pop3(server, mailbox)
    count, octets = client.stat()
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    assert count == 3 and octets == sum(sizes)
    for number, sent in enumerate(letters, 1):
        got = fetch(client, number)
        assert len(got) == sizes[number - 1]
        assert without_trace(got) == sent
        assert client.list(number).split()[1:] == [b"%d" % number, b"%d" % len(got)]
    client.dele(2)
    assert client.stat()[0] == 2
    client.rset()
    assert client.stat()[0] == 3
    client.dele(2)
    client.quit()
    client = pop3(server, mailbox)
    assert [without_trace(fetch(client, n)) for n in (1, 2)] == [letters[0], letters[2]]
    client.quit()


def test_top(server, mailbox):
    sent = letter("top", ["one", "..two", "", "four"])
    deliver(server, mailbox, sent)
    client = pop3(server, mailbox)
    whole = fetch(client, 1)
    header, body = whole.split(b"\r\n\r\n", 1)
    for count in (0, 1, 2, 3, 4, 100):
        lines = body.split(b"\r\n")[:count] if count < 4 else body.split(b"\r\n")[:-1]
        want = header + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
        assert b"".join(line + b"\r\n" for line in client.top(1, count)[1]) == want, count
    client.quit()


def test_uidl_stays(server, mailbox):
    for _ in range(3):
        deliver(server, mailbox)

    def names():
        client = pop3(server, mailbox)
        found = [line.split()[1] for line in client.uidl()[1]]
        assert client.uidl(1).split()[2] == found[0]
        client.quit()
        return found

    first = names()
    assert len(set(first)) == 3 and all(re.fullmatch(rb"[\x21-\x7e]{1,70}", n) for n in first)
    client = pop3(server, mailbox)
    client.dele(1)
    client.quit()
    deliver(server, mailbox)
    second = names()
    assert second[:2] == first[1:] and second[2] not in first


def test_deletion_only_at_quit(server, mailbox):
    deliver(server, mailbox)
    with Wire(server, "pop3s", tls=True) as wire:
        wire.pop3_login(mailbox)
        assert wire.say("DELE 1").startswith("+OK")
        assert wire.say("RETR 1").startswith("-ERR")
        assert wire.say("DELE 1").startswith("-ERR")
        assert wire.say("LIST 1").startswith("-ERR")
    assert count_of(server, mailbox) == 1


@pytest.mark.parametrize("how", ENDS)
def test_open_mailbox_ends_with_its_login(server, mailbox, how):
    deliver(server, mailbox)
    with Wire(server, "pop3s", tls=True) as wire:
        wire.pop3_login(mailbox)
        assert wire.say("DELE 1").startswith("+OK")
        end_logins(server, how, mailbox)
        assert wire.reply() == "-ERR [SYS/TEMP] this login has ended, log in again"
        assert wire.rest() == b""
    if how == "disabled":
        server.command("account", "enable", mailbox)
        assert count_of(server, mailbox) == 1


def flags(server, mailbox):
    """The flags of each message, oldest first."""
    return [row["flags"] for row in server.json("flags", mailbox)]


def test_what_was_read_is_seen_from_quit_on(server, mailbox):
    for _ in range(5):
        deliver(server, mailbox)
    with Wire(server, "pop3s", tls=True) as wire:
        wire.pop3_login(mailbox)
        for number in (1, 2, 5):
            wire.retrieve(number)
        assert wire.say("TOP 3 1000").startswith("+OK")  # all of it: that is no reading
        wire.multiline()
        assert wire.say("DELE 2").startswith("+OK")
        assert flags(server, mailbox) == [""] * 5
        assert wire.say("QUIT").startswith("+OK")
        assert flags(server, mailbox) == ["$seen", "", "", "$seen"]
    with Wire(server, "pop3s", tls=True) as wire:
        wire.pop3_login(mailbox)
        wire.retrieve(2)
    assert flags(server, mailbox) == ["$seen", "", "", "$seen"]  # who breaks off has read nothing


def id_of(message):
    """The one that its Received field shows."""
    return re.search(rb"\bid (\S+)", message).group(1).decode()


def test_what_is_seen_is_not_marked_again(make_server):
    server = make_server(accounts=["ann"])
    ann = f"ann@{DOMAIN}"
    for _ in range(2):
        deliver(server, ann)

    def read():
        client = pop3(server, ann)
        fetch(client, 1)
        client.quit()

    read()
    read()
    client = pop3(server, ann)
    client.list()
    client.quit()
    got = fetch(pop3(server, ann), 1)
    [line] = [line for line in server.log().split("\n") if "event=marked-seen" in line]
    assert line.endswith(f" id={id_of(got)} account={ann}")
    assert flags(server, ann) == ["$seen", ""]


DELETED = f"deleted by ann@{DOMAIN}, by POP3"


def test_each_deletion_is_told_with_its_message(make_server):
    server = make_server(accounts=["ann"])
    ann = f"ann@{DOMAIN}"
    for _ in range(40):  # an interval that is taken out by one statement, and a single message
        deliver(server, ann)
    ids = [id_of(got) for got in mail_of(server, ann)]
    client = pop3(server, ann)
    for number in [*range(1, 36), 38]:
        client.dele(number)
    client.quit()
    lines = [line.partition(" event=")[2] for line in server.log().split("\n") if "event=deleted" in line]
    assert lines == [f"deleted id={ids[number - 1]} account={ann}" for number in [*range(1, 36), 38]]
    server.command("undelete", ann, "--message-id", ids[37])
    for number, after in ((1, [DELETED]), (37, []), (38, [DELETED, f"brought back into the mailbox of {ann}"])):
        story = [event["text"] for event in server.json("trace", ids[number - 1])]
        assert story[1:] == ["delivered to the mailbox INBOX", *after]


def test_reading_leaves_no_mark_where_that_is_not_wanted(make_server):
    server = make_server("pop3_marks_seen = false;", accounts=["ann"])
    ann = f"ann@{DOMAIN}"
    deliver(server, ann)
    client = pop3(server, ann)
    fetch(client, 1)
    client.quit()
    assert flags(server, ann) == [""]
    assert "marked-seen" not in server.log()


def test_two_sessions_see_their_own_snapshot(server, mailbox):
    deliver(server, mailbox, letter("old"))
    one, two = pop3(server, mailbox), pop3(server, mailbox)
    deliver(server, mailbox, letter("new"))
    assert one.stat()[0] == two.stat()[0] == 1
    one.dele(1)
    one.quit()
    assert two.stat()[0] == 1
    assert without_trace(fetch(two, 1)) == letter("old")
    two.dele(1)
    two.quit()
    client = pop3(server, mailbox)
    assert client.stat()[0] == 1 and without_trace(fetch(client, 1)) == letter("new")
    client.quit()


def test_capabilities_tell_the_truth(server, mailbox):
    with Wire(server, "pop3") as wire:
        assert wire.say("CAPA").startswith("+OK")
        words = {line.split()[0]: line for line in wire.multiline()}
        assert {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "STLS",
                "IMPLEMENTATION"} <= set(words)
        wire.say("STLS")
        wire.start_tls()
        assert wire.say("CAPA").startswith("+OK")
        words = {line.split()[0]: line for line in wire.multiline()}
        assert "STLS" not in words and "USER" in words and "PLAIN" in words["SASL"]
        wire.pop3_login(mailbox)
        assert wire.say("QUIT").startswith("+OK")


def test_stls_with_poplib(server, mailbox):
    client = poplib.POP3("localhost", server.ports["pop3"], timeout=TIMEOUT)
    client.stls(context=server.trust())
    client.user(mailbox)
    client.pass_(PASSWORD)
    assert client.stat() == (0, 0)
    assert client.list()[1] == [] and client.uidl()[1] == []
    client.quit()


def test_stls_drops_what_came_before(server, mailbox):
    with Wire(server, "pop3") as wire:
        wire.send(f"STLS\r\nUSER {mailbox}\r\n")
        assert wire.reply().startswith("+OK")
        wire.start_tls()
        assert wire.say(f"PASS {PASSWORD}").startswith("-ERR")


def test_sasl_plain(server, mailbox):
    secret = base64.b64encode(f"\0{mailbox}\0{PASSWORD}".encode()).decode()
    with Wire(server, "pop3s", tls=True) as wire:
        assert wire.say(f"AUTH PLAIN {secret}").startswith("+OK")
        assert wire.say("STAT") == "+OK 0 0"
    with Wire(server, "pop3s", tls=True) as wire:
        assert wire.say("AUTH PLAIN").startswith("+")
        assert wire.say("*").startswith("-ERR")
        assert wire.say("AUTH PLAIN").startswith("+")
        assert wire.say(secret).startswith("+OK")


def test_wrong_password(make_server):
    server = make_server(accounts=["alice"])
    replies = []
    for user, password in ((f"alice@{DOMAIN}", "wrong"), (f"nobody@{DOMAIN}", PASSWORD)):
        with Wire(server, "pop3s", tls=True) as wire:
            wire.say(f"USER {user}")
            replies.append(wire.say(f"PASS {password}"))
            assert wire.say("STAT").startswith("-ERR")
    assert replies[0] == replies[1] and replies[0].startswith("-ERR [AUTH]")


def test_a_whole_house_logs_in_at_once(server, mailbox):
    """As it does when the server is there again: each password takes its time, and none is sent away."""
    with contextlib.ExitStack() as house:
        wires = [house.enter_context(Wire(server, "pop3")) for _ in range(150)]
        for wire in wires:
            assert wire.say(f"USER {mailbox}").startswith("+OK")
        for wire in wires:
            wire.send(f"PASS {PASSWORD}\r\n")
        assert {wire.reply()[:3] for wire in wires} == {"+OK"}


def test_password_with_spaces(server, mailbox):
    server.command("account", "passwd", mailbox, "--password-stdin", stdin=" two  spaces \n")
    client = pop3(server, mailbox, " two  spaces ")
    client.quit()


def test_commands_out_of_place(server, mailbox):
    with Wire(server, "pop3s", tls=True) as wire:
        for command in ("STAT", "LIST", "RETR 1", "DELE 1", "UIDL", "TOP 1 1", "PASS x"):
            assert wire.say(command).startswith("-ERR"), command
        wire.pop3_login(mailbox)
        for command in ("RETR", "RETR 0", "RETR 1", "RETR x", "RETR -1", "DELE 99999999999999999999",
                        "TOP 1", "TOP 1 x", "LIST 2", "UIDL 2", "XYZZY", "USER x", "STLS", "", " "):
            assert wire.say(command).startswith("-ERR"), command


def test_pipelining(server, mailbox):
    for _ in range(3):
        deliver(server, mailbox)
    with Wire(server, "pop3s", tls=True) as wire:
        wire.send(f"USER {mailbox}\r\nPASS {PASSWORD}\r\nSTAT\r\nLIST\r\nRETR 1\r\nDELE 1\r\n"
                  "DELE 2\r\nQUIT\r\n")
        assert all(wire.reply().startswith("+OK") for _ in range(4))
        assert len(wire.multiline()) == 3
        assert wire.reply().startswith("+OK")
        assert "Subject: A letter" in wire.multiline()
        assert [wire.reply()[:3] for _ in range(3)] == ["+OK"] * 3
        assert wire.rest() == b""
    assert count_of(server, mailbox) == 1


def test_large_message(server, mailbox):
    sent = letter("large", ["0123456789" * 7] * 150000)  # about 10 MB
    deliver(server, mailbox, sent)
    client = pop3(server, mailbox)
    assert without_trace(fetch(client, 1)) == sent
    client.quit()


def test_a_reader_that_stops_in_the_middle(server, mailbox):
    deliver(server, mailbox, letter("large", ["0123456789" * 7] * 50000))
    for read in (0, 100, 100000):
        with Wire(server, "pop3s", tls=True) as wire:
            wire.pop3_login(mailbox)
            wire.send("RETR 1\r\n")
            while len(wire.input) < read:
                wire.input += wire.receive()
    assert count_of(server, mailbox) == 1


def test_many_messages(server, mailbox):
    count = 1000
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=TIMEOUT) as client:
        client.ehlo()
        for _ in range(count):
            client.send(f"MAIL FROM:<a@b.test>\r\nRCPT TO:<{mailbox}>\r\n"
                        "BDAT 3 LAST\r\na\r\n")
            for _ in range(3):
                code, text = client.getreply()
                assert code == 250, text
    client = pop3(server, mailbox)
    assert client.stat()[0] == count
    assert len(client.list()[1]) == len(client.uidl()[1]) == count
    assert len({line.split()[1] for line in client.uidl()[1]}) == count
    for number in range(1, count + 1, 2):
        client.dele(number)
    client.quit()
    assert count_of(server, mailbox) == count // 2
