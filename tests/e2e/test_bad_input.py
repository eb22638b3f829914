"""What the Internet sends: a clear answer each, never a crash, never a hang, nobody's relay."""

import asyncio
import base64
import os
import random
import re
import socket

import pytest
from conftest import DOMAIN, PASSWORD
from server import wait_for
from wire import TIMEOUT, Wire, count_of, deliver, letter, mail_of, without_trace

TEXT_PORTS = ("smtp", "submission", "pop3")
TLS_PORTS = ("smtps", "pop3s")
MIB = 1024 * 1024


def flood(wire, pieces):
    """Sends pieces until the server closes; gives how many bytes went out."""
    sent = 0
    try:
        for piece in pieces:
            wire.send(piece)
            sent += len(piece)
    except OSError:
        pass  # the server has closed, which is its good right
    return sent


def memory(server, role):
    """Resident bytes of the largest process of a role; 0 with a sanitizer, which keeps what is freed."""
    if "ASAN_OPTIONS" in os.environ:
        return 0
    most = 0
    for pid in server.pids(role):
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            most = max(most, int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024)
    return most


# ---- bytes that are no protocol ----

def is_error(line):
    return line[:1] in (b"5", b"4") or line.startswith(b"-ERR")


@pytest.mark.parametrize("port, tls", [*((port, False) for port in TEXT_PORTS + TLS_PORTS),
                                       *((port, True) for port in TLS_PORTS)])
def test_nonsense_is_answered(server, port, tls):
    """Line by line, in the port's own words; where TLS is expected, by the end."""
    noise = random.Random(3).randbytes(300).replace(b"\n", b"?").replace(b"\r", b"?")
    with Wire(server, port, greet=tls or port in TEXT_PORTS, tls=tls) as wire:
        wire.send(noise + b"\r\n\0\xff\r\n\r\n")
        if not tls and port in TLS_PORTS:
            wire.rest()
            return
        wire.send(b"QUIT\r\n")
        answers = wire.rest().split(b"\r\n")[:-1]
    assert len(answers) >= 3 and all(is_error(line) for line in answers[:-1]), answers
    assert answers[-1][:3] in (b"221", b"+OK"), answers


