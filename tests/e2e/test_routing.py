"""What is configured of single destinations and senders: routes, TLS, schedules, source and name."""

import contextlib
import re

import pytest
from conftest import DOMAIN
from own_net import serving
from relay_net import ALICE, net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import Peer
from wire import letter

NET_OPTIONS = 'relay_source = ["127.0.0.53"]; relay_helo = "Out.example.test";'


@pytest.fixture(autouse=True)
def nothing_special(net):
    yield
    net.reload("routes = ();\ndestinations = ();")


def routes(net, *rows):
    groups = ", ".join(f'{{ domain = "{domain}"; sender = "{sender}"; host = "{peer.address}"; '
                       f'port = {net.port}; }}' for domain, sender, peer in rows)
    net.reload(f"routes = ( {groups} );")


def destinations(net, *rows):
    net.reload("destinations = ( " + ", ".join(rows) + " );")


def test_source_and_name(net):
    peer = net.peer()
    net.send(f"bob@{peer.domain}")
    peer.wait_taken()
    assert peer.sessions[0].commands[0] == "EHLO out.example.test"
    assert peer.sessions[0].peer_address == "127.0.0.53"


def test_source_of_each_family():
    """Where there are several addresses of IPv6 too: in a network of its own."""
    sources = "192.0.2.53", "2001:db8::53"
    there = {"192.0.2.7": "bob@[192.0.2.7]", "2001:db8::7": "bob@[IPv6:2001:db8::7]"}
    with serving(f'''listen = ["127.0.0.1"];
relay_allow_private = true;
relay_port = 2525;
relay_source = ["{sources[0]}", "{sources[1]}"];''', addresses=[*sources, *there]) as server, contextlib.ExitStack() as open_peers:
        peers = []
        for address in there:
            peers.append(Peer(address, 2525, listen=server.network.listen))
            open_peers.callback(peers[-1].close)
        for peer in peers:
            server.command("sendmail", "-f", ALICE, there[peer.address], stdin=letter(sender=ALICE).decode(),
                           env={"GODWIT_DATA": server.data}, data=False)
        for peer, source in zip(peers, sources):
            peer.wait_taken()
            assert {session.peer_address for session in peer.sessions} == {source}
        server.command("audit")


def test_senders_go_their_own_ways(net):
    mx, of_domain, of_ann = net.peer(), net.peer(), net.peer()
    routes(net, ("*", DOMAIN, of_domain), (mx.domain, f"ann@{DOMAIN}", of_ann))
    net.send(f"bob@{mx.domain}", sender="carl@elsewhere.test")
    net.send(f"bob@{mx.domain}", sender=ALICE)
    net.send(f"bob@{mx.domain}", sender=f"Ann@{DOMAIN}")
    for peer, sender in ((mx, "carl@elsewhere.test"), (of_domain, ALICE), (of_ann, f"Ann@{DOMAIN}")):
        assert [message.mail.split(">")[0] for message in peer.wait_taken()] == [f"<{sender}"]


def test_a_sender_in_another_spelling_goes_his_way(net):
    mx, of_joerg = net.peer(), net.peer()
    routes(net, (mx.domain, f"JO\u0308RG@{DOMAIN}", of_joerg))
    net.send(f"bob@{mx.domain}", sender=f"J\u00f6rg@{DOMAIN}", options=["SMTPUTF8"])
    assert [message.mail.split(">")[0] for message in of_joerg.wait_taken()] == [f"<J\u00f6rg@{DOMAIN}"]


def test_way_of_one_sender_down_is_no_trouble_of_others(net):
    mx, smart = net.peer(), net.peer()
    smart.down()
    routes(net, ("*", ALICE, smart))
    waits = net.send(f"bob@{mx.domain}")
    net.wait_attempt(waits)
    net.wait_gone(net.send(f"bob@{mx.domain}", sender="carl@elsewhere.test"))
    assert len(mx.taken) == 1
    row, = net.queue()
    assert row["id"] == waits and row["state"] == "unreachable"
    said = net.server.command("queue", "explain", waits).stdout
    assert re.search(rf"the server {smart.address}[:0-9]* through which mail for {mx.domain} is sent could", said), said
    # Without the route what waits for it goes like all other mail
    net.reload("routes = ();")
    net.retry(waits)
    mx.wait_taken(2)


