"""The relay and STARTTLS: used where it works, and where it does not the mail goes without.

Whether it does is the server's business; that nobody in between takes part in what is said before is
ours.
"""

import json
import os
import ssl
import subprocess

import pytest
from relay_net import ALICE, net, shared_net  # noqa: F401 (fixtures)
from smtp_peer import CLOSE, EXTENSIONS, HANG, RESET
from wire import letter

NET_OPTIONS = """timeouts = { relay_command = "4s"; };
destinations = ( { domain = "must.test"; tls = "require"; } );
"""
OFFERED = (*EXTENSIONS, "STARTTLS")


def delivered(net, peer, tls):
    """A message goes at the first attempt; over TLS or not, and the trace says which."""
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    assert len(peer.received) == 1 and peer.sessions[-1].tls == tls
    assert ("over TLSv1" in net.trace(number)) == tls
    return net.trace(number)


def restart(net):
    assert net.server.stop() == 0
    net.server.start()
    net.server.mark()


def test_used_where_offered(net):
    peer = net.peer(tls=net.tls())
    assert "certificate not verified" in delivered(net, peer, True)
    assert peer.commands[:4] == ["EHLO mail.example.test", "STARTTLS", "EHLO mail.example.test",
                                 f"MAIL FROM:<{ALICE}>"]
    assert len(peer.sessions) == 1


def test_the_trace_says_when_and_over_what(net):
    """For programs as fields; and where a connection has carried another message, whose dialogue has its beginning."""
    peer = net.peer(tls=net.tls())
    numbers = []
    for name in ("bob", "carol"):
        numbers.append(net.send(f"{name}@{peer.domain}"))
        assert net.wait_attempt(numbers[-1]) == (1, 0, 0)
    assert len(peer.sessions) == 1
    for number in numbers:
        events = json.loads(net.server.command("trace", number, "--json").stdout)
        [attempt] = [event for event in events if event["event"] == "attempt"]
        assert (attempt["server"], attempt["ip"]) == (f"mx0.{peer.domain}", peer.address)
        assert attempt["tls"] == "TLSv1.3" and attempt["cipher"].startswith("TLS_") and not attempt["verified"]
        assert events[0]["time"] <= attempt["began"] <= attempt["time"]
    assert "* TLSv1.3 TLS_" in net.trace(numbers[0]) and "* on the connection" not in net.trace(numbers[0])
    assert f"* on the connection of {numbers[0]} to mx0.{peer.domain} [{peer.address}] over TLSv1.3 TLS_" in \
        net.trace(numbers[1])


def certificate_for(address, folder):
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=hub",
                    "-addext", f"subjectAltName=IP:{address}"], check=True, capture_output=True)
    folder.chmod(0o755)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, str(certificate)


def test_a_certificate_is_for_the_address_that_was_named(net, monkeypatch, tmp_path_factory):
    """Where there is no name, one that is trusted may still be anybody's."""
    peer = net.peer(tls=net.tls())
    other = net.peer()
    other.tls, trusted = certificate_for(other.address, tmp_path_factory.mktemp("address"))
    for one in (peer, other):
        one.domain = f"[{one.address}]"
    monkeypatch.setenv("SSL_CERT_FILE", net.server.certificate)
    restart(net)
    assert "certificate not verified" in delivered(net, peer, True)
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    restart(net)
    assert "certificate verified" in delivered(net, other, True)
    monkeypatch.undo()
    restart(net)


def test_only_what_is_said_over_tls_counts(net):
    """SIZE and the rest from before are forgotten."""
    peer = net.peer(tls=net.tls(), EHLO=[b"250-x\r\n250-SIZE 10\r\n250-DSN\r\n250 STARTTLS\r\n"])
    delivered(net, peer, True)
    assert "SIZE" not in peer.taken[0].mail


@pytest.mark.parametrize("octets", [b"250 x\r\n", b"250-x\r\n250 SIZE 10\r\n", b"554 5.7.1 go away\r\n",
                                    b"421 4.3.2 go away\r\n", b"half a li"],
                         ids=["250", "SIZE", "554", "421", "half"])
def test_injected_before_tls_is_dropped(net, octets):
    peer = net.peer(tls=net.tls(), STARTTLS=b"220 2.0.0 go\r\n" + octets)
    trace = delivered(net, peer, True)
    assert len(peer.sessions) == 1 and octets.decode().strip() not in trace
    assert f"* {len(octets)} octets before TLS were dropped" in trace
    assert f"event=plaintext-behind-starttls host=mx0.{peer.domain} ip={peer.address} octets={len(octets)}" \
        in net.server.new_log()


