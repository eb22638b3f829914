"""What a power cut leaves of an export: what has its name is whole, and all that was said to be there is."""

import os
import subprocess
import sys

import pytest

from conftest import LIBRARIES

pytestmark = pytest.mark.rare

EXPLORER = os.path.join(os.path.dirname(LIBRARIES), "crash", "crash_explore")
CHECK = os.path.join(os.path.dirname(__file__), "export_left.py")
COUNT = 4


@pytest.fixture
def filled(server, mailbox, tmp_path):
    (tmp_path / "mbox").write_text("".join(
        f"From a@b Mon Nov 23 19:54:33 2026\nMessage-ID: <{n}@x>\nSubject: {n}\n\n" + "text\n" * 2000 + "end\n\n"
        for n in range(COUNT)))
    for name in ("INBOX", "Work"):
        server.command("import", mailbox, str(tmp_path / "mbox"), "--mailbox", name)
    for n, row in enumerate(server.json("flags", mailbox)):
        server.command("flags", mailbox, "--message-id", row["id"], "--add", "alpha" if n % 2 == 0 else "beta")
    return mailbox


def explore(*words):
    done = subprocess.run([EXPLORER, *words], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("form", ["--mbox", "--maildir"])
def test_a_power_cut_leaves_what_has_its_name_whole(server, filled, tmp_path, form):
    recording, work = tmp_path / "recording", tmp_path / "work"
    (work / "out").mkdir(parents=True)
    explore("record", recording, work, "--", server.binary, "export", filled, form, "out/x", "--data", server.data)
    explore("check", recording, "--draws", "2", "--seconds", "20", "--", sys.executable, CHECK, form, str(COUNT))
