"""A Maildir that is exported to: what an earlier export, or somebody else, has left there, and what it cannot hold."""

import os
import re

import pytest

from test_export import big_mbox
from wire import deliver, letter


@pytest.fixture
def filled(server, mailbox, tmp_path):
    big_mbox(tmp_path / "mbox", 5)
    server.command("import", mailbox, str(tmp_path / "mbox"))
    return mailbox


def export(server, mailbox, path, *more, status=0):
    return server.command("export", mailbox, "--maildir", str(path), *more, status=status)


def files(path):
    """{name: (inode, content)} of cur/."""
    found = {}
    for name in os.listdir(path / "cur"):
        with open(path / "cur" / name, "rb") as file:
            found[name] = os.fstat(file.fileno()).st_ino, file.read()
    return found


def test_a_message_that_is_not_whole_is_written_anew(server, filled, tmp_path):
    """As a power cut leaves files: empty, cut, or of zeros."""
    export(server, filled, tmp_path / "out")
    before = files(tmp_path / "out")
    names = sorted(before)
    paths = [tmp_path / "out" / "cur" / name for name in names]
    paths[0].write_bytes(b"")
    paths[1].write_bytes(before[names[1]][1][:-100])
    paths[2].write_bytes(bytes(len(before[names[2]][1])))
    paths[3].unlink()
    paths[3].symlink_to(tmp_path / "nowhere")
    export(server, filled, tmp_path / "out")
    after = files(tmp_path / "out")
    assert {name: data for name, (_, data) in after.items()} == {name: data for name, (_, data) in before.items()}
    assert after[names[4]] == before[names[4]] and not paths[3].is_symlink()
    assert not os.listdir(tmp_path / "out" / "tmp")


def test_a_message_that_is_whole_stays_as_it_is(server, filled, tmp_path):
    """Delivered or imported, with whatever line ends: it has its octets and its lines."""
    (tmp_path / "one").mkdir()
    for sub, data in (("cur", b"no end"), ("new", b"Subject: x\r\n\r\n\r\n\rx\r\r\n\n\0\n\r")):
        (tmp_path / "one" / sub).mkdir()
        (tmp_path / "one" / sub / "1.x").write_bytes(data)
    server.command("import", filled, str(tmp_path / "one"))
    deliver(server, filled, letter("delivered", (".", "", "From x", "")))
    export(server, filled, tmp_path / "out")
    before = files(tmp_path / "out")
    export(server, filled, tmp_path / "out")
    assert files(tmp_path / "out") == before and len(before) == 8


def test_one_whose_flags_have_changed_is_written_anew_too(server, filled, tmp_path):
    export(server, filled, tmp_path / "out")
    name = sorted(before := files(tmp_path / "out"))[2]
    (tmp_path / "out" / "cur" / name).write_bytes(b"")
    server.command("flags", filled, "--mailbox", "INBOX", "--add", "seen")
    export(server, filled, tmp_path / "out")
    after = files(tmp_path / "out")
    assert {name: data for name, (_, data) in after.items()} == {name + "S": data for name, (_, data) in before.items()}


def test_what_was_broken_off_is_no_hindrance(server, filled, tmp_path):
    export(server, filled, tmp_path / "out")
    before = files(tmp_path / "out")
    for name in before:
        os.rename(tmp_path / "out" / "cur" / name, tmp_path / "out" / "tmp" / name.partition(":")[0])
    export(server, filled, tmp_path / "out")
    assert not os.listdir(tmp_path / "out" / "tmp")
    assert sorted(data for _, data in files(tmp_path / "out").values()) == sorted(data for _, data in before.values())


def test_one_mailbox_makes_a_maildir_too(server, filled, tmp_path):
    server.command("import", filled, str(tmp_path / "mbox"), "--mailbox", "Work")
    for _ in range(2):
        export(server, filled, tmp_path / "out", "--mailbox", "Work")
        assert sorted(os.listdir(tmp_path / "out")) == [".Work", "cur", "new", "tmp"]
    assert len(os.listdir(tmp_path / "out" / ".Work" / "cur")) == 5


def test_an_empty_directory_stays_whose_it_is(server, filled, tmp_path):
    path = tmp_path / "out"
    path.mkdir(mode=0o750)
    (path / "lost+found").mkdir()
    if os.getuid() == 0:
        os.chown(path, 65534, 65534)
    before = path.stat()
    export(server, filled, path)
    after = path.stat()
    assert (after.st_ino, after.st_mode, after.st_uid) == (before.st_ino, before.st_mode, before.st_uid)
    assert len(files(path)) == 5


def test_keywords_that_a_maildir_has_no_letter_for_are_told(server, filled, tmp_path):
    ids = [row["id"] for row in server.json("flags", filled)]
    for n, words in enumerate((range(20), range(26), range(28), range(26, 30))):
        server.command("flags", filled, "--message-id", ids[n], "--add", ",".join(f"k{word:02}" for word in words))
    for _ in range(2):
        done = export(server, filled, tmp_path / "out", status=65)
        assert done.stdout == "5 messages exported; 2 messages lack some of their keywords\n"
        assert done.stderr.count("\n") == 1 and "INBOX: keywords of 2 messages are left out" in done.stderr
    letters = sorted(name.rpartition(",")[2] for name in files(tmp_path / "out"))
    every = "abcdefghijklmnopqrstuvwxyz"
    assert letters == ["", "", every[:20], every, every]
    assert (tmp_path / "out" / "dovecot-keywords").read_text() == "".join(f"{n} k{n:02}\n" for n in range(26))