@pytest.mark.parametrize("port", TEXT_PORTS + TLS_PORTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_garbage(server, port, seed):
    noise = random.Random(seed).randbytes(200_000)
    with Wire(server, port, greet=False) as wire:
        flood(wire, [noise])
        try:
            wire.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        wire.rest()


@pytest.mark.parametrize("port", TEXT_PORTS)
def test_endless_line(server, port):
    role = "mx" if port == "smtp" else "user"
    before = memory(server, role)
    with Wire(server, port) as wire:
        wire.socket.settimeout(TIMEOUT)
        flood(wire, (b"A" * MIB for _ in range(32)))
        assert memory(server, role) < before + 16 * MIB
        flood(wire, [b"\r\nQUIT\r\n"])
        answer = wire.rest()
    assert answer[:3] in (b"500", b"421", b"-ER"), answer[:200]


@pytest.mark.parametrize("port", TEXT_PORTS)
def test_endless_lines_of_commands(server, port):
    """So many errors end the session."""
    with Wire(server, port) as wire:
        # far more than the kernel's buffers hold for a server that has stopped reading
        sent = flood(wire, (b"XYZZY\r\n" * 1000 for _ in range(5000)))
        assert sent < 35_000_000
        answer = wire.rest()
    assert (b"-ERR" if port == "pop3" else b"421 4.7.0") in answer


@pytest.mark.parametrize("line", [
    b"\0", b"NOOP \0", b"MAIL FROM:<a\0@b.test>", b"\xff\xfe", b"EHLO \xff", b"MAIL FROM:<\xff@b>",
    b"MAIL FROM:<a@b.test", b"MAIL FROM:a@b.test>", b"MAIL FROM: <a@b.test>x", b"MAIL", b"MAIL FROM",
    b"MAIL FROM:", b"MAIL FROM:<@>", b"MAIL FROM:<a@>", b"MAIL FROM:<@b>", b"MAIL FROM:<a@b..c>",
    b"MAIL FROM:<a@-b>", b"MAIL FROM:<.a@b>", b"MAIL FROM:<a@[1.2.3]>", b"MAIL FROM:<a@[IPv6:::x]>",
    b'MAIL FROM:<"a@b>', b"MAIL FROM:<a b@c>", b"MAIL FROM:<a@b> SIZE=x", b"MAIL FROM:<a@b> SIZE",
    b"MAIL FROM:<a@b> SIZE=1 SIZE=1", b"MAIL FROM:<a@b> NONSENSE=1", b"MAIL FROM:<a@b> BODY=9BIT",
    b"MAIL FROM:<a@b> SIZE=99999999999999999999", b"MAIL FROM:<" + b"a" * 1500 + b"@b.test>",
    b"MAIL FROM:<a@" + b"b" * 300 + b">", b"STARTTLS now", b"DATA now", b"EHLO", b"EHLO a\tb",
    b"EHLO " + b"a" * 5000, b" MAIL FROM:<a@b>", b"\t", b"MAIL FROM:<>>", b"RSET x",
], ids=lambda line: ascii(line)[2:40])
def test_malformed_command(server, line):
    with Wire(server) as wire:
        wire.hello()
        assert wire.say(line)[:1] == "5"
        assert wire.say("NOOP").startswith("250")


@pytest.mark.parametrize("line", [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 1 FIRST",
                                  b"BDAT 99999999999999999999"], ids=ascii)
def test_chunk_of_unknown_size(server, line):
    """Nobody can say where the next command begins: the connection ends."""
    with Wire(server) as wire:
        wire.hello()
        assert wire.say(line)[:1] == "5"
        assert wire.rest() == b""


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\rNOOP\r\n", b"NOOP\r\r\n"])
def test_bare_line_end_in_a_command(server, line):
    with Wire(server) as wire:
        wire.hello()
        wire.send(line)
        assert wire.reply().startswith("500 5.5.2")


# ---- half sessions ----

SMTP_SESSION = [b"EHLO c.test\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<%s>\r\n", b"DATA\r\n",
                b"Subject: never\r\n\r\nhalf a mess", b"age\r\n.\r"]
BDAT_SESSION = [b"EHLO c.test\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<%s>\r\n",
                b"BDAT 100\r\n", b"Subject: never\r\n", b"x" * 84, b"BDAT 100 LAST\r\n", b"x" * 99]
LARGE_SESSION = SMTP_SESSION[:4] + [b"Subject: never\r\n\r\n", b"0123456789abcde\r\n" * 60_000]
POP3_SESSION = [b"USER %s\r\n", b"PASS " + PASSWORD.encode() + b"\r\n", b"STAT\r\n", b"LIST\r\n",
                b"RETR 1\r\n", b"DELE 1\r\n", b"TOP 1 1\r\n", b"UIDL\r\n"]
AUTH_SESSION = [b"EHLO c.test\r\n", b"AUTH LOGIN\r\n", b"YQ==\r\n", b"AUTH PLAIN\r\n"]
POP3_AUTH_SESSION = [b"AUTH PLAIN\r\n", b"AGE=\r\n", b"AUTH PLAIN\r\n", b"*\r\n", b"AUTH PLAIN %a\r\n", b"STAT\r\n"]
# What is logged in may send anywhere: nothing of it may go out.
USER_SESSION = [b"EHLO c.test\r\n", b"AUTH PLAIN %a\r\n", b"MAIL FROM:<%s>\r\n", b"RCPT TO:<x@elsewhere.test>\r\n",
                b"RCPT TO:<%s>\r\n", b"DATA\r\n", b"Subject: never\r\n\r\nhalf a mess", b"age\r\n.\r"]
# After the last of the answers the handshake should come.
STARTTLS_SESSION, STLS_SESSION = [b"EHLO c.test\r\n", b"STARTTLS\r\n", b"\x16\x03\x01\x02\0\x01\0\x01"], [
    b"STLS\r\n", b"\x16\x03\x01\x02\0\x01\0\x01"]


def filled_in(part, mailbox):
    secret = base64.b64encode(f"\0{mailbox}\0{PASSWORD}".encode())
    return part.replace(b"%s", mailbox.encode()).replace(b"%a", secret)


def is_answered(part):
    return part.endswith(b"\r\n") and len(part) < 120 and b"Subject" not in part


@pytest.mark.parametrize("port, session", [
    ("smtp", SMTP_SESSION), ("smtp", BDAT_SESSION), ("smtp", LARGE_SESSION), ("smtp", STARTTLS_SESSION),
    ("submission", AUTH_SESSION), ("submission", USER_SESSION), ("submission", STARTTLS_SESSION),
    ("pop3", POP3_SESSION), ("pop3", POP3_AUTH_SESSION), ("pop3", STLS_SESSION),
    ("smtps", AUTH_SESSION), ("smtps", USER_SESSION), ("pop3s", POP3_SESSION), ("pop3s", POP3_AUTH_SESSION),
], ids=["data", "bdat", "large", "starttls", "auth", "user", "submission-starttls", "pop3", "pop3-auth", "stls",
        "auth-tls", "user-tls", "pop3-tls", "pop3-auth-tls"])
@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_disconnect_at_every_state(server, mailbox, port, session, how):
    deliver(server, mailbox, letter("stays"))
    session = [filled_in(part, mailbox) for part in session]
    for steps in range(len(session) + 1):
        for extra in (b"", *([session[steps][:3]] if steps < len(session) else [])):
            with Wire(server, port, tls=port in TLS_PORTS) as wire:
                for part in session[:steps]:
                    wire.send(part)
                    if is_answered(part):
                        assert wire.line() is not None
                wire.send(extra)
                if how == "reset":
                    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                           b"\1\0\0\0\0\0\0\0")
                elif how == "half":
                    wire.socket.shutdown(socket.SHUT_WR)
                    wire.rest()
    wait_for("the end of all", lambda: len(re.findall(f"event=connected listener={port} ", server.new_log())) ==
             len(re.findall(f"event=disconnected listener={port} ", server.new_log())))
    assert [without_trace(m) for m in mail_of(server, mailbox)] == [letter("stays")]
    server.command("queue", "list", mailbox, status=66)  # nothing of his waits


