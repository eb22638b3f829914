"""Starting: what can be wrong with directory, ports and options, and who the processes are."""

import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess

import pytest
from conftest import DOMAIN, TestServer, new_folder
from server import HOST, binary_path, open_files, wait_for
from wire import Wire, count_of, deliver

ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def serve(server, *more, status):
    """serve must end by itself, with this status and a sentence; gives the sentence."""
    done = server.command("serve", *more, status=status)
    said = done.stderr + done.stdout
    assert said.strip(), "no word about what is wrong"
    assert "Sanitizer" not in said and "bug at" not in said
    return said


@pytest.mark.parametrize("name", ["smtp", "submission", "smtps", "pop3", "pop3s"])
def test_port_in_use(make_server, name):
    server = make_server(start=False)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, server.ports[name]))
        other.listen()
        said = serve(server, status=69)
    assert str(server.ports[name]) in said and "in use" in said


def test_second_server_on_the_same_directory(server, mailbox):
    said = serve(server, status=69)
    assert "in use" in said
    deliver(server, mailbox)
    assert count_of(server, mailbox) == 1


def test_the_process_that_is_named_ends_the_server(make_server):
    server = make_server()
    said = serve(server, status=69)
    pid = int(re.search(r"in use by process (\d+): stop that server first", said)[1])
    assert server.json("status")["pid"] == pid
    assert re.search(rf"(?m)^Pid +{pid}$", server.command("status").stdout)
    os.kill(pid, signal.SIGTERM)
    server.process.wait(20)
    assert server.stop() == 0
    assert "pid" not in server.json("status")


def test_no_data_directory(tmp_path):
    server = TestServer(str(tmp_path))
    said = serve(server, status=66)
    assert server.data in said and "godwit init" in said


def test_a_directory_that_is_no_data_directory(tmp_path):
    server = TestServer(str(tmp_path))
    os.mkdir(server.data)
    with open(os.path.join(server.data, "thesis.txt"), "w", encoding="utf-8") as file:
        file.write("mine")
    assert server.data in serve(server, status=78)
    said = server.command("init", "--hostname", "mail.example.test", status=None)
    assert said.returncode not in (0, 70) and server.data in said.stderr
    assert os.listdir(server.data) == ["thesis.txt"]


def test_a_file_in_place_of_the_directory(tmp_path):
    server = TestServer(str(tmp_path))
    with open(server.data, "w", encoding="utf-8") as file:
        file.write("mine")
    assert server.data in serve(server, status=66)


def test_init_again_is_harmless(make_server):
    server = make_server(accounts=["alice"])
    deliver(server, f"alice@{DOMAIN}")
    with open(server.config_path, encoding="utf-8") as file:
        before = file.read()
    same = ("init", "--hostname", server.hostname.upper(), "--listen", "127.0.0.1", "--port-offset", str(server.offset))
    for _ in ("running", "stopped"):
        for words in (same[:3], same):
            assert "nothing was changed" in server.command(*words).stdout
        if server.process:
            assert server.stop() == 0
    with open(server.config_path, encoding="utf-8") as file:
        assert file.read() == before
    server.start()
    server.mark()
    assert count_of(server, f"alice@{DOMAIN}") == 1


@pytest.mark.parametrize("words", [
    ("--hostname", "other.test"), ("--hostname", "mail.example.test", "--listen", "192.0.2.1"),
    ("--hostname", "mail.example.test", "--listen", "127.0.0.1", "--listen", "::1"),
    ("--hostname", "mail.example.test", "--port-offset", "1")], ids=lambda words: words[-2:][0][2:])
def test_init_again_as_something_else(make_server, words):
    """Whoever believes that he has changed something is told that he has not, and where he can."""
    server = make_server(start=False)
    with open(server.config_path, encoding="utf-8") as file:
        before = file.read()
    done = server.command("init", *words, status=73)
    assert f"{server.data} is the data directory of mail.example.test already" in done.stderr
    assert f"{words[-2]}, so nothing was changed" in done.stderr and f"edit {server.config_path}" in done.stderr
    with open(server.config_path, encoding="utf-8") as file:
        assert file.read() == before
    os.unlink(server.config_path)  # of an init that was interrupted: it is what this one makes
    server.command("init", "--hostname", "other.test")


