"""Full mailboxes: refusals at RCPT and after DATA, defaults, the warning, exact counters."""

from conftest import DOMAIN
from server import wait_for
from wire import Wire, deliver, letter, mail_of

ANN, BOB = f"ann@{DOMAIN}", f"bob@{DOMAIN}"


def account(server, address):
    return next(a for a in server.json("account", "list") if a["account"] == address)


def rcpt(wire, address, more=""):
    return wire.say(f"RCPT TO:<{address}>{more}")


def test_full_at_rcpt_and_warned_once(make_server):
    server = make_server("", ["ann", "bob"])
    server.command("account", "quota", ANN, "--messages", "10")
    for _ in range(8):
        deliver(server, ANN)
    assert account(server, ANN)["quota_messages"] == 10
    deliver(server, ANN)
    wait_for("the warning", lambda: account(server, ANN)["messages"] == 10)
    warning = mail_of(server, ANN)[-1]
    assert b"Subject: Your mailbox is nearly full" in warning
    assert b"9 of the 10 messages" in warning
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<x@else.test>")
        assert rcpt(wire, ANN).startswith("452 4.2.2 ")
        assert rcpt(wire, BOB).startswith("250")
    server.stop()
    assert "the books balance" in server.command("audit").stdout
    server.start()
    server.mark()
    server.command("account", "quota", ANN, "--messages", "none")
    deliver(server, ANN)
    assert account(server, ANN)["messages"] == 11


def test_larger_than_the_mailbox(make_server):
    """What will never fit is refused for good, as soon as the size is known; there is no use in trying again."""
    server = make_server("", ["ann", "bob"])
    server.command("account", "quota", ANN, "--bytes", "5000")
    large = letter("large", ["x" * 70] * 100)
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<x@else.test> SIZE=7000")
        assert rcpt(wire, ANN).startswith("552 5.2.3 ")
        assert rcpt(wire, BOB).startswith("250")
        for to in ([ANN], [BOB, ANN]):  # not announced
            wire.say("RSET")
            wire.say("MAIL FROM:<x@else.test>")
            assert all(rcpt(wire, address).startswith("250") for address in to)
            wire.say("DATA")
            wire.send(large)
            reply = wire.say(".")
            assert reply.startswith("552 5.2.3 "), (to, reply)
        wire.say("RSET")
    deliver(server, ANN)
    deliver(server, BOB, large)
    assert (account(server, ANN)["messages"], account(server, BOB)["messages"]) == (1, 1)


def test_a_domain_that_is_nearly_full(make_server):
    """Its postmaster is told: the first account."""
    server = make_server("", ["ann", "bob"])
    server.command("domain", "quota", DOMAIN, "--messages", "10")
    for _ in range(9):
        deliver(server, BOB)
    wait_for("the warning", lambda: account(server, ANN)["messages"] == 1)
    warning = mail_of(server, ANN)[0]
    assert b"Subject: Your domain has nearly used up its room" in warning
    assert b"hold 9 of the 10 messages" in warning.replace(b"\r\n", b" ")
    assert b"To: postmaster@" + DOMAIN.encode() in warning
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<x@else.test>")
        assert rcpt(wire, BOB).startswith("452 4.2.2 ")


def test_the_last_place_is_given_once(make_server):
    """Both pass RCPT; the commit decides, and one is asked to come again."""
    server = make_server("", ["ann", "bob"])
    server.command("account", "quota", ANN, "--messages", "1")
    wires = [Wire(server), Wire(server)]
    for wire in wires:
        wire.hello()
        wire.say("MAIL FROM:<x@else.test>")
        assert rcpt(wire, ANN).startswith("250")
        assert wire.say("DATA").startswith("354")
    for wire in wires:
        wire.send(letter("race"))
    replies = sorted(wire.say(".") for wire in wires)
    assert replies[0].startswith("250 2.0.0") and replies[1].startswith("452 4.2.2 ")


def test_domain_and_defaults(make_server):
    server = make_server('quota = { account_messages = 2; domain_messages = 3; };', ["ann", "bob"])
    with Wire(server) as wire:
        wire.hello()
        for address, want in [(ANN, "250"), (ANN, "250"), (ANN, "452 4.2.2"), (BOB, "250"),
                              (BOB, "452 4.2.2")]:
            wire.say("MAIL FROM:<x@else.test>")
            reply = rcpt(wire, address)
            assert reply.startswith(want), (address, reply)
            if want == "250":
                wire.say("DATA")
                wire.send(letter("one more"))
                assert wire.say(".").startswith("250")
            wire.say("RSET")
    server.command("domain", "quota", DOMAIN, "--messages", "none")
    server.command("account", "quota", BOB, "--messages", "none", "--bytes", "1M")
    deliver(server, BOB)
    domain = next(d for d in server.json("domain", "list") if d["domain"] == DOMAIN)
    assert domain["quota_messages"] == 0 and domain["messages"] >= 4
    assert account(server, BOB)["quota_size"] == 1024 * 1024
    done = server.command("account", "quota", BOB, "--bytes", "much", status=64)
    assert "none" in done.stderr and "default" in done.stderr
    assert "--bytes" in server.command("account", "quota", BOB, status=64).stderr


def test_counters_after_a_crash(make_server):
    server = make_server("", ["ann", "bob"])
    for _ in range(3):
        deliver(server, ANN)
    server.kill_all()
    server.start()
    server.mark()
    assert account(server, ANN)["messages"] == 3
    assert "the books balance" in server.command("audit").stdout
