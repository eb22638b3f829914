"""`godwit queue`: what an administrator sees and does while a destination is down."""

import contextlib
import json
import re
import smtplib
import sqlite3

import pytest
from conftest import DOMAIN, PASSWORD
from server import wait_for

ANN, BEN = f"ann@{DOMAIN}", f"ben@{DOMAIN}"
MESSAGE = b"From: ann@example.test\r\nSubject: x\r\n\r\nwords\r\n"


@pytest.fixture
def waiting(make_server):
    """A server with three recipients that wait: nothing listens where they go to."""
    server = make_server('routes = ( { domain = "*"; host = "127.0.0.1"; port = 1; } );', accounts=("ann", "ben"))
    send(server, ANN, "bob@one.test", "carl@two.test")
    send(server, BEN, "bob@two.test")
    wait_for("both destinations to be down", lambda: [
        (d["state"], d["sessions"]) for d in server.json("queue", "summary")] == [("unreachable", 0)] * 2)
    return server


def send(server, sender, *to, login=None, options=()):
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=30) as client:
        client.starttls()
        client.login(login or sender, PASSWORD)
        client.sendmail(sender, to, MESSAGE, options)


def recipients(server, *which):
    return sorted(row["recipient"] for row in server.json("queue", "list", *which))


def test_filters(waiting):
    everyone = ["bob@one.test", "bob@two.test", "carl@two.test"]
    assert recipients(waiting) == everyone
    assert recipients(waiting, "two.test") == ["bob@two.test", "carl@two.test"]
    assert recipients(waiting, "--to", "bob@two.test") == ["bob@two.test"]
    assert recipients(waiting, "--to", '"bob"@two.test') == recipients(waiting, '<"b\\ob"@two.test>') == ["bob@two.test"]
    assert recipients(waiting, "--to", "two.test", "--from", ANN) == ["carl@two.test"]
    assert recipients(waiting, "--from", "BEN@example.test") == ["bob@two.test"]
    assert recipients(waiting, ANN) == ["bob@one.test", "carl@two.test"]
    one = waiting.json("queue", "list", "one.test")[0]["id"]
    assert recipients(waiting, one) == ["bob@one.test", "carl@two.test"]
    assert recipients(waiting, "--older", "0s") == everyone
    done = waiting.command("queue", "list", "--older", "1d", status=66)
    assert "nothing in the queue matches" in done.stderr


def test_a_domain_in_its_own_letters(waiting):
    """The address stands as it was written; the domain is one in both spellings."""
    sender, address = "ann@bücher.test", "bob@three.test"
    waiting.command("domain", "add", "bücher.test")
    waiting.command("alias", "add", sender, ANN)
    send(waiting, sender, address, login=ANN, options=["SMTPUTF8"])
    assert waiting.json("queue", "list", "three.test")[0]["sender"] == sender
    for name in ("bücher.test", "BÜCHER.test", "xn--bcher-kva.test"):
        assert recipients(waiting, name) == recipients(waiting, "--from", name) == [address]


def test_address_literals(waiting):
    """As the summary names them, and as they were written."""
    send(waiting, ANN, "bob@[192.0.2.1]", "bob@[IPv6:2001:DB8::1]")
    wait_for("both of them to be down", lambda: [
        (d["state"], d["sessions"]) for d in waiting.json("queue", "summary")] == [("unreachable", 0)] * 4)
    shown = {d["destination"] for d in waiting.json("queue", "summary")}
    assert {"[192.0.2.1]", "[2001:db8::1]"} < shown
    for name, address in (("[192.0.2.1]", "bob@[192.0.2.1]"), ("[2001:db8::1]", "bob@[IPv6:2001:db8::1]"),
                          ("[IPv6:2001:db8:0::1]", "bob@[IPv6:2001:db8::1]")):
        assert recipients(waiting, name) == recipients(waiting, "--to", name) == [address]
    assert "1 recipient" in waiting.command("queue", "retry", "[192.0.2.1]").stdout
    assert "nothing in the queue matches" in waiting.command("queue", "list", "[192.0.2.2]", status=66).stderr


def test_list_fits_a_terminal(waiting):
    """However long the addresses are; what does not fit is told by show, and to programs."""
    host = ".".join(["a-rather-long-label"] * 5) + ".test"
    longest = ["x" * 60 + f"@{host}", "y" * 64 + "@one.test"]
    send(waiting, ANN, *longest)
    wait_for("attempts", lambda: all(row["last_reply"] for row in waiting.json("queue", "list")))
    lines = waiting.command("queue", "list").stdout.splitlines()
    assert max(map(len, lines)) == 100, max(lines, key=len)
    rows = waiting.json("queue", "list")
    assert len(lines) == 1 + 2 * len(rows)
    assert lines[0].split() == ["ID", "SINCE", "NEXT", "STATE", "RECIPIENT", "SENDER"]
    for row, line, reply in zip(rows, lines[1::2], lines[2::2], strict=True):
        told = line.split()
        assert told[0] == row["id"] and row["state"] in line, line
        assert re.fullmatch(r"(\d\d-\d\d \d\d:\d\d ?){2}", " ".join(told[1:5])), line
        for name, cell in (("recipient", told[-2]), ("sender", told[-1])):
            assert row[name] == cell or (cell[-1] == "\u2026" and row[name].startswith(cell[:-1])), line
        assert reply.startswith("    ") and row["last_reply"].startswith(reply.strip())
    for recipient in longest:
        ident = next(row["id"] for row in rows if row["recipient"] == recipient)
        assert recipient in waiting.command("queue", "show", ident).stdout


