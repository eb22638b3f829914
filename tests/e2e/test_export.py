"""Export, import and undelete: what goes out comes back octet by octet, whatever is killed in between."""

import contextlib
import os
import re
import poplib
import pty
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

import pytest

from conftest import DOMAIN, PASSWORD
from server import wait_for
from wire import Wire, deliver, letter

pytestmark = pytest.mark.rare


def messages(server, user):
    """Every message of the INBOX by POP3: [(unique-id, octets)]."""
    with Wire(server, "pop3") as wire:
        wire.pop3_login(user)
        wire.say("UIDL")
        ids = [line.split()[1] for line in wire.multiline()]
        return [(uid, wire.retrieve(number)) for number, uid in enumerate(ids, 1)]


def contents(server, user):
    return [data for _, data in messages(server, user)]


def delete(server, user, *numbers, password=PASSWORD):
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
    client.user(user)
    client.pass_(password)
    for number in numbers:
        client.dele(number)
    client.quit()


def fill(server, user, count=12):
    for n in range(count):
        deliver(server, user, letter(f"number {n}", ("From here", ">From there", f"line {n}", "")))
    deliver(server, user, letter("large", [f"{n:070}" for n in range(6000)]))


def audit(server):
    return server.command("audit", status=0)


@pytest.fixture(params=["running", "stopped"])
def either(request, make_server):
    """A server of the test's own with one account, and a function that takes it to the state in which
    the commands are tried."""
    server = make_server(accounts=("ann", "bob"))

    def settle():
        if request.param == "stopped":
            assert server.stop() == 0
    server.settle = settle
    return server


def started(server):
    if not server.process:
        server.start()
        server.mark()


def test_there_and_back(either, tmp_path):
    server, ann, bob = either, f"ann@{DOMAIN}", f"bob@{DOMAIN}"
    fill(server, ann)
    deliver(server, ann, letter("behind the large one"))
    before = contents(server, ann)
    server.settle()
    server.command("export", ann, "--mbox", str(tmp_path / "ann.mbox"))
    server.command("export", ann, "--maildir", str(tmp_path / "ann"))
    assert "14 messages imported" in server.command("import", bob, str(tmp_path / "ann.mbox")).stdout
    again = server.command("import", bob, str(tmp_path / "ann")).stdout
    assert "0 messages imported; 14 were there already" in again
    server.command("export", bob, "--mbox", str(tmp_path / "bob.mbox"))
    assert (tmp_path / "ann.mbox").read_bytes() == (tmp_path / "bob.mbox").read_bytes()
    audit(server)
    started(server)
    assert contents(server, bob) == before
    audit(server)


def test_flags_dates_and_folders(server, mailbox, tmp_path):
    other = server.mailbox()
    tree = tmp_path / "tree"
    for folder in ("", ".Sent", ".Work.Gr&APwA3w-e"):
        for sub in ("cur", "new", "tmp"):
            os.makedirs(tree / folder / sub)
    for path, text in (("cur/1700000000.a.host:2,FSa", b"S: 1\n\nx\n"),
                       ("new/1700000001.b.host", b"S: 2\r\n\r\nno end"),
                       (".Sent/cur/1700000002.c.host,S=9:2,RD", b"S: 3\n\nFrom x\n"),
                       (".Work.Gr&APwA3w-e/cur/1700000003.d.host:2,", b"S: 4\n\n\n\n"),
                       ("cur/1700000004.e.host:2,ST", b"S: deleted\n\nx\n")):
        (tree / path).write_bytes(text)
    (tree / "dovecot-keywords").write_text("0 $Junk\n")
    os.utime(tree / "cur/1700000000.a.host:2,FSa", (1600000000, 1600000000))
    done = server.command("import", mailbox, str(tree)).stdout
    assert "4 messages imported" in done and "1 are marked as deleted" in done
    assert contents(server, mailbox) == [b"S: 1\r\n\r\nx\r\n", b"S: 2\r\n\r\nno end\r\n"]
    server.command("export", mailbox, "--maildir", str(tmp_path / "out"))
    found = {os.path.relpath(os.path.join(folder, name), tmp_path / "out"):
             os.path.getmtime(os.path.join(folder, name))
             for folder, _, names in os.walk(tmp_path / "out") for name in names}
    ends = {(os.path.dirname(name), name.rpartition(":2,")[2], int(time))
            for name, time in found.items() if ":2," in name}
    assert ends == {("cur", "FSa", 1600000000), ("cur", "", 1700000001),
                    (".Sent/cur", "DR", 1700000002), (".Work.Gr&APwA3w-e/cur", "", 1700000003)}
    assert (tmp_path / "out" / "dovecot-keywords").read_text() == "0 $junk\n"
    server.command("export", mailbox, "--mbox", str(tmp_path / "mbox"))
    assert sorted(os.listdir(tmp_path)) == ["mbox", "mbox.Sent", "mbox.Work.Grüße", "out", "tree"]
    # the files of a directory are mailboxes again; what they are called stands in their names
    server.command("import", other, str(tmp_path / "mbox"))
    server.command("import", other, str(tmp_path / "mbox.Sent"), "--mailbox", "Sent")
    server.command("import", other, str(tmp_path / "mbox.Work.Grüße"), "--mailbox", "Work/Grüße")
    server.command("export", other, "--mbox", str(tmp_path / "again"))
    for name in ("", ".Sent", ".Work.Grüße"):
        assert (tmp_path / f"mbox{name}").read_bytes() == (tmp_path / f"again{name}").read_bytes()
    audit(server)


