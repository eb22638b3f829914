"""Names of mailboxes on their way in and out: one that cannot be is told, and keeps nothing else back."""

import os
import subprocess

import pytest

from wire import letter

LINE = b"From - Mon Nov 23 19:54:33 2026\n"


def mbox(path, subject):
    with open(path, "wb") as file:
        file.write(LINE + b"Subject: %s\n\nx\n\n" % subject.encode())


def maildir(path, subject):
    for sub in (b"cur", b"new", b"tmp"):
        os.makedirs(os.path.join(os.fsencode(path), sub))
    with open(os.path.join(os.fsencode(path), b"new/1700000000.x"), "wb") as file:
        file.write(b"Subject: %s\n\nx\n" % subject.encode())


def mailboxes(server, user):
    return [row["mailbox"] for row in server.json("flags", user)]


def test_files_of_an_import_that_cannot_be_mailboxes(server, mailbox, tmp_path):
    tree = os.fsencode(tmp_path / "Mail")
    deep = tree + b"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20"
    os.makedirs(deep)
    for name in (b"Alpha", b"Entw\xfcrfe", b"a\x1b[31mb", b"Zeta", deep[len(tree) + 1:] + b"/21"):
        mbox(tree + b"/" + name, "x")
    done = server.command("import", mailbox, os.fsdecode(tree), status=65)
    assert mailboxes(server, mailbox) == ["Alpha", "Zeta"]
    assert "2 messages imported; 3 mailboxes are left out" in done.stdout
    said = done.stderr.splitlines()
    assert len(said) == 3 and all(" is left out: the name of its mailbox " in line for line in said)
    assert "/20/21 is" in said[0] and "20 parts" in said[0]
    assert "/Entw\ufffdrfe is" in said[1] and "not UTF-8" in said[1]
    assert "/a [31mb is" in said[2] and "control characters" in said[2]
    for name in (b"Alpha", b"Zeta"):
        os.unlink(tree + b"/" + name)
    done = server.command("import", mailbox, os.fsdecode(tree), status=65)
    assert "0 messages imported; 3 mailboxes are left out" in done.stdout


def test_folders_of_an_import_that_cannot_be_mailboxes(server, mailbox, tmp_path):
    tree = os.fsencode(tmp_path / "Maildir")
    names = (b".", b".A", b".L\xfct", b"..x", b".a..b", b".a.", b".&!-", b".Z")
    for name in names:
        maildir(os.path.join(tree, name), "x")
    done = server.command("import", mailbox, os.fsdecode(tree), status=65)
    assert mailboxes(server, mailbox) == ["INBOX", "A", "Z"]
    assert "3 messages imported; 5 mailboxes are left out" in done.stdout
    for name in ("..x", ".a..b", ".a.", ".&!-", ".L\ufffdt"):
        assert f"/{name} is left out: " in done.stderr, name


def test_links_are_not_followed(server, mailbox, tmp_path):
    """Wherever they lead: up, out of what is named, or nowhere."""
    tree = tmp_path / "Mail"
    (tree / "Work").mkdir(parents=True)
    (tmp_path / "more").mkdir()
    for path in (tree / "A", tree / "Work" / "B", tmp_path / "more" / "C"):
        mbox(path, "x")
    (tree / "self").symlink_to(".")
    (tree / "Work" / "top").symlink_to(tree)
    (tree / "one").symlink_to(tmp_path / "more")
    (tree / "two").symlink_to("nowhere")
    done = server.command("import", mailbox, str(tree), status=65)
    assert mailboxes(server, mailbox) == ["A", "Work/B"]
    assert "2 messages imported; 4 mailboxes are left out" in done.stdout
    assert [line.split("/Mail/")[1] for line in done.stderr.splitlines()] == [
        f"{name} is left out: it is a link, and links are not followed" for name in ("Work/top", "one", "self", "two")]


def test_what_an_import_cannot_read_is_told(server, mailbox, tmp_path):
    """And the rest comes in. Root without its capabilities is bound by the modes of its files, as others are."""
    tree = tmp_path / "Mail"
    (tree / "Closed").mkdir(parents=True)
    for name in ("A", "B", "Closed/C", "Z"):
        mbox(tree / name, "x")
    (tree / "gone").symlink_to("nowhere")
    (tree / ".Work").mkdir(mode=0)
    (tree / "B").chmod(0)
    (tree / "Closed").chmod(0)
    bound = ["setpriv", "--bounding-set=-all"] if os.getuid() == 0 else []
    done = subprocess.run([*bound, server.binary, "import", mailbox, str(tree), "--data", server.data], text=True,
                          capture_output=True, timeout=60)
    (tree / "Closed").chmod(0o700)
    assert done.returncode == 65 and mailboxes(server, mailbox) == ["A", "Z"], done
    assert "2 messages imported; 4 mailboxes are left out" in done.stdout
    said = done.stderr.splitlines()
    assert [line.split(str(tree))[1].split(" (")[0] for line in said] == [
        "/.Work is left out: it cannot be read: Permission denied",
        "/B is left out: it cannot be read: Permission denied",
        "/Closed is left out: it cannot be read: Permission denied",
        "/gone is left out: it is a link, and links are not followed"]


