"""What is open to the outside: exactly the listeners that the configuration's manual names, each held by the
processes that serve it, and nothing else, by whichever protocol."""

import os
import re

from server import STANDARD_PORTS, free_offset, open_files

LISTENING = "0A"  # of the state of a TCP socket
BOUND = {"tcp": LISTENING, "tcp6": LISTENING, "udp": None, "udp6": None}  # the state that counts, if any
LOOKS = 5  # the kernel's tables are read in parts, and may miss some of what is there while others come and go
MX, USER = {"smtp", "lmtp"}, {"smtps", "submission", "pop3", "pop3s"}
SERVED_BY = {"mx": MX, "user": USER, "supervisor": MX | USER, "store": set(), "relay": set(),
             "resolver": set()}
UNIX = {"admin.sock": {"supervisor", "store"}, "sendmail.sock": {"supervisor", "user"}}


def manual(server):
    """{name: port} as the configuration's manual gives the defaults."""
    text = server.command("check-config", "--all").stdout
    return {name: int(port) for name, port in
            re.findall(r"^ports\.(\w+)\n(?:\t.*\n)*?\tAllowed: .*default: (\d+)\.$", text, re.MULTILINE)}


def bound_sockets():
    """{inode: (protocol, port)} of all that may be connected or sent to by network."""
    found = {}
    for protocol, state in list(BOUND.items()) * LOOKS:
        with open(f"/proc/net/{protocol}", encoding="ascii") as table:
            next(table)
            for row in map(str.split, table):
                if state in (None, row[3]):
                    found[row[9]] = (protocol, int(row[1].rpartition(":")[2], 16))
    return found


def unix_listeners():
    """{inode: path} of Unix sockets that accept connections."""
    rows = []
    for _ in range(LOOKS):
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
            next(table)
            rows += [row.split() for row in table]
    return {row[6]: row[7] for row in rows if len(row) == 8 and int(row[3], 16) & 0x10000}


def inodes_of(pid):
    return {path[8:-1] for path in open_files(pid).values() if path.startswith("socket:[")}


def open_sockets(server):
    """{role: {(protocol, port)}} and {socket's name: {roles}}."""
    bound, local = bound_sockets(), unix_listeners()
    tcp, unix = {}, {}
    for pid, role in server.processes().items():
        inodes = inodes_of(pid)
        tcp.setdefault(role, set()).update(
            bound[i] for i in inodes & set(bound)
            if role != "resolver" or bound[i][0].startswith("tcp"))  # it asks by UDP
        for inode in inodes & set(local):
            unix.setdefault(os.path.basename(local[inode]), set()).add(role)
    return tcp, unix


def expected(names, offset):
    return {role: {("tcp", port + offset) for name, port in names.items() if port and name in served}
            for role, served in SERVED_BY.items()}


def test_the_documented_listeners_and_no_others(make_server):
    server = make_server()
    names = manual(server)
    assert names == {**STANDARD_PORTS, "lmtp": 0}
    tcp, unix = open_sockets(server)
    assert tcp == expected(names, server.offset)
    assert unix == UNIX


def test_each_port_is_opened_and_closed_by_its_option(make_server):
    server = make_server(start=False)
    server.offset = free_offset(more=[24])
    server.configure(f"port_offset = {server.offset};\nports = {{ lmtp = 24; pop3 = 0; smtps = 0; }};")
    server.ports = {name: port + server.offset for name, port in STANDARD_PORTS.items()}
    server.start(wait=False)
    server.wait_ready(("smtp", "submission"))
    server.mark()
    names = {**STANDARD_PORTS, "lmtp": 24, "pop3": 0, "smtps": 0}
    tcp, unix = open_sockets(server)
    assert tcp == expected(names, server.offset)
    assert unix == UNIX