def test_client_that_does_not_read(server, mailbox):
    """Its replies are not kept without end, and others are served meanwhile."""
    before = memory(server, "mx")
    with Wire(server) as wire:
        wire.socket.settimeout(2)
        sent = flood(wire, (b"HELP\r\n" * 10_000 for _ in range(200)))
        assert sent < 12_000_000
        assert memory(server, "mx") < before + 16 * MIB
        deliver(server, mailbox)
    assert count_of(server, mailbox) == 1


# ---- too many, too large ----

def say_all(wire, commands):
    """Sends commands in portions and gives the code of each reply."""
    codes = []
    for at in range(0, len(commands), 200):
        part = commands[at:at + 200]
        wire.send("".join(part))
        codes += [wire.reply()[:9] for _ in part]
    return codes


def test_ten_thousand_recipients(make_server):
    server = make_server("recipients_max = 10000;", ["alice"])
    with Wire(server) as wire:
        assert any("RCPTMAX=10000" in word for word in wire.hello())
        wire.say("MAIL FROM:<a@b.test>")
        codes = say_all(wire, [f"RCPT TO:<alice+{n}@{DOMAIN}>\r\n" for n in range(10_000)])
        assert set(codes) == {"250 2.1.5"}
        assert wire.say(f"RCPT TO:<alice@{DOMAIN}>").startswith("452 4.5.3")
        wire.say("DATA")
        wire.send(letter() + b".\r\n")
        assert wire.reply().startswith("250 2.")
    assert count_of(server, f"alice@{DOMAIN}") == 1
    server.command("audit")


