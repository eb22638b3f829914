"""DNS servers on loopback for tests: a real one (nsd, see tools/dns_server.py), and a liar."""

import socket
import struct
import threading

from dns_server import Nsd, answers, to_wire  # noqa: F401 (for the tests too)
from server import HOST, free_port

CODES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}


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

    def __init__(self, behave, port=None, host=HOST):
        self.behave = behave
        self.queries = []  # (name, over TCP)
        self.host = host
        self.port = port or free_port()
        self.server = f"{host}@{self.port}"
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind((host, self.port))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((host, self.port))
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
            end.sendto(b"", (self.host, self.port))
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()
