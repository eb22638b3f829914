"""Wrong command lines: each gets one whole sentence that names the cure, and its exit code.

A row is: what was typed, the exit code, the sentence. {data} is the data directory of the running
server, {tmp} an empty directory, {none} a path where nothing is. Standard output stays empty.
"""

import functools
import os
import pty
import re
import shlex
import subprocess

import pytest
from conftest import DOMAIN, PASSWORD
from server import PATIENCE, binary_path

LONG = "/" + "a" * 120
NAME300 = ".".join(["a" * 59] * 5)  # 299 octets, of which messages show 80; each label is allowed
WHAT_PATH = "No such file or directory (look at how the path is written)"

WORDS = r"""
64 nonsense
   there is no command "nonsense"; godwit --help lists them
64 accuont list
   there is no command "accuont"; did you mean godwit account?
64 account lits
   there is no command "lits"; did you mean godwit account list?
64 --data {data} status
   a command comes first, options behind it: godwit COMMAND --data ...; godwit --help lists the commands
64 status --jsn
   there is no option --jsn; did you mean --json?
64 status -x
   there is no option -x; --help lists the valid ones
64 status --json=yes
   the option --json takes no value
64 status --data
   the option --data needs a value: --data DIR
64 status --data ''
   the option --data has an empty value; write: --data DIR
64 status --data {data} --data {none}
   the option --data was given twice; give it once: --data DIR
64 status now
   "now" is one word too many; write: godwit status [options]
64 domain add
   DOMAIN is missing; write: godwit domain add DOMAIN
64 domain add ''
   DOMAIN is empty; write: godwit domain add DOMAIN
64 alias add x@{domain}
   TARGET is missing; write: godwit alias add ADDRESS TARGET
64 account passwd a@{domain} b@{domain}
   "b@{domain}" is one word too many; write: godwit account passwd ADDRESS [options]
64 process
   this command is for the server's own use; start it with: godwit serve
"""

INIT = r"""
64 init --data {none}
   what is the server's name? Say it with --hostname mail.example.org
64 init --data {none} --hostname 'bad name'
   --hostname must be a host name like mail.example.org, not "bad name"
64 init --data {none} --hostname 192.0.2.1
   --hostname must be a host name like mail.example.org, not "192.0.2.1"
64 init --data {none} --hostname 'a"b'
   --hostname must be a host name like mail.example.org, not "a"b"
64 init --data {none} --hostname a.test --listen 1.2.3
   --listen must be an IP address like 192.0.2.1 or ::1, not "1.2.3"
64 init --data {none} --hostname a.test --listen ::1 --listen ::1
   --listen ::1 was given twice; once is enough
64 init --data {none} --hostname a.test --port-offset x
   --port-offset must be a whole number from 0 to 64540, not "x"
64 init --data {none} --hostname a.test --port-offset 64541
   --port-offset must be a whole number from 0 to 64540, not "64541"
64 init --data {none} --hostname a.test elsewhere
   "elsewhere" is one word too many; write: godwit init [options]
73 init --data {none}/below --hostname a.test
   cannot make the directory {none}/below: make the one above it first
73 init --data {file} --hostname a.test
   cannot open the directory {file}: Not a directory (a part of the path is a file; name another path)
73 init --data /etc --hostname a.test
   /etc holds other files and is no data directory: name a directory that is empty or does not exist
"""

DIRECTORY = r"""
66 serve --data {none}
   there is no data directory {none}; make it with: godwit init --data {none}
66 serve --data {file}
   {file} is a file; name the data directory with --data DIR
66 check-config --data {none}
   there is no data directory {none}; make it with: godwit init --data {none}
78 check-config --data {tmp}
   {tmp}/godwit.conf does not exist; "godwit init" makes a data directory with all it needs
66 status --data {none}
   there is no data directory {none}; make it with: godwit init --data {none}
66 status --data {file}
   {file} is a file; name the data directory with --data DIR
78 audit --data {tmp}
   {tmp}/godwit.conf does not exist; "godwit init" makes a data directory with all it needs
64 status --data {long}
   the path {long} is too long for the server's sockets; use a shorter one
66 domain add a.test --data {none}
   there is no data directory {none}; make it with: godwit init --data {none}
66 backup {none} --data {none}
   there is no data directory {none}; make it with: godwit init --data {none}
66 export a@a.test --mbox {none} --data {none}
   there is no data directory {none}; make it with: godwit init --data {none}
69 store repair
   the server is running: stop it, then run this again
"""