def test_init_again_where_addresses_are_written_in_another_way(make_server):
    """Addresses are compared, not their order and form."""
    server = make_server(start=False)
    with open(server.config_path, encoding="utf-8") as file:
        before = file.read()
    old = 'listen = ["127.0.0.1"];'
    assert old in before
    with open(server.config_path, "w", encoding="utf-8") as file:
        file.write(before.replace(old, 'listen = ["127.0.0.1", "::1"];'))
    same = ("init", "--hostname", server.hostname, "--listen", "::1")
    assert "nothing was changed" in server.command(*same, "--listen", "::ffff:127.0.0.1").stdout
    assert "--listen, so nothing was changed" in server.command(*same, status=73).stderr
    assert "--listen, so nothing was changed" in server.command(*same, "--listen", "192.0.2.1", status=73).stderr


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("kind", ["made by init", "ED25519"])
def test_init_keeps_a_key_without_a_certificate(make_server, kind):
    """As it is while somebody signs the certificate: what init makes for the meantime fits the key."""
    server = make_server(start=False)
    os.unlink(server.certificate)
    if kind == "ED25519":
        os.unlink(server.key)
        openssl("genpkey", "-algorithm", kind, "-out", server.key)
        os.chmod(server.key, 0o600)
    with open(server.key, "rb") as file:
        before = file.read()
    server.command("init", "--hostname", server.hostname)
    with open(server.key, "rb") as file:
        assert file.read() == before
    assert openssl("x509", "-in", server.certificate, "-noout", "-pubkey") == openssl("pkey", "-in", server.key,
                                                                                   "-pubout")
    assert sorted(os.listdir(os.path.dirname(server.key))) == ["certificate.pem", "key.pem"]
    server.start()
    server.mark()


def test_init_leaves_a_key_that_it_cannot_read(make_server):
    server = make_server(start=False)
    os.unlink(server.certificate)
    with open(server.key, "w", encoding="utf-8") as file:
        file.write("half a key")
    done = server.command("init", "--hostname", server.hostname, status=73)
    assert f"{server.key} holds no key in PEM that can be read" in done.stderr
    with open(server.key, encoding="utf-8") as file:
        assert file.read() == "half a key"
    assert os.listdir(os.path.dirname(server.key)) == ["key.pem"]


def test_init_leaves_what_it_could_not_serve_with(make_server):
    """A key that a start would refuse, and a certificate that is to come."""
    server = make_server(start=False)
    os.unlink(server.certificate)
    openssl("genrsa", "-out", server.key, "1024")
    done = server.command("init", "--hostname", server.hostname, status=73)
    assert f"{server.key}: the certificate cannot be made: ee key too small; put another key there, or remove it and " \
        "one is made" in done.stderr
    os.unlink(server.key)
    os.symlink("../fullchain.pem", server.certificate)
    done = server.command("init", "--hostname", server.hostname, status=73)
    assert f"{server.certificate} is a link, and where it leads there is no file that can be read: No such file or " \
        "directory" in done.stderr and "put the certificate there, or remove the link" in done.stderr
    assert os.listdir(os.path.dirname(server.key)) == ["certificate.pem"]
    os.unlink(server.certificate)
    server.command("init", "--hostname", server.hostname)
    server.start()
    server.mark()


def test_init_with_an_address_twice(tmp_path):
    server = TestServer(str(tmp_path))
    words = ("init", "--hostname", "mail.example.test", "--listen", "127.0.0.1", "--listen")
    assert "listen has 127.0.0.1 twice" in server.command(*words, "::ffff:127.0.0.1", status=64).stderr
    assert "0.0.0.0, which is all addresses of IPv4" in server.command(*words, "0.0.0.0", status=64).stderr
    assert server.command(*words, "::").stdout.startswith("Made the data directory")


@pytest.mark.parametrize("options, says", [
    ('listen = ["0.0.0.0", "127.0.0.1"];', "listen has 0.0.0.0, which is all addresses of IPv4, and 127.0.0.1 beside "
     "it; leave one of them out"),
    ('message_size_limt = "50M";', "there is no option message_size_limt; did you mean message_size_limit?"),
    ('message_size_limit = "50X";', 'message_size_limit must be a size from 64K to 2047M in quotes, like "50M", '
     'and not "50X"; the default is "50M"'),
    ('message_size_limit = "9999999G";', 'message_size_limit must be a size from 64K to 2047M in quotes, like '
     '"50M", and not "9999999G"; the default is "50M"'),
    ('plaintext_auth = "maybe";', 'plaintext_auth must be one of "never", "loopback", "always", and not "maybe"; '
     'the default is "loopback"'),
    ("recipients_max = 0;", "recipients_max must be a number from 1 to 10000, and not 0; the default is 1000"),
    ('recipients_max = "many";', 'recipients_max must be a number from 1 to 10000, and not "many"; the default is '
     "1000"),
    ('trusted_networks = ["10.0.0.0/33"];', "trusted_networks must be a list in brackets of a network in quotes, "
     'like "10.0.0.0/8" or "2001:db8::/32", and not "10.0.0.0/33"; the default is []'),
    ("ports = { smtpp = 25; };", "there is no option ports.smtpp; did you mean smtp in the group ports = { ... }?"),
    ("ports = 25;", "ports is a group: ports = { ... };"),
    ("hostname = ;", 'syntax error; an option is written as name = value; with texts in "quotes"'),
    ("}", 'syntax error; an option is written as name = value; with texts in "quotes"'),
], ids=lambda v: v[:20])
def test_wrong_options(make_server, options, says):
    """Both commands say file and line, the name that was meant, and what is allowed."""
    server = make_server(start=False)
    server.configure(options)
    with open(server.config_path, encoding="utf-8") as file:
        line = len(file.read().rstrip("\n").split("\n"))
    want = f"{server.config_path}:{line}: {says}"
    assert server.command("check-config", status=78).stderr == f"godwit: {want}\n"
    assert serve(server, status=78).replace('\\"', '"').endswith(f' text="{want}"\n')


