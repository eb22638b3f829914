"""A disk that fails, a file system that is read-only, memory that runs out, under load.

Nothing that was acknowledged is lost; clients hear a temporary error in their protocol's words; the log and
`godwit status` say what happened and what to do about it.
"""

import errno
import itertools
import os
import pathlib
import poplib
import random
import re
import shutil
import signal
import subprocess

import pytest
from conftest import DOMAIN, new_folder
from load import Load, add_accounts
from server import ServerError, wait_for
from smtp_peer import HANG, Peer
from wire import Wire, count_of, deliver, letter, message_id, pop3
from world import LOG, OPEN, PACK, SYNC, WRITE, memory, world  # noqa: F401 (fixtures)

pytestmark = pytest.mark.rare

ALICE = f"alice@{DOMAIN}"


def attempt(server, recipient=ALICE, message=None):
    """The reply that ends an attempt to deliver."""
    with Wire(server) as wire:
        if not wire.greeting.startswith("220"):
            return wire.greeting
        wire.hello()
        for command in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = wire.say(command)
            if reply[:1] not in "23":
                return reply
        wire.send((message or letter()) + b".\r\n")
        return wire.reply()


def must_be_closed(server, user, count):
    """Takes nothing, says why, and lets everybody read."""
    wait_for("the log to say it", lambda: "event=store-closed" in server.new_log())
    line = re.search(r"event=store-closed .*", server.new_log())[0]
    assert "restart the server" in line, line
    assert re.search("Input/output error|No space left|Read-only file system", line), line
    wait_for("a refusal", lambda: re.match("451 .*until it is restarted", attempt(server, user)))
    status = server.json("status")
    assert status["accepting"] is False and status["trouble"], status
    client = pop3(server, user)
    assert client.stat()[0] == count
    client.dele(1)
    with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
        client.quit()
    assert count_of(server, user) == count


FAILURES = {  # calls of the store, of which file, and how they fail
    "log's sync": ((SYNC,), LOG, errno.EIO),
    "messages' sync": ((SYNC,), PACK, errno.EIO),
    "messages' sync for want of space": ((SYNC,), PACK, errno.ENOSPC),
    "write to the log": ((WRITE,), LOG, errno.EIO),
    "write of messages": ((WRITE,), PACK, errno.EIO),
    "everything": None,  # read-only
}
QUICK = ("log's sync", "write of messages", "everything")


@pytest.mark.parametrize("what", FAILURES)
def test_the_disk_fails_under_load(make_server, world, what, long):
    if not long and what not in QUICK:
        pytest.skip("in the long form")
    server = make_server()
    users = add_accounts(server, 4)
    load = Load(server, users, senders=20, pause=0.02)
    with load:
        load.wait_for_more(50)
        if FAILURES[what]:
            kinds, file, error = FAILURES[what]
            world.fail(*kinds, file=file, error=error, count=1)  # once is enough
        else:
            world.read_only()
        wait_for("the failure", lambda: any(world.fired(kind) for kind in range(5)))
        wait_for("the log to say it", lambda: "event=store-closed" in server.new_log())
    world.heal()  # what happened once is not forgotten
    must_be_closed(server, users[0], count_of(server, users[0]))
    assert server.stop() == 0
    server.start()
    server.mark()
    with load:
        load.wait_for_more(50)
    load.check(unsure_refusals=True)
    server.command("audit")
    server.command("store", "verify", "--rate", "0")



@pytest.mark.parametrize("kind, error", [(SYNC, errno.EIO), (SYNC, errno.ENOSPC), (WRITE, errno.EIO)])
def test_a_large_message_meets_a_failing_disk(make_server, world, tmp_path, kind, error):
    """It is not the lane that meets the failure, and yet nothing is written behind it."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE)
    world.fail(kind, file=PACK, error=error, count=1)
    assert attempt(server, message=letter("large", ["x" * 70] * 6000)).startswith("451 4.3.0 ")
    assert world.fired(kind) == 1
    world.heal()
    must_be_closed(server, ALICE, 1)
    line = re.search("event=upload-failed .*", server.new_log())[0]
    assert "see to the disk, then restart the server" in line, line
    server.command("backup", str(tmp_path / "backup"))  # its first one
    assert server.stop() == 0
    server.start()
    server.mark()
    deliver(server, ALICE, letter("large", ["x" * 70] * 6000))
    assert count_of(server, ALICE) == 2
    server.command("audit")


@pytest.mark.kills
def test_read_only_at_the_start(make_server, world):
    """The store dies and cannot start again: service is back by itself once the file system is."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE)
    world.read_only()
    server.kill("store")
    line = wait_for("the reason", lambda: re.search("event=child-failed .*", server.new_log()))[0]
    assert f"{server.data} is on a file system that is read-only" in line and "mount it" in line
    with Wire(server) as wire:
        assert wire.greeting.startswith("421 4.3.0 ")
    with Wire(server, "pop3") as wire:
        assert wire.greeting.startswith("-ERR [SYS/TEMP]")
    world.heal()
    server.wait_ready()
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 2


