"""Relay domains: mail is taken for another server, which is asked first whether it knows the recipient."""

import re
import threading
import time

import pytest
from conftest import DOMAIN
from ipc_frames import EVENT, frame, read_frame
from relay_net import ALICE, net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import HANG
from test_relay_taken_over import CALLED, CALLOUT, stopped
from wire import Wire, letter, mail_of, submit

NET_OPTIONS = 'trusted_networks = [];\ncallout = { wait = "30s"; unverified = "defer"; };'
OURSELVES = "mail.example.test"
UNVERIFIED = ("450 4.1.1 the server of that domain has not said yet whether it knows this recipient, "
              "try again later")
REFUSED = "550 5.1.1 the server of that domain refuses this recipient: "
NO_USER = b"550 5.1.1 no such user\r\n"


def knows(*names):
    """An answer to RCPT of a server that has these users."""
    def answer(session):
        name = re.search(r"<(.*?)@", session.commands[-1]).group(1)
        return b"250 2.1.5 ok\r\n" if name in names else NO_USER
    return answer


def relay_domain(net, *words, **answers):
    """A primary; its domain is a relay domain here, with us as the other MX."""
    peer = net.peer(**answers)
    net.names.answers[peer.domain].append(("MX", 99, OURSELVES))
    net.server.command("domain", "add", peer.domain, "--relay", *words)
    return peer


def rcpt(net, *addresses):
    """What a stranger is told of each recipient."""
    with Wire(net.server) as wire:
        wire.hello()
        assert wire.say("MAIL FROM:<carol@stranger.test>").startswith("250")
        return [wire.say(f"RCPT TO:<{address}>") for address in addresses]


def asked(peer):
    return [command for command in peer.commands if command.startswith("RCPT")]


def wait_verdict(net, address, verdict):
    wait_for(f"{address} to be {verdict}", lambda: re.search(
        rf"event=callout to={re.escape(address)} verdict={verdict}", net.server.new_log()))


@pytest.mark.kills
def test_recipients_are_asked_for_once(net):
    peer = relay_domain(net, RCPT=knows("bob"))
    bob, nobody = f"bob@{peer.domain}", f"nobody@{peer.domain}"
    for _ in range(2):
        taken, refused = rcpt(net, bob, nobody)
        assert taken.startswith("250") and refused == REFUSED + "550 5.1.1 no such user"
        assert rcpt(net, f"BOB@{peer.domain.upper()}")[0].startswith("250")
    assert asked(peer) == [f"RCPT TO:<{bob}>", f"RCPT TO:<{nobody}>"]
    assert "MAIL FROM:<>" in peer.commands and "DATA" not in peer.commands
    assert "event=relay-refused" not in net.server.new_log()  # it asks for no content
    # What is known outlives the server
    assert net.server.stop() == 0
    net.server.start()
    taken, refused = rcpt(net, bob, nobody)
    assert taken.startswith("250") and refused.startswith("550")
    assert len(asked(peer)) == 2


def test_mail_goes_to_the_primary(net):
    peer = relay_domain(net, RCPT=knows("bob"))
    number = net.send(f"bob@{peer.domain}", content=letter("For bob"))
    message, = peer.wait_taken()
    assert b"Subject: For bob" in message.content
    net.wait_gone(number)
    story = net.trace(number)
    assert "relay domain: its server took this recipient when it was asked at" in story
    assert "250 2.1.5 ok" in story


def test_a_sender_with_a_long_local_part(net):
    """As those of mailing lists are: his mail goes on, and his report comes to him."""
    home, peer = net.peer(), relay_domain(net, end=[b"554 5.7.1 not this\r\n"])
    sender = f"bounces+{'1234567-' * 10}bob=example.net@{home.domain}"
    refused = net.send(f"bob@{peer.domain}", sender=sender)
    report, = home.wait_taken()
    assert report.recipients == [f"<{sender}>"] and b"554 5.7.1 not this" in report.content
    net.wait_gone(refused)
    net.send(f"bob@{peer.domain}", sender=sender)
    message, = peer.wait_taken()
    assert message.mail.startswith(f"<{sender}>")