def test_check_config(make_server):
    server = make_server('message_size_limit = "7M";', start=False)
    assert "message_size_limit" in server.command("check-config").stdout


def checked(server, *more, status=0):
    done = server.command("check-config", "--json", *more, status=status)
    assert done.stdout.endswith("}\n") and not done.stdout.endswith("\n\n")
    return json.loads(done.stdout), done.stderr


def test_check_config_for_programs(make_server):
    """What differs, or all there are; values can be written back as they are."""
    server = make_server('message_size_limit = "7M";\nlimits = { auth_failures = 3; };', start=False)
    said, errors = checked(server)
    assert said["good"] is True and "error" not in said and errors == ""
    size = next(option for option in said["options"] if option["name"] == "message_size_limit")
    assert size.pop("sentence").startswith("The largest message")
    assert size == {"name": "message_size_limit", "value": '"7M"', "default": '"50M"',
                    "allowed": 'a size from 64K to 2047M in quotes, like "50M"'}
    differ = {option["name"]: option["value"] for option in said["options"]}
    assert differ["limits.auth_failures"] == "3" and "pop3_marks_seen" not in differ
    everything = {option["name"]: option for option in checked(server, "--all")[0]["options"]}
    assert everything["limits.ban_time"]["value"] == everything["limits.ban_time"]["default"] == '"15m"'
    assert "default" not in everything["hostname"]
    manual = server.command("check-config", "--all").stdout.split("The configuration is good")[0]
    assert [line for line in manual.split("\n") if line and line[0] != "\t"] == list(everything)
    assert {name: everything[name]["value"] for name in differ} == differ
    assert {name for name, one in everything.items() if one["value"] != one.get("default")} == set(differ)


def test_check_config_tells_programs_what_is_wrong(make_server):
    server = make_server("", start=False)
    os.chmod(server.key, 0o644)
    said, errors = checked(server, status=78)
    assert said == {"good": False, "error": errors.removeprefix("godwit: ").rstrip("\n")}
    assert "chmod 600" in errors
    server.configure("recipients_max = 0;")
    said, errors = checked(server, status=78)
    assert errors == f"godwit: {said['error']}\n" and "must be a number" in said["error"]
    assert f":{said['line']}: recipients_max" in said["error"] and "options" not in said
    said, _ = checked(server, "--all", status=78)
    most = next(option for option in said["options"] if option["name"] == "recipients_max")
    assert not said["good"] and "value" not in most and most["default"] == "1000"
    shutil.rmtree(server.data)
    said, errors = checked(server, status=66)
    assert said == {"good": False, "error": errors.removeprefix("godwit: ").rstrip("\n")}


def test_missing_configuration(make_server):
    server = make_server(start=False)
    os.remove(server.config_path)
    assert "godwit.conf" in serve(server, status=78)


@pytest.mark.parametrize("name", ["certificate", "key"])
def test_missing_certificate_or_key(make_server, name):
    server = make_server(start=False)
    path = getattr(server, name)
    os.remove(path)
    what = {"certificate": "the certificate", "key": "the certificate's key"}[name]
    says = f"{path} does not exist; put {what} there, or name its file with tls_{name} in godwit.conf"
    assert says in serve(server, status=78)
    assert server.command("check-config", status=78).stderr == f"godwit: {says}\n"


def test_key_that_others_can_read(make_server):
    server = make_server(start=False)
    os.chmod(server.key, 0o644)
    assert "key" in serve(server, status=78)


def refused(server, says):
    """check-config says what serve says."""
    assert server.command("check-config", status=78).stderr == f"godwit: {says}\n"
    assert f'text="{says}"' in serve(server, status=78).replace('\\"', '"')


@pytest.mark.parametrize("content", ["", "nonsense\n"])
@pytest.mark.parametrize("name, what, cure", [
    ("certificate", "certificate in PEM that can be read (no start line)", "the server's own there, then its chain"),
    ("key", "key in PEM that can be read (unsupported)", "the certificate's key there, and not encrypted")])
