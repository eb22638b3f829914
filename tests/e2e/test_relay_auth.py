"""The relay and a server that wants a login, for which the administrator has a password: whatever it answers
to AUTH, nothing is sent without, and the message waits."""

import base64
import os
import re
import ssl
import subprocess

import pytest
from relay_net import NOTHING, Net, check_soundness
from server import wait_for
from smtp_peer import CLOSE, EXTENSIONS, HANG, RESET

SECRET = "open sesame"
ON_THE_WIRE = base64.b64encode(b"\0us\0" + SECRET.encode()).decode()
TAKEN = b"235 2.7.0 welcome\r\n"
CHALLENGE = b"334 bW9yZQ==\r\n"


def echo(session):
    return f'500 5.5.1 Command unrecognized: "{session.commands[-1]}"\r\n'.encode()


def bare_echo(session):
    return f"{session.commands[-1].split()[-1]}\r\n".encode()


ANSWERS = {
    "454": (b"454 4.7.0 not now\r\n", "454 4.7.0"),
    "535": (b"535 5.7.8 who?\r\n", "535 5.7.8"),
    "503": (b"503 5.5.1 not here\r\n", "503 5.5.1"),
    "421": ((b"421 4.3.2 shutting down\r\n", CLOSE), "421 4.3.2"),
    "close": (CLOSE, "connection lost"),
    "reset": (RESET, "connection lost"),
    "nonsense": (b"banana\r\n", "no SMTP reply"),
    "challenges": (CHALLENGE, "no SMTP reply"),
    "megabyte": (b"x" * 1_000_000, "no SMTP reply"),
    "silence": (HANG, "no answer in time"),
    "echo": (echo, '500 5.5.1 Command unrecognized: "AUTH PLAIN (secret)"'),
    "bareecho": (bare_echo, "no SMTP reply"),
}


KILLED = ("relay", "store")
MANY = 20  # domains of a route
ROUTED = {f"many{code}.hub.test": [f"many{code}n{n}.test" for n in range(MANY)] for code in ("535", "454")}
ADDRESSES = ("two535", "two454")


@pytest.fixture(scope="module")
def login_net(tmp_path_factory):
    """Each answer has a domain and a host of its own, all with one certificate that the server trusts."""
    folder = tmp_path_factory.mktemp("auth")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=hub",
                    "-addext", "subjectAltName=DNS:*.hub.test"], check=True, capture_output=True)
    os.chmod(folder, 0o755)
    net = Net("relay_allow_private = false;")
    net.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    net.context.load_cert_chain(certificate, key)
    path = os.path.join(net.server.data, "secret")
    with open(path, "w", encoding="ascii") as file:
        file.write(SECRET)
    os.chmod(path, 0o600)
    os.chown(path, os.stat(os.path.join(net.server.data, "store.db")).st_uid, -1)
    net.server.configure("routes = ( " + ", ".join(
        f'{{ domain = "x{name}.test"; host = "{name}.hub.test"; port = {net.port}; tls = "verify"; '
        f'user = "us"; password_file = "secret"; }}' for name in (*ANSWERS, "injected", "bare", *ADDRESSES, *KILLED)) + "".join(
            f', {{ domain = "{domain}"; host = "{host}"; port = {net.port}; tls = "verify"; user = "us"; '
            'password_file = "secret"; }' for host, domains in ROUTED.items() for domain in domains) + "".join(
                f', {{ domain = "open.{host}"; host = "{host}"; port = {net.port}; }}' for host in ROUTED) + " );")
    net.server.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        net.server.start()
    yield net
    net.close()


@pytest.fixture
def net(request, login_net):
    login_net.server.mark()
    yield login_net
    try:
        login_net.end_of_test()
    finally:
        check_soundness(request, login_net.server)


def must_be_secret(net, number, *more):
    """Neither as it is nor as it is sent, whether the server repeats it or not."""
    shown = "".join((net.trace(number), net.server.new_log(), *more))
    assert SECRET not in shown and ON_THE_WIRE not in shown


@pytest.mark.parametrize("name", ANSWERS)
def test_login_that_fails(net, name, request):
    """The message waits; when the server takes the login it goes."""
    answer, says = ANSWERS[name]
    if name == "silence":
        net.reload('timeouts = { relay_command = "4s"; };')
        request.addfinalizer(lambda: net.reload('timeouts = { relay_command = "5m"; };'))
    peer = net.peer(extensions=(*EXTENSIONS, "AUTH PLAIN"), tls=net.context, AUTH=[answer, TAKEN],
                    **{"*": CHALLENGE})
    net.names.answers[f"{name}.hub.test"] = [("A", peer.address)]
    number = net.send(f"bob@x{name}.test")
    assert net.wait_attempt(number) == (0, 0, 1), net.trace(number)
    [row] = net.queue(number)
    assert row["state"] == "unreachable" and says in row["last_reply"], row
    assert peer.commands.count(f"AUTH PLAIN {ON_THE_WIRE}") == 1
    assert not any(command.startswith("MAIL") for command in peer.commands)
    must_be_secret(net, number, str(row), net.server.command("queue", "explain", number).stdout)
    net.retry(number)
    assert net.wait_attempt(number, 2) == (1, 0, 0), net.trace(number)
    assert len(peer.sessions) == 2 and all(session.tls for session in peer.sessions)
    assert "C: (secret)" in net.trace(number)
    must_be_secret(net, number)