NAMES = r"""
64 domain add 'not a domain'
   "not a domain" is no domain name; write it like example.org
64 domain add 192.0.2.1
   "192.0.2.1" is no domain name; write it like example.org
64 domain add bob@a.test
   "bob@a.test" is no domain name; write it like example.org
65 domain add {domain}
   the domain {domain} is there already; nothing was changed
64 domain add relay.test --no-verify
   --no-verify is about a relay domain; write --relay --no-verify, or leave it out
64 domain change {domain}
   say where its mailboxes are with either --local or --relay
64 domain change {domain} --local --relay
   say where its mailboxes are with either --local or --relay
64 domain change {domain} --local --no-verify
   --no-verify is about a relay domain; write --relay --no-verify, or leave it out
65 domain change {domain} --local
   {domain} is a domain with mailboxes here already; nothing was changed
68 domain change unknown.test --relay
   there is no domain unknown.test; those there are: godwit domain list
65 domain add {domain} --relay
   the domain {domain} is there already; nothing was changed
64 domain add {name300}
   "{cut300}" is no domain name; write it like example.org
64 domain remove {name300}
   "{cut300}" is no domain name; write it like example.org
65 domain remove {domain}
   the domain {domain} still has {accounts}; first: godwit account remove ADDRESS
68 domain remove unknown.test
   there is no domain unknown.test; those there are: godwit domain list
68 domain quota unknown.test --bytes 1G
   there is no domain unknown.test; those there are: godwit domain list
64 domain quota {domain}
   say how much with --bytes N, --messages N or both
64 account add bob
   "bob" is no address; write it like bob@example.org
64 account add bob@
   "" is no domain name; write it like example.org
64 account add @{domain}
   "@{domain}" has nothing before the @; write it like bob@example.org
64 account add a@b@{domain}
   "a@b" cannot stand before the @ of an address; write it like bob@example.org
64 account add '"q q"@{domain}'
   "q q" cannot stand before the @ of an address; write it like bob@example.org
64 account add 'q q@{domain}'
   "q q" cannot stand before the @ of an address; write it like bob@example.org
64 account add 'a"b@{domain}'
   a"b cannot stand before the @ of an address; write it like bob@example.org
64 alias add '"q q"@{domain}' first@{domain}
   "q q" cannot stand before the @ of an address; write it like bob@example.org
64 account add '"q q"'
   "q q" is no address; write it like bob@example.org
64 account add 'bob@"a.test"'
   "a.test" is no domain name; write it like example.org
64 domain add '"a.test"'
   "a.test" is no domain name; write it like example.org
64 account add bob@{domain}
   there is no terminal to ask for the password; give it with --password-stdin or in the environment's GODWIT_PASSWORD
64 account add bob@{domain} --password-stdin
   --password-stdin needs the password as one line of at most 1024 octets on standard input
65 account add bob@{domain}                                     | GODWIT_PASSWORD=
   the password is empty; give one of 1 to 1024 octets
65 account add bob@{domain}                                     | GODWIT_PASSWORD={long}{long}{long}{long}{long}{long}{long}{long}{long}
   the password in GODWIT_PASSWORD is longer than 1024 octets; choose a shorter one
68 account add bob@unknown.test                                 | GODWIT_PASSWORD=correct-horse
   there is no domain unknown.test; add it with: godwit domain add unknown.test
65 account add first@{domain}                                   | GODWIT_PASSWORD=correct-horse
   the account first@{domain} is there already; its password is changed with: godwit account passwd first@{domain}
67 account passwd nobody@{domain}                               | GODWIT_PASSWORD=correct-horse
   there is no account nobody@{domain}; those there are: godwit account list
67 account disable nobody@{domain}
   there is no account nobody@{domain}; those there are: godwit account list
67 account enable nobody@{domain}
   there is no account nobody@{domain}; those there are: godwit account list
64 account send-only first@{domain}
   on|off is missing; write: godwit account send-only ADDRESS on|off
64 account send-only first@{domain} yes
   "yes" is neither on nor off; on: mail to the account is refused, off: it is taken
67 account send-only nobody@{domain} on
   there is no account nobody@{domain}; those there are: godwit account list
67 account remove nobody@{domain}
   there is no account nobody@{domain}; those there are: godwit account list
64 account quota first@{domain} --bytes 1X
   "1X" is no quota; give a number above 0 (octets with K, M, G or T behind it if you like), "none" or "default"
64 account language first@{domain} tlh
   tlh is no language that is spoken here; say en, zh-hans, zh-hant or auto
67 account language nobody@{domain} en
   there is no account nobody@{domain}; those there are: godwit account list
67 account quota nobody@{domain} --messages 5
   there is no account nobody@{domain}; those there are: godwit account list
68 account list unknown.test
   there is no domain unknown.test; those there are: godwit domain list
64 account list @@
   "@@" is no domain name; write it like example.org
68 alias list unknown.test
   there is no domain unknown.test; those there are: godwit domain list
64 alias add x@{domain} y
   "y" is no address; write it like bob@example.org
68 alias add x@unknown.test first@{domain}
   there is no domain unknown.test; add it with: godwit domain add unknown.test
67 alias add x@{domain} nobody@{domain}
   there is no account or alias nobody@{domain}; add it first with: godwit account add nobody@{domain}
65 alias add x@{domain} x@{domain}
   an alias x@{domain} to x@{domain} would lead in a circle, or too far; name another target
67 alias remove nobody@{domain}
   there is no alias nobody@{domain}; those there are: godwit alias list
"""

