"""Standard descriptors that are closed: nothing else of the program gets their numbers. What a process may open
and write, where that is little."""

import os
import subprocess

import pytest
from conftest import DOMAIN, PASSWORD
from server import open_files
from wire import count_of, deliver

CLOSED = [{fd for fd in range(3) if bits & 1 << fd} for bits in range(1, 8)]
closed = pytest.mark.parametrize("fds", CLOSED, ids=lambda fds: "".join(map(str, sorted(fds))))
MESSAGE = b"Subject: x\n\nx\n"


def without(fds, words):
    """The words of a command that runs these with descriptors closed."""
    ends = " ".join("<&-" if fd == 0 else f"{fd}>&-" for fd in sorted(fds))
    return ["sh", "-c", f'exec "$@" {ends}', "sh", *words]


def run(server, fds, *words, text=b"", **env):
    line = without(fds, [server.binary, *words, "--data", server.data])
    if words[0] == "sendmail":
        line = without(fds, [server.binary, "sendmail", "--data", server.data, *words[1:]])
    return subprocess.run(line, input=text, capture_output=True, timeout=60, env={**os.environ, **env})


@closed
def test_serve(make_server, fds):
    """It starts, its processes have no descriptor of another kind in their place, it ends cleanly."""
    server = make_server(accounts=["ann"], start=False)
    words = server.serve_words()
    server.serve_words = lambda: without(fds, words)
    server.start(wait=False)
    server.wait_ready()
    server.mark()
    for pid in server.processes():
        if 2 in fds:
            assert open_files(pid)[2] == "/dev/null"
    deliver(server, f"ann@{DOMAIN}")
    assert count_of(server, f"ann@{DOMAIN}") == 1
    assert server.stop() == 0


@closed
def test_sendmail(server, mailbox, fds):
    """A message that nobody could read is none."""
    done = run(server, fds, "sendmail", mailbox, text=MESSAGE)
    assert done.returncode == (74 if 0 in fds else 0), done
    assert (b"cannot read the message from standard input: " in done.stderr) == (0 in fds and 2 not in fds)
    assert count_of(server, mailbox) == (0 if 0 in fds else 1)


@closed
def test_mail_send(server, mailbox, fds):
    done = run(server, fds, "mail", "send", "--from", mailbox, "--to", mailbox, "--user", mailbox, text=b"x\n",
               GODWIT_PASSWORD=PASSWORD)
    assert done.returncode == (66 if 0 in fds else 0), done
    assert count_of(server, mailbox) == (0 if 0 in fds else 1)
    done = run(server, fds, "mail", "list", "--user", mailbox, GODWIT_PASSWORD=PASSWORD)
    assert (done.returncode, done.stderr) == (0, b""), done


@closed
def test_backup(make_server, tmp_path, fds):
    server = make_server(start=False)
    assert run(server, fds, "backup", str(tmp_path / "backup")).returncode == 0
    assert os.path.getsize(tmp_path / "backup" / "lock") == 0
    server.command("restore", str(tmp_path / "backup"), "--verify")


def test_test_delivery_without_a_message(server, mailbox):
    done = run(server, {0}, "test-delivery", "--to", mailbox)
    assert done.returncode == 74 and b"cannot read the message from standard input: " in done.stderr, done
    assert done.stdout == b""


def limited(limit, server, *words):
    line = ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", server.binary, *words]
    return subprocess.run(line, input=MESSAGE, capture_output=True, timeout=60)


@pytest.mark.parametrize("most", [4, 7, 10])
def test_too_few_descriptors(server, mailbox, most):
    """No library aborts for it, before or behind a delivery."""
    for words in (["sendmail", "--data", server.data, mailbox], ["domain", "list", "--data", server.data],
                  ["mail", "list", "--server", "127.0.0.1:1", "--user", mailbox], ["serve", "--data", server.data]):
        done = limited(f"-n {most}", server, *words)
        assert done.returncode == 71 and b"Too many open files (raise the limit: ulimit -n, " in done.stderr, done
    assert count_of(server, mailbox) == 0


def test_files_that_may_not_grow(make_server):
    """An error of writing as others, and no signal that ends the command."""
    server = make_server(start=False)
    done = limited("-f 10", server, "domain", "add", "a.test", "--data", server.data)
    assert done.returncode == 74 and done.stderr.startswith(b"godwit: "), done
    assert [one["domain"] for one in server.json("domain", "list")] == [DOMAIN]
    server.command("store", "verify")