def flags(server, user):
    """Those of each message, in the order of arrival."""
    return [row["flags"] for row in server.json("flags", user)]


def test_flags_are_shown_and_changed(either):
    server, ann = either, f"ann@{DOMAIN}"
    for n in range(3):
        deliver(server, ann, b"Message-ID: <%d@x>\r\nSubject: %d\r\n\r\nx\r\n" % (n, n))
    server.settle()
    ids = [row["id"] for row in server.json("flags", ann)]
    assert "1 of 1 message changed" in server.command(
        "flags", ann, "--message-id", "<1@x>", "--add", "Seen, work", "--remove", "junk").stdout
    assert flags(server, ann) == ["", "$seen work", ""]
    assert "2 of 3 messages changed" in server.command("flags", ann, "--mailbox", "inbox", "--add", "\\Seen").stdout
    server.command("flags", ann, "--message-id", ids[2], "--add", "$Flagged", "--remove", "seen")
    assert flags(server, ann) == ["$seen", "$seen work", "$flagged"]
    assert "0 of 1 message changed" in server.command("flags", ann, "--message-id", ids[2], "--remove", "seen").stdout
    one, = server.json("flags", ann, "--mailbox", "INBOX", "--message-id", "1@x")
    assert (one["id"], one["mailbox"], one["flags"]) == (ids[1], "INBOX", "$seen work")
    assert server.json("flags", ann, "--mailbox", "Sent") == []
    text = server.command("flags", ann).stdout
    assert text.split("\n")[2].split()[0] == ids[1] and "$seen work" in text
    words = ",".join(f"k{n}" for n in range(63))
    server.command("flags", ann, "--message-id", ids[0], "--add", words)
    done = server.command("flags", ann, "--mailbox", "INBOX", "--add", "one,more", status=73)
    assert "2 changed; 1 would have more flags" in done.stderr
    assert [len(words.split()) for words in flags(server, ann)] == [64, 4, 3]
    audit(server)


def test_changed_flags_go_with_their_messages(either, tmp_path):
    server, ann, bob = either, f"ann@{DOMAIN}", f"bob@{DOMAIN}"
    fill(server, ann, 3)
    server.settle()
    for n, words in enumerate(("seen", "seen flagged work", "answered green", "")):
        ident = server.json("flags", ann)[n]["id"]
        server.command("flags", ann, "--message-id", ident, "--add", "draft gone " + words)
        server.command("flags", ann, "--message-id", ident, "--remove", "draft gone")
    want = ["$seen", "$flagged $seen work", "$answered green", ""]
    assert flags(server, ann) == want
    for form, path in (("--mbox", "mbox"), ("--maildir", "dir")):
        server.command("export", ann, form, str(tmp_path / path))
        server.command("import", bob, str(tmp_path / path), "--mailbox", path)
    assert [(row["mailbox"], row["flags"]) for row in server.json("flags", bob)] == [
        (name, words) for name in ("mbox", "dir") for words in want]
    started(server)
    delete(server, ann, 2)
    assert flags(server, ann) == want[:1] + want[2:]
    server.command("undelete", ann)
    assert flags(server, ann) == want[:1] + want[2:] + want[1:2]
    audit(server)
    server.command("store", "verify", "--rate", "0")


