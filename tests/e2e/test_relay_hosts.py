"""One mail server for many domains: what one of them finds out about it holds for all."""

import email
import re
import threading

from conftest import DOMAIN, PASSWORD
from relay_net import net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import CLOSE, HANG
from wire import count_of, mail_of

NET_OPTIONS = """destinations = (
    { domain = "told1.test"; retry = ["1s"]; lifetime = "2s"; delay_warning = ["1s"]; },
    { domain = "told2.test"; retry = ["1s"]; lifetime = "2s"; delay_warning = ["1s"]; } );
"""
BUSY = b"421 4.3.2 closed for the moment\r\n"
START, MOST = 5, 20  # connections to a host: at the beginning, and at most


def hosted(net, name, peer, number):
    """Domains whose one MX is the host of that name."""
    net.names.answers[f"mx.{name}.test"] = [("A", peer.address)]
    domains = [f"{name}{n}.test" for n in range(number)]
    for domain in domains:
        net.names.answers[domain] = [("MX", 10, f"mx.{name}.test")]
    return domains


def states(net, *domains):
    return [row["state"] for domain in domains for row in net.queue(domain)]


def explain(net, which):
    return net.server.json("queue", "explain", which)[0]["explanation"]


def test_a_host_that_is_down_is_tried_once_for_all(net):
    """Whoever comes next learns of it without another connection; all go when it answers one."""
    peer = net.peer(greeting=BUSY)
    first, second, third = hosted(net, "down", peer, 3)
    net.wait_attempt(net.send(f"bob@{first}"))
    number = net.send(f"bob@{second}", f"bob@{third}")
    wait_for("both to know", lambda: states(net, second, third) == ["unreachable"] * 2)
    assert len(peer.sessions) == 1
    text = explain(net, second)
    assert (f"its mail server mx.down.test, which also serves {first}, takes no mail at present "
            f'(it answered "421 4.3.2 closed for the moment", 1 attempt') in text
    assert "or as soon as that server answers for another domain" in text
    summary = {row["destination"]: row for row in net.server.json("queue", "summary")}
    assert summary[second]["waits_for"] == "mx.down.test" and summary[second]["state"] == "unreachable"
    assert summary[first]["waits_for"] == "" and summary[first]["failures"] == 1
    assert net.attempts(number) == []
    peer.answers.clear()
    net.retry(number)
    assert len(peer.wait_taken(3)) == 3
    wait_for("an empty queue", lambda: not net.queue())


def test_reports_tell_what_keeps_the_host_from_all(net):
    """Of two domains, one that it answered before and one that it never did, neither was tried itself."""
    sender = f"told@{DOMAIN}"
    net.server.add_account(sender, PASSWORD)
    peer = net.peer(end=b"250 2.0.0 taken for carl.secret\r\n")
    first, *others = hosted(net, "told", peer, 3)
    net.wait_gone(net.send(f"carl.secret@{others[0]}"))
    peer.down()
    peer.cut()
    net.wait_attempt(net.send(f"bob@{first}"))
    for count, domain in zip((1, 3), others):
        number = net.send(f"bob@{domain}", sender=sender)
        wait_for("its reports", lambda: count_of(net.server, sender) >= count + 1)
        assert net.attempts(number) == []
        for text, status in zip(mail_of(net.server, sender)[count - 1:], ("4.4.1", "4.4.7")):
            report = email.message_from_bytes(text)
            about = report.get_payload()[1].get_payload()[1]
            assert about["Final-Recipient"].endswith(f" bob@{domain}") and about["Status"] == status
            assert about["Diagnostic-Code"] == "x-godwit; connection refused" and not about["Remote-MTA"]
            assert (f"The mail server of {domain} could not be reached."
                    in report.get_payload()[0].get_payload())
            assert b"carl" not in text


def test_a_domain_with_another_host_does_not_wait(net):
    peer, other = net.peer(greeting=BUSY), net.peer()
    [domain] = hosted(net, "alone", peer, 1)
    net.names.answers["both.test"] = [("MX", 10, "mx.alone.test"), ("MX", 20, "mx.other.test")]
    net.names.answers["mx.other.test"] = [("A", other.address)]
    net.wait_attempt(net.send(f"bob@{domain}"))
    net.wait_gone(net.send("bob@both.test"))
    assert len(other.taken) == 1 and len(peer.sessions) == 1
    assert states(net, domain) == ["unreachable"]


