"""The other servers of the measurements of size: names, a sink for what is sent, one peer that remembers
when each message came, and servers that are dead in three ways."""

import os
import re
import resource
import socket
import struct
import subprocess
import threading
import time

from peers.peer import ROOT  # noqa: F401 (adds tools/ to the path)
from dns_server import Nsd
from server import wait_for

SINK, PEER, WAKE = "127.77.0.1", "127.77.0.2", "127.77.0.3"
DEAD = {"refused": 81, "full": 82, "silent": 83}  # RST; no answer to a SYN; no greeting: 127.81.0.0/16 ...
DESCRIPTORS = 10000
NEW = 2000  # names new0.live.test, ... that lead to the peer


def is_dead(number, share):
    return number % 100 < share


def dead_servers(destinations, share, kinds):
    """(number of the destination, kind, address); kinds: of DEAD, in turn."""
    for n in range(destinations):
        if is_dead(n, share):
            kind = kinds[(n // 100 + n) % len(kinds)]
            yield n, kind, f"127.{DEAD[kind]}.{n >> 8}.{n & 255}"


def zones(destinations, share, kinds):
    """Names as bench/fill gives them; each that is dead has a server of its own."""
    dead = "".join(f"d{n} MX 10 h{n}\nh{n} A {address}\n"
                   for n, _, address in dead_servers(destinations, share, kinds))
    news = "".join(f"new{n} MX 10 peer\n" for n in range(NEW))
    return {"live.test": f"* MX 10 mx\nmx A {SINK}\nknown MX 10 peer\npeer A {PEER}\n"
                         f"wake MX 10 wakes\nwakes A {WAKE}\n{news}",
            "dead.test": dead}


class Sink:
    """bench/floor: takes everything and counts it."""

    def __init__(self, program, folder, address, port):
        self.counters = os.path.join(folder, f"sink-{address}-{time.monotonic_ns()}")
        self.process = subprocess.Popen([program, "--listen", f"{address}:{port}", "--counters",
                                         self.counters])
        wait_for("the sink", lambda: os.path.exists(self.counters) and
                 os.path.getsize(self.counters) >= 32)

    def taken(self):
        with open(self.counters, "rb") as file:
            return struct.unpack("=4Q", file.read(32))[1]

    def close(self):
        self.process.terminate()
        self.process.wait()


class Peer:
    """Takes mail; got: {subject: moment by the steady clock}."""

    def __init__(self, address, port):
        self.got = {}
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(500)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rb") as lines:
            try:
                client.sendall(b"220 peer.test ESMTP\r\n")
                for line in lines:
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        client.sendall(b"354 go on\r\n")
                        self.take(lines)
                    client.sendall({b"EHLO": b"250-peer.test\r\n250 PIPELINING\r\n",
                                    b"QUIT": b"221 bye\r\n"}.get(verb, b"250 ok\r\n"))
                    if verb == b"QUIT":
                        return
            except OSError:
                return

    def take(self, lines):
        for line in lines:
            if line == b".\r\n":
                return
            found = re.match(rb"Subject: (\S+)", line)
            if found:
                self.got[found.group(1).decode()] = time.monotonic()

    def close(self):
        self.listener.close()


def full_listener(address, port):
    """Its queue of connections is full: the next get no answer."""
    listener = socket.socket()
    listener.bind((address, port))
    listener.listen(0)
    clients = [socket.socket() for _ in range(2)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex((address, port))
    return [listener, *clients]


def silent_listener(address, port):
    """The kernel accepts, nobody speaks."""
    listener = socket.socket()
    listener.bind((address, port))
    listener.listen(4096)
    return [listener]


def allow_descriptors():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < DESCRIPTORS:
        raise SystemExit(f"the dead servers need {DESCRIPTORS} descriptors, and {most} are allowed: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def dead_listeners(destinations, share, kinds, port):
    """The sockets; of servers that refuse there are none."""
    of = {"refused": lambda *_: [], "full": full_listener, "silent": silent_listener}
    return [one for _, kind, address in dead_servers(destinations, share, kinds)
            for one in of[kind](address, port)]


class Net:
    def __init__(self, floor, folder, port, destinations=0, share=0, kinds=("refused",)):
        allow_descriptors()
        self.dns = Nsd(zones(destinations, share, kinds))
        self.port = port
        self.floor, self.folder = floor, folder
        self.sink = Sink(floor, folder, SINK, port)
        self.peer = Peer(PEER, port)
        self.dead = dead_listeners(destinations, share, kinds, port)

    def options(self):
        return (f'relay_port = {self.port};\nrelay_allow_private = true;\n'
                f'trusted_networks = ["127.0.0.0/8"];\ndns_server = "{self.dns.server}";\n'
                'dnssec = "off";')

    def close(self):
        for one in self.dead:
            one.close()
        self.peer.close()
        self.sink.close()
        self.dns.close()


