"""A server that sends mail to scripted peers, which it finds through a DNS server of the test's own.

All on loopback: each peer has an address and a domain of its own, on one port. The server's retries
are far away, so that a test sees each attempt alone and says itself when there is another.
"""

import json
import random
import re
import shutil
import socket
import ssl

import pytest
from conftest import DOMAIN, PASSWORD, TestServer, check_soundness, new_folder
from dns_servers import Liar, message, question_end, record, to_wire
from server import ServerError, free_port, wait_for
from smtp_peer import Peer
from wire import deliver, letter, message_id

ALICE = f"alice@{DOMAIN}"
TYPES = {1: "A", 15: "MX", 28: "AAAA"}
NXDOMAIN, SERVFAIL = 0x8583, 0x8582
NOTHING = 66  # exit status of a command that found nothing
OPTIONS = """
relay_port = {port};
relay_allow_private = true;
trusted_networks = ["127.0.0.0/8"];
dns_server = "{dns}";
dnssec = "off";
queue = {{ retry = ["1h"]; lifetime = "5d"; }};
"""


class Names:
    """What the DNS says. answers: {name: records, each (type, data...), or a function of the query}."""

    def __init__(self):
        self.answers = {}
        self.dns = Liar(self.behave)

    def behave(self, name, query, tcp):
        known = self.answers.get(name)
        if callable(known):
            return known(name, query, tcp)
        if known is None:
            return [message(query, flags=NXDOMAIN)]
        kind = TYPES.get(int.from_bytes(query[question_end(query) - 4:question_end(query) - 2], "big"))
        return [message(query, answer=[self.encode(name, *row) for row in known
                                       if row[0] in (kind, "CNAME")])]

    @staticmethod
    def encode(name, kind, *data):
        if kind == "A":
            return record(name, kind, socket.inet_pton(socket.AF_INET, data[0]))
        if kind == "AAAA":
            return record(name, kind, socket.inet_pton(socket.AF_INET6, data[0]))
        if kind == "MX":
            return record(name, kind, data[0].to_bytes(2, "big") + to_wire(data[1]))
        return record(name, kind, to_wire(data[0]))


def full_listener(address, port):
    """One whose queue of connections is full: the next are not answered."""
    listener = socket.socket()
    listener.bind((address, port))
    listener.listen(0)
    clients = []
    for _ in range(2):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((address, port))
        clients.append(client)
    return [listener, *clients]


class Net:
    """The server, its names, and peers as tests ask for them."""

    def __init__(self, options="", accounts=("alice",)):
        self.names = Names()
        self.octets = random.randrange(1, 255), 0
        self.port = free_port(self.address())
        self.peers = []
        self.server = TestServer(new_folder())
        self.server.create([DOMAIN], {f"{name}@{DOMAIN}": PASSWORD for name in accounts},
                           OPTIONS.format(port=self.port, dns=self.names.dns.server))
        if options:
            self.server.configure(options)
        self.server.start()
        self.server.mark()

    def address(self):
        """One of loopback that nobody else uses."""
        self.octets = self.octets[0], self.octets[1] + 1
        return f"127.{self.octets[0]}.{self.octets[1] // 250}.{self.octets[1] % 250 + 1}"

    def peer(self, address=None, **more):
        """A peer; .domain leads to it."""
        peer = Peer(address or self.address(), self.port, **more)
        self.peers.append(peer)
        peer.domain = self.domain(peer.address)
        return peer

    def domain(self, *addresses):
        """A new domain whose MX have these addresses, the first the best."""
        name = f"d{len(self.names.answers)}.test"
        self.names.answers[name] = [("MX", n, f"mx{n}.{name}") for n in range(len(addresses))]
        for n, address in enumerate(addresses):
            self.names.answers[f"mx{n}.{name}"] = [("AAAA" if ":" in address else "A", address)]
        return name

    def tls(self):
        """A context with which a peer offers TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.certificate, self.server.key)
        return context

    # ---- mail ----

    def send(self, *recipients, sender=ALICE, content=None, options=()):
        """Hands a message in; gives its id."""
        return message_id(deliver(self.server, recipients, content or letter(sender=ALICE),
                                  sender=sender, options=options))

    def attempts(self, number):
        """The results of a message so far: (delivered, failed, waiting) of each."""
        found = re.findall(rf"event=attempt id={number} .*?delivered=(\d+) failed=(\d+) waiting=(\d+)",
                           self.server.new_log())
        return [tuple(int(word) for word in row) for row in found]

    def wait_attempt(self, number, count=1):
        """The result of the count-th attempt."""
        wait_for(f"attempt {count} of {number}", lambda: len(self.attempts(number)) >= count)
        return self.attempts(number)[count - 1]

    def queue(self, which=None):
        """The rows of the queue."""
        done = self.server.command("queue", "list", *([which] if which else []), "--json", status=None)
        assert done.returncode in (0, NOTHING), done.stderr
        return json.loads(done.stdout) if done.returncode == 0 else []

    def wait_gone(self, number):
        wait_for(f"the end of {number}", lambda: not self.queue(number))

    def retry(self, number):
        self.server.command("queue", "retry", number)

    def trace(self, number):
        return self.server.command("trace", number, "--dialogue").stdout

    def is_emptied(self):
        """Whether there is nothing any more. What waits is removed, and what is under way will wait, or be gone."""
        rows = self.queue()
        for number in {row["id"] for row in rows}:
            self.server.command("queue", "remove", number, status=None)
        return not rows

    def reload(self, options):
        """The server has new options; those of before are replaced by option."""
        seen = {role: self.server.log().count(f"process={role} event=config") for role in ("store", "mx", "relay")}
        self.server.configure(options)
        self.server.reload()
        wait_for("the new configuration", lambda: all(
            self.server.log().count(f"process={role} event=config") > count for role, count in seen.items()))

    # ---- the end ----

    def end_of_test(self):
        for peer in self.peers:
            peer.close()
        self.peers.clear()
        wait_for("an empty queue", self.is_emptied)
        self.server.command("audit")

    def close(self):
        try:
            status = self.server.stop()
            assert status == 0, self.server.log()[-5000:]
        except ServerError:
            print(self.server.log()[-5000:])
            raise
        finally:
            self.names.dns.close()
            shutil.rmtree(self.server.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def shared_net(request):
    net = Net(getattr(request.module, "NET_OPTIONS", ""))
    yield net
    net.close()


@pytest.fixture
def net(request, shared_net):
    """The module's server, sound and with an empty queue before and after."""
    shared_net.server.mark()
    yield shared_net
    try:
        shared_net.end_of_test()
    finally:
        check_soundness(request, shared_net.server)