def test_show(waiting):
    """By an id one object, as it always was; else every message that has a recipient who was chosen, with those."""
    one = waiting.json("queue", "list", "one.test")[0]["id"]
    two = waiting.json("queue", "list", "--from", BEN)[0]["id"]
    shown = waiting.json("queue", "show", one)
    assert (shown["id"], shown["sender"]) == (one, ANN)
    assert [row["recipient"] for row in shown["recipients"]] == ["bob@one.test", "carl@two.test"]
    assert waiting.json("queue", "show", ANN) == [shown]
    found = {row["id"]: [each["recipient"] for each in row["recipients"]]
             for row in waiting.json("queue", "show", "--to", "two.test", "--older", "0s")}
    assert found == {one: ["carl@two.test"], two: ["bob@two.test"]}
    text = waiting.command("queue", "show").stdout
    assert waiting.command("queue", "show", one).stdout + "\n" + waiting.command("queue", "show", two).stdout == text
    assert len(waiting.json("queue", "show")) == 2 and waiting.json("queue", "list")
    waiting.command("queue", "remove", ANN)
    for command in ("show", "explain", "hold"):
        done = waiting.command("queue", command, one, status=66)
        assert f'nothing in the queue matches {one}; "godwit trace {one}" tells what became of it' in done.stderr
    assert one in waiting.command("trace", one).stdout


def test_very_many_recipients_are_shown_with_their_message(waiting):
    """However many pages that takes."""
    many = [f"someone{n}@many.test" for n in range(250)]
    for sender in (ANN, BEN):
        send(waiting, sender, *many)
    shown = waiting.json("queue", "show", "many.test")
    assert [(row["sender"], [each["recipient"] for each in row["recipients"]]) for row in shown] == [
        (ANN, many), (BEN, many)]


def test_nothing_to_change(waiting):
    """It is not said that something was done; what is as it was asked for is no failure."""
    assert "1 recipient held" in waiting.command("queue", "hold", "carl@two.test").stdout
    said = waiting.command("queue", "hold", "carl@two.test").stdout
    assert said == "nothing was changed: 1 recipient is held already, or being reported\n"
    said = waiting.command("queue", "release", "bob@one.test").stdout
    assert said.startswith("nothing was changed: 1 recipient is not held"), said
    said = waiting.command("queue", "cancel", "two.test", status=66).stderr
    assert "nothing was changed: 2 recipients are not waiting for a time that its sender set" in said, said
    assert "godwit queue remove" in said and "godwit queue bounce" in said, said
    assert len(recipients(waiting)) == 3
    assert waiting.json("ledger")[0]["what"] == "queue: 1 recipient held: carl@two.test"


def test_summary(waiting):
    summary = {d["destination"]: d for d in waiting.json("queue", "summary")}
    assert {name: d["waiting"] for name, d in summary.items()} == {"one.test": 1, "two.test": 2}
    assert summary["one.test"]["failures"] == 1 and summary["one.test"]["sessions"] == 0
    assert "refused" in summary["one.test"]["last_reply"]
    assert summary["one.test"]["next_probe"] > summary["one.test"]["oldest"]
    assert "two.test" in waiting.command("queue", "summary").stdout


def test_hold_and_release(waiting):
    assert "2 recipients held" in waiting.command("queue", "hold", "two.test").stdout
    states = {r["recipient"]: r["state"] for r in waiting.json("queue", "list")}
    assert states == {"bob@one.test": "unreachable", "bob@two.test": "held",
                      "carl@two.test": "held"}
    for row in waiting.json("queue", "explain", "two.test"):
        assert "was held back by an administrator " in row["explanation"], row
        assert "returned to" not in row["explanation"]
    done = waiting.command("queue", "retry")
    assert "1 recipient may be tried now; 2 others are held, or to be sent later: release them first" in done.stdout
    waiting.stop()
    assert "2 recipients released" in waiting.command("queue", "release").stdout  # offline too
    waiting.start()
    assert not [r for r in waiting.json("queue", "list") if r["state"] == "held"]
    waiting.mark()
    waiting.command("audit")


def test_bounce(waiting):
    waiting.command("queue", "hold", "carl@two.test")
    assert "1 recipient given up" in waiting.command("queue", "bounce", "carl@two.test").stdout
    wait_for("the report", lambda: waiting.message_count() == 1)
    assert recipients(waiting) == ["bob@one.test", "bob@two.test"]
    assert "1 recipient removed" in waiting.command("queue", "remove", "--from", BEN).stdout
    assert waiting.message_count() == 1
    waiting.command("audit")