def test_a_certificate_or_key_that_is_none(make_server, name, what, cure, content):
    server = make_server(start=False)
    path = getattr(server, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    refused(server, f"{path} (tls_{name}) holds no {what}: put {cure}")


def test_a_certificate_that_is_another_file(make_server):
    server = make_server('tls_certificate = "/etc/passwd";', start=False)
    refused(server, "/etc/passwd (tls_certificate) holds no certificate in PEM that can be read (no start line): put "
            "the server's own there, then its chain")


def test_key_of_another_certificate(make_server):
    server, other = make_server(start=False), make_server(start=False)
    shutil.copyfile(other.key, server.key)
    refused(server, f"{server.key} (tls_key) is not the key of the certificate in {server.certificate} "
            "(tls_certificate) (key values mismatch): put the two there that belong together")


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0" + b"x" * 5000, b"nonsense" * 1000])
def test_damaged_database(make_server, damage):
    server = make_server(accounts=["alice"], start=False)
    path = os.path.join(server.data, "store.db")
    stat = os.stat(path)
    for name in (path, path + "-wal", path + "-shm"):
        if os.path.exists(name):
            os.remove(name)
    with open(path, "wb") as file:
        file.write(damage)
    os.chown(path, stat.st_uid, stat.st_gid)
    done = server.command("serve", status=None)
    assert done.returncode not in (0, -6, -11), done.stderr
    assert "store.db" in done.stderr
    if damage:
        assert "is damaged" in done.stderr and "godwit store salvage" in done.stderr


def ids(pid):
    """(real uids and gids, groups) of a process."""
    found = {}
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, rest = line.partition(":")
            found[name] = rest.split()
    return set(found["Uid"]), set(found["Gid"]), found["Groups"], found["NoNewPrivs"]


def capabilities(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return {line.split()[1] for line in file if line.startswith(("CapInh", "CapPrm", "CapEff", "CapAmb"))}


@pytest.mark.parametrize("role", ["store", "user", "nonsense"])
def test_a_role_by_hand(server, role):
    done = server.command("process", role, data=False, status=64)
    assert "godwit serve" in done.stderr and done.stderr.count("\n") == 1


@ROOT_ONLY
@pytest.mark.parametrize("options, says", [
    ('user_store = "no-such-user";', "user_store: there is no system user no-such-user; create it with: useradd "
     "--system --shell /usr/sbin/nologin no-such-user"),
    ('user_net = "no-such-user";', "user_net: there is no system user no-such-user; create it with: useradd "
     "--system --shell /usr/sbin/nologin no-such-user"),
    ('user_net = "root";', "user_net names root, who may do everything; name a user of the server's own"),
    ('user_store = "root";', "user_store names root, who may do everything; name a user of the server's own"),
    ('user_net = "godwit";', "user_store and user_net are both godwit; name two users, so that the processes that "
     "talk to the network cannot read the mail"),
], ids=lambda v: v[:22])
def test_system_users(make_server, options, says):
    server = make_server(start=False)
    server.configure(options)
    refused(server, f"{server.config_path}: {says}")


@ROOT_ONLY
def test_a_data_directory_of_another_user(make_server):
    """The cure leaves the administrator's files to him."""
    server = make_server(start=False)
    server.configure('user_store = "nobody";')
    cure = f"chown -R nobody {server.data} && chown -R root {server.config_path} {server.data}/tls"
    refused(server, f"{server.data} does not belong to the user nobody; cure: {cure}")
    subprocess.run(["sh", "-c", cure], check=True)
    server.start()
    server.mark()


@ROOT_ONLY
def test_privileges_are_dropped(server):
    for role, user in (("store", "godwit"), ("mx", "godwit-net"), ("user", "godwit-net")):
        entry = pwd.getpwnam(user)
        assert server.pids(role)
        for pid in server.pids(role):
            uids, gids, groups, no_new = ids(pid)
            assert uids == {str(entry.pw_uid)} and gids == {str(entry.pw_gid)}
            assert groups in ([], [str(entry.pw_gid)]) and no_new == ["1"]
            assert capabilities(pid) == {"0" * 16}


@ROOT_ONLY
def test_what_binds_the_ports_stays_with_the_supervisor(make_server):
    """Started by an ordinary user who may bind privileged ports, and by no means root."""
    user = pwd.getpwnam("nobody")
    server = make_server(accounts=[], start=False)
    for folder, names, files in os.walk(server.data):
        for name in ("", *files):
            os.chown(os.path.join(folder, name), user.pw_uid, user.pw_gid)
    words = server.serve_words()
    binary = shutil.copy(words[0], server.folder)
    for path, mode in ((binary, 0o755), (server.folder, 0o711)):
        os.chmod(path, mode)
    server.serve_words = lambda: [
        "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
        "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service", binary, *words[1:]]
    server.start()
    server.mark()
    assert len(capabilities(server.process.pid)) == 1 and capabilities(server.process.pid) != {"0" * 16}
    pids = [pid for pid in server.processes() if pid != server.process.pid]
    assert len(pids) == 5
    for pid in pids:  # the last ones may be about to begin
        wait_for("a child without capabilities", lambda pid=pid: capabilities(pid) == {"0" * 16})


@ROOT_ONLY
@pytest.mark.parametrize("what", ["configuration", "key"])
def test_the_unprivileged_user_does_not_lead_root(make_server, what):
    """The data directory is his: he could put a file of his own there."""
    server = make_server(accounts=[], start=False)
    path = server.config_path if what == "configuration" else server.key
    os.chown(path, pwd.getpwnam("godwit").pw_uid, -1)
    done = server.command("serve", status=78)
    assert f"{path} belongs to another user" in done.stderr and f"run chown 0 {path}" in done.stderr
    assert f"{path} belongs to another user" in server.command("check-config", status=78).stderr
    server.command("account", "list")  # as him, not as root


def test_children_hold_only_their_descriptors(server):
    """No front has the data directory, the database or the key open."""
    for role in ("mx", "user"):
        for pid in server.pids(role):
            for target in open_files(pid).values():
                assert not target.startswith(server.data), (role, target)


def test_modes_of_the_data_directory(server):
    # others may pass through to the sendmail socket, and see nothing
    assert os.stat(server.data).st_mode & 0o777 == 0o711
    for name in os.listdir(server.data):
        try:
            mode = os.stat(os.path.join(server.data, name)).st_mode & 0o777
        except FileNotFoundError:
            continue  # removed since the folder was read
        assert mode & 0o077 == 0 or name in ("godwit.conf", "run", "tls"), (name, oct(mode))
    assert os.stat(os.path.join(server.data, "tls")).st_mode & 0o777 == 0o711
    assert os.stat(server.key).st_mode & 0o077 == 0


def modes(folder):
    return {os.path.relpath(os.path.join(where, name), folder): os.lstat(os.path.join(where, name)).st_mode & 0o777
            for where, folders, files in os.walk(folder) for name in (".", *folders, *files)}


MODES = {".": 0o711, "run": 0o755, "tls": 0o711, "packs": 0o700, "godwit.conf": 0o644, "lock": 0o600,
         "store.db": 0o600, os.path.join("tls", "key.pem"): 0o600, os.path.join("tls", "certificate.pem"): 0o644}


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0], ids=oct)
def test_modes_do_not_come_from_the_umask(tmp_path, mask):
    """Of init and of restore: whoever made the directory, ordinary users get to the socket and the certificate."""
    data, again, before = tmp_path / "data", tmp_path / "again", os.umask(mask)
    try:
        for words in (["init", "--hostname", "a.test", "--data", data], ["backup", tmp_path / "backup", "--data", data],
                      ["restore", tmp_path / "backup", "--data", again]):
            subprocess.run([binary_path(), *words], check=True, stdout=subprocess.DEVNULL, timeout=60)
    finally:
        os.umask(before)
    for folder in (data, again):
        assert {name: modes(folder).get(name) for name in MODES} == MODES