MESSAGES = r"""
64 trace --limit 0
   --limit must be a whole number from 1 to 1000, not "0"
64 trace --limit 5 --limit 6
   the option --limit was given twice; give it once: --limit N
64 trace ''
   ID|ADDRESS|MESSAGE-ID is empty; write: godwit trace [ID|ADDRESS|MESSAGE-ID]
66 trace nothing
   no message matches nothing; give a message id, an address or a Message-ID
64 ledger --limit x
   --limit must be a whole number from 1 to 1000000, not "x"
64 test-delivery
   say for whom with --to ADDRESS
64 test-delivery --to bob
   --to: "bob" is no mail address; write it like bob@example.org
64 test-delivery --to first@{domain} --from bob
   --from: "bob" is no mail address; write it like bob@example.org
64 test-delivery --to first@{domain} --ip 1.2.3
   --ip must be an IP address like 192.0.2.1 or 2001:db8::1, not "1.2.3"
64 test-delivery --to first@{domain} --to bob@{domain}
   the option --to was given twice; give it once: --to ADDRESS
66 queue show nobody.test
   nothing in the queue matches nobody.test; "godwit queue list" shows what waits
66 queue explain 0amt9nkhm0w00
   nothing in the queue matches 0amt9nkhm0w00; "godwit trace 0amt9nkhm0w00" tells what became of it
64 queue show 'a b'
   a b is no message id, address or domain; "godwit queue list" shows those that wait
64 queue list --older 5x
   5x is no age; write it like 90s, 30m, 4h or 2d
66 queue explain nobody.test
   nothing in the queue matches nobody.test; "godwit queue list" shows what waits
64 queue remove
   say which: a message id, an address or a domain, or --to, --from, --older
64 queue bounce ''
   WHICH is empty; write: godwit queue bounce [WHICH]
64 queue bounce ' '
   WHICH is empty; write: godwit queue bounce [WHICH]
64 queue remove --to ''
   the option --to has an empty value; write: --to ADDRESS
64 undelete bob
   "bob" is no address; write it like bob@example.org
67 undelete nobody@{domain}
   there is no account nobody@{domain}; those there are: godwit account list
64 undelete first@{domain} --message-id ' '
   the option --message-id has an empty value; write: --message-id ID
64 undelete first@{domain} --since yesterday
   --since: "yesterday" is no moment; write it like 2026-11-23, "2026-11-23 19:54", or 12h or 3d for so long ago
64 undelete first@{domain} --since 2999-01-01
   the moment of --since lies in the future; name one that is past
64 flags bob
   "bob" is no address; write it like bob@example.org
67 flags nobody@{domain}
   there is no account nobody@{domain}; those there are: godwit account list
64 flags first@{domain} --add seen
   say which messages with --mailbox NAME or --message-id ID, or with both
64 flags first@{domain} --mailbox INBOX --add 'seen (odd'
   --add: "(odd" cannot be a flag: use letters, digits and signs other than ( ) {{ ] % * " \, at most 255
64 flags first@{domain} --mailbox INBOX --remove '\Deleted'
   --remove: \Deleted is no flag that is kept here: deleting is the mail program's, and godwit undelete brings back
64 flags first@{domain} --message-id ' ' --add seen
   the option --message-id has an empty value; write: --message-id ID
66 flags first@{domain} --message-id '<>' --add seen
   no message matches <>; godwit flags without --message-id lists those that are there
66 flags first@{domain} --mailbox Nope --add seen
   there is no mailbox Nope; without --mailbox all of them are meant
66 flags first@{domain} --message-id '<none@x>' --add seen
   no message matches <none@x>; godwit flags without --message-id lists those that are there
66 store discard 99
   no such pack is set aside; `godwit store aside` lists those that are
66 store discard all
   no such pack is set aside; `godwit store aside` lists those that are
64 store verify --rate x
   --rate must be a whole number from 0 to 100000, not "x"
"""