def test_two_mailboxes_of_the_primary_are_two(net):
    """Its local parts are its own business: only what is spelt the same has had the message."""
    peer = relay_domain(net, "--no-verify")
    for local, codes in (("bob", 554), ("BOB", 250)):
        with Wire(net.server) as wire:
            wire.hello()
            assert wire.say("MAIL FROM:<carol@stranger.test>").startswith("250")
            assert wire.say(f"RCPT TO:<{local}@{peer.domain}>").startswith("250")
            assert wire.say("DATA").startswith("354")
            wire.send(f"Delivered-To: bob@{peer.domain.upper()}\r\n".encode() + letter() + b".\r\n")
            assert wire.reply().startswith(str(codes)), local
    wait_for("the other mailbox", lambda: [m.recipients for m in peer.taken] == [[f"<BOB@{peer.domain}>"]])


def test_known_ones_are_taken_while_the_primary_is_down(net):
    peer = relay_domain(net)
    bob = f"bob@{peer.domain}"
    assert rcpt(net, bob)[0].startswith("250")
    peer.cut()
    peer.down()
    number = net.send(bob)
    assert net.wait_attempt(number) == (0, 0, 1)
    # The queue knows that it is down: it is not called for a question, and nobody waits
    attempts = net.server.new_log().count("event=callout ")
    assert rcpt(net, f"new@{peer.domain}", f"other@{peer.domain}") == [UNVERIFIED] * 2
    assert net.server.new_log().count("event=callout ") == attempts
    said = net.server.command("queue", "explain", number).stdout
    assert f"{peer.domain} is a relay domain: its mail is kept for its own server." in said
    peer.up()
    net.retry(number)
    peer.wait_taken()
    net.wait_gone(number)
    assert rcpt(net, f"new@{peer.domain}")[0].startswith("250")


def test_a_primary_that_cannot_be_asked_is_left_alone(net):
    peer = relay_domain(net)
    peer.down()
    assert rcpt(net, f"new@{peer.domain}") == [UNVERIFIED]
    wait_verdict(net, f"new@{peer.domain}", "unsure")
    attempts = net.server.new_log().count("event=callout ")
    assert rcpt(net, f"new@{peer.domain}", f"other@{peer.domain}") == [UNVERIFIED] * 2
    assert net.server.new_log().count("event=callout ") == attempts


def test_questions_are_paced(net):
    """Fifty at once, then one each 100 ms."""
    peer = relay_domain(net)
    begin = time.monotonic()
    for n in range(70):  # some are told to come again, until what was said of others is kept
        wait_for(f"u{n}", lambda: rcpt(net, f"u{n}@{peer.domain}")[0].startswith("250"))
    assert time.monotonic() - begin >= (70 - 51) * 0.1
    assert len(asked(peer)) == 70


def test_unverified_ones_are_taken_where_that_is_configured(net):
    peer = relay_domain(net, RCPT=[b"450 4.2.0 later\r\n"])
    down = relay_domain(net)
    down.down()
    net.reload('callout = { wait = "30s"; unverified = "accept"; };')
    try:
        for reply in rcpt(net, f"bob@{peer.domain}", f"bob@{down.domain}", f"eve@{down.domain}"):
            assert reply.startswith("250")
        assert len(asked(peer)) == 1
    finally:
        net.reload(NET_OPTIONS)


def test_not_now(net):
    """What is said for now is not asked for again at once, and not kept for long."""
    peer = relay_domain(net, RCPT=b"451 4.7.1 greylisted\r\n")
    assert rcpt(net, f"bob@{peer.domain}", f"bob@{peer.domain}") == [UNVERIFIED] * 2
    assert len(asked(peer)) == 1
    assert rcpt(net, f"eve@{peer.domain}") == [UNVERIFIED]
    assert len(asked(peer)) == 2