@pytest.mark.kills
def test_a_start_brings_the_log_to_the_disk(make_server, world):
    """What a sync that failed left in the kernel's memory only is trusted when it is written anew, and not before."""
    server = make_server(accounts=["alice"])
    deliver(server, ALICE)
    world.fail(SYNC, file=LOG)
    server.kill("store")
    line = wait_for("the reason", lambda: re.search("event=child-failed .*", server.new_log()))[0]
    assert "cannot write the database's log store.db-wal to the disk once more" in line, line
    assert "mend the cause and start again" in line and "Input/output error" in line, line
    world.heal()
    server.wait_ready()
    deliver(server, ALICE)
    assert count_of(server, ALICE) == 2


@pytest.mark.parametrize("error, cure", [(errno.ENOSPC, "make room on the disk"), (errno.EIO, "Input/output error")])
def test_the_log_cannot_be_made(make_server, world, error, cure):
    """The reason is that of the first attempt: SQLite has another look, at what is not there."""
    server = make_server(accounts=["alice"])
    server.stop()
    world.fail(OPEN, file=LOG, error=error)
    with pytest.raises(ServerError):
        server.start()
    line = re.search("event=cannot-serve .*", server.log())[0]
    assert cure in line and "No such file" not in line, line
    world.heal()
    server.start()
    server.mark()
    deliver(server, ALICE)


def test_no_file_can_be_opened(make_server, world):
    """No message is taken that needs a new one; once there is one to be had, all goes on by itself."""
    server = make_server('pack_size = "1M";', accounts=["alice"])
    small, large = letter("small", ["x" * 70] * 1500), letter("large", ["x" * 70] * 6000)
    world.fail(OPEN, file=PACK, error=errno.EMFILE)
    replies = [attempt(server, message=small) for _ in range(12)]
    codes = [reply[:3] for reply in replies]
    assert codes == sorted(codes) and set(codes) == {"250", "452"}, replies
    assert replies[-1] == "452 4.3.1 the server is short of room, try again later"
    assert attempt(server, message=large).startswith("452 4.3.1 ")
    for event, cure in (("not-stored", "raise the limit"), ("upload-failed", "more open files")):
        line = wait_for("the log to say it", lambda: re.search(f"event={event} .*", server.new_log()))[0]
        assert "Too many open files" in line and cure in line, line
    world.heal()
    assert attempt(server, message=small).startswith("250 ")
    assert attempt(server, message=large).startswith("250 ")
    assert count_of(server, ALICE) == codes.count("250") + 2
    server.command("audit")


def test_a_large_message_that_has_no_room(make_server, world):
    """Its sender is told so; the next one is taken."""
    server = make_server(accounts=["alice"])
    large = letter("large", ["x" * 70] * 6000)
    world.fail(WRITE, file=PACK, error=errno.ENOSPC)
    assert attempt(server, message=large).startswith("452 4.3.1 ")
    world.heal()
    assert attempt(server, message=large).startswith("250 ")
    assert count_of(server, ALICE) == 1


# ---- a real file system that becomes read-only for an error of its own ----

class Ext4:
    """On a loop device."""

    def __init__(self, folder):
        self.folder, self.image = os.path.join(folder, "disk"), os.path.join(folder, "image")
        os.mkdir(self.folder)
        with open(self.image, "wb") as file:
            file.truncate(400 << 20)

    @staticmethod
    def run(*words, good=(0,)):
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode not in good:
            pytest.skip(f"{words[0]} is not possible here: {done.stderr.strip()}")

    def mount(self):
        self.run("mount", "-o", "loop,errors=remount-ro", self.image, self.folder)

    def unmount(self):
        """And gone: whoever has a namespace of mounts of his own meanwhile, as other tests do, still has it mounted."""
        subprocess.run(["umount", self.folder], check=True)
        wait_for("the disk to be let go", lambda: not subprocess.run(
            ["losetup", "-j", self.image], check=True, capture_output=True).stdout)

    def hit_an_error(self, pid):
        """While no thread of the process is inside the kernel: of a sync that is under way when the journal is
        given up Linux (6.18) may say that all is well, and nobody can tell that from one that is."""
        with open("/proc/mounts", encoding="ascii") as file:
            device = next(line.split()[0] for line in file if line.split()[1] == self.folder)
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("the process to stop", lambda: all(map(is_stopped, pathlib.Path(f"/proc/{pid}/task").iterdir())))
            with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w", encoding="ascii") as file:
                file.write("a test\n")
        finally:
            os.kill(pid, signal.SIGCONT)


