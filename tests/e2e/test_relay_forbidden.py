"""Mail is not sent into this network because the DNS says so: relay_allow_private is off."""

import pytest
from relay_net import ALICE, Net, net, shared_net  # noqa: F401 (fixtures)
from wire import mail_of

NET_OPTIONS = "relay_allow_private = false;\n"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "::1", "fe80::1",
                                     "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_private_address(net, address):
    number = net.send(f"bob@{net.domain(address)}")
    assert net.wait_attempt(number) == (0, 1, 0)
    net.wait_gone(number)
    assert "forbidden address" in net.trace(number) or "mail loop" in net.trace(number)
    assert b"Status: 5.4." in mail_of(net.server, ALICE)[-1]


def test_private_address_of_a_peer_that_is_there(net):
    """Neither by MX nor as a literal is it spoken to."""
    peer = net.peer()
    for domain in (peer.domain, f"[{peer.address}]"):
        number = net.send(f"bob@{domain}")
        assert net.wait_attempt(number) == (0, 1, 0)
    assert not peer.sessions


def test_routes_may_lead_anywhere():
    net = Net()
    try:
        peers = [net.peer() for _ in range(3)]
        net.server.configure(f"""relay_allow_private = false;
routes = ( {{ domain = "to-address.test"; host = "{peers[0].address}"; port = {net.port}; }},
  {{ domain = "to-host.test"; host = "mx0.{peers[1].domain}"; port = {net.port}; }},
  {{ domain = "*"; host = "{peers[2].address}"; port = {net.port}; }} );""")
        net.server.stop()
        net.server.start()
        for domain, peer in zip(("to-address.test", "to-host.test", "any.test"), peers):
            number = net.send(f"bob@{domain}")
            assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
            assert len(peer.taken) == 1
        net.end_of_test()
    finally:
        for peer in net.peers:
            peer.close()
        net.close()