def test_changes_for_programs(waiting):
    """A program reads how many and which, a person a sentence; neither gets the other's."""
    ids = {row["recipient"]: row["id"] for row in waiting.json("queue", "list")}
    bob, carl = "bob@two.test", "carl@two.test"

    def check(*words, changed=(), unchanged=0):
        got = waiting.json("queue", *words)
        named = got.pop("recipients")
        assert got == {"changed": len(changed), "unchanged": unchanged, "under_way": 0, "not_named": 0}, got
        assert sorted(map(dict.items, named), key=str) == sorted(
            ({"id": ids[one], "recipient": one}.items() for one in changed), key=str), named

    check("hold", "two.test", changed=(bob, carl))
    check("hold", "two.test", unchanged=2)
    check("retry", changed=("bob@one.test",), unchanged=2)
    check("release", bob, changed=(bob,))
    for words in (("cancel", bob), ("retry", carl)):
        done = waiting.command("queue", *words, "--json", status=66)
        assert (json.loads(done.stdout)["changed"], json.loads(done.stdout)["unchanged"]) == (0, 1), done.stdout
        assert "nothing was changed: 1 recipient is " in done.stderr, done.stderr
    check("bounce", carl, changed=(carl,))
    assert "unchanged" not in waiting.command("queue", "release").stdout
    check("remove", "--from", BEN, changed=(bob,))
    done = waiting.command("queue", "remove", "--from", BEN, "--json", status=66)
    assert not done.stdout and "nothing in the queue matches" in done.stderr


def test_very_many_changes_are_not_all_named(waiting):
    """The first thousand are; how many more there are is said."""
    many = [f"someone{n}@many.test" for n in range(600)]
    for sender in (ANN, BEN):
        send(waiting, sender, *many)
    got = waiting.json("queue", "hold", "many.test")
    named = [(row["id"], row["recipient"]) for row in got["recipients"]]
    assert (got["changed"], got["not_named"], len(named)) == (1200, 200, 1000)
    held = [(row["id"], row["recipient"]) for row in waiting.json("queue", "list", "many.test")]
    assert named == held[:1000]
    assert waiting.json("queue", "remove", "--from", BEN, "--to", "many.test")["not_named"] == 0
    waiting.command("audit")


def test_changes_that_break_off(waiting):
    """What was done is named all the same, with what stopped it; the exit code says that it is not all."""
    many = [f"someone{n}@many.test" for n in range(600)]
    for sender in (ANN, BEN):
        send(waiting, sender, *many)
    rows = waiting.json("queue", "list", "many.test")
    waiting.stop()
    with contextlib.closing(sqlite3.connect(f"{waiting.data}/store.db")) as db, db:
        db.execute("CREATE TRIGGER stop BEFORE UPDATE ON queue WHEN OLD.address = 'someone599@many.test'"
                   " BEGIN SELECT RAISE(ABORT, 'the last is not to be touched'); END")
    done = waiting.command("queue", "hold", "many.test", "--json", status=75)
    got = json.loads(done.stdout)
    named = [(row["id"], row["recipient"]) for row in got.pop("recipients")]
    error = got.pop("error")
    assert "not to be touched" in error and error in done.stderr, (error, done.stderr)
    assert got == {"changed": len(named), "unchanged": 0, "under_way": 0, "not_named": 0}, got
    assert 0 < len(named) < 600
    assert named == [(row["id"], row["recipient"]) for row in rows[:len(named)]]
    assert f"{len(named)} recipients were changed, then: " in done.stderr
    held = [row["recipient"] for row in waiting.json("queue", "list", "many.test") if row["state"] == "held"]
    assert held == [recipient for _, recipient in named]
    done = waiting.command("queue", "hold", rows[-1]["id"], "--json", status=75)
    assert json.loads(done.stdout)["error"], done.stdout


@pytest.mark.parametrize("words, status, says", [
    (("hold",), 64, "say which"),
    (("remove",), 64, "say which"),
    (("bounce",), 64, "say which"),
    (("list", "a b"), 64, "no message id, address or domain"),
    (("list", "--to", "a b"), 64, "no address or domain of a recipient"),
    (("list", "--from", "a b"), 64, "the null one is <>"),
    (("list", "--older", "soon"), 64, "write it like 90s"),
    (("list", "--older", "-1d"), 64, "write it like 90s"),
    (("hold", "nobody.test"), 66, "nothing in the queue matches nobody.test"),
    (("show", "nobody.test"), 66, "nothing in the queue matches nobody.test"),
    (("show", "a b"), 64, "no message id, address or domain"),
    (("show", "--older", "soon"), 64, "write it like 90s"),
    (("summary", "more"), 64, ""),
    (("holt", "x"), 64, "hold"),
], ids=range(14))
def test_wrong_words(server, words, status, says):
    done = server.command("queue", *words, status=status)
    assert done.stderr.startswith("godwit: ") and says in done.stderr, done.stderr