def is_stopped(task):
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture
def ext4():
    if os.getuid() != 0:
        pytest.skip("mounting a disk needs root")
    folder = new_folder()
    disk = Ext4(folder)
    Ext4.run("mke2fs", "-q", "-F", "-t", "ext4", disk.image)
    disk.mount()
    yield disk
    if os.path.ismount(disk.folder):
        disk.unmount()
    shutil.rmtree(folder)


def test_a_file_system_turns_read_only_under_load(make_server, ext4, tmp_path):
    server = make_server(start=False, folder=ext4.folder)
    server.folder = os.path.dirname(ext4.folder)
    server.log_path = os.path.join(server.folder, "server.log")  # elsewhere: it shall go on
    server.start()
    server.mark()
    users = add_accounts(server, 4)
    load = Load(server, users, senders=20, pause=0.02)
    with load:
        load.wait_for_more(50)
        ext4.hit_an_error(server.pids("store")[0])
        wait_for("the log to say it", lambda: "event=store-closed" in server.new_log())
    assert "Read-only file system" in server.new_log()
    must_be_closed(server, users[0], count_of(server, users[0]))
    # its copy of the database would lie there
    assert "Read-only file system" in server.command("backup", str(tmp_path / "backup"), status=74).stderr
    assert server.stop() == 0
    ext4.unmount()
    Ext4.run("e2fsck", "-p", "-f", ext4.image, good=(0, 1))
    ext4.mount()
    server.start()
    server.mark()
    with load:
        load.wait_for_more(50)
    load.check(unsure_refusals=True)
    server.command("audit")
    server.command("store", "verify", "--rate", "0")
    assert server.stop() == 0  # before its disk goes


# ---- memory ----

@pytest.mark.kills
@pytest.mark.out_of_memory
@pytest.mark.parametrize("role", ["store", "mx", "user"])
def test_memory_runs_out_under_load(make_server, memory, role, long):
    """The process ends and says why, or goes without; the next one serves, and nothing is lost."""
    if role == "user" and not long:
        pytest.skip("in the long form")
    chance = random.Random(role)
    server = make_server()
    load = Load(server, add_accounts(server, 4), senders=20, pause=0.02)
    with load:
        load.wait_for_more(20)
        for count in itertools.count(1):
            memory.fail_allocation(role, chance.randrange(3000))
            wait_for("an allocation that fails", memory.allocations_failed)
            if count >= (40 if long else 2) and "godwit: out of memory" in server.new_log():
                break  # who can do without this one or that has said nothing of it
            assert count < 100
        wait_for("service", lambda: server.greets("smtp") and server.greets("pop3"))
        load.wait_for_more(20)
    line = re.search("godwit: out of memory.*", server.new_log())[0]
    assert "give the machine more memory" in line, line
    load.check()
    server.command("audit")


# ---- the relay ----

def test_what_was_relayed_when_the_disk_failed(make_server, world):
    """Nowhere can be written that it went. The server still ends at once when asked to, and says what may go twice."""
    peer = Peer(f"127.78.{random.randrange(250)}.{random.randrange(1, 250)}", 2525, end=[HANG])
    server = make_server(f'routes = ( {{ domain = "*"; host = "{peer.address}"; port = {peer.port}; }} );\n'
                         'trusted_networks = ["127.0.0.0/8"];', accounts=["alice"])
    try:
        number = message_id(deliver(server, "bob@away.test"))
        peer.wait_hanging()
        world.fail(SYNC, file=LOG, count=1)
        assert attempt(server).startswith("451 ")
        peer.go_on.set()
        wait_for("the log to say it", lambda: "event=store-closed" in server.new_log())
        assert server.stop() == 0
        log = server.new_log()
        assert f"event=result-lost id={number}" in log and "stop-forced" not in log
        world.heal()
        server.start()
        server.mark()
        wait_for("an empty queue", lambda: server.json("status")["queued_recipients"] == 0)
        assert len(peer.taken) == 2
        server.command("audit")
    finally:
        peer.close()