def test_refusals(server, mailbox, tmp_path):
    (tmp_path / "x").write_text("Subject: no mbox\n\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    for words, status, what in (
            (("import", mailbox, str(tmp_path / "x")), 65, "no mbox file"),
            (("import", mailbox, str(tmp_path / "none")), 66, "none"),
            (("import", mailbox, str(tmp_path / "full")), 66, "no mail that is known"),
            (("import", f"nobody@{DOMAIN}", str(tmp_path / "x")), 67, "no account"),
            (("export", mailbox), 64, "--mbox"),
            (("export", mailbox, "--mbox", str(tmp_path / "x")), 73, "there already"),
            (("export", mailbox, "--maildir", str(tmp_path / "full")), 73, "holds other files"),
            (("export", mailbox, "--mailbox", "Nope", "--mbox", str(tmp_path / "y")), 66, "Nope"),
            (("export", mailbox, "--as-of", "yesterday", "--mbox", str(tmp_path / "y")), 64, "moment"),
            (("export", mailbox, "--as-of", "2020-01-01", "--mbox", str(tmp_path / "y")), 64, "undelete"),
            (("undelete", mailbox), 66, "nothing that fits"),
            (("undelete", mailbox, "--since", "30 February"), 64, "moment")):
        done = server.command(*words, status=status)
        assert what in done.stderr, done.stderr
    assert not (tmp_path / "y").exists() and not (tmp_path / "y.part").exists()


def test_a_maildir_that_is_exported_to_again_has_the_flags_of_now(server, mailbox, tmp_path):
    big_mbox(tmp_path / "mbox", 3)
    server.command("import", mailbox, str(tmp_path / "mbox"))

    def export():
        server.command("export", mailbox, "--maildir", str(tmp_path / "dir"))
        return sorted(os.listdir(tmp_path / "dir" / "cur"))

    first = export()
    ids = [row["id"] for row in server.json("flags", mailbox)]
    server.command("flags", mailbox, "--message-id", ids[1], "--add", "seen work")
    (changed,) = set(after := export()) - set(first)
    assert len(after) == 3 and ids[1] in changed and changed.endswith(":2,Sa")
    assert export() == after
    server.command("flags", mailbox, "--message-id", ids[1], "--remove", "seen work")
    assert export() == first


@pytest.mark.parametrize("running", [True, False])
def test_the_first_failure_is_told(make_server, tmp_path, running):
    """Not one that comes of it while what has come by then is gone through."""
    server = make_server(accounts=("ann",))
    big_mbox(tmp_path / "mbox", 300)
    (tmp_path / "one").write_bytes(b"From a@b Mon Nov 23 19:54:33 2026\nSubject: x\n\n" + b"some text\n" * 9000)
    server.command("import", f"ann@{DOMAIN}", str(tmp_path / "one"))
    server.command("import", f"ann@{DOMAIN}", str(tmp_path / "mbox"), "--mailbox", "Work")
    if not running:
        assert server.stop() == 0
    (tmp_path / "dir" / "cur").mkdir(parents=True)
    (tmp_path / "dir" / ".Work").write_text("in the way")
    done = server.command("export", f"ann@{DOMAIN}", "--maildir", str(tmp_path / "dir"), status=73)
    said, = done.stderr.splitlines()
    assert f"{tmp_path}/dir/.Work is a file or a link where a directory is to be" in said