FILES = r"""
73 backup {none}/below
   cannot make the directory {none}/below: {what_path}
73 backup {file}
   cannot open the directory {file}: Not a directory (a part of the path is a file; name another path)
73 backup /etc
   /etc holds other files: name a directory that is empty or holds a backup
73 backup {data}
   {data} lies in the data directory and would be lost with it; name a directory elsewhere, best on another disk
73 backup {data}/run/backup
   {data}/run/backup lies in the data directory and would be lost with it; name a directory elsewhere, best on another disk
66 restore {none}
   cannot open the backup {none}: {what_path}
66 restore {tmp}
   {tmp} holds no complete backup; name the directory that "godwit backup" wrote
64 export first@{domain}
   say where to with --mbox FILE or --maildir DIR
64 export first@{domain} --mbox {none} --maildir {none}
   say where to with --mbox FILE or --maildir DIR, not with both
67 export nobody@{domain} --mbox {none}
   there is no account nobody@{domain}; those there are: godwit account list
66 export first@{domain} --mbox {none} --mailbox Nothing
   there is no mailbox Nothing; without --mailbox all of them are exported
73 export first@{domain} --mbox {file}
   {file} is there already; name a file that is not
73 export first@{domain} --maildir {file}
   {file} is a file or holds other files; name a directory that is empty or not there
64 export first@{domain} --mbox {none} --as-of 2999-01-01
   the moment of --as-of lies in the future; name one that is past
66 import first@{domain} {none}
   cannot read {none}: {what_path}
67 import nobody@{domain} /dev/null
   there is no account nobody@{domain}; those there are: godwit account list
"""

