"""A full disk: mail is refused for the moment, nothing acknowledged is lost, deleting works."""

import contextlib
import errno
import os
import re

import pytest
from conftest import DOMAIN, new_folder
from own_disk import small_disk, small_ext4
from server import wait_for
from wire import Wire, count_of, deliver, letter, mail_of, pop3, without_trace

ALICE = f"alice@{DOMAIN}"
MIB = 1024 * 1024


DISKS = {
    "memory": lambda: small_disk("900m"),
    "ext4": lambda: small_ext4("400M", 4096),
    "ext4, small blocks": lambda: small_ext4("400M", 1024),
}


@pytest.fixture
def disk(request):
    with DISKS[getattr(request, "param", "memory")]() as made:
        yield made


@pytest.fixture
def min_free():
    return "100M"


@pytest.fixture
def server(disk, make_server, min_free):
    """The server's log is elsewhere: it must not fill the disk that is to be tested."""
    server = make_server(f'min_free = "{min_free}";', ["alice"], start=False, folder=disk.folder)
    server.folder = new_folder()
    server.log_path = os.path.join(server.folder, "server.log")
    server.serve_words = lambda: disk.serve_words(server)
    server.start()
    server.mark()
    yield server
    # before the disk is unmounted
    assert not server.trouble()
    assert server.stop() == 0


