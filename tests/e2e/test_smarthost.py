"""A provider's server that takes all mail: a route with verified TLS and a login. The provider is another
Godwit; it keeps what it gets in its queue, for its own route leads nowhere."""

import os
import socket

import pytest
from conftest import DOMAIN, PASSWORD, new_folder
from server import wait_for
from wire import letter, submit

ANN, CUSTOMER = f"ann@{DOMAIN}", f"customer@{DOMAIN}"
BOB = "bob@elsewhere.test"
SECRET = "smarthost.password"


@pytest.fixture
def provider(make_server):
    return make_server('routes = ( { domain = "*"; host = "127.0.0.1"; port = 1; } );', accounts=("customer",))


def customer_of(make_server, provider, more, secret=PASSWORD, host="localhost"):
    """A server that gives all its mail to the provider."""
    server = make_server(
        f'routes = ( {{ domain = "*"; host = "{host}"; port = {provider.ports["submission"]}; {more} }} );',
        accounts=("ann",), start=False, folder=new_folder())
    path = os.path.join(server.data, SECRET)
    with open(path, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
    os.chmod(path, 0o600)
    os.chown(path, os.stat(os.path.join(server.data, "store.db")).st_uid, -1)
    server.start()
    server.mark()
    return server


LOGIN = f'tls = "verify"; user = "{CUSTOMER}"; password_file = "{SECRET}";'


def waiting(server):
    """What is known of ann's letter after an attempt that did not go."""
    return wait_for("an attempt", lambda: next(
        (row for row in server.json("queue", "list") if row["last_reply"]), None))


def test_login_over_verified_tls(make_server, provider, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", provider.certificate)
    server = customer_of(make_server, provider, LOGIN)
    submit(server, ANN, [BOB], letter())
    wait_for("an empty queue", lambda: server.json("queue", "list") == [])
    assert [row["recipient"] for row in provider.json("queue", "list")] == [BOB]
    trace = server.command("trace", BOB).stdout
    assert "certificate verified" in trace and "C: (secret)" in trace, trace
    assert PASSWORD not in trace and PASSWORD not in server.log()
    assert f"user={CUSTOMER}" in provider.new_log()
    server.command("audit")


def test_wrong_password_waits(make_server, provider, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", provider.certificate)
    server = customer_of(make_server, provider, LOGIN, secret="guess")
    submit(server, ANN, [BOB], letter())
    assert "535" in waiting(server)["last_reply"]
    explanation = server.json("queue", "explain")[0]["explanation"]
    assert "through which mail for " in explanation and " is sent takes no mail at present" in explanation and "535" in explanation
    assert provider.json("queue", "list") == []


def test_wrong_password_for_many_domains(make_server, provider, monkeypatch):
    """One login is refused, not one for each; put right, it is one retry for all."""
    monkeypatch.setenv("SSL_CERT_FILE", provider.certificate)
    server = customer_of(make_server, provider, LOGIN, secret="guess")
    recipients = [f"bob@{n}.elsewhere.test" for n in range(20)]
    submit(server, ANN, recipients[:1], letter())
    waiting(server)
    submit(server, ANN, recipients[1:], letter())
    wait_for("all to know", lambda: [row["state"] for row in server.json("queue", "list")] == ["unreachable"] * 20)
    assert provider.new_log().count("event=login-failed ") == 1, provider.new_log()
    assert {row["waits_for"] for row in server.json("queue", "summary")} <= {
        "", f"localhost:{provider.ports['submission']}"}
    with open(os.path.join(server.data, SECRET), "w", encoding="utf-8") as file:
        file.write(PASSWORD + "\n")
    server.reload()
    server.command("queue", "retry", recipients[3])
    wait_for("an empty queue", lambda: server.json("queue", "list") == [])
    assert sorted(row["recipient"] for row in provider.json("queue", "list")) == sorted(recipients)


def test_certificate_of_nobody_gets_nothing(make_server, provider):
    server = customer_of(make_server, provider, LOGIN)
    submit(server, ANN, [BOB], letter())
    assert "TLS failed" in waiting(server)["last_reply"]
    assert f"user={CUSTOMER}" not in provider.new_log() and "event=login" not in provider.new_log()


def test_certificate_of_another_name_gets_nothing(make_server, provider, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", provider.certificate)
    server = customer_of(make_server, provider, LOGIN, host="127.0.0.1")
    submit(server, ANN, [BOB], letter())
    assert "TLS failed" in waiting(server)["last_reply"]
    assert "event=login" not in provider.new_log()


def test_missing_password_says_so(make_server, provider, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", provider.certificate)
    server = customer_of(make_server, provider, LOGIN)
    os.unlink(os.path.join(server.data, SECRET))
    submit(server, ANN, [BOB], letter())
    waiting(server)
    assert "event=route-password-unreadable" in server.new_log()
    assert "put the password into that file" in server.new_log()


def spoil_mode(path):
    os.chmod(path, 0o644)


def spoil_kind(path):
    os.unlink(path)
    os.mkfifo(path)


def spoil_content(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("spoil, says", [(spoil_mode, "chmod 600"), (spoil_kind, "no regular file"),
                                         (spoil_content, "is empty")], ids=["mode", "fifo", "empty"])
def test_password_file_that_is_not_as_it_must_be(make_server, provider, monkeypatch, spoil, says):
    """Nobody is given that password, and the store goes on."""
    monkeypatch.setenv("SSL_CERT_FILE", provider.certificate)
    server = customer_of(make_server, provider, LOGIN)
    path = os.path.join(server.data, SECRET)
    owner = os.stat(path).st_uid
    spoil(path)
    os.chown(path, owner, -1)
    submit(server, ANN, [BOB], letter())
    waiting(server)
    assert says in next(line for line in server.new_log().splitlines() if "route-password-unreadable" in line)
    assert "event=login " not in provider.new_log() and provider.json("queue", "list") == []


def test_required_tls_that_is_not_offered(make_server, monkeypatch):
    """A server that lost its certificate, or somebody between: nothing goes in the clear."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = make_server(
            f'routes = ( {{ domain = "*"; host = "127.0.0.1"; port = {listener.getsockname()[1]}; '
            'tls = "require"; } );', accounts=("ann",))
        submit(server, ANN, [BOB], letter())
        client, _ = listener.accept()
        with client, client.makefile("rb") as lines:
            client.sendall(b"220 plain.test ESMTP\r\n")
            assert lines.readline().startswith(b"EHLO")
            client.sendall(b"250-plain.test\r\n250 8BITMIME\r\n")
            assert lines.readline() in (b"QUIT\r\n", b"")
    assert "TLS not offered" in waiting(server)["last_reply"]


@pytest.mark.parametrize("route, says", [
    ('tls = "perhaps";', '"verify"'),
    (f'user = "{CUSTOMER}";', "both user and password_file"),
    (f'password_file = "{SECRET}";', "both user and password_file"),
    (f'user = "{CUSTOMER}"; password_file = "{SECRET}";', 'tls = "verify"'),
    (f'tls = "require"; user = "{CUSTOMER}"; password_file = "{SECRET}";', 'tls = "verify"'),
    ('word = "x";', 'there is no "word" in a group'),
], ids=range(6))
def test_wrong_routes(make_server, route, says):
    """A login is only for a server whose name was checked."""
    server = make_server(start=False)
    server.configure(f'routes = ( {{ domain = "*"; host = "localhost"; port = 587; {route} }} );')
    done = server.command("check-config", status=78)
    assert "routes: " in done.stderr and says in done.stderr, done.stderr