MAIL = r"""
64 mail send
   say who you are with --from ADDRESS, once
64 mail send --from bob --to a@a.test
   --from: "bob" is no mail address; write it like bob@example.org
64 mail send --from a@a.test
   say to whom with --to ADDRESS
64 mail send --from a@a.test --to 'a b@a.test'
   --to: "a b@a.test" is no mail address; write it like bob@example.org
64 mail send --from a@a.test --to b@a.test --priority 99
   99 is no priority; it goes from -9 to 9, 0 is that of most mail
64 mail send --from a@a.test --to b@a.test --notify foo
   foo says not of what to tell you; it is never, or some of success,failure,delay
64 mail send --from a@a.test --to b@a.test --hold-until yesterday
   --hold-until: "yesterday" is no moment; write it like 2026-11-23, "2026-11-23 19:54", or 12h or 3d for so long from now
64 mail send --from a@a.test --to b@a.test --deliver-by 2020-01-01
   --deliver-by: 2020-01-01 has passed
64 mail send --from a@a.test --to b@a.test --deliver-by 1h --tell-by 1h
   --deliver-by and --tell-by exclude each other: say what is to become of the message at one time
66 mail send --from a@a.test --to b@a.test --attach {none}
   cannot attach {none}: {what_path}
64 mail list                                                    | GODWIT_DATA={none}
   which server? Say it with --server HOST:PORT, or with --data DIR that of a data directory
64 mail list
   who are you? Say it with --user NAME
66 mail list --data {none} --user bob
   there is no data directory {none}; make it with: godwit init --data {none}
78 mail list --data {tmp} --user bob
   {tmp}/godwit.conf does not exist; "godwit init" makes a data directory with all it needs
64 mail list --data {data} --server localhost:{pop3} --user bob
   say where with --server or with --data, not with both
77 mail list --data {data} --user nobody                         | GODWIT_PASSWORD=x
   the server refuses the login: wrong user name or password
64 mail list --server localhost
   --server must be HOST:PORT or [IPV6]:PORT, not "localhost"
64 mail list --server localhost:70000
   --server must be HOST:PORT or [IPV6]:PORT, not "localhost:70000"
64 mail list --server localhost:{pop3} --tls maybe
   --tls must be none, starttls or implicit, not "maybe"
66 mail list --server localhost:{pop3} --ca {none}
   {none} cannot be read, or holds no PEM certificate
64 mail list --server localhost:{pop3}
   who are you? Say it with --user NAME
75 mail list --server localhost:1 --user bob                    | GODWIT_PASSWORD=x
   cannot reach the server at localhost (127.0.0.1:1): connection refused; does it run, and is the port right?
77 mail list --server localhost:{pop3} --user nobody --insecure | GODWIT_PASSWORD=x
   the server refuses the login: wrong user name or password
64 mail read x --server localhost:{pop3} --user bob
   "x" is no message number; `godwit mail list` shows them
64 mail read --server localhost:{pop3} --user bob
   NUMBER is missing; write: godwit mail read NUMBER
"""

SENDMAIL = r"""
64 sendmail
   to whom? Name the recipients, or use -t to take them from the message
64 sendmail -f
   sendmail's option -f needs a value behind it
64 sendmail -Z bob@a.test
   sendmail has no option -Z; sendmail --help lists those it has
64 sendmail --nonsense bob@a.test
   sendmail has no option --nonsense; of long ones it has --data DIR, --hold-until, --deliver-by, --tell-by, --priority and --help
64 sendmail --priority= bob@a.test
   the option --priority has no value; write: --priority N
64 sendmail --hold-until
   the option --hold-until has no value; write: --hold-until WHEN
64 sendmail bob@a.test -t
   -t stands behind a recipient: options come first, and an address that begins with a dash behind --
64 sendmail -bd
   sendmail -bd is not done here: this command only sends mail; the server is "godwit serve"
64 sendmail --data '' bob@a.test
   the option --data has no value; write: --data DIR
75 sendmail --data {none} bob@a.test
   cannot reach the server at {none}/run/sendmail.sock: no such file or directory; start it with "godwit serve", or name its data directory with --data DIR
65 sendmail --data {data} 'a b@a.test'
   "a b@a.test" is no mail address; write it like bob@example.org
67 sendmail --data {data} nobody@{domain}
   the message to nobody@{domain} was refused: 550 5.1.1 there is no such user here
"""

