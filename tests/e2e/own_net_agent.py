"""Inside a network of a test's own: gives it addresses, makes connections and listens, one after the other.

usage: own_net_agent.py DESCRIPTOR   of a SOCK_SEQPACKET socket. Each packet asks for one thing, in JSON; the answer
is a line end, with the connection or the listener if there is one, else an error. It ends with the socket.
"""

import json
import socket
import subprocess
import sys

TIMEOUT = 60


def connect(host, port, source):
    return socket.create_connection((host, port), TIMEOUT, (source, 0) if source else None)


def add_address(address):
    subprocess.run(["ip", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else [])],
                   check=True)


def listen(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=128)


def act(link, todo):
    if "address" in todo:
        add_address(todo["address"])
        link.send(b"\n")
        return
    with listen(*todo["listen"]) if "listen" in todo else connect(**todo) as made:
        socket.send_fds(link, [b"\n"], [made.fileno()])


def main():
    link = socket.socket(fileno=int(sys.argv[1]))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    link.send(b"ready")
    while data := link.recv(4096):
        try:
            act(link, json.loads(data))
        except (OSError, subprocess.CalledProcessError) as error:
            link.send(f"{type(error).__name__}: {error}".encode())


if __name__ == "__main__":
    main()
