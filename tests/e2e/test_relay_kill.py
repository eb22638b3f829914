"""kill -9 of our own processes at every step of a transfer.

No message is lost, and none goes twice but where the one who knew of its 250 died before he could say so.
"""

import os
import re
import signal
import threading

import pytest
from relay_net import full_listener, net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import CHUNKING, EXTENSIONS, HANG
from wire import letter

# Everything that failed is tried again in a second, and nothing ends by time.
NET_OPTIONS = """queue = { retry = ["1s"]; };
timeouts = { relay_connect = "1h"; };
"""
LARGE = letter(body=["0123456789" * 9] * 110_000)  # more than the kernel takes ahead
LARGE_AT = ("content", "chunk")
LATE = ("end", "last chunk")  # all of the content is out

pytestmark = pytest.mark.kills


def half_of_it(session):
    session.head = b"".join(session.lines.readline() for _ in range(5000))
    return HANG


def peer_not_found(net, host=""):
    """A peer whose domain, or its host, gets no answer from the DNS before the last event is set."""
    asked, go_on = threading.Event(), threading.Event()
    peer = net.peer()
    looked_up = host + peer.domain
    records = net.names.answers[looked_up]

    def behave(name, query, tcp):
        asked.set()
        if not go_on.is_set():
            return []
        net.names.answers[name] = records
        return net.names.behave(name, query, tcp)

    net.names.answers[looked_up] = behave
    return peer, asked, go_on