def test_tls_of_a_destination(net):
    plain, secure = net.peer(), net.peer(tls=net.tls())
    destinations(net, f'{{ domain = "{plain.domain}"; tls = "require"; }}',
                 f'{{ domain = "{secure.domain}"; tls = "verify"; }}')
    waits = net.send(f"bob@{plain.domain}")
    unverified = net.send(f"bob@{secure.domain}")
    for number in (waits, unverified):
        assert net.wait_attempt(number) == (0, 0, 1)
    assert not plain.received and not secure.received
    destinations(net, f'{{ domain = "{secure.domain}"; tls = "none"; }}')
    net.retry(waits)
    net.retry(unverified)
    plain.wait_taken()
    secure.wait_taken()
    assert "STARTTLS" not in secure.sessions[-1].commands


def route_with_tls(net, peer, tls, domain, of_domain):
    net.reload(f'''routes = ( {{ domain = "*"; host = "{peer.address}"; port = {net.port}; {tls} }} );
destinations = ( {{ domain = "{domain}"; tls = "{of_domain}"; }} );''')


@pytest.mark.parametrize("tls, of_domain", [("", "require"), ("", "verify"), ('tls = "none";', "require"),
                                            ('tls = "require";', "may"), ('tls = "verify";', "none")])
def test_stricter_tls_of_route_and_destination(net, tls, of_domain):
    peer = net.peer()
    route_with_tls(net, peer, tls, peer.domain, of_domain)
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (0, 0, 1)
    assert not peer.received and "TLS not offered" in net.queue(number)[0]["last_reply"]
    net.server.command("queue", "remove", number)


@pytest.mark.parametrize("tls, of_domain", [('tls = "verify";', "require"), ('tls = "require";', "verify")])
def test_a_valid_certificate_of_either(net, tls, of_domain):
    peer = net.peer(tls=net.tls())
    route_with_tls(net, peer, tls, peer.domain, of_domain)
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (0, 0, 1)
    assert not peer.received and "TLS failed" in net.queue(number)[0]["last_reply"]
    net.server.command("queue", "remove", number)


def test_tls_of_a_route_where_nothing_is_demanded(net):
    peer = net.peer(tls=net.tls())
    route_with_tls(net, peer, 'tls = "none";', peer.domain, "may")
    net.wait_gone(net.send(f"bob@{peer.domain}"))
    assert "STARTTLS" not in peer.commands and len(peer.taken) == 1


def test_lifetime_of_a_destination(net):
    """One that is set later counts for what waits already."""
    peer = net.peer(RCPT=b"450 4.2.0 later\r\n")
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (0, 0, 1)
    destinations(net, f'{{ domain = "{peer.domain}"; retry = ["1s"]; lifetime = "2s"; }}')
    net.wait_gone(number)
    wait_for("the report", lambda: "returned" in net.trace(number) or "bounced" in net.trace(number))


def test_connections_of_a_destination(net):
    peer = net.peer(content="hang")
    destinations(net, f'{{ domain = "{peer.domain}"; connections = 1; }}')
    for _ in range(3):
        net.send(f"bob@{peer.domain}", content=letter(sender=ALICE))
    peer.wait_hanging()
    assert len(peer.sessions) == 1
    peer.go_on.set()
    peer.wait_taken(3)
    assert len(peer.sessions) == 1


def test_a_new_connection_after_100_messages(net):
    """However many wait for a host: over each connection it is given so many at most."""
    peer = net.peer()
    destinations(net, f'{{ domain = "{peer.domain}"; connections = 1; }}')
    peer.down()
    numbers = [net.send(f"bob@{peer.domain}") for _ in range(205)]
    net.wait_attempt(numbers[0])
    peer.up()
    net.retry(peer.domain)
    peer.wait_taken(205)
    assert [sum(command.startswith("MAIL") for command in session.commands) for session in peer.sessions] == \
        [100, 100, 5]