def test_undelete_and_as_of(either, tmp_path):
    server, ann = either, f"ann@{DOMAIN}"
    fill(server, ann, 5)
    before = messages(server, ann)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    wait_for("the next second", lambda: time.time() > time.time() // 1 + 0.01)
    wait_for("the moment", lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) >= moment)
    delete(server, ann, 2, 4)
    assert len(messages(server, ann)) == 4
    server.settle()
    server.command("export", ann, "--as-of", moment, "--mbox", str(tmp_path / "then"))
    server.command("export", ann, "--mbox", str(tmp_path / "now"))
    assert (tmp_path / "then").read_bytes().count(b"\nSubject: ") == 6
    assert (tmp_path / "now").read_bytes().count(b"\nSubject: ") == 4
    assert "2 messages were brought back" in server.command("undelete", ann, "--since", "1h").stdout
    server.command("undelete", ann, status=66)
    audit(server)
    started(server)
    after = messages(server, ann)
    assert sorted(after) == sorted(before)  # the same octets under the same unique-ids
    assert [uid for uid, _ in after[-2:]] == [before[1][0], before[3][0]]  # at the end, as new uids
    delete(server, ann, 1, 2)
    assert "1 message was" in server.command("undelete", ann, "--message-id", after[1][0]).stdout
    assert after[1] in messages(server, ann)


def test_messages_are_chosen_by_what_they_say_themselves(make_server):
    """Not by their history alone, which ends before they do, and may have been made anew without it."""
    server, ann = make_server(accounts=("ann",)), f"ann@{DOMAIN}"
    for n in range(3):
        deliver(server, ann, b"Message-ID: <%d@x>\r\nSubject: %d\r\n\r\nx\r\n" % (n, n))
    delete(server, ann, 2)
    assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(os.path.join(server.data, "store.db"))) as db:
        db.execute("UPDATE message SET header_id = ''")
        db.commit()
    server.command("flags", ann, "--message-id", "1@x", "--add", "work", status=66)
    assert "1 of 1 message changed" in server.command("flags", ann, "--message-id", "<2@X>", "--add", "work").stdout
    assert flags(server, ann) == ["", "work"]
    assert "1 message was brought back" in server.command("undelete", ann, "--message-id", "1@X").stdout


def reconfigured(server, option):
    seen = server.log().count("process=store event=config")
    server.configure(option)
    if server.process:
        server.reload()
        wait_for("the new configuration", lambda: server.log().count("process=store event=config") > seen)