class Transfers:
    """A message at each step of its way, held there."""

    def __init__(self, net):
        self.net = net
        # first, and its next message is the first: the connection is kept for some seconds
        self.peers = {"RSET": net.peer(RCPT=[b"550 5.1.1 who?\r\n"], RSET=[HANG])}
        self.peers |= {step: net.peer(**{step: [HANG]})
                       for step in ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")}
        self.peers["plain RCPT"] = net.peer(extensions=("8BITMIME",), RCPT=[HANG])
        self.peers["content"] = net.peer(content=[half_of_it])
        self.peers["STARTTLS"] = net.peer(tls=net.tls(), STARTTLS=[HANG])
        self.peers["handshake"] = net.peer(extensions=(*EXTENSIONS, "STARTTLS"), STARTTLS=[(b"220 go\r\n", HANG)])
        self.peers["EHLO over TLS"] = net.peer(tls=net.tls(), EHLO=[None, HANG])
        self.peers["RCPT over TLS"] = net.peer(tls=net.tls(), RCPT=[HANG])
        self.peers["chunk"] = net.peer(extensions=CHUNKING, chunk=[HANG])
        self.peers["last chunk"] = net.peer(extensions=CHUNKING, end=[HANG])
        assert net.wait_attempt(net.send(f"nobody@{self.peers['RSET'].domain}")) == (0, 1, 0)
        self.numbers = {}
        for step, peer in self.peers.items():
            self.send(step, peer.domain)
        for peer in self.peers.values():
            peer.wait_hanging()
        self.address = net.address()
        self.full = full_listener(self.address, net.port)
        self.send("connect", net.domain(self.address))
        # the last ones, for a lookup is given up after 10 seconds
        self.peers["MX"], mx_asked, mx_answer = peer_not_found(net)
        self.peers["AAAA"], address_asked, address_answer = peer_not_found(net, "mx0.")
        self.answers = mx_answer, address_answer
        for step in ("MX", "AAAA"):
            self.send(step, self.peers[step].domain)
        assert mx_asked.wait(60) and address_asked.wait(60)
        wait_for("all to be under way", lambda: all(row["state"] == "under way" for row in net.queue()))
        assert len(net.queue()) == len(self.numbers)

    def send(self, step, domain):
        self.numbers[step] = self.net.send(f"bob@{domain}", content=LARGE if step in LARGE_AT else None)

    def go_on(self):
        for each in self.full:
            each.close()
        self.peers["connect"] = self.net.peer(self.address)
        for answer in self.answers:
            answer.set()
        for peer in self.peers.values():
            peer.go_on.set()

    def check(self, twice=()):
        """All arrived whole; once each, but those of these steps, which may have come twice."""
        wait_for("an empty queue", lambda: not self.net.queue())
        for step, peer in self.peers.items():
            assert 1 <= len(peer.taken) <= len(peer.received) <= (2 if step in twice else 1), step
            for message in peer.received:
                assert message.content.endswith(LARGE if step in LARGE_AT else letter(sender="alice@example.test"))
            assert "taken by" in self.net.trace(self.numbers[step]), step
        self.net.server.command("audit")


def replaced(server, role, old):
    wait_for(f"a new {role}", lambda: server.pids(role) not in ([], old))


def test_relay_dies(net):
    transfers = Transfers(net)
    old = net.server.kill("relay")
    replaced(net.server, "relay", old)
    transfers.go_on()
    transfers.check(twice=LATE)


def test_store_dies(net):
    """The relay goes on with what it has, and tells the next store."""
    transfers = Transfers(net)
    relay = net.server.pids("relay")
    old = net.server.kill("store")
    replaced(net.server, "store", old)
    transfers.go_on()
    transfers.check()
    assert net.server.pids("relay") == relay


def test_store_is_away_while_transfers_end(net):
    """What became of them is told to the next store, which does not send them again."""
    transfers = Transfers(net)
    supervisor = net.server.process.pid
    os.kill(supervisor, signal.SIGSTOP)  # so that there is none for a while
    try:
        os.kill(net.server.pids("store")[0], signal.SIGKILL)
        transfers.go_on()
        wait_for("the end of what needs no store", lambda: all(
            peer.taken for step, peer in transfers.peers.items() if step in ("MAIL", "RCPT", "DATA", "end")))
    finally:
        os.kill(supervisor, signal.SIGCONT)
    transfers.check()


def test_resolver_dies(net):
    transfers = Transfers(net)
    others = net.server.pids("relay") + net.server.pids("store")
    old = net.server.kill("resolver")
    replaced(net.server, "resolver", old)
    transfers.go_on()
    transfers.check()
    assert net.server.pids("relay") + net.server.pids("store") == others


def test_all_die(net):
    transfers = Transfers(net)
    net.server.kill_all()
    net.server.start()
    transfers.go_on()
    transfers.check(twice=LATE)


def test_relay_dies_between_the_250_and_its_report(net):
    """It goes twice, as what went out whole and has no usable answer does: nobody else knew of it. The link may have
    carried the report already; then it goes once."""
    peer = net.peer(end=[HANG])
    number = net.send(f"bob@{peer.domain}")
    peer.wait_hanging()
    store = net.server.pids("store")[0]
    os.kill(store, signal.SIGSTOP)
    try:
        peer.go_on.set()
        peer.wait_taken()
        os.kill(net.server.pids("relay")[0], signal.SIGKILL)
    finally:
        os.kill(store, signal.SIGCONT)
    net.wait_gone(number)
    assert 1 <= len(peer.received) == len(peer.taken) <= 2


def test_order_to_stop_in_the_middle(net):
    """What is under way ends, if it can; what cannot is there after the next start."""
    transfers = Transfers(net)
    net.server.process.terminate()
    wait_for("the order", lambda: "event=stopping" in net.server.new_log())
    transfers.go_on()
    net.server.process.wait(60)
    assert net.server.process.returncode == 0
    net.server.process = None
    net.server.start()
    transfers.check()


@pytest.mark.parametrize("role", ["relay", "store"])
def test_one_dies_again_and_again_under_load(net, role, long):
    """Every message arrives; what the relay's death can repeat is what was in its hands."""
    peers = [net.peer() for _ in range(3)]
    sent = 0
    for _ in range(20 if long else 4):
        for _ in range(8):
            for peer in peers:
                net.send(f"r{sent}@{peer.domain}", content=letter(subject=f"number {sent}"))
                sent += 1
        old = net.server.kill(role)
        replaced(net.server, role, old)
        wait_for("a greeting", lambda: net.server.greets("smtp"))
    wait_for("an empty queue", lambda: not net.queue())
    numbers = [int(re.search(rb"Subject: number (\d+)", message.content)[1])
               for peer in peers for message in peer.taken]
    assert set(numbers) == set(range(sent))
    if role == "store":
        assert len(numbers) == sent
    net.server.command("audit")
