"""Servers in a network of their own, where clients come from any address that a test names.

The network has a loopback interface and nothing else. An agent inside (own_net_agent.py) gives it addresses
and makes connections and listeners, which it hands out. Root makes a network as it is, an ordinary user in a user
namespace, where he may do so and the server still belongs to him.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
from conftest import DOMAIN, PASSWORD, TROUBLE, TestServer, new_folder

NETWORKS = ("192.0.2.1/24", "198.51.100.1/24")  # each address of them is one of the machine
OUTSIDE = "192.0.2.1"
TIMEOUT = 60
AGENT = os.path.join(os.path.dirname(__file__), "own_net_agent.py")
IS_ROOT = os.geteuid() == 0


class Network:
    """Lives as long as its agent."""

    def __init__(self, addresses):
        self.link, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine = [] if IS_ROOT else ["--map-current-user", "--keep-caps"]
        with inner:
            self.agent = subprocess.Popen(["unshare", *mine, "--net", sys.executable, AGENT, str(inner.fileno())],
                                          pass_fds=[inner.fileno()])
        assert self.link.recv(16) == b"ready", "there can be no network namespaces here"
        for address in addresses:
            self.add_address(address)

    def inside(self):
        """The words that a command begins with to run there."""
        mine = [] if IS_ROOT else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self.agent.pid), *mine, "--net"]

    def ask(self, **todo):
        self.link.send(json.dumps(todo).encode())
        said, handles, _, _ = socket.recv_fds(self.link, 4096, 1)
        if said != b"\n":
            raise ConnectionError(said.decode())
        return handles

    def add_address(self, address):
        self.ask(address=address)

    def connect(self, host, port, source=None):
        """source: the client's address; None: whichever is nearest."""
        [handle] = self.ask(host=host, port=port, source=source)
        made = socket.socket(fileno=handle)
        made.settimeout(TIMEOUT)
        return made

    def listen(self, address, port):
        [handle] = self.ask(listen=[address, port])
        return socket.socket(fileno=handle)

    def close(self):
        self.link.close()
        self.agent.wait()


class NetServer(TestServer):
    """A server in such a network, which listens on all of its addresses."""

    def __init__(self, folder, network):
        super().__init__(folder, host="0.0.0.0")
        self.network = network

    def serve_words(self):
        return [*self.network.inside(), *super().serve_words()]

    def connect(self, port, source=None):
        """source: None is loopback."""
        host = OUTSIDE if source else "127.0.0.1"
        return self.network.connect(host, self.ports[port], source)


def may_have_networks():
    mine = [] if IS_ROOT else ["--map-current-user", "--keep-caps"]
    return subprocess.run(["unshare", *mine, "--net", "true"], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def serving(options, addresses=NETWORKS):
    """A running server with an account alice, which is ended after the block."""
    if not may_have_networks():
        pytest.skip("this user may make no network namespaces")
    assert shutil.which("ip"), "iproute2 is missing"
    network = Network(addresses)
    server = NetServer(new_folder(), network)
    try:
        server.create([DOMAIN], {f"alice@{DOMAIN}": PASSWORD}, options)
        server.start()
        server.mark()
        yield server
        assert server.stop() == 0, server.log()[-5000:]
        assert not TROUBLE.search(server.log())
    finally:
        if server.process:
            server.kill_all()
        network.close()
        shutil.rmtree(server.folder, ignore_errors=True)