def purged(server):
    with contextlib.closing(sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM membership WHERE expunged_at > 0").fetchone() == (0,)


def test_as_of_within_what_is_kept(either, tmp_path):
    """As godwit.conf has it now, and never a moment of which something is gone."""
    server, ann, day = either, f"ann@{DOMAIN}", 86400
    fill(server, ann, 2)
    server.settle()

    def export(ago, status=0):
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))
        target = tempfile.mkdtemp(dir=tmp_path)
        return server.command("export", ann, "--as-of", moment, "--mbox", f"{target}/mbox", status=status).stderr

    for window, too_old, good in (("1d", 2 * day, day // 2), ("60d", 61 * day, 30 * day)):
        reconfigured(server, f'undelete = "{window}";')
        assert "undelete in godwit.conf" in export(too_old, status=64)
        export(good)
    started(server)
    reconfigured(server, 'undelete = "0";')
    delete(server, ann, 1)
    wait_for("the purge", lambda: purged(server))
    done = time.time()
    server.settle()
    reconfigured(server, 'undelete = "60d";')
    assert "undelete in godwit.conf" in export(30 * day, status=64)
    wait_for("the next second", lambda: int(time.time()) > done)
    export(0)


def test_quota_is_kept(make_server, tmp_path):
    server = make_server(accounts=("ann", "bob"))
    ann, bob = f"ann@{DOMAIN}", f"bob@{DOMAIN}"
    fill(server, ann, 3)
    server.command("export", ann, "--mbox", str(tmp_path / "mbox"))
    server.command("account", "disable", bob)
    done = server.command("import", bob, str(tmp_path / "mbox"), status=73)
    assert "takes no more" in done.stderr and "0 messages imported" in done.stdout
    server.command("account", "enable", bob)
    server.command("import", bob, str(tmp_path / "mbox"))
    assert contents(server, bob) == contents(server, ann)
    audit(server)


def damage(server):
    """Flips an octet of the first message that lies in a shared pack."""
    packs = os.path.join(server.data, "packs")
    name = sorted(os.listdir(packs))[0]
    with open(os.path.join(packs, name), "r+b") as file:
        data = file.read()
        at = data.index(b"Subject: number 0")
        file.seek(at)
        file.write(b"s")


def test_damage_stops_nothing(make_server, tmp_path):
    server = make_server(accounts=("ann",))
    ann = f"ann@{DOMAIN}"
    fill(server, ann, 4)
    assert server.stop() == 0
    damage(server)
    server.start()
    server.mark()
    for form in ("--mbox", "--maildir"):
        done = server.command("export", ann, form, str(tmp_path / form), status=65)
        assert "damaged" in done.stderr and "message " in done.stderr
        assert "4 messages exported" in done.stdout
    assert (tmp_path / "--mbox").read_bytes().count(b"\nSubject: number") == 3
    assert len(os.listdir(tmp_path / "--maildir" / "cur")) == 4
    assert not os.listdir(tmp_path / "--maildir" / "tmp")


def big_mbox(path, count):
    with open(path, "wb") as file:
        for n in range(count):
            file.write(b"From a@b Mon Nov 23 19:54:33 2026\nSubject: %d\nMessage-ID: <%d@x>\n\n" % (n, n)
                       + b"some text\n" * 50 + b"\n")


def grown(server):
    """Octets in the database's log: what was committed not long ago."""
    return os.path.getsize(os.path.join(server.data, "store.db-wal"))


@pytest.mark.kills
@pytest.mark.parametrize("whom", ["command", "server"])
def test_killed_imports_go_on(make_server, tmp_path, whom, long):
    """kill -9 in the middle of an import: run again, it is whole, and nothing is there twice."""
    server = make_server(accounts=("ann",))
    ann, count = f"ann@{DOMAIN}", 20000 if long else 4000
    big_mbox(tmp_path / "mbox", count)
    words = [server.binary, "import", ann, str(tmp_path / "mbox"), "--data", server.data]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for("the first messages", lambda: grown(server) > 300000)
    process.send_signal(signal.SIGSTOP)  # it must not be done before
    if whom == "command":
        process.send_signal(signal.SIGKILL)
    else:
        server.kill_all()
        process.send_signal(signal.SIGCONT)
    process.communicate()
    assert process.returncode != 0
    started(server)
    some = server.message_count()
    assert 0 < some < count
    done = server.command("import", ann, str(tmp_path / "mbox"), patience=count / 50).stdout
    taken, there = map(int, re.search(r"(\d+) messages imported; (\d+) were there already", done).groups())
    assert taken + there == count and there >= some  # the server may have finished what it had begun
    assert server.message_count() == count
    server.command("export", ann, "--mbox", str(tmp_path / "out"))
    subjects = [line for line in (tmp_path / "out").read_bytes().split(b"\n")
                if line.startswith(b"Subject: ")]
    assert sorted(subjects) == sorted(b"Subject: %d" % n for n in range(count))
    audit(server)


def test_stopping_breaks_an_import_off(make_server, tmp_path):
    server = make_server(accounts=("ann",))
    big_mbox(tmp_path / "mbox", 6000)
    words = [server.binary, "import", f"ann@{DOMAIN}", str(tmp_path / "mbox"), "--data", server.data]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for("the first messages", lambda: grown(server) > 300000)
    process.send_signal(signal.SIGSTOP)  # it must not be done before
    server.process.terminate()
    wait_for("the order", lambda: "event=stopping " in server.new_log())
    process.send_signal(signal.SIGCONT)
    assert server.stop() == 0
    process.communicate()
    assert process.returncode in (69, 75)
    audit(server)


def on_a_terminal(server, *words):
    """What a command that is done well says on standard output, and shows on the terminal."""
    terminal, end = pty.openpty()
    done = subprocess.run([server.binary, *words], stdout=subprocess.PIPE, stderr=end, text=True,
                          env={**os.environ, "GODWIT_DATA": server.data})
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # no process has the terminal open any more
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    assert done.returncode == 0, shown
    return done.stdout, shown.decode()


SHARE = r"[\d.]+( [KMG]B)?"


@pytest.mark.parametrize("words, line", [
    ("import {user} {tmp}/mbox", rf"importing: \d+ messages, {SHARE}"),
    ("export {user} --mbox {tmp}/out", rf"exporting: \d+ messages, {SHARE}"),
    ("backup {tmp}/backup", rf"copied: {SHARE} of {SHARE}"),
    ("restore {tmp}/there --data {tmp}/new", rf"restored: {SHARE}"),
    ("store verify --rate 0", rf"reading \w[\w ]*: {SHARE}"),
], ids=lambda words: words.split()[0])
def test_progress_on_a_terminal(server, mailbox, tmp_path, words, line):
    """A line that renews itself on a terminal, nothing but the result elsewhere."""
    big_mbox(tmp_path / "mbox", 50)
    server.command("import", mailbox, str(tmp_path / "mbox"))
    server.command("backup", str(tmp_path / "there"))
    said, shown = on_a_terminal(server, *words.format(user=mailbox, tmp=tmp_path).split())
    assert said and "\033" not in said
    assert re.search(f"\r{line}\033\\[K", shown) and shown.endswith("\r\033[K"), shown
    shutil.rmtree(tmp_path / "new", ignore_errors=True)
    (tmp_path / "out").unlink(missing_ok=True)
    again = subprocess.run([server.binary, *words.format(user=mailbox, tmp=tmp_path).split()], capture_output=True,
                           text=True, check=True, env={**os.environ, "GODWIT_DATA": server.data})
    assert again.stderr == ""


def test_a_backup_tells_its_share(server, mailbox, tmp_path):
    """What comes is known before: of another backup into the same place only what is new."""
    for letters in (8, 3):
        for n in range(letters):
            deliver(server, mailbox, letter(str(n), [f"{n:070}"] * 6000))
        said, shown = on_a_terminal(server, "backup", str(tmp_path / "backup"))
        copied = int(re.search(r"complete: (\d+) octets", said)[1])  # with the administrator's files
        [number, unit] = re.search(rf"\rcopied: {SHARE} of ([\d.]+) ([KMG])B\033", shown).groups()[1:]
        total = float(number) * {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[unit]
        assert letters * 420000 < copied and 0.8 * copied < total < 1.05 * copied, (total, said)


def test_directories_of_mail_programs(server, mailbox, tmp_path):
    """mbox files in directories, as Thunderbird keeps them; and Maildirs in directories."""
    mail = tmp_path / "Mail"
    for folder in ("Work.sbd", "Lists/cur", "Lists/new"):
        (mail / folder).mkdir(parents=True)
    line = b"From - Mon Nov 23 19:54:33 2026\nX-Mozilla-Status: %s\nX-Mozilla-Status2: 00000000\n"
    (mail / "Inbox").write_bytes(line % b"0001" + b"Subject: one\n\nx\n\n"
                                 + line % b"0009" + b"Subject: gone\n\nx\n\n")
    (mail / "Inbox.msf").write_text("no mail")
    (mail / "Sent").write_bytes(line % b"0000" + b"Subject: two\n\nx\n\n")
    (mail / "Work.sbd" / "Projects").write_bytes(line % b"0000" + b"Subject: three\n\nx\n\n")
    (mail / "Lists" / "new" / "1700000000.x").write_bytes(b"Subject: four\n\nx\n")
    done = server.command("import", mailbox, str(mail)).stdout
    assert "4 messages imported; 1 are marked as deleted" in done
    assert contents(server, mailbox) == [b"Subject: one\r\n\r\nx\r\n"]
    server.command("export", mailbox, "--maildir", str(tmp_path / "out"))
    assert {os.path.relpath(folder, tmp_path / "out") for folder, _, names in os.walk(tmp_path / "out")
            if names} == {"cur", ".Sent/cur", ".Work.Projects/cur", ".Lists/cur"}
    done = server.command("import", mailbox, str(mail), "--mailbox", "Old", "--with-deleted").stdout
    assert "5 messages imported" in done
    server.command("export", mailbox, "--mailbox", "Old/Inbox", "--mbox", str(tmp_path / "old"))
    assert (tmp_path / "old.Old.Inbox").read_bytes().count(b"\nSubject: ") == 2