def test_a_directory_without_run(make_server):
    """Whoever finds it missing makes it as it was, and init says so."""
    server = make_server(start=False)
    run = os.path.join(server.data, "run")
    owner = os.stat(server.data)
    for find in ("init", "serve"):
        os.rmdir(run)
        before = os.umask(0o077)
        try:
            if find == "init":
                done = server.command("init", "--hostname", server.hostname)
                assert "run was missing and was made, nothing else was changed" in done.stdout
            else:
                server.start()
        finally:
            os.umask(before)
        made = os.stat(run)
        assert (made.st_mode & 0o777, made.st_uid, made.st_gid) == (0o755, owner.st_uid, owner.st_gid)
    server.mark()
    server.command("status")


def owners(server):
    return {os.path.relpath(os.path.join(where, name), server.data): os.lstat(os.path.join(where, name)).st_uid
            for where, folders, files in os.walk(server.data) for name in (".", *folders, *files)}


def test_what_init_makes_again_is_its_owners(make_server):
    """And it is said, all of it; the server starts."""
    server = make_server(start=False)
    before = owners(server)
    for gone, said in ((["packs"], "packs was missing and was made"),
                       (["packs", "reserve", "run", "tls/certificate.pem"],
                        "packs, run, reserve, tls/certificate.pem were missing and were made")):
        for name in gone:
            path = os.path.join(server.data, name)
            (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)
        assert f"; {said}, nothing else was changed" in server.command("init", "--hostname", server.hostname).stdout
        after = owners(server)
        assert {name: owner for name, owner in after.items() if not name.startswith("packs/")} == {
            name: owner for name, owner in before.items() if not name.startswith("packs/")}
        assert {owner for name, owner in after.items() if name.startswith("packs")} == {before["packs"]}
    server.start()
    server.mark()