def test_the_null_path_is_refused(net):
    """That is not about the recipient."""
    peer = relay_domain(net, MAIL=[b"550 5.7.1 no bounces here\r\n"])
    assert rcpt(net, f"bob@{peer.domain}") == [UNVERIFIED]
    wait_verdict(net, f"bob@{peer.domain}", "unsure")


@pytest.mark.parametrize("said", [
    "550 5.4.1 Recipient address rejected: Access denied. [X.prod.protection.outlook.com]",
    "550 5.7.1 <nobody>: Recipient address rejected: User unknown", "554 no such user"], ids=lambda said: said[:9])
def test_unknown_by_the_words(net, said):
    """Whatever its codes: strangers are told, and the others of the domain are asked for as before."""
    peer = relay_domain(net, RCPT=[said.encode() + b"\r\n"])
    refused, taken = rcpt(net, f"nobody@{peer.domain}", f"bob@{peer.domain}")
    assert refused == REFUSED + said and taken.startswith("250")


def test_a_primary_that_hangs(net):
    """The sender waits for a moment only; the answer is kept for when he comes again."""
    peer = relay_domain(net, RCPT=[HANG])
    net.reload('callout = { wait = "1s"; };')
    try:
        assert rcpt(net, f"bob@{peer.domain}") == [UNVERIFIED]
        peer.go_on.set()
        wait_verdict(net, f"bob@{peer.domain}", "taken")
        assert rcpt(net, f"bob@{peer.domain}")[0].startswith("250")
        assert len(asked(peer)) == 1
    finally:
        net.reload(NET_OPTIONS)


def ask_hanging(net, peer):
    """A stranger's question about bob is out; the thread, and what the stranger is told when it ends."""
    replies = []
    thread = threading.Thread(target=lambda: replies.extend(rcpt(net, f"bob@{peer.domain}")))
    thread.start()
    peer.wait_hanging()
    return thread, replies


