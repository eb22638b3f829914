"""Every command of docs/guide/day-to-day.md, as it stands there."""

import os
import re
import subprocess

from conftest import PASSWORD
from server import ROOT
from wire import deliver, letter

ALICE, BOB = "alice@example.org", "bob@example.org"
SEND = ("mail", "send", "--user", ALICE, "--from", ALICE, "--subject", "a letter", "--to")


def commands():
    """Those that stand in lines of their own, without what is said behind them."""
    with open(os.path.join(ROOT, "docs/guide/day-to-day.md"), encoding="utf-8") as file:
        return [re.split(r"  +", line.strip())[0] for line in file if line.startswith("    godwit ")]


def test_every_command_works_as_written(make_server):
    server = make_server('routes = ( { domain = "*"; host = "127.0.0.1"; port = 1; } );')  # nobody is there: mail waits
    own = {"GODWIT_DATA": server.data, "GODWIT_PASSWORD": PASSWORD}
    server.command("domain", "add", "example.org")
    server.add_account(BOB, PASSWORD)
    deliver(server, BOB, b"Message-ID: <1234@x.org>\r\n" + letter())
    with open(os.path.join(server.folder, "message"), "wb") as file:
        file.write(letter())

    def new_id(*wishes, to):
        """Of a message that alice has just sent."""
        return re.search(r"id=(\S+)", server.command(*SEND, to, *wishes, stdin="x\n", env=own).stdout).group(1)

    def id_for(command):
        if " flags " in command:
            return new_id(to=ALICE)
        return new_id("--hold-until", "2h", to="x@example.net")

    told = commands()
    assert len(told) > 30
    for command in told:
        if ALICE not in [account["account"] for account in server.json("account", "list")]:
            server.add_account(ALICE, PASSWORD)
        server.command("account", "enable", ALICE)
        if " retry " in command:
            new_id(to="x@example.net")  # of what is scheduled none is tried
        words = re.sub(r"\bID\b", lambda _, c=command: id_for(c), command)
        done = subprocess.run(re.sub(r"^godwit", lambda _: server.binary, words), shell=True, text=True, timeout=60,
                              capture_output=True, input="Hello\n", cwd=server.folder, env={**os.environ, **own})
        assert done.returncode == 0, (command, done.stdout, done.stderr)
