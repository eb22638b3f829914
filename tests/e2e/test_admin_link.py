"""The admin socket by its frames: what a command uses stays while the configuration changes."""

import os
import signal
import socket
import struct

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