def test_init_makes_no_empty_packs_for_lost_ones(make_server):
    server = make_server(accounts=["alice"])
    deliver(server, f"alice@{DOMAIN}")
    assert server.stop() == 0
    kept = os.path.join(os.path.dirname(server.data), "kept")
    os.rename(os.path.join(server.data, "packs"), kept)
    for command, status in ((("init", "--hostname", server.hostname), 73), (("status",), 74), (("serve",), 69)):
        done = server.command(*command, status=status)
        assert "the folder packs is missing, and the database store.db knows of mail in it: put it back" in done.stderr
    assert not os.path.exists(os.path.join(server.data, "packs"))
    os.rename(kept, os.path.join(server.data, "packs"))
    assert "nothing was changed" in server.command("init", "--hostname", server.hostname).stdout
    server.start()
    server.mark()
    assert count_of(server, f"alice@{DOMAIN}") == 1


@pytest.mark.parametrize("killed", [True, False])
def test_init_makes_no_database_in_the_place_of_one_that_was_lost(make_server, killed):
    """SQLite would remove the log of the old one, with all that was accepted since the last checkpoint."""
    server = make_server(accounts=["alice"])
    deliver(server, f"alice@{DOMAIN}")
    if killed:
        server.kill_all()
    else:
        assert server.stop() == 0
    path, kept = os.path.join(server.data, "store.db"), os.path.join(os.path.dirname(server.data), "kept")
    os.rename(path, kept)
    if killed:  # no less is lost when all else is away
        os.rename(os.path.join(server.data, "packs"), f"{kept}-packs")
    before = {name: os.stat(os.path.join(server.data, name)).st_size for name in os.listdir(server.data)}
    assert ("store.db-wal" in before) == killed
    done = server.command("init", "--hostname", server.hostname, status=73)
    assert "the database store.db is missing or empty; put it back where it was, or " in done.stderr
    assert {name: os.stat(os.path.join(server.data, name)).st_size for name in os.listdir(server.data)} == before
    os.rename(kept, path)
    if killed:
        os.rename(f"{kept}-packs", os.path.join(server.data, "packs"))
    server.start()
    server.mark()
    assert count_of(server, f"alice@{DOMAIN}") == 1


@pytest.mark.parametrize("to", ["../kept", "not-mounted"])
def test_a_database_that_is_a_link(make_server, to):
    """Whatever it leads to, each command says that it is one, and what to do."""
    server = make_server(accounts=["alice"], start=False)
    path, kept = os.path.join(server.data, "store.db"), os.path.join(os.path.dirname(server.data), "kept")
    os.rename(path, kept)
    os.symlink(to, path)
    before = sorted(os.listdir(server.data))
    for command, status in ((("serve",), 69), (("init", "--hostname", server.hostname), 73), (("status",), 74),
                            (("store", "verify"), 74), (("account", "list"), 74)):
        said = server.command(*command, status=None)
        assert said.returncode == status, (command, said)
        assert "store.db is a link, and links are not followed: move the file that it leads to here (mv)" in said.stderr
        assert "database file" not in said.stderr and "missing" not in said.stderr
    assert os.path.islink(path) and sorted(os.listdir(server.data)) == before
    os.rename(kept, path)
    assert server.json("account", "list")


def test_a_lost_lock(make_server):
    """A server that had it may still run, so that nobody makes it anew unasked."""
    server = make_server(accounts=["alice"])
    deliver(server, f"alice@{DOMAIN}")
    assert server.stop() == 0
    lock = os.path.join(server.data, "lock")
    os.unlink(lock)
    cure = (f"{server.data} has lost the file that keeps a second server off it: stop a server that may still run on "
            f"it, then make the file with: ")
    for command, status in ((("init", "--hostname", server.hostname), 73), (("status",), 65), (("serve",), 78)):
        said = server.command(*command, status=status).stderr
        assert cure in said
        assert not os.path.exists(lock)
    command = shlex.split(said.split(cure)[1].strip().removesuffix('"'))
    assert command[0] == "install" and command[-1] == lock
    subprocess.run(command, check=True, timeout=60)
    if os.getuid() == 0:
        os.chown(lock, 0, 0)
        owner = os.stat(server.data)
        assert "the file lock is not of the owner of the data directory: run chown " \
            f"{owner.st_uid}:{owner.st_gid} lock there" in server.command("serve", status=None).stderr
        os.chown(lock, owner.st_uid, owner.st_gid)
    server.start()
    server.mark()
    assert count_of(server, f"alice@{DOMAIN}") == 1


def test_init_that_was_broken_off(tmp_path):
    """With nothing but the lock made, it is ours and goes on."""
    server = TestServer(str(tmp_path))
    server.command("init", "--hostname", "mail.example.test")
    for name in os.listdir(server.data):
        path = os.path.join(server.data, name)
        if name != "lock":
            (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)
    server.command("init", "--hostname", "mail.example.test")
    assert {"lock", "packs", "run", "store.db", "godwit.conf"} <= set(os.listdir(server.data))


