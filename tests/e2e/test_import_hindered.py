"""Import from files that cannot be read to their end, hold nothing, lead elsewhere or go elsewhere meanwhile."""

import os
import re
import signal
import subprocess

import pytest

from conftest import DOMAIN, preload
from server import wait_for
from test_export import audit, big_mbox, contents, delete, flags, grown, messages
from world import HANG, SYNC, world  # noqa: F401 (fixture)

pytestmark = pytest.mark.rare


def bad_sector(path, offset):
    return {**preload("sectors"), "GODWIT_TEST_SECTORS": f"{os.stat(path).st_ino}:{offset}"}


def test_a_message_that_cannot_be_read_to_its_end_is_not_taken(server, mailbox, tmp_path):
    path = tmp_path / "mbox"
    big_mbox(path, 200)
    data = path.read_bytes()
    at = 16384 * 3
    assert at < data.rindex(b"From a@b")
    done = server.command("import", mailbox, str(path), env=bad_sector(path, at), status=65)
    before = len(re.findall(rb"^From ", data[:at], re.MULTILINE)) - 1  # the last one may go on
    assert done.stdout == f"{before} messages imported; 1 could not be read, are empty or too large\n"
    assert f"{path} is read only up to octet {at}, and the message there is left out: Input/output error" in done.stderr
    done = server.command("import", mailbox, str(path))
    assert done.stdout == f"{200 - before} messages imported; {before} were there already\n"
    assert all(message.endswith(b"some text\r\n" * 50) for message in contents(server, mailbox))


def test_nothing_of_a_file_that_cannot_be_read(server, mailbox, tmp_path):
    big_mbox(tmp_path / "mbox", 1)
    done = server.command("import", mailbox, str(tmp_path / "mbox"), env=bad_sector(tmp_path / "mbox", 0), status=65)
    assert done.stdout == "0 messages imported; 1 could not be read, are empty or too large\n"
    assert f"{tmp_path}/mbox is read only up to octet 0: Input" in done.stderr


def test_messages_without_an_octet_are_named(server, mailbox, tmp_path):
    for sub in ("cur", "new", "tmp"):
        (tmp_path / "Mail" / "Dir" / sub).mkdir(parents=True)
    for name, text in (("1.a", "Subject: x\n\nx\n"), ("2.b", ""), ("3.c", "Subject: y\n\nx\n")):
        (tmp_path / "Mail" / "Dir" / "new" / name).write_text(text)
    line = "From a@b Mon Nov 23 19:54:33 2026\n"
    (tmp_path / "Mail" / "mbox").write_text(f"{line}Subject: x\n\nx\n\n{line}\n{line}Subject: z\n\nx\n\n")
    done = server.command("import", mailbox, str(tmp_path / "Mail"), status=65)
    assert "; 2 could not be read, are empty or too large\n" in done.stdout
    said = done.stderr.splitlines()
    assert len(said) == 2 and said[0].endswith(f"{tmp_path}/Mail/Dir/new/2.b is left out: it is empty")
    assert said[1].endswith(f"message 2 of {tmp_path}/Mail/mbox is left out: it is empty")


LINK = "it is a link, and links are not followed"


def maildir(path, **files):
    """NAME=TEXT: a message in new/."""
    for sub in ("cur", "new", "tmp"):
        (path / sub).mkdir(parents=True)
    for name, text in files.items():
        (path / "new" / name).write_text(text)
    return path


@pytest.fixture
def theirs(tmp_path):
    """Mail of others that links can lead to."""
    path = tmp_path / "theirs"
    maildir(path / "Dir", x="Subject: theirs\n\nx\n")
    big_mbox(path / "box", 1)
    (path / "list").write_text("0 theirs\n")
    return path


@pytest.mark.parametrize("link, to", [
    ("new/2", "Dir/new/x"), ("cur/2:2,S", "box"), ("new/2", "none"), (".Sent", "Dir"), ("box", "box"), ("more", "."),
    (".Sent/cur", "Dir/new"), (".hidden", "box"), ("self", "../mine"), ("dovecot-keywords", "list")])
def test_links_in_a_maildir_are_told_and_lead_nowhere(server, mailbox, tmp_path, theirs, link, to):
    tree = maildir(tmp_path / "mine", one="Subject: mine\n\nx\n")
    if "Sent/" in link:
        (tree / ".Sent" / "new").mkdir(parents=True)
    (tree / link).symlink_to(theirs / to)
    (tree / "new" / "one").rename(tree / "cur" / "one:2,a")
    done = server.command("import", mailbox, str(tree), status=65)
    told, = done.stderr.splitlines()
    assert f"{tree}/{link.partition('/cur')[0] if 'Sent' in link else link} is left out: " in told and LINK in told
    assert "1 message imported; 1 " in done.stdout and contents(server, mailbox) == [b"Subject: mine\r\n\r\nx\r\n"]
    assert flags(server, mailbox) == [""]


