"""The admin socket by its frames: what a command uses stays while the configuration changes."""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import termios

import pytest
from conftest import new_folder
from ipc_frames import CHUNK, HEAD, REPLY, ROOT, read_frame, text
from ipc_frames import frame as any_frame
from server import binary_path, wait_for
from wire import TIMEOUT

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


def number_of(command):
    with open(os.path.join(ROOT, "src", "ipc", "admin.h"), encoding="utf-8") as file:
        return re.findall(r"^\tADMIN_(\w+),", file.read(), re.MULTILINE).index(command)


@pytest.mark.parametrize("command, words", [("UNDELETE", [" ", "0"]), ("FLAGS", ["", " \t", "", "seen"])])
def test_a_blank_name_of_a_message_is_not_any(server, mailbox, command, words):
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(TIMEOUT)
        admin.connect(os.path.join(server.data, "run", "admin.sock"))
        arguments = [text(word.encode()) for word in [mailbox, *words]]
        admin.sendall(frame(bytes([number_of(command), len(arguments)]) + b"".join(arguments)))
        kind, _, _, answer = read_frame(admin)
    assert (kind, answer) == (REPLY, b"\x40" + text(b"which message? write its id here, or its Message-ID"))


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


def unread(link):
    """Octets that the other side has not read yet."""
    return struct.unpack("i", fcntl.ioctl(link, termios.TIOCOUTQ, bytes(4)))[0]


def is_waiting(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] in "SZ"


@pytest.fixture
def folder():
    folder = new_folder()
    yield folder
    shutil.rmtree(folder)


def test_an_answer_behind_which_nobody_reads(folder):
    """Whoever answers may be gone before the credit for his last records comes."""
    os.mkdir(os.path.join(folder, "run"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(TIMEOUT)
        listener.bind(os.path.join(folder, "run", "admin.sock"))
        listener.listen()
        with subprocess.Popen([binary_path(), "domain", "list", "--data", folder], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as command:
            link, _ = listener.accept()
            with link:
                link.settimeout(TIMEOUT)
                size, _, _, kind, number = HEAD.unpack(link.recv(HEAD.size, socket.MSG_WAITALL))
                link.recv(size, socket.MSG_WAITALL)
                link.shutdown(socket.SHUT_RD)
                link.sendall(any_frame(CHUNK, kind, bytes(3), number=number))  # the beginning of a record
                wait_for("the chunk to be read", lambda: unread(link) == 0 and is_waiting(command))
                link.sendall(any_frame(REPLY, kind, b"\x45" + text(b"in my own words"), number=number))
            output, _ = command.communicate(timeout=TIMEOUT)
    assert (command.returncode, output) == (0x45, b"godwit: in my own words\n")
