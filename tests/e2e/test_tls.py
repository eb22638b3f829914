"""TLS on all ports: versions, broken handshakes, a new certificate without a restart."""

import os
import socket
import ssl
import subprocess

import pytest
from conftest import DOMAIN
from server import wait_for
from wire import TIMEOUT, Wire, count_of, deliver, fetch, letter, pop3, without_trace

TLS_PORTS = ("smtps", "pop3s")


def handshake(server, port, context):
    with socket.create_connection(("127.0.0.1", server.ports[port]), timeout=TIMEOUT) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            return tls.version(), tls.cipher()[0]


@pytest.mark.parametrize("port", TLS_PORTS)
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_modern_versions(server, port, version):
    context = server.trust()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    got, cipher = handshake(server, port, context)
    assert got == version.replace("_", ".")
    assert "GCM" in cipher or "CHACHA20" in cipher


@pytest.mark.parametrize("port", TLS_PORTS)
@pytest.mark.parametrize("version", ["tls1", "tls1_1"])
def test_old_versions_are_refused(server, port, version):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.ports[port]}", f"-{version}",
         "-cipher", "ALL:@SECLEVEL=0"], input="", text=True, capture_output=True, timeout=TIMEOUT)
    assert done.returncode != 0 and "alert protocol version" in done.stderr


@pytest.mark.parametrize("port", TLS_PORTS)
@pytest.mark.parametrize("data", [
    b"EHLO plain.test\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 70000, os.urandom(1000),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"",
], ids=["plain SMTP", "huge record", "random", "half a hello", "nothing"])
def test_no_handshake(server, port, data):
    """The connection ends, by an alert or by the client's own end; nothing else happens."""
    with Wire(server, port, greet=False) as wire:
        wire.send(data)
        try:
            wire.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server was faster
        assert b"220" not in wire.rest()


def test_garbage_instead_of_a_handshake_after_starttls(server):
    for port, command in (("smtp", "STARTTLS"), ("submission", "STARTTLS"), ("pop3", "STLS")):
        with Wire(server, port) as wire:
            if port != "pop3":
                wire.hello()
            wire.say(command)
            wire.send("QUIT\r\nNOOP\r\n" * 10)
            assert b"221" not in wire.rest()


def test_sessions_are_resumed_by_any_front(make_server):
    """Ticket keys are shared: a ticket from one process opens at the others."""
    server = make_server("user_processes = 2;")
    context = server.trust()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", server.ports["pop3s"])) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.recv(100)
            session = tls.session
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", server.ports["pop3s"])) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
                assert tls.session_reused


def new_certificate(server):
    """Replaces the certificate by another one, as an administrator would."""
    key = os.path.join(server.folder, "new.key")
    cert = os.path.join(server.folder, "new.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=new",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    for new, old in ((cert, server.certificate), (key, server.key)):
        with open(new, "rb") as source, open(old, "wb") as target:
            target.write(source.read())


def served_certificate(server, port="pop3s"):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.ports[port]), timeout=TIMEOUT) as plain:
        with context.wrap_socket(plain) as tls:
            return tls.getpeercert(binary_form=True)


def test_new_certificate_without_dropping_a_connection(make_server):
    server = make_server(accounts=["alice"])
    alice = f"alice@{DOMAIN}"
    sent = letter("large", ["0123456789" * 7] * 20000)
    deliver(server, alice, sent)
    reader = pop3(server, alice)
    old = served_certificate(server)
    new_certificate(server)
    server.reload()
    wait_for("the new certificate", lambda: served_certificate(server) != old)
    wait_for("the new certificate", lambda: served_certificate(server, "smtps") != old)
    assert without_trace(fetch(reader, 1)) == sent  # on the old connection
    reader.quit()
    assert count_of(server, alice) == 1  # trusting the new certificate


def test_broken_certificate_keeps_the_old_one(make_server):
    server = make_server(accounts=["alice"])
    reader = pop3(server, f"alice@{DOMAIN}")
    old = served_certificate(server)
    with open(server.certificate, "w", encoding="utf-8") as file:
        file.write("nonsense\n")
    server.reload()
    says = f'event=reload-refused text="{server.certificate} (tls_certificate) holds no certificate in PEM'
    wait_for("the refusal", lambda: says in server.new_log())
    assert served_certificate(server) == old
    reader.quit()