def test_what_is_named_may_be_a_link(server, mailbox, tmp_path, theirs):
    for number, to in enumerate(("Dir", "box")):
        (tmp_path / f"link{number}").symlink_to(theirs / to)
        assert server.command("import", mailbox, str(tmp_path / f"link{number}")).stdout == "1 message imported\n"
    assert server.command("import", mailbox, str(tmp_path / "link0") + "//").stdout == \
        "0 messages imported; 1 were there already\n"


def test_links_between_directories_have_no_end(server, mailbox, tmp_path):
    """Each is followed in none, else what is found doubles with each step down."""
    for name in "abcd":
        (tmp_path / "Mail" / name).mkdir(parents=True)
        for other in "abcd":
            (tmp_path / "Mail" / name / f"to-{other}").symlink_to(f"../{other}")
    big_mbox(tmp_path / "Mail" / "box", 1)
    done = server.command("import", mailbox, str(tmp_path / "Mail"), status=65)
    assert done.stdout == "1 message imported; 16 mailboxes are left out\n" and done.stderr.count(LINK) == 16


def test_fifos_hold_nothing_up(server, mailbox, tmp_path):
    tree = maildir(tmp_path / "dir", one="Subject: x\n\nx\n")
    for name in ("dovecot-keywords", "new/fifo", "box"):
        os.mkfifo(tree / name)
    done = server.command("import", mailbox, str(tree), status=65)
    assert done.stdout == "1 message imported; 2 could not be read, are empty or too large\n"
    assert [line.split(f"{tree}/")[1] for line in done.stderr.splitlines()] == [
        "dovecot-keywords is left out: it is no file", "new/fifo is left out: it is no file"]


def test_a_list_of_keywords_that_cannot_be_read_is_told(server, mailbox, tmp_path):
    tree = maildir(tmp_path / "dir", one="Subject: x\n\nx\n")
    (tree / "dovecot-keywords").write_text("0 work\n" + "x" * 70000)
    done = server.command("import", mailbox, str(tree), status=65)
    assert f"{tree}/dovecot-keywords is left out: " in done.stderr and len(contents(server, mailbox)) == 1


@pytest.mark.parametrize("sub, after", [("new", "1700000000.x:2,S"), ("cur", "1700000000.x:2,FS")])
def test_a_message_that_is_moved_meanwhile_comes_in(make_server, tmp_path, sub, after):
    """As mail programs do it, when they have seen it in new/ and when its flags change."""
    server = make_server(accounts=("ann",))
    tree = maildir(tmp_path / "dir", **{f"1600000000.{n:05}": f"Subject: {n}\n\n" + "x\n" * 500 for n in range(4000)})
    for name in os.listdir(tree / "new"):
        (tree / "new" / name).rename(tree / "cur" / f"{name}:2,")
    before = tree / sub / ("1700000000.x" if sub == "new" else "1700000000.x:2,")
    before.write_text("Subject: moved\n\nx\n")
    words = [server.binary, "import", f"ann@{DOMAIN}", str(tree), "--data", server.data]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for("the first messages", lambda: grown(server) > 300000)
    process.send_signal(signal.SIGSTOP)  # it must not be done before
    before.rename(tree / "cur" / after)
    process.send_signal(signal.SIGCONT)
    assert process.communicate()[0] == "4001 messages imported\n" and process.returncode == 0
    assert flags(server, f"ann@{DOMAIN}")[-1] == {"S": "$seen", "FS": "$flagged $seen"}[after[after.index(",") + 1:]]


def test_letters_of_keywords_are_read_as_those_of_flags(server, mailbox, tmp_path):
    """Whatever the sign before them is; and what stands in a host's name are none."""
    tree = maildir(tmp_path / "dir")
    (tree / "dovecot-keywords").write_text("0 work\n")
    for n, name in enumerate(("x:2,a", "x;2,a", "x!2,a", "x-2,a", "host-2,S=15", "host-2,Sa")):
        (tree / "cur" / f"170000000{n}.{name}").write_text(f"Subject: {n}\n\nx\n")
    server.command("import", mailbox, str(tree))
    assert sorted(flags(server, mailbox)) == ["", "$seen work"] + ["work"] * 4


