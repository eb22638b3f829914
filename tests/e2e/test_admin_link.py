"""The admin socket by its frames: what a command uses stays while the configuration changes."""

import os
import signal
import socket
import struct

import pytest
from server import wait_for

REQUEST, STATUS = 0, 0


def frame(payload, number=1):
    return struct.pack(">IBBHI", len(payload), REQUEST, 0, 0, number) + payload


def test_reload_between_a_command_and_its_answer(make_server):
    server = make_server()
    store, mx = server.pids("store")[0], server.pids("mx")[0]
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(60)
        admin.connect(os.path.join(server.data, "run", "admin.sock"))
        server.json("status")  # it was accepted behind ours
        os.kill(store, signal.SIGSTOP)
        admin.sendall(frame(bytes([STATUS, 0])))
        server.configure('hostname = "another.example.test";')
        server.reload()
        wait_for("the reload", lambda: "process=mx event=config number=2" in server.new_log())
        os.kill(store, signal.SIGCONT)
        answer = admin.recv(65536)
    assert b"mail.example.test" in answer or b"another.example.test" in answer
    assert server.pids("store") == [store] and server.pids("mx") == [mx]


@pytest.mark.kills
def test_end_of_the_server_before_an_answer(make_server):
    server = make_server()
    store = server.pids("store")[0]
    others = set(server.processes()) - {server.process.pid, store}
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(60)
        admin.connect(os.path.join(server.data, "run", "admin.sock"))
        server.json("status")
        os.kill(store, signal.SIGSTOP)
        admin.sendall(frame(bytes([STATUS, 0])))
        server.process.terminate()
        wait_for("the end of all but store", lambda: not others & set(server.processes()))
        os.kill(store, signal.SIGCONT)
        assert server.process.wait(60) == 0
        admin.recv(65536)  # an answer or the end
    server.process = None
    ends = [line for line in server.new_log().split("\n") if "event=exited" in line]
    assert len(ends) == len(others) + 1
    assert all("status=0 signal=0" in line for line in ends)