class Filler:
    """A file of somebody else that leaves a given number of bytes free."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "filler")

    def leave(self, wanted):
        fs = os.statvfs(os.path.dirname(self.path))
        free = fs.f_bavail * fs.f_frsize
        have = os.path.getsize(self.path) if os.path.exists(self.path) else 0
        size = max(0, have + free - wanted)
        with open(self.path, "ab") as file:
            if size < have:
                file.truncate(size)
                return
            os.posix_fallocate(file.fileno(), 0, max(size - 4 * MIB, 1))
            try:
                while os.fstatvfs(file.fileno()).f_bavail * fs.f_frsize > wanted:
                    os.write(file.fileno(), bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC


def try_to_deliver(server, message):
    """The reply that ends the attempt: to MAIL, RCPT, DATA or the message."""
    with Wire(server) as wire:
        wire.hello()
        for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{ALICE}>", "DATA"):
            reply = wire.say(command)
            if reply[:1] not in "23":
                return reply
        wire.send(message + b".\r\n")
        return wire.reply()


def test_below_the_wanted_free_space(server, disk):
    filler = Filler(disk.folder)
    sent = [letter(f"number {n}") for n in range(5)]
    for one in sent:
        deliver(server, ALICE, one)
    filler.leave(50 * MIB)

    def is_refused():
        """The free space is looked at now and then: a few may still be taken, and are kept."""
        reply = try_to_deliver(server, letter("late"))
        if reply.startswith("250"):
            sent.append(letter("late"))
        return reply.startswith("452 4.3.1")

    wait_for("452", is_refused)
    wait_for("the log to say it", lambda: re.search("event=disk-full .*cure=.*make room", server.new_log()))
    assert [without_trace(m) for m in mail_of(server, ALICE)] == sent
    client = pop3(server, ALICE)
    client.dele(1)
    client.quit()
    assert count_of(server, ALICE) == len(sent) - 1
    filler.leave(400 * MIB)
    wait_for("service", lambda: try_to_deliver(server, letter("yes")).startswith("250"))
    wait_for("the log to say it", lambda: "event=disk-has-room" in server.new_log())
    assert count_of(server, ALICE) == len(sent)
    server.command("audit")


def test_room_is_made_while_the_disk_is_full(server, disk):
    """Housekeeping goes on: what was deleted for good leaves the disk before mail is taken again."""
    filler = Filler(disk.folder)
    large = letter("large", ["0123456789" * 7] * 20_000)  # a pack of its own
    for _ in range(10):
        deliver(server, ALICE, large)
    server.configure('undelete = "0";')
    server.reload()
    wait_for("the new configuration", lambda: "event=reloaded" in server.log())
    filler.leave(50 * MIB)
    wait_for("452", lambda: try_to_deliver(server, letter("late")).startswith("452 4.3.1"))

    def stored():
        size = 0
        for name in os.listdir(os.path.join(server.data, "packs")):
            with contextlib.suppress(FileNotFoundError):  # removed since the folder was read
                if name != "0000000001.pack":
                    size += os.path.getsize(os.path.join(server.data, "packs", name))
        return size

    assert stored() > 10 * len(large)
    client = pop3(server, ALICE)
    for number in range(1, 11):
        client.dele(number)
    client.quit()
    wait_for("room", lambda: stored() == 0)
    assert try_to_deliver(server, letter("late")).startswith("452 4.3.1")
    server.command("audit")


def test_no_byte_left(server, disk):
    """Filled up while the server believes that there is room."""
    filler = Filler(disk.folder)
    acknowledged = []
    for number in range(20):
        one = letter(f"number {number}")
        deliver(server, ALICE, one)
        acknowledged.append(one)
    filler.leave(0)
    large = ["0123456789" * 7] * 20_000  # needs a pack of its own
    for number in range(10):
        one = letter(f"late {number}", large if number % 2 else ["x"])
        reply = try_to_deliver(server, one)
        assert reply[:4] in ("250 ", "452 "), reply
        if reply.startswith("250"):
            acknowledged.append(one)
    assert [without_trace(m) for m in mail_of(server, ALICE)] == acknowledged
    client = pop3(server, ALICE)
    for number in range(1, 11):
        client.dele(number)
    client.quit()
    assert [without_trace(m) for m in mail_of(server, ALICE)] == acknowledged[10:]
    filler.leave(400 * MIB)
    wait_for("service", lambda: try_to_deliver(server, letter("again")).startswith("250"))
    server.command("audit")


def test_disk_fills_up_in_the_middle_of_large_messages(server, disk):
    filler = Filler(disk.folder)
    deliver(server, ALICE, letter("first"))
    line = b"0123456789abcdef" * 60 + b"\r\n"
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{ALICE}>")
        wire.say("DATA")
        wire.send(line * 1000)
        filler.leave(0)
        wire.send(line * 20_000 + b".\r\n")
        assert wire.reply().startswith("452")
        assert wire.say("NOOP").startswith("250")
    assert [without_trace(m) for m in mail_of(server, ALICE)] == [letter("first")]


def test_restart_on_a_full_disk(server, disk):
    """It comes up to hand out and delete what there is."""
    filler = Filler(disk.folder)
    sent = [letter(f"number {n}") for n in range(3)]
    for one in sent:
        deliver(server, ALICE, one)
    filler.leave(0)
    server.kill_all()
    server.start()
    server.mark()
    assert [without_trace(m) for m in mail_of(server, ALICE)] == sent
    client = pop3(server, ALICE)
    client.dele(1)
    client.quit()
    assert count_of(server, ALICE) == 2


@pytest.mark.parametrize("disk", DISKS, indirect=True)
@pytest.mark.parametrize("min_free", ["20M"])
@pytest.mark.parametrize("end", ["stop", "kill_all"])
def test_restart_with_little_room(server, disk, long, end):
    """Whatever it is in the start that does not fit any more: the reserve is for that too."""
    filler = Filler(disk.folder)
    for kib in range(0, 68, 4) if long else (4, 40):
        wait_for("service", lambda: try_to_deliver(server, letter("one")).startswith("250"))
        getattr(server, end)()
        filler.leave(kib * 1024)
        server.start()
        server.mark()
        client = pop3(server, ALICE)
        assert client.stat()[0] == 1, kib
        client.dele(1)
        client.quit()
        assert count_of(server, ALICE) == 0, kib
        filler.leave(200 * MIB)
    server.command("audit")


PAGE = 4096


@pytest.mark.parametrize("disk", ["memory", *(pytest.param(d, marks=pytest.mark.rare) for d in DISKS if d != "memory")],
                         indirect=True)
@pytest.mark.parametrize("min_free", ["0"])
def test_full_at_every_point(server, disk, long):
    """The server believes that there is room, and has a few pages more each time: what it took it has, whatever
    it was that did not fit any more. What is refused needs the reserve for nothing: deleting still has it."""
    filler = Filler(disk.folder)
    acknowledged, refused = [], 0
    for pages in range(0, 400 if long else 120, 1 if long else 3):
        filler.leave(pages * PAGE)
        body = ["x" * 70] * (6000 if pages % 8 == 7 else 1 + pages * 9 % 200)
        one = letter(f"with {pages}", body)
        reply = try_to_deliver(server, one)
        assert reply[:4] in ("250 ", "452 "), (pages, reply)
        if reply.startswith("250"):
            acknowledged.append(one)
        refused += reply.startswith("452")
    assert refused and acknowledged
    filler.leave(0)
    client = pop3(server, ALICE)
    client.dele(1)
    client.quit()
    del acknowledged[0]
    assert [without_trace(m) for m in mail_of(server, ALICE)] == acknowledged
    filler.leave(400 * MIB)
    wait_for("service", lambda: try_to_deliver(server, letter("again")).startswith("250"))
    assert count_of(server, ALICE) == len(acknowledged) + 1
    server.command("audit")
    server.command("store", "verify", "--rate", "0")