def test_notes_of_the_program_that_kept_an_mbox_are_no_mail(server, mailbox, tmp_path):
    line = "From MAILER-DAEMON Mon Nov 23 19:54:33 2026\n"
    notes = (f"{line}Date: 23 Nov 2026 19:54:33 +0000\nFrom: Mail System Internal Data <MAILER-DAEMON@x>\n"
             "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nMessage-ID: <1@x>\n"
             "X-IMAP: 1795463673 0000000001\nStatus: RO\n\n"
             "This text is part of the internal format of your mail folder, and is not\na real message.\n\n")
    (tmp_path / "mbox").write_text(f"{notes}{line}Subject: 1\n\nx\n\n")
    done = server.command("import", mailbox, str(tmp_path / "mbox"))
    assert (done.stdout, done.stderr) == ("1 message imported\n", "")
    assert contents(server, mailbox) == [b"Subject: 1\r\n\r\nx\r\n"]
    (tmp_path / "empty").write_text(notes)
    assert server.command("import", mailbox, str(tmp_path / "empty")).stdout == "0 messages imported\n"


def test_flags_of_an_mbox_wherever_they_stand(server, mailbox, tmp_path):
    """As KMail writes them, with other fields behind them. What is exported comes in again as it is."""
    line, other = "From a@b Mon Nov 23 19:54:33 2026\n", server.mailbox()
    (tmp_path / "mbox").write_text(
        f"{line}Subject: 1\nStatus: RO\nX-Status: RAC\nX-KMail-SignatureState:  \n\nx\n\n"
        f"{line}X-Keywords: work,\n\tgreen\nStatus: O\nSubject: 2\n\nx\n\n{line}X-Status: D\nSubject: 3\n\nx\n\n")
    assert server.command("import", mailbox, str(tmp_path / "mbox")).stdout == "3 messages imported\n"
    assert flags(server, mailbox) == ["$answered $seen", "green work", ""]
    server.command("flags", mailbox, "--mailbox", "INBOX", "--remove", "seen")
    server.command("export", mailbox, "--mbox", str(tmp_path / "out"))
    assert server.command("import", other, str(tmp_path / "out")).stdout == "3 messages imported\n"
    assert flags(server, other) == ["$answered", "green work", ""]
    assert contents(server, other) == contents(server, mailbox)
    assert server.command("import", mailbox, str(tmp_path / "out")).stdout == "0 messages imported; 3 were there already\n"


@pytest.mark.parametrize("large", [False, True])
def test_what_was_deleted_since_stays_so(server, mailbox, tmp_path, large):
    """Imported again it does not come back, and undelete brings it back once."""
    big_mbox(tmp_path / "mbox", 50)
    if large:  # beyond what is held in memory
        data = (tmp_path / "mbox").read_bytes()
        (tmp_path / "mbox").write_bytes(data.replace(b"some text\n", (b"some text " * 79 + b"\n") * 10))
    words = ("import", mailbox, str(tmp_path / "mbox"))
    assert server.command(*words).stdout == "50 messages imported\n"
    before = contents(server, mailbox)
    delete(server, mailbox, *range(1, 11))
    say = "0 messages imported; 40 were there already; 10 were deleted here since and stay so (godwit undelete brings them back)\n"
    assert server.command(*words).stdout == say
    assert contents(server, mailbox) == before[10:]
    assert "10 messages were brought back" in server.command("undelete", mailbox).stdout
    assert server.command(*words).stdout == "0 messages imported; 50 were there already\n"
    assert sorted(contents(server, mailbox)) == sorted(before)
    server.command("undelete", mailbox, status=66)
    audit(server)


def test_what_was_deleted_and_kept_no_longer_comes_in_again(make_server, tmp_path):
    server, ann = make_server('undelete = "0s";', ("ann",)), f"ann@{DOMAIN}"
    big_mbox(tmp_path / "mbox", 3)
    server.command("import", ann, str(tmp_path / "mbox"))
    delete(server, ann, 2)
    wait_for("it to go for good", lambda: server.command("import", ann, str(tmp_path / "mbox")).stdout ==
             "1 message imported; 2 were there already\n")
    audit(server)