def test_more_recipients_than_announced(server, mailbox):
    local = mailbox.split("@")[0]
    with Wire(server) as wire:
        most = next(int(re.search(r"RCPTMAX=(\d+)", word).group(1)) for word in wire.hello()
                    if word.startswith("LIMITS"))
        wire.say("MAIL FROM:<a@b.test>")
        codes = say_all(wire, [f"RCPT TO:<{local}+{n}@{DOMAIN}>\r\n" for n in range(most + 10)])
        assert codes[:most] == ["250 2.1.5"] * most
        assert all(code.startswith("452 4.5.3") or code.startswith("421") for code in codes[most:])


def test_ten_thousand_unknown_users(server):
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        flood(wire, (f"RCPT TO:<nobody{n}@{DOMAIN}>\r\n".encode() * 10 for n in range(1000)))
        answer = wire.rest()
    assert b"550 5.1.1" in answer and b"421 4.7.0" in answer and b"250 2.1.5" not in answer


def test_a_gigabyte_by_data(server, mailbox):
    before = memory(server, "mx")
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        wire.say("DATA")
        line = (b"x" * 998 + b"\r\n") * 1024
        sent = flood(wire, (line for _ in range(1024)))
        assert sent < 200 * MIB, "the server listens to all of it"
        assert memory(server, "mx") < before + 80 * MIB
        assert wire.rest().startswith(b"552 5.3.4")
    assert count_of(server, mailbox) == 0


def test_a_gigabyte_by_chunks(server, mailbox):
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        wire.send(f"BDAT {1024 * MIB} LAST\r\n")
        sent = flood(wire, (b"x" * MIB for _ in range(1024)))
        assert sent < 200 * MIB
        assert wire.rest().startswith(b"552 5.3.4")
    assert count_of(server, mailbox) == 0