@pytest.mark.parametrize("reply", [b"454 4.7.0 not now\r\n", b"502 5.5.1 what?\r\n", b"250 2.0.0 ok\r\n"],
                         ids=["454", "502", "250"])
def test_refused_command(net, reply):
    """On with the same session, without."""
    peer = net.peer(extensions=OFFERED, STARTTLS=reply)
    assert reply.decode().strip() in delivered(net, peer, False)
    assert len(peer.sessions) == 1


BREAKS = {
    "garbage": (b"220 go\r\n", b"nonsense\r\n" * 9, CLOSE),
    "garbage that stays": (b"220 go\r\n", b"nonsense\r\n" * 9, HANG),
    "close behind 220": (b"220 go\r\n", CLOSE),
    "reset behind 220": (b"220 go\r\n", RESET),
    "close": CLOSE,
    "reset": RESET,
    "421": (b"421 4.3.2 later\r\n", CLOSE),
    "nonsense": (b"banana\r\n", CLOSE),
}


@pytest.mark.parametrize("answer", BREAKS.values(), ids=BREAKS)
def test_broken_tls_is_done_without(net, answer):
    peer = net.peer(extensions=OFFERED, STARTTLS=answer)
    delivered(net, peer, False)
    assert len(peer.sessions) == 2
    assert "STARTTLS" not in peer.sessions[1].commands


def without_certificate(net):
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def old_version(net):
    context = net.tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1
    return context


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("context", [without_certificate, old_version])
def test_failed_handshake_is_done_without(net, context):
    peer = net.peer(tls=context(net))
    delivered(net, peer, False)
    assert len(peer.sessions) == 2


MUTE = {"nothing": HANG, "close": CLOSE, "garbage": (b"nonsense\r\n" * 9, CLOSE), "garbage that stays": (b"nonsense\r\n" * 9, HANG),
        "endless line": (b"250-" + b"x" * 1_000_000, HANG)}


@pytest.mark.parametrize("answer", MUTE.values(), ids=MUTE)
def test_no_sensible_word_over_tls_is_done_without(net, answer):
    """The handshake was good, and then EHLO was as good as unheard."""
    peer = net.peer(tls=net.tls(), EHLO=[None, answer])
    trace = delivered(net, peer, False)
    assert len(peer.sessions) == 2 and peer.sessions[0].tls
    assert "], without TLS" in trace


def test_no_sensible_word_where_tls_is_required(net):
    """Nothing goes without it."""
    peer = net.peer(tls=net.tls(), EHLO=[None, (b"nonsense\r\n", CLOSE)])
    net.names.answers["must.test"] = net.names.answers[peer.domain]
    number = net.send("bob@must.test")
    assert net.wait_attempt(number) == (0, 0, 1)
    assert len(peer.sessions) == 1 and "MAIL" not in " ".join(peer.commands)


def test_next_host_is_asked_for_tls_again(net):
    """That the first host does it badly says nothing about the second."""
    bad = net.peer(extensions=OFFERED, STARTTLS=(b"220 go\r\n", CLOSE), MAIL=None,
                   EHLO=[None, b"451 4.3.0 not now\r\n"])
    good = net.peer(tls=net.tls())
    number = net.send(f"bob@{net.domain(bad.address, good.address)}")
    assert net.wait_attempt(number) == (1, 0, 0)
    assert len(bad.sessions) == 2 and good.sessions[0].tls and len(good.taken) == 1


def test_refusal_over_tls_is_the_servers_word(net):
    """No second connection without TLS to get around it."""
    peer = net.peer(tls=net.tls(), EHLO=[None, b"550 5.7.1 not you\r\n"], HELO=b"550 5.7.1 not you\r\n")
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (0, 1, 0)
    assert len(peer.sessions) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "end"])
def test_tls_that_breaks_later(net, step):
    """Octets that are no TLS, in the middle of the session: it is lost, and tried again later."""
    def spoil(session):
        os.write(session.socket.fileno(), b"250 2.1.0 in the clear\r\n")
        return CLOSE

    peer = net.peer(tls=net.tls(), **{step: [spoil]})
    number = net.send(f"bob@{peer.domain}")
    assert net.wait_attempt(number) == (0, 0, 1), net.trace(number)
    assert len(peer.sessions) == 1
    net.retry(number)
    assert net.wait_attempt(number, 2) == (1, 0, 0)
    assert len(peer.received) == (2 if step == "end" else 1)


def test_large_message_over_tls(net):
    content = letter(body=["0123456789" * 7] * 50_000)
    peer = net.peer(tls=net.tls())
    number = net.send(f"bob@{peer.domain}", content=content)
    assert net.wait_attempt(number) == (1, 0, 0)
    assert peer.taken[0].content.endswith(b"\r\n" + content)