@pytest.mark.parametrize("large", [False, True])
def test_a_backup_of_another_server_brings_back_what_was_deleted_once(make_server, tmp_path, large):
    server, other, ann = make_server(accounts=("ann",)), make_server(accounts=("ann",)), f"ann@{DOMAIN}"
    big_mbox(tmp_path / "mbox", 6)
    if large:
        data = (tmp_path / "mbox").read_bytes()
        (tmp_path / "mbox").write_bytes(data.replace(b"some text\n", b"some text\n" * 800))
    server.command("import", ann, str(tmp_path / "mbox"))
    server.command("backup", str(tmp_path / "backup"))
    words = ("restore", str(tmp_path / "backup"), "--account", ann)
    assert "6 messages restored" in other.command(*words).stdout
    before = messages(other, ann)
    delete(other, ann, 2, 3)
    assert "2 messages restored; 4 were there already" in other.command(*words).stdout
    assert sorted(messages(other, ann)) == sorted(before)  # the unique-ids that they have had here
    other.command("undelete", ann, status=66)
    assert "0 messages restored; 6 were there already" in other.command(*words).stdout
    audit(other)
    other.command("store", "verify", "--rate", "0")


@pytest.fixture
def held(make_server, tmp_path):
    """A server, and a function that begins a command and stops its process while mail is on its way."""
    server = make_server(accounts=("ann", "bob"))
    begun = []

    def run(*words):
        before = server.message_count()
        process = subprocess.Popen([server.binary, *words, "--data", server.data],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        begun.append(process)
        wait_for("the first messages", lambda: server.message_count() > before)
        process.send_signal(signal.SIGSTOP)  # it must not be done before
        return process

    yield server, run
    for process in begun:
        process.kill()
        process.communicate()


def test_one_import_at_a_time_into_an_account(held, tmp_path):
    """Neither knows what the other puts there. Other accounts are free, and so is this one when the first has ended."""
    server, begin = held
    ann, mbox, count = f"ann@{DOMAIN}", str(tmp_path / "mbox"), 6000
    big_mbox(mbox, count)
    first = begin("import", ann, mbox, "--mailbox", "C")
    for address in (ann, f"ANN@{DOMAIN.upper()}"):
        done = server.command("import", address, mbox, "--mailbox", "C", status=75)
        assert f"another command is importing or restoring mail into {ann}: wait" in done.stderr and not done.stdout
    big_mbox(tmp_path / "small", 3)
    assert server.command("import", f"bob@{DOMAIN}", str(tmp_path / "small")).stdout == "3 messages imported\n"
    first.send_signal(signal.SIGCONT)
    assert first.communicate()[0] == f"{count} messages imported\n" and first.returncode == 0
    done = server.command("import", ann, mbox, "--mailbox", "C")
    assert done.stdout == f"0 messages imported; {count} were there already\n"
    assert server.message_count() == count + 3


def test_what_a_client_that_went_has_left_is_not_taken_twice(world, make_server, tmp_path):
    """Its successor comes while that is on its way, and waits for nothing else. The record tells of both."""
    server = make_server(accounts=("ann",))
    ann, mbox, count = f"ann@{DOMAIN}", str(tmp_path / "mbox"), 3000
    big_mbox(mbox, count)

    def begin():
        return subprocess.Popen([server.binary, "import", ann, mbox, "--data", server.data],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    world.fail(SYNC, error=HANG, after=10)
    first = begin()
    wait_for("the disk to hang", lambda: world.fired(SYNC))
    first.kill()
    first.communicate()
    second = begin()
    try:
        wait_for("the second", lambda: second.poll() is not None or server.has_asked(second))
        before = server.message_count()
        world.heal()
        said = second.communicate()
    finally:
        world.heal()
        second.kill()
    assert second.returncode == 0 and re.fullmatch(r"\d+ messages imported; \d+ were there already\n", said[0]), said
    assert 0 < before < count == server.message_count()
    taken, _, _ = said[0].partition(" messages")
    assert [row["what"] for row in server.json("ledger")[:2]] == [
        f"{taken} messages imported to {ann}", f"import of mail to {ann} begun"]


@pytest.mark.parametrize("second", ["restore", "import"])
def test_one_restore_at_a_time_into_an_account(held, tmp_path, second):
    """Also into one that the first has made."""
    server, begin = held
    ann, mbox, target, count = f"ann@{DOMAIN}", str(tmp_path / "mbox"), str(tmp_path / "backup"), 6000
    big_mbox(mbox, count)
    server.command("import", ann, mbox)
    server.command("backup", target)
    server.command("account", "remove", ann)
    wait_for("the mail to go", lambda: server.message_count() == 0)
    first = begin("restore", target, "--account", ann)
    words = ("restore", target, "--account", ann) if second == "restore" else ("import", ann, mbox)
    done = server.command(*words, status=75)
    assert "another command is importing or restoring" in done.stderr and not done.stdout
    first.send_signal(signal.SIGCONT)
    assert f"{count} messages restored" in first.communicate()[0] and first.returncode == 0
    assert server.message_count() == count