@ROOT_ONLY
def test_init_by_root_in_the_directory_of_an_ordinary_user():
    """It stays his, and so does what is made in it."""
    folder, nobody = new_folder(), pwd.getpwnam("nobody")
    try:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        shutil.copy(binary_path(), os.path.join(folder, "godwit"))
        server = TestServer(folder)
        same = ("init", "--hostname", "mail.example.test", "--data", server.data)
        subprocess.run([*WITHOUT_RIGHTS, os.path.join(folder, "godwit"), *same], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        assert "nothing was changed" in server.command(*same[:3]).stdout
        before = owners(server)
        assert set(before.values()) == {nobody.pw_uid}
        shutil.rmtree(os.path.join(server.data, "run"))
        shutil.rmtree(os.path.join(server.data, "tls"))
        os.unlink(os.path.join(server.data, "godwit.conf"))
        server.command(*same[:3])
        assert owners(server) == before
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tree(folder):
    return {path: (path.stat().st_uid, path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in [folder, *folder.rglob("*")]}


@pytest.mark.parametrize("name", ["lock", "packs"])
def test_init_in_a_directory_with_a_name_of_ours(tmp_path, name):
    """Other programs have locks too, and root may be led to theirs."""
    server = TestServer(str(tmp_path))
    os.makedirs(os.path.join(server.data, "info"))
    for file in (name, "status", "info/x.postinst"):
        pathlib.Path(server.data, file).write_bytes(b"x")
    before = tree(pathlib.Path(server.data))
    done = server.command("init", "--hostname", "mail.example.test", status=73)
    assert f"{server.data} holds other files and is no data directory: name a directory that is empty" in done.stderr
    assert tree(pathlib.Path(server.data)) == before


def test_init_on_a_file_system_of_its_own(tmp_path):
    server = TestServer(str(tmp_path))
    os.makedirs(os.path.join(server.data, "lost+found"))
    assert server.command("init", "--hostname", "mail.example.test").stdout.startswith("Made the data directory")


@ROOT_ONLY
def test_init_by_root_follows_no_links_of_others(make_server, tmp_path):
    """Neither to the data directory nor in it."""
    nobody = pwd.getpwnam("nobody")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "data").mkdir()
    (tmp_path / "link").symlink_to("real")
    os.lchown(tmp_path / "link", nobody.pw_uid, nobody.pw_gid)
    server = TestServer(str(tmp_path))
    same = ("init", "--hostname", "mail.example.test", "--data")
    for name, to in ("roots", f"{tmp_path}/link/"), ("beside", "link"), ("here", "./link"), ("up", "real/../link"), (
            "disk", "real"), ("real/disk", "../real"), ("real/back", "../link"):
        (tmp_path / name).symlink_to(to)
    (tmp_path / "real" / "data" / "link").symlink_to("..")
    os.lchown(tmp_path / "real" / "data" / "link", nobody.pw_uid, nobody.pw_gid)
    done = server.command(*same, f"{tmp_path}/disk/disk/data/link/new", data=False, status=73)
    assert f"{tmp_path}/real/../real/data/link is a link of the user with the id {nobody.pw_uid}" in done.stderr
    os.unlink(tmp_path / "real" / "data" / "link")
    for name in "link", "link/data", "link/new", "roots/new", "beside/new", "here/new", "up/new", "disk/back/new":
        done = server.command(*same, str(tmp_path / name), data=False, status=73)
        assert f"/link is a link of the user with the id {nobody.pw_uid}, who may let it lead anywhere: name " \
            "the data directory without it" in done.stderr
    (tmp_path / "real" / "disk").unlink()
    (tmp_path / "real" / "back").unlink()
    assert os.listdir(tmp_path / "real") == ["data"] and not os.listdir(tmp_path / "real" / "data")
    server = make_server(start=False)
    tls = os.path.dirname(server.key)
    shutil.rmtree(tls)
    os.symlink(tmp_path / "real", tls)
    owner = os.stat(server.data)
    os.lchown(tls, owner.st_uid, owner.st_gid)
    done = server.command("init", "--hostname", server.hostname, status=73)
    assert f"{tls} is a link of the user" in done.stderr and "name the certificate without it" in done.stderr
    assert os.listdir(tmp_path / "real") == ["data"]


@ROOT_ONLY
def test_init_by_root_of_a_directory_by_the_name_of_a_link(make_server, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    server = TestServer(str(tmp_path))
    server.data = str(tmp_path / "link")
    server.command("init", "--hostname", "mail.example.test")
    server.data = str(tmp_path / "real")
    made = owners(server)
    assert {made["."], made["store.db"], made["packs"]} == {pwd.getpwnam("godwit").pw_uid}
    assert {made["godwit.conf"], made["tls"]} == {0}


@ROOT_ONLY
def test_init_by_root_of_files_that_have_other_names(make_server, tmp_path):
    """A copy made of links, as programs for backups make them, would change its owner too."""
    server = make_server(start=False)
    subprocess.run(["chown", "-R", "0:0", server.data], check=True)
    path = os.path.join(server.data, "store.db")
    os.link(path, os.path.join(server.folder, "snapshot"))
    os.link(server.config_path, f"{server.config_path}.Ab12Cd")  # left by an init that was broken off
    done = server.command("init", "--hostname", server.hostname, status=77)
    assert f"{path} has another name elsewhere, whose owner would change too: put a copy in its place" in done.stderr
    os.unlink(os.path.join(server.folder, "snapshot"))
    server.command("init", "--hostname", server.hostname)
    server.start()
    server.mark()


@ROOT_ONLY
def test_init_by_root_makes_nothing_where_another_says(make_server):
    """The directory is the store's user's, who could put a configuration of his own there."""
    server = make_server(start=False)
    os.mkdir(os.path.join(server.folder, "elsewhere"))
    os.unlink(server.config_path)
    with open(server.config_path, "w", encoding="utf-8") as file:
        file.write(f'hostname = "{server.hostname}"; tls_certificate = "../elsewhere/c"; tls_key = "../elsewhere/k";\n')
    os.chown(server.config_path, pwd.getpwnam("godwit").pw_uid, -1)
    done = server.command("init", "--hostname", server.hostname, status=78)
    assert f"run chown 0 {server.config_path}" in done.stderr
    assert not os.listdir(os.path.join(server.folder, "elsewhere"))


@ROOT_ONLY
@pytest.mark.parametrize("user", ["nobody", "godwit"])
def test_a_directory_that_was_empty_and_somebodys(tmp_path, user):
    """Whoever root makes a store for, by init or by restore, can use it."""
    uid, first = pwd.getpwnam(user).pw_uid, TestServer(new_folder())
    first.command("init", "--hostname", "mail.example.test")
    first.command("backup", str(tmp_path / "backup"))
    for words in (("init", "--hostname", "mail.example.test"), ("restore", str(tmp_path / "backup"))):
        shutil.rmtree(first.data)
        os.mkdir(first.data)
        os.chown(first.data, uid, -1)
        first.command(*words)
        roots = {name for name, owner in owners(first).items() if owner == 0}
        admins = {name for name in owners(first) if name.startswith(("godwit.conf", "tls"))}
        assert roots == (admins if user == "godwit" else set())
        assert set(owners(first).values()) <= {0, uid}
    shutil.rmtree(os.path.dirname(first.data))


# Somebody without rights: nobody, where root runs the tests, else whoever runs them.
WITHOUT_RIGHTS = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []


def test_unreadable_data_directory(make_server):
    server = make_server(start=False)
    if not WITHOUT_RIGHTS:
        os.chmod(server.data, 0)
    for command in ("serve", "status", "check-config"):
        done = subprocess.run([*WITHOUT_RIGHTS, binary_path(), command, "--data", server.data], text=True,
                              capture_output=True, timeout=60)
        assert done.returncode in (66, 77, 78), done
        assert server.data in done.stderr
    os.chmod(server.data, 0o711)


def test_as_an_ordinary_user():
    """Everything works without root too: all processes then belong to that user."""
    folder = new_folder()
    entry = pwd.getpwnam("nobody") if WITHOUT_RIGHTS else pwd.getpwuid(os.getuid())
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    binary = os.path.join(folder, "godwit")
    shutil.copy(binary_path(), binary)
    os.chmod(binary, 0o755)
    wrapper = os.path.join(folder, "as-nobody")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nexec {' '.join(WITHOUT_RIGHTS)} {binary} \"$@\"\n")
    os.chmod(wrapper, 0o755)
    server = TestServer(folder)
    server.binary = wrapper
    try:
        server.create([DOMAIN], {f"alice@{DOMAIN}": "correct horse battery staple"})
        server.start()
        server.mark()
        deliver(server, f"alice@{DOMAIN}")
        assert count_of_as(server) == 1
        for pid in server.processes():
            assert ids(pid)[0] == {str(entry.pw_uid)}
        assert not server.trouble()
        assert server.stop() == 0
    finally:
        if server.process:
            server.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


def count_of_as(server):
    with Wire(server, "pop3") as wire:
        wire.pop3_login(f"alice@{DOMAIN}")
        return int(wire.say("STAT").split()[1])


def test_listening_on_several_addresses(make_server):
    server = make_server('listen = ["127.0.0.1", "::1"];')
    wait_for("::1", lambda: server.greets("smtp"))
    with socket.create_connection(("::1", server.ports["smtp"]), timeout=60) as client:
        assert client.recv(100).startswith(b"220")
