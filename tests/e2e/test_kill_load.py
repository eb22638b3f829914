"""kill -9 at random moments under the load of hundreds of clients, who keep books (load.py)."""

import random
import time

import pytest
from load import Load, add_accounts
from relay_net import net, shared_net  # noqa: F401 (fixtures)
from server import wait_for

# Small packs, whose space comes back at once: compaction is killed too.
NET_OPTIONS = """queue = { retry = ["1s"]; };
undelete = "0s";
pack_size = "1M";
compact_rate = "64M";
"""
ROLES = ("store", "mx", "user", "relay", "resolver")

pytestmark = pytest.mark.kills


class Killer:
    """Kills what a seeded order names, each time after a random number of messages more."""

    def __init__(self, server, load, seed, cruel):
        self.server, self.load, self.cruel = server, load, cruel
        self.chance = random.Random(seed)
        self.kills = dict.fromkeys((*ROLES, "all"), 0)
        self.relay_deaths = []

    def kill(self, role):
        """Of all, and in the long form of each, also the next one while it starts: recovery is not spared."""
        self.load.wait_for_more(self.chance.randrange(1, 150))
        for _ in range(2 if role == "all" or self.cruel and self.chance.random() < 0.5 else 1):
            self.kills[role] += 1
            wait_for(f"a {role}", lambda: self.server.pids("store" if role == "all" else role))
            begin = time.monotonic()
            if role == "all":
                self.server.kill_all()
            else:
                self.server.kill(role)
            if role in ("relay", "all"):
                self.relay_deaths.append((begin, time.monotonic()))
            if role == "all":
                self.server.start(wait=False)

    def run(self, rounds):
        """Each role and all at once, in a new order each round."""
        for _ in range(rounds):
            roles = list(self.kills)
            self.chance.shuffle(roles)
            for role in roles:
                self.kill(role)
        self.load.wait_for_more(100)


def settle(server):
    """All processes are there and nothing waits any more."""
    wait_for("all processes", lambda: set(server.processes().values()) == {"supervisor", *ROLES})
    server.wait_ready()
    wait_for("an empty queue", lambda: server.json("status")["queued_recipients"] == 0)


def test_kills_under_load(net, long, record_property):
    seed = 4
    peer = net.peer()
    load = Load(net.server, add_accounts(net.server, 60 if long else 12), peer.domain, senders=300 if long else 120,
                seed=seed, pause=0.5 if long else 0.25)
    peer.answers["end"] = load.on_relayed
    killer = Killer(net.server, load, seed, cruel=long)
    with load:
        killer.run(25 if long else 1)
    settle(net.server)
    sums = load.check(killer.relay_deaths)
    net.server.command("audit")
    net.server.command("store", "verify", "--rate", "0")
    record_property("note", f"seed {seed}, {sum(killer.kills.values())} kills: {sums}")
