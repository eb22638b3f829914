"""DNS servers on loopback for tests: a real one (nsd) with zones of the test's own, and a liar."""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

from server import HOST, wait_for

NSD = shutil.which("nsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CODES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}


def free_port():
    """A port that is free for UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((HOST, 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind((HOST, port))
                return port
            except OSError:
                continue


def to_wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def answers(address, query):
    """Does something answer there?"""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.sendto(query, address)
            return probe.recv(512)
        except OSError:
            return None


class Nsd:
    """zones: {name: text of its file, or path of one}. $ORIGIN is the zone's name, $TTL 300."""

    HEAD = "$ORIGIN {0}.\n$TTL 300\n@ SOA ns.{0}. root.{0}. 1 3600 600 86400 120\n@ NS ns.{0}.\nns A 127.0.0.1\n"

    def __init__(self, zones):
        self.folder = tempfile.mkdtemp(prefix="godwit-nsd-")
        self.port = free_port()
        self.server = f"{HOST}@{self.port}"
        listed = "".join(f'zone:\n  name: "{name}"\n  zonefile: "{self.write(name, text)}"\n'
                         for name, text in zones.items())
        path = os.path.join(self.folder, "nsd.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(f'server:\n  ip-address: {self.server}\n  username: ""\n  zonesdir: ""\n  database: ""\n'
                       f'  pidfile: ""\n  xfrdfile: ""\n  zonelistfile: "{self.folder}/zone.list"\n'
                       f'  xfrdir: "{self.folder}"\n  verbosity: 1\n  rrl-ratelimit: 0\n'
                       f'remote-control:\n  control-enable: no\n{listed}')
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen([NSD, "-d", "-c", path], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.wait(next(iter(zones)))

    def write(self, name, text):
        if text.startswith("/"):
            return text
        path = os.path.join(self.folder, f"{name}.zone")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.HEAD.format(name) + text)
        return path

    def wait(self, zone):
        query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + to_wire(zone) + struct.pack(">2H", 6, 1)

        def is_up():
            assert self.process.poll() is None, open(f"{self.folder}/log", encoding="utf-8").read()
            return answers((HOST, self.port), query)

        wait_for("nsd to answer", is_up)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def record(name, kind, data, ttl=300):
    return to_wire(name) + struct.pack(">HHIH", CODES[kind], 1, ttl, len(data)) + data


def message(query, flags=0x8580, answer=(), number=None, question=None):
    """A response to the query; flags: authoritative, NOERROR."""
    if question is None:
        question = query[12:question_end(query)]
    number = query[:2] if number is None else number
    return number + struct.pack(">5H", flags, 1, len(answer), 0, 0) + question + b"".join(answer)


def question_end(query):
    at = 12
    while query[at]:
        at += query[at] + 1
    return at + 5


def asked(query):
    """The name asked for, in lower case."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
        at += query[at] + 1
    return ".".join(labels)


class Liar:
    """A server over UDP and TCP. behave(name, query, tcp) gives the answers to send, octets each;
    none: it is silent. Asked for the root, it answers."""

    def __init__(self, behave, port=None):
        self.behave = behave
        self.queries = []  # (name, over TCP)
        self.port = port or free_port()
        self.server = f"{HOST}@{self.port}"
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind((HOST, self.port))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((HOST, self.port))
        self.tcp.listen()
        self.threads = [threading.Thread(target=run) for run in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def replies(self, query, tcp):
        name = asked(query)
        self.queries.append((name, tcp))
        if name == "":  # who serves the root
            return [message(query, answer=[record("", "NS", to_wire("ns.test"))])]
        return self.behave(name, query, tcp)

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(65535)
            if not query:
                return
            for reply in self.replies(query, False):
                self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                try:
                    query = client.recv(65535)[2:]
                    for reply in self.replies(query, True) if query else ():
                        client.sendall(struct.pack(">H", len(reply)) + reply)
                except OSError:
                    continue

    def count(self, name):
        return sum(1 for asked_for, _ in self.queries if asked_for == name)

    def close(self):
        with socket.socket(type=socket.SOCK_DGRAM) as end:
            end.sendto(b"", (HOST, self.port))
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()