def test_many_who_ask(net):
    """One question for the same recipient; few connections, and few questions for one network."""
    peer = relay_domain(net, RCPT=[HANG] * 20)
    replies = {}

    def ask(name):
        replies[name] = rcpt(net, f"{name.split('/')[0]}@{peer.domain}")[0]

    threads = [threading.Thread(target=ask, args=(f"same/{n}",)) for n in range(5)]
    threads += [threading.Thread(target=ask, args=(f"u{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    wait_for("four questions", lambda: len(peer.hanging) == 4)
    wait_for("those that are too many", lambda: len(replies) >= 3)
    assert all(reply == UNVERIFIED for reply in replies.values())
    peer.go_on.set()
    for thread in threads:
        thread.join()
    assert len(peer.sessions) == 4
    assert len(asked(peer)) == len(set(asked(peer))) == 10
    assert sum(reply.startswith("250") for reply in replies.values()) == 17 - sum(
        reply == UNVERIFIED for reply in replies.values()) >= 10


def at_one_primary(net, name, count, **answers):
    """A primary of several relay domains, and these."""
    peer = net.peer(**answers)
    net.names.answers[f"mx.{name}.test"] = [("A", peer.address)]
    domains = [f"{name}{n}.test" for n in range(count)]
    for domain in domains:
        net.names.answers[domain] = [("MX", 10, f"mx.{name}.test"), ("MX", 99, OURSELVES)]
        net.server.command("domain", "add", domain, "--relay")
    return peer, domains


def test_many_domains_of_one_primary(net):
    """Few connections to it, whichever domains the questions are about; the others wait for these, and have their answers."""
    peer, domains = at_one_primary(net, "primary", 4, RCPT=[HANG] * 20)
    other = relay_domain(net)
    replies = {}

    def ask(address):
        replies[address] = rcpt(net, address)[0]

    threads = [threading.Thread(target=ask, args=(f"u{n}@{domain}",)) for domain in domains for n in range(2)]
    for thread in threads:
        thread.start()
    wait_for("four questions", lambda: len(peer.hanging) == 4)
    wait_for("all who ask", lambda: net.server.new_log().count("event=connected listener=smtp") == 8)
    assert rcpt(net, f"bob@{other.domain}")[0].startswith("250")  # it holds up no other
    peer.go_on.set()
    for thread in threads:
        thread.join()
    assert all(reply.startswith("250") for reply in replies.values()) and len(replies) == 8, replies
    assert len(peer.sessions) == 4 and len(set(asked(peer))) == len(asked(peer)) == 8


def test_a_question_that_waits_in_vain(net):
    """The primary is busy with others: it is not taken for down, and mail to it goes."""
    peer, domains = at_one_primary(net, "busy", 2, RCPT=[HANG] * 4)
    net.reload('callout = { wait = "1s"; };\ntimeouts = { relay_connect = "1s"; };')
    try:
        assert rcpt(net, *(f"u{n}@{domains[0]}" for n in range(4))) == [UNVERIFIED] * 4
        assert len(peer.hanging) == 4
        assert rcpt(net, f"bob@{domains[1]}") == [UNVERIFIED]
        wait_verdict(net, f"bob@{domains[1]}", "unsure")
        assert "as many connections" in net.server.new_log()
        submit(net.server, ALICE, [f"eve@{domains[1]}"])
        peer.wait_taken()
    finally:
        peer.go_on.set()
        net.reload(NET_OPTIONS + '\ntimeouts = { relay_connect = "30s"; };')
    assert rcpt(net, f"carl@{domains[1]}")[0].startswith("250")


@pytest.fixture
def one_by_one(net):
    """A primary that one connection at a time may go to."""
    def make(**answers):
        peer = relay_domain(net, **answers)
        net.reload(f'{NET_OPTIONS}\ndestinations = ( {{ domain = "{peer.domain}"; connections = 1; }} );')
        return peer
    yield make
    net.reload(NET_OPTIONS)


def test_a_question_waits_for_mail(net, one_by_one):
    """Its connection is one of those that the primary may have, mail included."""
    peer = one_by_one(end=[HANG])
    submit(net.server, ALICE, [f"bob@{peer.domain}"])
    peer.wait_hanging()
    replies = []
    thread = threading.Thread(target=lambda: replies.extend(rcpt(net, f"carl@{peer.domain}")))
    thread.start()
    wait_for("the stranger", lambda: "event=connected listener=smtp " in net.server.new_log())
    time.sleep(0.5)  # it asks for its turn, five times
    assert len(peer.sessions) == 1 and not replies
    peer.go_on.set()
    thread.join()
    assert replies[0].startswith("250") and len(peer.taken) == 1


def test_mail_waits_for_a_question(net, one_by_one):
    peer = one_by_one(RCPT=[HANG])
    thread, replies = ask_hanging(net, peer)
    submit(net.server, ALICE, [f"carl@{peer.domain}"])
    time.sleep(0.5)  # it would have gone
    assert len(peer.sessions) == 1 and not replies
    peer.go_on.set()
    thread.join()
    message, = peer.wait_taken()
    assert replies[0].startswith("250") and message.recipients == [f"<carl@{peer.domain}>"]


@pytest.mark.kills
def test_a_relay_that_dies_while_it_asks(net):
    peer = relay_domain(net, RCPT=[HANG])
    thread, replies = ask_hanging(net, peer)
    net.server.kill("relay")
    thread.join()
    assert replies[0].startswith("250")
    assert len(asked(peer)) == 2


@pytest.mark.kills
def test_a_store_that_dies_while_it_asks(net):
    """The relay ends what nobody waits for any more: the next store knows nothing of that connection."""
    peer = relay_domain(net, RCPT=[HANG])
    thread, replies = ask_hanging(net, peer)
    net.server.kill("store")
    wait_for("the connection to end", lambda: not peer.hanging)
    thread.join()
    assert replies[0][:1] in ("4", "")
    net.server.wait_ready()
    assert rcpt(net, f"bob@{peer.domain}")[0].startswith("250")
    assert len(asked(peer)) == 2
    assert "relay-refused" not in net.server.new_log()


@pytest.mark.kills
def test_an_answer_that_cannot_be_read_ends_the_question(net):
    """Else it were out until the relay dies, and four of them would be all there are for a domain."""
    peer = relay_domain(net)
    bob = f"bob@{peer.domain}"
    with stopped(net) as link, Wire(net.server) as wire:
        wire.hello()
        assert wire.say("MAIL FROM:<carol@stranger.test>").startswith("250")
        wire.send(f"RCPT TO:<{bob}>\r\n")
        kind, its, _, question = read_frame(link)
        assert (kind, its) == (EVENT, CALLOUT)
        link.sendall(frame(EVENT, CALLED, question[:8] + b"?", number=0))
        wait_verdict(net, bob, "unsure")
        assert wire.reply() == UNVERIFIED


@pytest.mark.kills
def test_a_front_that_dies_while_it_waits(net):
    peer = relay_domain(net, RCPT=[HANG])
    thread, replies = ask_hanging(net, peer)
    net.server.kill("mx")
    thread.join()
    assert replies == [""]
    peer.go_on.set()
    wait_verdict(net, f"bob@{peer.domain}", "taken")
    net.server.wait_ready()
    assert rcpt(net, f"bob@{peer.domain}")[0].startswith("250")
    assert len(asked(peer)) == 1


@pytest.mark.kills
def test_the_server_ends_while_somebody_waits(net):
    peer = relay_domain(net, RCPT=[HANG])
    net.reload('callout = { wait = "2s"; };')
    thread, replies = ask_hanging(net, peer)
    assert net.server.stop() == 0
    assert "stop-forced" not in net.server.new_log()
    thread.join()
    assert replies == [UNVERIFIED]
    net.server.configure(NET_OPTIONS)
    net.server.start()


def test_a_sender_who_goes_while_he_waits(net):
    peer = relay_domain(net, RCPT=[HANG])
    with Wire(net.server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<carol@stranger.test>")
        wire.send(f"RCPT TO:<bob@{peer.domain}>\r\n")
        peer.wait_hanging()
    peer.go_on.set()
    wait_verdict(net, f"bob@{peer.domain}", "taken")
    assert rcpt(net, f"bob@{peer.domain}")[0].startswith("250")


def test_nobody_better_than_we_are(net):
    name = f"loop{len(net.names.answers)}.test"
    net.names.answers[name] = [("MX", 10, OURSELVES)]
    net.server.command("domain", "add", name, "--relay")
    assert rcpt(net, f"bob@{name}", f"eve@{name}") == [
        "450 4.4.6 there is no server that mail for that domain could be passed on to, try again later"] * 2
    wait_for("the log to say it", lambda: "cure=" in net.server.new_log())
    # Not verified, it is taken, and comes back at once with the reason
    net.server.command("domain", "change", name, "--relay", "--no-verify")
    count = len(mail_of(net.server, ALICE))
    net.send(f"bob@{name}")
    wait_for("the report", lambda: len(mail_of(net.server, ALICE)) > count)
    assert b"5.4.6" in mail_of(net.server, ALICE)[-1]


def test_without_verification(net):
    peer = relay_domain(net, "--no-verify", RCPT=knows("bob"))
    count = len(mail_of(net.server, ALICE))
    number = net.send(f"nobody@{peer.domain}")
    assert "relay domain: its server is not asked for recipients" in net.trace(number)
    wait_for("the report", lambda: len(mail_of(net.server, ALICE)) > count)
    assert b"5.1.1 no such user" in mail_of(net.server, ALICE)[-1]


def test_a_route(net):
    peer = relay_domain(net)
    other = net.peer(RCPT=knows("bob"))
    net.reload(f'routes = ( {{ domain = "{peer.domain}"; host = "{other.address}"; port = {net.port}; }} );')
    try:
        taken, refused = rcpt(net, f"bob@{peer.domain}", f"eve@{peer.domain}")
        assert taken.startswith("250") and refused.startswith("550")
        net.send(f"bob@{peer.domain}")
        other.wait_taken()
        assert not peer.sessions
    finally:
        net.reload("routes = ();")


def test_own_users_do_not_wait(net):
    """Who may relay is told by a report, as of any other domain."""
    peer = relay_domain(net, RCPT=knows("bob"))
    submit(net.server, ALICE, [f"bob@{peer.domain}"])
    peer.wait_taken()
    assert len(asked(peer)) == 1


def test_an_alias_into_a_relay_domain(net):
    peer = relay_domain(net, RCPT=knows("bob"))
    net.server.command("alias", "add", f"out@{DOMAIN}", f"bob@{peer.domain}")
    try:
        net.send(f"out@{DOMAIN}")
        peer.wait_taken()
        assert "still leads into" in net.server.command("domain", "remove", peer.domain, status=65).stderr
    finally:
        net.server.command("alias", "remove", f"out@{DOMAIN}")


def test_what_would_happen(net):
    peer = relay_domain(net, RCPT=knows("bob"))

    def told(name, *words):
        return net.server.command("test-delivery", "--from", "carol@stranger.test", "--to",
                                  f"{name}@{peer.domain}", *words, stdin="Subject: x\n\nx\n").stdout

    assert "relay domain: nothing is known of this recipient from its server; it is asked" in told("bob")
    rcpt(net, f"bob@{peer.domain}", f"eve@{peer.domain}")
    # It is kept a moment after it was said
    for name, what in (("bob", r"took this recipient when it was asked at \S+: 250 2.1.5 ok; he is taken\."),
                       ("eve", r"refused this recipient when it was asked at \S+: 550 5.1.1 no such user; "
                        r"he is refused\.")):
        wait_for(what, lambda: re.search(what, told(name)))
    net.server.command("domain", "change", peer.domain, "--relay", "--no-verify")
    assert "its server is not asked for recipients." in told("bob")


def test_kinds_of_domains(net):
    name = f"kind{len(net.names.answers)}.test"

    def kind():
        return {row["domain"]: row["kind"] for row in net.server.json("domain", "list")}.get(name)

    net.server.command("domain", "add", name)
    assert kind() == "local"
    net.server.command("domain", "change", name, "--relay")
    assert kind() == "relay"
    assert rcpt(net, f"bob@{name}")[0].startswith("450")
    net.server.command("domain", "change", name, "--relay", "--no-verify")
    assert kind() == "relay-unverified"
    net.server.command("domain", "change", name, "--local")
    assert kind() == "local" and rcpt(net, f"bob@{name}")[0].startswith("550 5.1.1 there is no such user")
    changes = net.server.command("ledger").stdout
    assert f"domain {name} is a relay domain whose recipients are verified now" in changes
    net.server.command("domain", "remove", name)
    assert kind() is None


@pytest.mark.parametrize("said", [b"250 ok\r\n", b"354 3.0.0 go on\r\n", b"250 2.1.5 caf\xe9 \x1b[31m\r\n",
                                  b"x" * 3000 + b"\r\n", b"550-" + b"long " * 500 + b"\r\n550 \xff\xfe end\r\n"],
                         ids=("plain", "no status", "controls", "endless", "long"))
def test_strange_words(net, said):
    """Whatever the primary says, the sender gets one reply that he can read."""
    peer = relay_domain(net, RCPT=[said])
    reply, = rcpt(net, f"bob@{peer.domain}")
    assert reply[:3] == {b"2": "250", b"5": "550"}.get(said[:1], "450")
    assert reply.isascii() and reply.isprintable() and len(reply) <= 510
    wait_verdict(net, f"bob@{peer.domain}", {"2": "taken", "5": "refused"}.get(reply[0], "unsure"))