TABLES = {"words": WORDS, "init": INIT, "directory": DIRECTORY, "names": NAMES,
          "messages": MESSAGES, "files": FILES, "mail": MAIL, "sendmail": SENDMAIL}


def rows(table, places):
    """(words, more of the environment, exit code, sentence) of each row."""
    lines = table.strip().split("\n")
    for typed, sentence in zip(lines[::2], lines[1::2]):
        code, _, rest = typed.partition(" ")
        words, _, variables = rest.format(**places).partition("|")
        env = dict(one.split("=", 1) for one in variables.split())
        yield shlex.split(words), env, int(code), sentence.strip().format(**places)


def places_in(server, tmp_path):
    accounts = sum(row["account"].endswith(f"@{DOMAIN}") for row in server.json("account", "list"))
    file = tmp_path / "file"
    file.write_text("mine\n", encoding="utf-8")
    empty = tmp_path / "empty"
    empty.mkdir()
    return {"data": server.data, "domain": DOMAIN, "tmp": str(empty), "file": str(file),
            "none": str(tmp_path / "none"), "long": LONG, "name300": NAME300, "cut300": NAME300[:80],
            "accounts": f"{accounts} account{'s' * (accounts != 1)}",
            "what_path": WHAT_PATH, "pop3": server.ports["pop3"]}


@pytest.fixture
def places(server, tmp_path):
    return places_in(server, tmp_path)


def help_of(words):
    return subprocess.run([binary_path(), *words, "--help"], text=True, capture_output=True, timeout=60,
                          check=True).stdout


@functools.cache
def exit_codes(words=()):
    """{words: the exit codes that its help lists} of every command below these words."""
    told = help_of(words)
    if "\nCommands:\n" not in told:
        return {words: [int(code) for code in re.findall(r"\b\d+\b", told.partition("Exit codes:")[2])]}
    names = re.findall(r"^  (\S+)", told.partition("\nCommands:\n")[2], re.M)
    return {key: codes for name in names for key, codes in exit_codes((*words, name)).items()}


def codes_for(words):
    """What the help of the command that these words name lists; None when they name none."""
    return next((codes for key, codes in exit_codes().items() if tuple(words[:len(key)]) == key), None)


def check_rows(server, places, name):
    wrong = []
    before = server.json("account", "list"), server.json("alias", "list"), server.message_count()
    env = {key: value for key, value in os.environ.items() if not key.startswith("GODWIT_")}
    for words, more, code, sentence in rows(TABLES[name], places):
        done = subprocess.run(
            [binary_path(), *words], input="", text=True, capture_output=True, timeout=60,
            env={**env, "GODWIT_DATA": server.data, **more}, start_new_session=True)
        got = (done.returncode, done.stderr, done.stdout)
        if got != (code, f"godwit: {sentence}\n", ""):
            wrong.append(f"{words}: {got}")
        told = codes_for(words)
        if told is not None and code not in told:
            wrong.append(f"{words}: {code} is not in the help, which lists {told}")
    assert not wrong, "\n".join(wrong)
    assert before == (server.json("account", "list"), server.json("alias", "list"),
                      server.message_count())


@pytest.mark.parametrize("name", TABLES)
def test_wrong_command_lines(server, places, tmp_path, name):
    check_rows(server, places, name)
    assert sorted(os.listdir(tmp_path)) == ["empty", "file"] and not os.listdir(places["tmp"])


@pytest.mark.parametrize("name", ["names", "messages"])
def test_the_same_is_said_while_the_server_is_stopped(make_server, tmp_path, name):
    server = make_server(accounts=["first"], start=False)
    check_rows(server, places_in(server, tmp_path), name)


