"""A server that listens on all addresses of its machine sends no mail to any of them.

It has a network of its own, which has nothing but a loopback interface with the addresses that the test
gives it; mail comes by the local socket.
"""

import os
import shutil
import subprocess

import pytest
from conftest import DOMAIN, PASSWORD, TROUBLE, TestServer, new_folder
from server import wait_for

SENDER = f"alice@{DOMAIN}"
OPTIONS = 'listen = ["0.0.0.0", "::"];\nrelay_allow_private = true;\ndnssec = "off";\nqueue = { retry = ["1h"]; };'


def may_have_networks():
    return shutil.which("ip") and shutil.which("unshare") and subprocess.run(
        ["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not may_have_networks(),
                                reason="only root makes networks, with ip and unshare")


class Alone(TestServer):
    """In a network of its own."""

    def start(self, wait=True):
        words = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
                 self.binary, "serve", "--data", self.data]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("it to be ready", lambda: "event=ready" in self.log())

    def add_address(self, address):
        subprocess.run(["nsenter", "--net", "--target", str(self.process.pid),
                        "ip", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else [])],
                       check=True)

    def after_attempt(self, recipient, act):
        """The trace of what there is for him, after the attempt that act() brings about."""
        seen = self.log().count("event=attempt ")
        act()
        wait_for("an attempt", lambda: self.log().count("event=attempt ") > seen)
        return self.command("trace", recipient).stdout

    def send(self, recipient):
        return self.after_attempt(recipient, lambda: subprocess.run(
            [self.binary, "sendmail", "-f", SENDER, recipient], input=b"Subject: x\n\nx\n", check=True,
            env={**os.environ, "GODWIT_DATA": self.data}))


@pytest.fixture
def alone():
    server = Alone(new_folder())
    server.create([DOMAIN], {SENDER: PASSWORD}, OPTIONS)
    server.start()
    yield server
    try:
        assert server.stop() == 0, server.log()[-5000:]
        assert not TROUBLE.search(server.log())
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)


def test_addresses_of_the_machine(alone):
    """Those it has at the start, and those it is given later, at the latest with the next configuration."""
    for address in ("127.0.0.1", "IPv6:::1"):
        assert "mail loop" in alone.send(f"bob@[{address}]")
    waits = "bob@[192.0.2.1]"
    assert "mail loop" not in alone.send(waits)
    alone.add_address("192.0.2.1/32")
    alone.add_address("2001:db8::1/128")
    alone.reload()
    wait_for("the configuration", lambda: "event=reloaded" in alone.log())
    assert "mail loop" in alone.after_attempt(waits, lambda: alone.command("queue", "retry", waits))
    assert "mail loop" in alone.send("bob@[IPv6:2001:db8::1]")
    assert "mail loop" not in alone.send("bob@[192.0.2.2]")
    alone.command("audit")


def test_the_next_relay_knows_them_too(alone):
    alone.kill("relay")
    assert "mail loop" in alone.send("bob@[127.0.0.1]")
