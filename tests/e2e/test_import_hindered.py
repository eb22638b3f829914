"""Import from files that cannot be read to their end, or hold nothing."""

import os
import re

from conftest import preload
from test_export import big_mbox, contents


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
    assert done.stdout == f"{before} messages imported; 1 could not be read or are empty\n"
    assert f"{path} is read only up to octet {at}, and the message there is left out: Input/output error" in done.stderr
    done = server.command("import", mailbox, str(path))
    assert done.stdout == f"{200 - before} messages imported; {before} were there already\n"
    assert all(message.endswith(b"some text\r\n" * 50) for message in contents(server, mailbox))


def test_nothing_of_a_file_that_cannot_be_read(server, mailbox, tmp_path):
    big_mbox(tmp_path / "mbox", 1)
    done = server.command("import", mailbox, str(tmp_path / "mbox"), env=bad_sector(tmp_path / "mbox", 0), status=65)
    assert done.stdout == "0 messages imported; 1 could not be read or are empty\n"
    assert f"{tmp_path}/mbox is read only up to octet 0: Input" in done.stderr


def test_messages_without_an_octet_are_named(server, mailbox, tmp_path):
    for sub in ("cur", "new", "tmp"):
        (tmp_path / "Mail" / "Dir" / sub).mkdir(parents=True)
    for name, text in (("1.a", "Subject: x\n\nx\n"), ("2.b", ""), ("3.c", "Subject: y\n\nx\n")):
        (tmp_path / "Mail" / "Dir" / "new" / name).write_text(text)
    line = "From a@b Mon Nov 23 19:54:33 2026\n"
    (tmp_path / "Mail" / "mbox").write_text(f"{line}Subject: x\n\nx\n\n{line}\n{line}Subject: z\n\nx\n\n")
    done = server.command("import", mailbox, str(tmp_path / "Mail"), status=65)
    assert "; 2 could not be read or are empty\n" in done.stdout
    said = done.stderr.splitlines()
    assert len(said) == 2 and said[0].endswith(f"{tmp_path}/Mail/Dir/new/2.b is left out: it is empty")
    assert said[1].endswith(f"message 2 of {tmp_path}/Mail/mbox is left out: it is empty")