def test_a_little_too_large(make_server):
    """The session goes on after a message that is only a little over the limit."""
    server = make_server('message_size_limit = "100K";', ["alice"])
    with Wire(server) as wire:
        wire.hello()
        for size, code in ((150_000, "552 5.3.4"), (90_000, "250 2.")):
            wire.say("MAIL FROM:<a@b.test>")
            wire.say(f"RCPT TO:<alice@{DOMAIN}>")
            wire.say("DATA")
            wire.send(b"0123456789abcd\r\n" * (size // 16) + b".\r\n")
            assert wire.reply().startswith(code)
    assert count_of(server, f"alice@{DOMAIN}") == 1


def test_chunk_that_lies_about_its_size(server, mailbox):
    """What follows a chunk is a command, whatever it looks like."""
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        wire.send(b"BDAT 5 LAST\r\nabc\r\nMAIL FROM:<evil@b.test>\r\n")
        assert wire.reply().startswith("250 2.")
        assert wire.reply().startswith("250 2.1.0")
    assert without_trace(mail_of(server, mailbox)[0]) == b"abc\r\n"


def test_many_slow_clients(server, mailbox, long):
    """All of them are in the middle of a large message at once, while another one is served."""
    clients = 500
    line = b"0123456789abcdef" * 60 + b"\r\n"
    lines = 2500 if long else 300  # 2.4 MB or 290 KB each: more than a front keeps in memory
    pieces = 10

    async def one(number, gate):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["smtp"])
        answer = await reader.readline()
        assert answer.startswith(b"220"), answer
        for command in (b"HELO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<" + mailbox.encode()
                        + b">", b"DATA"):
            writer.write(command + b"\r\n")
            answer = await reader.readline()
            assert answer[:1] in b"23", answer
        writer.write(b"Subject: %d\r\n\r\n" % number)
        for piece in range(pieces):
            writer.write(line * (lines // pieces))
            await writer.drain()
            await gate[piece].wait()
        writer.write(b".\r\n")
        answer = await reader.readline()
        writer.write(b"QUIT\r\n")
        await reader.read()
        writer.close()
        return answer

    async def together():
        gate = [asyncio.Barrier(clients + 1) for _ in range(pieces)]
        tasks = [asyncio.create_task(one(n, gate)) for n in range(clients)]
        other = server.mailbox()
        for piece in range(pieces):
            if piece == pieces // 2:
                await asyncio.to_thread(deliver, server, other)
            waiting = asyncio.create_task(gate[piece].wait())
            await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                next(task for task in tasks if task.done()).result()
            await waiting
        assert count_of(server, other) == 1
        return await asyncio.gather(*tasks)

    answers = asyncio.run(asyncio.wait_for(together(), 300))
    refused = [answer for answer in answers if not answer.startswith(b"250")]
    assert all(answer.startswith(b"452") for answer in refused), refused[:3]
    assert count_of(server, mailbox) == clients - len(refused)
    assert len(refused) == 0


# ---- relaying ----

@pytest.mark.parametrize("path", [
    "<someone@elsewhere.test>",
    f"<@{DOMAIN}:someone@elsewhere.test>",
    f"<@{DOMAIN},@other.test:someone@elsewhere.test>",
    f"<someone%elsewhere.test@{DOMAIN}>",
    f"<elsewhere.test!someone@{DOMAIN}>",
    f'<"someone@elsewhere.test"@{DOMAIN}>',
    f'<"someone%elsewhere.test"@{DOMAIN}>',
    f'<"elsewhere.test!someone"@{DOMAIN}>',
    f'<"someone@elsewhere.test\\"@{DOMAIN}>',
    '<"someone@elsewhere.test">',
    f"<someone@elsewhere.test@{DOMAIN}>",
    f"<someone@elsewhere.test%{DOMAIN}>",
    f"<someone@elsewhere.test!{DOMAIN}>",
    "<someone@[192.0.2.1]>",
    "<someone@[127.0.0.1]>",
    "<someone@[IPv6:2001:db8::1]>",
    "<someone%elsewhere.test@[127.0.0.1]>",
    f"<someone@elsewhere.test.{DOMAIN}>",
    f"<someone@{DOMAIN}.elsewhere.test>",
    f"<someone@x{DOMAIN}>",
    f"<someone@{DOMAIN}.>",
    f"<someone@.{DOMAIN}>",
    f"<{DOMAIN}:someone@elsewhere.test>",
    "someone@elsewhere.test",
    "<someone@localhost>",
    "<someone>",
    "<>",
])
def test_relaying_is_refused(server, path):
    for sender in ("<a@b.test>", "<>", f"<someone@{DOMAIN}>", f"<postmaster@{DOMAIN}>"):
        with Wire(server) as wire:
            wire.hello()
            assert wire.say(f"MAIL FROM:{sender}")[:1] in "25"
            assert wire.say(f"RCPT TO:{path}")[:1] == "5"


def test_source_route_to_us_is_taken(server, mailbox):
    deliver_to = f"<@relay.test,@other.test:{mailbox}>"
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        assert wire.say(f"RCPT TO:{deliver_to}").startswith("250")


# ---- smuggling ----

SECOND = b"MAIL FROM:<evil@b.test>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"
ENDS = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n",
        b"\r\n.\r\r\n"]


@pytest.mark.parametrize("end", ENDS, ids=lambda e: ascii(e)[2:-1])
def test_smuggling(server, mailbox, end):
    """Only CRLF . CRLF ends a message: what stands after anything else is never a command."""
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        wire.say("DATA")
        wire.send(b"Subject: first\r\n\r\nfirst" + end + SECOND % mailbox.encode())
        answer = wire.reply()
        if b"\0" in end:
            assert answer.startswith("250")
        else:
            assert answer.startswith("550 5.6.0")
    assert not any(m.startswith(b"Return-Path: <evil") for m in mail_of(server, mailbox))
    assert count_of(server, mailbox) == (1 if b"\0" in end else 0)


def test_bare_cr_before_the_true_end(server, mailbox):
    """The message is refused, and what stands behind its end is a command of the same client."""
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        wire.say("DATA")
        wire.send(b"Subject: first\r\n\r\nfirst\r\r\n.\r\nNOOP\r\n")
        assert wire.reply().startswith("550 5.6.0")
        assert wire.reply().startswith("250")
    assert count_of(server, mailbox) == 0


@pytest.mark.parametrize("bad", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\n", b"\r", b"\n"],
                         ids=lambda b: ascii(b)[2:-1])
def test_bare_line_ends_in_chunks(server, mailbox, bad):
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        wire.send(b"BDAT %d LAST\r\n" % (len(bad) + 3) + b"x\r\n" + bad)
        assert wire.reply().startswith("550 5.6.0")
    assert count_of(server, mailbox) == 0


def test_old_devices_may_send_bare_line_ends_when_allowed(make_server):
    server = make_server('bare_newline = "normalize";', ["alice"])
    alice = f"alice@{DOMAIN}"
    with Wire(server, "submission") as wire:
        wire.hello()
        wire.login(alice)
        wire.say(f"MAIL FROM:<{alice}>")
        wire.say(f"RCPT TO:<{alice}>")
        wire.say("DATA")
        wire.send(b"Subject: scan\n\nold\n\r\n.\r\n")
        assert wire.reply().startswith("250")
    assert without_trace(mail_of(server, alice)[0]).startswith(b"Subject: scan\r\n\r\nold\r\n")
    with Wire(server) as wire:  # but not strangers
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{alice}>")
        wire.say("DATA")
        wire.send(b"Subject: x\n\nevil\n\r\n.\r\n")
        assert wire.reply().startswith("550 5.6.0")


# ---- headers ----

@pytest.mark.parametrize("message", [
    b"X: y\r\n" * 100_000 + b"\r\nbody\r\n",
    b"To: " + b"a@b.test, " * 100_000 + b"c@d.test\r\n\r\nbody\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1)
        for n in range(10_000)),
    b"(" * 500_000 + b"\r\n\r\n",
    b"Subject: " + b"=?utf-8?q?x?= " * 50_000 + b"\r\n\r\n",
    b"X: \xff\xfe\r\n\xff\xfe: \xff\r\n\r\n\xff\r\n",
], ids=["fields", "addresses", "levels", "parentheses", "words", "8 bit"])
def test_monstrous_headers(server, mailbox, message):
    deliver(server, mailbox, message)
    with Wire(server, "pop3s", tls=True) as wire:
        wire.pop3_login(mailbox)
        assert without_trace(wire.retrieve(1)) == message


LOG_VALUE = r'(?:[^\s"\\=]+|"(?:[^"\\\x00-\x1f\x7f]|\\x[0-9a-f]{2}|\\["\\])*")(?:\.\.\.)?'
LOG_LINE = re.compile(rf"\S+ level=[a-z]+ process=[a-z]+ event=[a-z-]+((?: [a-z_]+={LOG_VALUE})*)")


def logged(server, event):
    """The values of the new lines of an event, as {key: text}. Every line of the log is well-formed."""
    found = []
    for line in server.new_log().splitlines():
        whole = LOG_LINE.fullmatch(line)
        assert whole, line
        if f" event={event}" in line[:80]:
            found.append({key: value.strip('"') for key, value in
                          re.findall(rf" ([a-z_]+)=({LOG_VALUE})", whole.group(1))})
    return found


FORGED = "a event=forged"


@pytest.mark.parametrize("port", ["pop3", "submission"])
@pytest.mark.parametrize("user, shown", [
    (FORGED, FORGED), ('a" event=forged', '\\" event=forged'), ("a\\", "a\\\\"),
    ("a=b", "a=b"), ("a\u2028\x85b", r"a\xe2\x80\xa8\xc2\x85b")], ids=ascii)
def test_a_name_to_log_in_with_cannot_forge_a_log_line(server, port, user, shown):
    with Wire(server, port) as wire:
        if port == "pop3":
            wire.say(f"USER {user}")
            assert wire.say("PASS wrong").startswith("-ERR")
        else:
            wire.hello()
            secret = base64.b64encode(f"\0{user}\0wrong".encode()).decode()
            assert wire.say(f"AUTH PLAIN {secret}").startswith("535")
    [line] = wait_for("a line", lambda: logged(server, "login-failed"))
    assert line["user"].endswith(shown), line


@pytest.mark.parametrize("local, shown", [
    (f'"{FORGED}"', f'\\"{FORGED}\\"'), ('"a\\" event=forged"', r'\"a\\\" event=forged\"'), ("a=b", "a=b"),
    ('"\\\\"', r'\"\\\\\"')], ids=ascii)
def test_an_address_cannot_forge_a_log_line(server, mailbox, local, shown):
    """Nor can what EHLO or the header says; the Received field is one field as well."""
    with Wire(server) as wire:
        wire.say('EHLO x"\\=event=forged')
        wire.hello()
        assert wire.say(f"MAIL FROM:<{local}@b.test>").startswith("250")
        assert wire.say(f"RCPT TO:<{local}@{DOMAIN}>").startswith("550")
        assert wire.say(f"RCPT TO:<{mailbox}>").startswith("250")
        wire.say("DATA")
        wire.send(b"Message-ID: <a event=forged@b>\r\nFrom: x\x0b event=forged\r\n" + letter() + b".\r\n")
        assert wire.reply().startswith("250")
    [refused] = wait_for("a line", lambda: logged(server, "recipient-refused"))
    assert refused["from"] == f"{shown}@b.test" and refused["to"] == f"{shown}@{DOMAIN}", refused
    [accepted] = wait_for("a line", lambda: logged(server, "accepted"))
    assert accepted["from"] == f"{shown}@b.test" and accepted["to"] == mailbox, accepted
    head = mail_of(server, mailbox)[0].split(b"Message-ID:")[0]
    assert re.findall(rb"^([\w-]+):", head, re.M) == [b"Return-Path", b"Delivered-To", b"Received"]


@pytest.mark.parametrize("fields, code", [(99, "250 2.0.0"), (100, "250 2.0.0"), (101, "554 5.4.6"), (1000, "554 5.4.6")])
@pytest.mark.parametrize("chunked", [False, True], ids=["data", "bdat"])
def test_received_fields_are_counted(server, mailbox, fields, code, chunked):
    """A message that came over more than a hundred servers goes in circles; fields of other names, and of the
    body, do not count."""
    message = (b"Received: from a by b;\r\n\tFri, 27 Nov 2026 10:00:00 +0000\r\nX-Received: x\r\n" * fields
               + letter(body=["Received: in the body"] * 101))
    with Wire(server) as wire:
        wire.hello()
        wire.say("MAIL FROM:<a@b.test>")
        wire.say(f"RCPT TO:<{mailbox}>")
        if chunked:
            wire.send(b"BDAT %d LAST\r\n" % len(message) + message)
        else:
            assert wire.say("DATA").startswith("354")
            wire.send(message + b".\r\n")
        reply = wire.reply()
    assert reply.startswith(code) and ("circles" in reply) == (code[0] == "5"), reply
    assert count_of(server, mailbox) == (code[0] == "2")


# ---- the sockets of this machine ----

@pytest.mark.parametrize("name", ["admin.sock", "sendmail.sock"])
def test_garbage_on_local_sockets(server, name):
    for data in (b"", b"\0" * 100, b"\xff" * 100_000, os.urandom(5000), b"GET / HTTP/1.0\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT)
            client.connect(os.path.join(server.data, "run", name))
            try:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            except ConnectionError:
                pass
    assert server.json("status")
