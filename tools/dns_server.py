"""A real DNS server (Debian's nsd) on loopback with zones of one's own.

Used by tools/demo.py and by the end-to-end tests.
"""

import os
import shutil
import socket
import struct
import subprocess
import tempfile

from server import HOST, ServerError, free_port, wait_for

NSD = shutil.which("nsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


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
        try:
            self.wait(next(iter(zones)))
        except BaseException:  # Ctrl-C too: nobody else knows of it yet
            self.close()
            raise

    def write(self, name, text):
        if text.startswith("/"):
            return text
        path = os.path.join(self.folder, f"{name}.zone")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.HEAD.format(name) + text)
        return path

    def names(self, domain, host):
        """Does it name that host as the domain's mail exchanger? It is the answer's only record, with the
        labels of the name before the domain, which is compressed."""
        query = b"\x4d\x58\0\0\0\1\0\0\0\0\0\0" + to_wire(domain) + b"\0\x0f\0\1"
        said = answers((HOST, self.port), query) or b""
        inside = to_wire(host.removesuffix("." + domain))[:-1]
        return said[6:8] == b"\0\1" and b"\0\x0f\0\1" in said[len(query):] and inside in said[len(query):]

    def wait(self, zone):
        query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + to_wire(zone) + struct.pack(">2H", 6, 1)

        def is_up():
            if self.process.poll() is not None:
                with open(f"{self.folder}/log", encoding="utf-8") as log:
                    raise ServerError(f"nsd ended with {self.process.returncode}:\n{log.read()}")
            return answers((HOST, self.port), query)

        wait_for("nsd to answer", is_up)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