def test_letters_of_an_earlier_export_stay(server, filled, tmp_path):
    """Its names have them, also those of messages that are there no more."""
    (tmp_path / "out" / "cur").mkdir(parents=True)
    (tmp_path / "out" / "cur" / "1.x:2,a").write_text("Subject: x\n")
    (tmp_path / "out" / "dovecot-keywords").write_text("0 beta\n1 Work\nno line of it\n2 gamma")
    ids = [row["id"] for row in server.json("flags", filled)]
    for n, words in enumerate(("alpha", "beta", "work,seen")):
        server.command("flags", filled, "--message-id", ids[n], "--add", words)
    export(server, filled, tmp_path / "out")
    assert (tmp_path / "out" / "dovecot-keywords").read_text() == "0 beta\n1 Work\nno line of it\n2 gamma\n3 alpha\n"
    found = [re.search(rf"G{id}\b.*,(.*)", " ".join(files(tmp_path / "out")).replace(" ", "\n"))[1] for id in ids]
    assert found == ["d", "a", "Sb", "", ""]


def test_an_export_goes_on_with_what_another_host_has_begun(server, filled, tmp_path):
    """Or an earlier version, that called the size S=: the message is the same, and gets its name of now."""
    export(server, filled, tmp_path / "out")
    before = files(tmp_path / "out")
    for name in before:
        other = re.sub(r",W=(\d+)", r",S=\1", name.replace(f".{os.uname().nodename},", ".other-host,"))
        assert ".other-host,S=" in other
        os.rename(tmp_path / "out" / "cur" / name, tmp_path / "out" / "cur" / other)
    done = export(server, filled, tmp_path / "out")
    assert files(tmp_path / "out") == before and done.stderr == ""


def test_of_several_names_of_a_message_one_stays(server, filled, tmp_path):
    """Whichever of them is whole, as an export leaves them that was broken off between two of its steps."""
    export(server, filled, tmp_path / "out")
    cur, before = tmp_path / "out" / "cur", files(tmp_path / "out")
    first, second, third = sorted(before)[:3]
    (cur / (first + "S")).write_bytes(before[first][1])
    (cur / second).rename(cur / (second + "S"))
    (cur / second).write_bytes(b"")
    for letter in "FS":
        (cur / (third + letter)).write_bytes(b"")
    done = export(server, filled, tmp_path / "out")
    assert files(tmp_path / "out") == before and done.stderr == ""


def test_messages_of_an_earlier_export_are_told_and_stay(server, filled, tmp_path):
    export(server, filled, tmp_path / "out")
    before = files(tmp_path / "out")
    for n in (1, 2):
        (tmp_path / "out" / "cur" / f"160000000{n}.G000000000000{n}.host,W=9:2,").write_bytes(b"S: x\n\nx\n")
    (tmp_path / "out" / "cur" / "1600000003.x.host:2,").write_bytes(b"S: of another program\n\nx\n")
    done = export(server, filled, tmp_path / "out")
    assert "INBOX: 2 messages of an earlier export are there that the mailbox does not have\n" in done.stderr
    assert done.stdout == "5 messages exported\n" and len(files(tmp_path / "out")) == 8
    assert before.items() <= files(tmp_path / "out").items()


def test_the_list_of_keywords_is_written_though_no_name_changes(server, filled, tmp_path):
    server.command("flags", filled, "--mailbox", "INBOX", "--add", "work")
    export(server, filled, tmp_path / "out")
    before = files(tmp_path / "out")
    (tmp_path / "out" / "dovecot-keywords").unlink()
    export(server, filled, tmp_path / "out")
    assert files(tmp_path / "out") == before and (tmp_path / "out" / "dovecot-keywords").read_text() == "0 work\n"


def test_letters_between_others_are_used(server, filled, tmp_path):
    """But for one that a name has: it would get the new keyword."""
    (tmp_path / "out" / "cur").mkdir(parents=True)
    (tmp_path / "out" / "cur" / "1.x:2,b").write_text("Subject: x\n")
    (tmp_path / "out" / "dovecot-keywords").write_text("25 last\n0 first\n")
    server.command("flags", filled, "--mailbox", "INBOX", "--add", "work")
    export(server, filled, tmp_path / "out")
    assert (tmp_path / "out" / "dovecot-keywords").read_text() == "25 last\n0 first\n2 work\n"
    assert sorted(name[-3:] for name in files(tmp_path / "out")) == ["2,b", *["2,c"] * 5]


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to another user")
def test_the_list_of_keywords_stays_its_owners(server, filled, tmp_path):
    (tmp_path / "out" / "cur").mkdir(parents=True)
    path = tmp_path / "out" / "dovecot-keywords"
    path.write_text("0 first\n")
    os.chown(path, 65534, 65534)
    path.chmod(0o640)
    server.command("flags", filled, "--mailbox", "INBOX", "--add", "work")
    export(server, filled, tmp_path / "out")
    assert path.read_text() == "0 first\n1 work\n"
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (65534, 65534, 0o640)


def test_messages_that_are_whole_stay_when_the_list_cannot_be_written(server, filled, tmp_path):
    """As on a disk that is full by then: here a directory has the place where it is made."""
    ids = [row["id"] for row in server.json("flags", filled)]
    server.command("flags", filled, "--message-id", ids[3], "--add", "work")
    (tmp_path / "out" / "dovecot-keywords.new").mkdir(parents=True)
    (tmp_path / "out" / "cur").mkdir()
    done = export(server, filled, tmp_path / "out", status=73)
    assert "dovecot-keywords" in done.stderr and len(files(tmp_path / "out")) == 3