def test_a_system_user_that_does_not_exist(make_server):
    if os.getuid() != 0:
        pytest.skip("needs root")
    server = make_server(start=False)
    server.configure('user_store = "no-such-user";')
    for words in (("init", "--hostname", server.hostname), ("serve",)):
        done = server.command(*words, status=78)
        assert "there is no system user no-such-user; " in done.stderr, done
        assert 78 in codes_for(words)


def test_what_belongs_to_somebody_else(make_server, tmp_path):
    """An ordinary user is told that it is not his, and what to do."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    server = make_server(start=False)
    for words in (("status",), ("account", "list"), ("audit",), ("serve",),
                  ("backup", str(tmp_path / "b"))):
        done = subprocess.run(
            ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", binary_path(), *words,
             "--data", server.data], input="", text=True, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (
            77, f"godwit: {server.data} belongs to somebody else; run this as root or as its owner\n")


def test_no_command_lists_them():
    for words in ([], ["domain"], ["queue"]):
        done = subprocess.run([binary_path(), *words], text=True, capture_output=True, timeout=60)
        assert done.returncode == 64
        assert done.stderr.startswith("godwit: say which command; these are there:\nUsage: ")


def test_restore_says_what_is_wrong(server, tmp_path, mailbox):
    backup = str(tmp_path / "backup")
    server.command("backup", backup)
    for words, status, sentence in (
            ((), 73, f"{server.data} is not empty: name with --data a directory that is empty or "
             "not there; for one account into this one: --account ADDRESS"),
            (("--account", "bob"), 64, '"bob" is no address; write it like bob@example.org'),
            (("--account", f"nobody@{DOMAIN}"), 67,
             f"the backup has no account nobody@{DOMAIN}; an older backup may have it"),
            (("--message-id", " "), 64, "the option --message-id has an empty value; write: --message-id ID"),
            (("--message-id", "< >"), 66,
             "the backup has no such message; an older or newer backup may have it"),
            (("--message-id", "x"), 66,
             "the backup has no such message; an older or newer backup may have it"),
            (("--verify", "--account", mailbox), 64,
             "--verify compares the whole backup; leave --account and --message-id out")):
        done = server.command("restore", backup, *words, status=status)
        assert (done.stderr, done.stdout) == (f"godwit: {sentence}\n", "")


def test_exit_codes_are_in_the_help():
    for words, codes in ((["domain", "add"], (0, 64, 65, 66, 67, 68, 69, 71, 74, 75, 77, 78)),
                         (["init"], (0, 64, 71, 73, 74, 75, 77, 78)),
                         (["serve"], (0, 64, 66, 69, 70, 71, 74, 77, 78)),
                         (["check-config"], (0, 64, 66, 71, 74, 78)),
                         (["sendmail"], (0, 64, 65, 67, 68, 69, 71, 74, 75, 77)),
                         (["mail", "send"], (0, 64, 65, 66, 67, 68, 69, 71, 74, 75, 77, 78)),
                         (["status"], (0, 64, 65, 66, 69, 71, 74, 75, 77, 78))):
        assert exit_codes()[tuple(words)] == list(codes), words
    assert len(exit_codes()) > 40
    for words, codes in exit_codes().items():
        assert codes[:2] == [0, 64] and codes == sorted(set(codes)), (words, codes)


def test_an_offline_command_names_the_directory_in_use(make_server):
    """Also when it has become the directory's owner, for whom the directory is "."."""
    server = make_server(accounts=["alice"], start=False)
    holder = subprocess.Popen(["flock", os.path.join(server.data, "lock"), "cat"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdin.write(b"x\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"x\n"  # it has the lock
        said = server.command("status", status=69).stderr
        assert said.startswith(f"godwit: {server.data} is in use by process ")
        assert said.endswith(": stop that server first, or use commands that talk to it\n")
    finally:
        holder.stdin.close()
        holder.wait()


def test_a_lock_that_cannot_be_opened(make_server):
    """That the directory is there but the disk does not give it is another thing than that it is not there."""
    server = make_server(start=False)
    lock = os.path.join(server.data, "lock")
    os.rename(lock, f"{lock}.true")
    os.symlink("lock", lock)  # leads in a circle: like EIO, no matter of names or rights
    said = server.command("account", "list", status=74).stderr
    assert said.startswith(f"godwit: cannot open {server.data}/lock: Too many levels of symbolic links"), said
    os.rename(f"{lock}.true", lock)
    server.command("account", "list")


@pytest.mark.parametrize("rest", ["another\n", "\n", "x"])
def test_more_than_a_password_on_standard_input(server, mailbox, rest):
    """Only the text of "mail send" may stand behind it. The old password stays."""
    for words in (("account", "add", f"more@{DOMAIN}"), ("account", "passwd", mailbox),
                  ("mail", "list", "--user", mailbox), ("mail", "read", "1", "--user", mailbox)):
        done = server.command(*words, "--password-stdin", stdin=f"{PASSWORD}2\n{rest}", status=64)
        assert (done.stderr, done.stdout) == (
            "godwit: --password-stdin takes one line, and on standard input more stands behind it; give the "
            "password alone there\n", "")
    assert not [row for row in server.json("account", "list") if row["account"] == f"more@{DOMAIN}"]
    server.command("mail", "send", "--user", mailbox, "--from", mailbox, "--to", mailbox, "--password-stdin",
                   stdin=f"{PASSWORD}\n{rest}")
    for end in ("", "\n", "\r\n"):
        server.command("mail", "list", "--user", mailbox, "--password-stdin", stdin=PASSWORD + end)


def test_who_keeps_standard_input_open_is_not_waited_for(server, mailbox):
    process = subprocess.Popen([server.binary, "account", "passwd", mailbox, "--password-stdin", "--data", server.data],
                               stdin=subprocess.PIPE)
    process.stdin.write(f"{PASSWORD}\n".encode())
    process.stdin.flush()
    try:
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.stdin.close()


def test_a_password_typed_at_a_terminal_ends_with_its_line(server, mailbox):
    """Nobody must type the end of the input behind it."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{PASSWORD}\n".encode())
        done = subprocess.run([binary_path(), "mail", "list", "--user", mailbox, "--password-stdin", "--data",
                               server.data], stdin=theirs, text=True, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        os.close(ours)
        os.close(theirs)


def at_a_terminal(*words):
    """Exit status and what was said to somebody who types nothing."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.pop("GODWIT_PASSWORD", None)
        os.execv(binary_path(), [binary_path(), *words])
    said = b""
    while not re.search(rb"assword for \S+: ", said):
        try:
            piece = os.read(fd, 1000)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(fd)  # whoever still waits for a password has lost the terminal
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


NOT_ASKED = (
    ("add bob", 64, '"bob" is no address; write it like bob@example.org'),
    (f"add first@{DOMAIN}", 65, f"the account first@{DOMAIN} is there already; its password is "
     f"changed with: godwit account passwd first@{DOMAIN}"),
    ("add bob@unknown.test", 68,
     "there is no domain unknown.test; add it with: godwit domain add unknown.test"),
    (f"passwd nobody@{DOMAIN}", 67,
     f"there is no account nobody@{DOMAIN}; those there are: godwit account list"))


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_password_is_not_asked_for_in_vain(make_server, running):
    """With a terminal: the sentence comes at once, and no question."""
    server = make_server(accounts=["first"], start=running)
    before = server.json("ledger"), server.json("account", "list")
    for words, code, sentence in NOT_ASKED:
        assert at_a_terminal("account", *words.split(), "--data", server.data) == (
            code, f"godwit: {sentence}\r\n"), words
    for words in (f"add new@{DOMAIN}", f"passwd first@{DOMAIN}"):
        _, said = at_a_terminal("account", *words.split(), "--data", server.data)
        assert said.startswith(f"New password for {words.split()[1]}: "), said
    assert before == (server.json("ledger"), server.json("account", "list"))