def test_directories_too_deep_are_told(server, mailbox, tmp_path):
    (tmp_path / "Mail" / "/".join("1" * 21)).mkdir(parents=True)
    mbox(tmp_path / "Mail" / "A", "x")
    mbox(tmp_path / "Mail" / "/".join("1" * 21) / "B", "x")
    done = server.command("import", mailbox, str(tmp_path / "Mail"), status=65)
    assert mailboxes(server, mailbox) == ["A"] and "1/1 is left out: it lies more than 20" in done.stderr


WIDE = "\u00fc" * 120  # over 255 octets as a folder of a Maildir
LONG = "/".join(n * 70 for n in "abcdefgh")
NAMES = ["a.b", "a/b", "Sent.part", WIDE, WIDE + "x", LONG, "Z"]


@pytest.fixture
def named(server, mailbox, tmp_path):
    """An account with a message in each of NAMES, and in Sent; its mail as (mailbox, subject)."""
    for number, name in enumerate([*NAMES, "Sent"]):
        mbox(tmp_path / "one", f"number {number}")
        server.command("import", mailbox, str(tmp_path / "one"), "--mailbox", name)
    return mailbox


def subjects(directory):
    """{subject: path below the directory, up to the name that a mailbox has} of its files."""
    found = {}
    for where, _, files in os.walk(directory):
        for name in files:
            with open(os.path.join(where, name), encoding="utf-8") as file:
                found.update((line[9:].strip(), os.path.relpath(os.path.join(where, name), directory).split("/")[0])
                             for line in file if line.startswith("Subject: "))
    return found


def test_mailboxes_whose_names_no_file_can_have(server, named, tmp_path):
    (tmp_path / "out").mkdir()
    done = server.command("export", named, "--mbox", str(tmp_path / "out" / "x"))
    assert "8 messages exported" in done.stdout
    files = subjects(tmp_path / "out")
    assert files["number 0"] == "x.a.b" and files["number 6"] == "x.Z" and files["number 7"] == "x.Sent"
    assert files["number 3"] == f"x.{WIDE}" and files["number 4"] == f"x.{WIDE}x"
    others = [files[f"number {n}"] for n in (1, 2, 5)]
    said = done.stderr.splitlines()
    assert len(said) == 3 and all(f"/{name}: " in line for name, line in zip(others, said))
    assert f"{NAMES[1]} is written to " in said[0] and others[0].startswith("x.a.b~")
    assert others[1].startswith("x.Sent.part~") and others[2].startswith("x.aaa")
    done = server.command("import", other := server.mailbox(), str(tmp_path / "out"))
    assert "8 messages imported" in done.stdout and len(set(mailboxes(server, other))) == 8


def test_folders_whose_names_no_file_can_have(server, named, tmp_path):
    done = server.command("export", named, "--maildir", str(tmp_path / "out"))
    assert "8 messages exported" in done.stdout
    assert len(done.stderr.splitlines()) == 7  # those of LONG that it lies in, too
    folders = subjects(tmp_path / "out")
    assert len(set(folders.values())) == 8
    for number in (3, 4, 5):
        assert f" is written to {folders[f'number {number}']}: " in done.stderr
    again = server.command("export", named, "--maildir", str(tmp_path / "out"))
    assert again.stderr == done.stderr and subjects(tmp_path / "out") == folders
    server.command("import", other := server.mailbox(), str(tmp_path / "out"))
    there = mailboxes(server, other)
    assert len(there) == 8 and {*NAMES, "Sent"} - set(there) == {WIDE, WIDE + "x", LONG}
    assert sum(name.startswith("\u00fc" * 80) for name in there) == 2
    assert any(name.startswith("/".join(n * 70 for n in "abc") + "/d") for name in there)


@pytest.mark.parametrize("name, why", [
    ("/a", "empty part"), ("a/", "empty part"), ("a//b", "empty part"), ("a\tb", "control"),
    ("L\udcfct", "UTF-8"), ("a" * 1001, "1000 octets"), ("/".join("x" * 21), "20 parts")])
def test_no_name_to_import_into(server, mailbox, tmp_path, name, why):
    mbox(tmp_path / "x", "x")
    done = server.command("import", mailbox, str(tmp_path / "x"), "--mailbox", name, status=64)
    assert "--mailbox: the name " in done.stderr and why in done.stderr