def test_a_recipient_who_is_refused_is_no_host_that_is_down(net):
    peer = net.peer(RCPT=[b"450 4.2.1 not now\r\n"])
    first, second = hosted(net, "refuses", peer, 2)
    net.wait_attempt(net.send(f"bob@{first}"))
    net.wait_gone(net.send(f"bob@{second}"))
    assert states(net, first) == ["waiting"]


def test_a_host_without_room_does_not_hide_what_the_other_said(net):
    """Of two equal hosts one has all the connections that it may have; the other's answer is the one that counts."""
    full = net.peer(end=HANG)
    numbers = [net.send(f"bob@{domain}") for domain in hosted(net, "full", full, START)]
    wait_for("all connections", lambda: len(full.hanging) == START)
    for n in range(6):  # the order of equal ones is drawn
        domain = net.peer(greeting=BUSY).domain
        [(_, preference, host)] = net.names.answers[domain]
        net.names.answers[domain].append(("MX", preference, "mx.full.test"))
        number = net.send(f"bob@{domain}")
        assert net.wait_attempt(number) == (0, 0, 1)
        assert f"no service at {host} " in net.trace(number), net.trace(number)
        assert ", has as many connections as it may have at present" in explain(net, number)
    full.answers.clear()
    full.go_on.set()
    for number in numbers:
        net.wait_gone(number)


def test_what_a_host_said_of_another_message_is_not_told(net):
    """A connection is kept; the next message over it has to do with its host alone."""
    first = net.peer(greeting=b"421 4.3.2 said of another message\r\n")
    second = net.peer(MAIL=[b"250 2.1.0 ok\r\n", CLOSE], greeting=[b"220 hello\r\n", b"521 5.3.2 said of this\r\n"])
    domain = net.domain(first.address, second.address)
    assert net.wait_attempt(net.send(f"carl@{domain}")) == (1, 0, 0)
    number = net.send(f"bob@{domain}")
    assert net.wait_attempt(number) == (0, 1, 0), net.trace(number)
    assert len(first.sessions) == 1 and len(second.sessions) == 2
    assert "521 5.3.2 said of this" in net.trace(number) and "another message" not in net.trace(number)


def test_the_trace_names_the_address_that_took_it(net):
    """A connection of another domain of the host is open, to the second of its addresses."""
    dead, peer = net.address(), net.peer()
    domains = hosted(net, "twice", peer, 8)
    net.names.answers["mx.twice.test"] = [("A", dead), ("A", peer.address)]
    for domain in domains:  # the order of the addresses is drawn
        number = net.send(f"bob@{domain}")
        net.wait_gone(number)
        [taken] = re.findall(r"by mx.twice.test (\[[0-9.]+\])", net.trace(number))
        assert taken == f"[{peer.address}]"
    assert len(peer.sessions) == 1


def test_no_more_connections_than_to_one_domain(net):
    """At the beginning five, at most twenty; those that are open serve the next domains too."""
    peer = net.peer(end=HANG)
    domains = hosted(net, "many", peer, 40)
    numbers = [net.send(f"bob@{domain}") for domain in domains[:30]]
    wait_for("as many as may be", lambda: len(peer.hanging) == START)
    wait_for("the others to wait", lambda: states(net, *domains[:30]).count("waiting") == 30 - START)
    waits = next(row["id"] for row in net.queue() if row["state"] == "waiting")
    assert ", has as many connections as it may have at present (5 connections). It goes as soon as" \
        in explain(net, waits)
    assert len(peer.sessions) == START
    peer.answers.clear()
    peer.go_on.set()
    for number in numbers:
        net.wait_gone(number)
    assert len(peer.taken) == 30 and len(peer.sessions) <= MOST
    before = len(peer.sessions)
    for domain in domains[30:]:
        net.send(f"bob@{domain}")
    peer.wait_taken(40)
    assert len(peer.sessions) <= before + 10
    assert len({session.peer_address for session in peer.sessions}) == 1
    assert any(len([c for c in session.commands if c.startswith("MAIL")]) > 1
               for session in peer.sessions)  # of different domains
    assert threading.active_count() < 200
