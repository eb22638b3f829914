"""The processes do without what their capabilities leave out: here the kernel forbids it."""

import os
import re
import signal

import pytest
from conftest import DOMAIN, PASSWORD, preload
from relay_net import ALICE, Net
from server import binary_path, wait_for
from wire import Wire, count_of, deliver, letter, mail_of, submit

ROLES = ("mx", "user", "relay", "resolver", "store")
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 60_000


@pytest.fixture
def closed_net(monkeypatch):
    with open(binary_path(), "rb") as file:
        if b"__asan_init" in file.read():
            pytest.skip("AddressSanitizer opens files of its own")
    for name, value in preload("closed").items():
        monkeypatch.setenv(name, value)
    net = Net()
    for role in ROLES:
        wait_for(f"{role} to be ready", lambda: net.server.pids(role) and all(map(is_closed, net.server.pids(role))))
    yield net
    net.end_of_test()
    net.close()


def is_closed(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return re.search(r"^Seccomp:\s+2$", file.read(), re.M) is not None


def killed(server):
    return re.findall(r"event=exited role=(\S+) .*signal=31\b", server.log())


def use(net):
    """Each way that mail takes, both ways into TLS, a login that fails, a host that is down and one that is not there."""
    server, peer = net.server, net.peer(tls=net.tls())
    before = count_of(server, ALICE)
    deliver(server, ALICE, letter())
    deliver(server, ALICE, LARGE)
    assert len(mail_of(server, ALICE)) == before + 2
    with Wire(server, "smtps", tls=True) as wire:
        wire.hello()
        assert wire.say("AUTH PLAIN AGEAYg==").startswith("535")
        wire.login(ALICE)
    submit(server, ALICE, [f"a@{peer.domain}"], letter(sender=ALICE))
    wait_for("the peer's message", lambda: len(peer.received) == 1)
    net.wait_attempt(net.send(f"a@{net.domain(net.address())}"))
    net.wait_gone(net.send("a@nowhere.test"))


def test_what_they_do_without(closed_net):
    server = closed_net.server
    use(closed_net)
    closed_net.reload('message_size_limit = "40M";')
    use(closed_net)
    assert not killed(server)


@pytest.mark.kills
def test_who_opens_a_file_or_starts_a_program_is_seen(closed_net):
    server = closed_net.server
    for n, role in enumerate(ROLES):
        pid, = server.pids(role)
        os.kill(pid, signal.SIGUSR2)
        wait_for(f"the end of {role}", lambda: len(killed(server)) > n)
        wait_for("another", lambda: server.pids(role) not in ([], [pid]))
    assert tuple(killed(server)) == ROLES