def logins(*peers):
    return sum(command.startswith("AUTH") for peer in peers for command in peer.commands)


@pytest.mark.parametrize("code", ["535", "454"])
def test_a_login_is_refused_once_for_all_domains(net, code):
    """An account is not locked because mail for many domains waits. Mail that goes there without is not held up."""
    host, answer, says = f"many{code}.hub.test", *ANSWERS[code]
    first, *others = ROUTED[host]
    peer = net.peer(extensions=(*EXTENSIONS, "AUTH PLAIN"), tls=net.context, AUTH=answer)
    net.names.answers[host] = [("A", peer.address)]
    begun = net.send(f"bob@{first}")
    assert net.wait_attempt(begun) == (0, 0, 1)
    number = net.send(*(f"bob@{domain}" for domain in others))
    wait_for("all to know", lambda: [row["state"] for row in net.queue(number)] == ["unreachable"] * len(others))
    assert logins(peer) == 1 and net.attempts(number) == []
    # They are told of it, and of the host by its name
    for row in net.server.json("queue", "summary"):
        assert row["waits_for"] in ("", host) and says in row["last_reply"], row
    for row in net.server.json("queue", "explain", number):
        assert re.search(rf"the server {host} through which mail for many\S+ is sent takes no mail at present \(it "
                         rf'answered "{says}', row["explanation"]), row
    net.retry(begun)
    assert net.wait_attempt(begun, 2) == (0, 0, 1)
    assert logins(peer) == 2 and net.attempts(number) == []
    net.wait_gone(net.send(f"bob@open.{host}"))
    assert logins(peer) == 2
    peer.answers["AUTH"] = TAKEN
    net.retry(begun)
    net.wait_gone(begun)
    net.wait_gone(number)
    assert len(peer.taken) == MANY + 1


@pytest.mark.parametrize("name, tried", zip(ADDRESSES, (1, 2)))
def test_a_login_that_is_refused_at_one_address(net, name, tried):
    """What is wrong with it is wrong at the others too; what is so for now may be so at one machine."""
    peers = [net.peer(extensions=(*EXTENSIONS, "AUTH PLAIN"), tls=net.context, AUTH=ANSWERS[name[3:]][0])
             for _ in range(2)]
    net.names.answers[f"{name}.hub.test"] = [("A", peer.address) for peer in peers]
    assert net.wait_attempt(net.send(f"bob@x{name}.test")) == (0, 0, 1)
    assert logins(*peers) == tried


@pytest.mark.kills
@pytest.mark.parametrize("role", KILLED)
def test_one_of_us_dies_in_the_login(net, role):
    """It is done again by the next relay, or goes on; the message goes once."""
    peer = net.peer(extensions=(*EXTENSIONS, "AUTH PLAIN"), tls=net.context, AUTH=[(HANG, TAKEN), TAKEN])
    net.names.answers[f"{role}.hub.test"] = [("A", peer.address)]
    number = net.send(f"bob@x{role}.test")
    peer.wait_hanging()
    old = net.server.kill(role)
    wait_for("a new one", lambda: net.server.pids(role) not in ([], old))
    peer.go_on.set()
    wait_for("it to go", lambda: net.server.command("queue", "retry", number, status=None).returncode == NOTHING)
    assert len(peer.received) == 1
    must_be_secret(net, number)


def test_octets_before_tls(net):
    """Where TLS is a must they are no accident: the session ends, and neither login nor mail is sent."""
    peer = net.peer(extensions=(*EXTENSIONS, "AUTH PLAIN"), tls=net.context, AUTH=TAKEN,
                    STARTTLS=[b"220 2.0.0 go\r\n250 AUTH PLAIN\r\n"])
    net.names.answers["injected.hub.test"] = [("A", peer.address)]
    number = net.send("bob@xinjected.test")
    assert net.wait_attempt(number) == (0, 0, 1)
    [row] = net.queue(number)
    assert "do not belong there" in row["last_reply"], row
    assert not any(command.startswith(("AUTH", "MAIL")) for command in peer.commands)
    net.retry(number)
    assert net.wait_attempt(number, 2) == (1, 0, 0), net.trace(number)


def test_no_login_offered(net):
    peer = net.peer(tls=net.context)
    net.names.answers["bare.hub.test"] = [("A", peer.address)]
    number = net.send("bob@xbare.test")
    assert net.wait_attempt(number) == (0, 0, 1), net.trace(number)
    assert not any(command.startswith(("AUTH", "MAIL")) for command in peer.commands)
    [row] = net.queue(number)
    assert row["last_reply"] == "login failed: the server offers no authentication", row
