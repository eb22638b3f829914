"""Restores of everything with something in their way: what lies in the target already, another restore, the target's
owner, disks that do not give it all, users and options that are not there."""

import fcntl
import os
import pathlib
import shutil

import pytest

from conftest import DOMAIN, new_folder
from test_backup import MARK, Restored, backup
from test_export import fill, messages
from wire import deliver, letter

ANN = f"ann@{DOMAIN}"
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


@pytest.fixture
def other(make_server):
    """A server without a data directory, for what is restored."""
    made = Restored(make_server(start=False), new_folder())
    yield made
    if made.process:
        assert made.stop() == 0
    shutil.rmtree(made.folder, ignore_errors=True)


def all_in(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in pathlib.Path(folder).rglob("*")}


@pytest.mark.parametrize("running", [True, False])
def test_a_data_directory_with_a_mark_is_one(make_server, tmp_path, running):
    """As of a restore that ended between the two. The next start removes the mark."""
    server = make_server(accounts=("ann",), start=running)
    backup(server, tmp_path / "backup")
    mark = pathlib.Path(server.data, MARK)
    mark.touch()
    config = os.stat(server.config_path)
    done = server.command("restore", str(tmp_path / "backup"), status=73)
    assert f"{server.data} is not empty" in done.stderr and done.stdout == ""
    now = os.stat(server.config_path)
    assert (now.st_ino, now.st_mtime_ns) == (config.st_ino, config.st_mtime_ns)
    server.stop()
    assert len(server.json("account", "list")) == 1 and not mark.exists()
