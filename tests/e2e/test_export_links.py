"""Export into a directory of somebody who has put links there: none is followed, so that root can write there."""

import os

import pytest

from test_export import big_mbox


@pytest.fixture
def filled(server, mailbox, tmp_path):
    """An account with mail in INBOX and Sent, and a file and a directory that links can lead to."""
    big_mbox(tmp_path / "mbox", 3)
    for name in ("INBOX", "Sent"):
        server.command("import", mailbox, str(tmp_path / "mbox"), "--mailbox", name)
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "out").mkdir()
    return mailbox


def is_untouched(tmp_path):
    return (tmp_path / "victim").read_text() == "mine" and not os.listdir(tmp_path / "other")


@pytest.mark.parametrize("name", ["f.part", "f.Sent.part"])
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to", "rename"])
def test_what_has_the_name_of_a_file_before_it_is_whole_stays(server, filled, tmp_path, link, name):
    """A link, or somebody's own file."""
    (tmp_path / "mine").write_text("mine")
    if link == "rename":
        (tmp_path / "mine").rename(tmp_path / "out" / name)
    else:
        getattr(tmp_path / "out" / name, link)(tmp_path / "victim")
    done = server.command("export", filled, "--mbox", str(tmp_path / "out" / "f"), status=73)
    assert f"{name} is there already" in done.stderr
    assert is_untouched(tmp_path) and (tmp_path / "out" / name).read_text() == "mine"
    (tmp_path / "out" / name).unlink()
    for file in os.listdir(tmp_path / "out"):
        (tmp_path / "out" / file).unlink()
    server.command("export", filled, "--mbox", str(tmp_path / "out" / "f"))
    assert sorted(os.listdir(tmp_path / "out")) == ["f", "f.Sent"]
    for file in ("f", "f.Sent"):
        assert (tmp_path / "out" / file).read_bytes().count(b"\nSubject: ") == 3


def test_a_link_that_leads_nowhere_has_its_name(server, filled, tmp_path):
    (tmp_path / "out" / "f.Sent").symlink_to(tmp_path / "none")
    done = server.command("export", filled, "--mbox", str(tmp_path / "out" / "f"), status=73)
    assert "f.Sent is there already" in done.stderr and not (tmp_path / "none").exists()


@pytest.mark.parametrize("link", [".Sent", ".Sent/cur", ".Sent/new", ".Sent/tmp", "new", "tmp"])
def test_a_folder_that_is_a_link_is_refused(server, filled, tmp_path, link):
    for name in ("cur", *([".Sent"] if "/" in link else [])):
        (tmp_path / "out" / name).mkdir()
    (tmp_path / "out" / link).symlink_to(tmp_path / "other")
    done = server.command("export", filled, "--maildir", str(tmp_path / "out"), status=73)
    assert f"/out/{link} is a file or a link" in done.stderr and is_untouched(tmp_path)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_message_of_a_maildir_goes_to_a_file_of_its_own(server, filled, tmp_path, link):
    """Whatever has its name in tmp/, its name in cur/ or that of the list of keywords."""
    server.command("flags", filled, "--mailbox", "INBOX", "--add", "work")

    def export():
        server.command("export", filled, "--maildir", str(tmp_path / "out"))

    export()
    names = os.listdir(tmp_path / "out" / "cur")
    files = ["dovecot-keywords", f"cur/{names[0]}"]
    links = [*files, *(f"tmp/{name}" for name in names), *(f"tmp/{name.rpartition(':')[0]}" for name in names)]
    for name in links:
        (tmp_path / "out" / name).unlink(missing_ok=True)
    (tmp_path / "out" / "cur" / names[1]).unlink()
    for name in links:
        getattr(tmp_path / "out" / name, link)(tmp_path / "victim")
    export()
    assert is_untouched(tmp_path) and sorted(os.listdir(tmp_path / "out" / "cur")) == sorted(names)
    assert (tmp_path / "out" / "dovecot-keywords").read_text().endswith("0 work\n")
    for name in names:
        assert (tmp_path / "out" / "cur" / name).read_bytes().startswith(b"Return-Path: ") or \
            (tmp_path / "out" / "cur" / name).read_bytes().startswith(b"Subject: ")
