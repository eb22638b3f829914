"""Clients for tests: the bytes on the wire, and short forms of smtplib and poplib."""

import base64
import poplib
import re
import smtplib
import ssl

from conftest import PASSWORD

TIMEOUT = 60  # reached only by a server that hangs
TRACE_FIELDS = (b"return-path", b"delivered-to", b"received")


class Wire:
    """A connection on which a test sends any bytes and reads lines and replies."""

    def __init__(self, server, port="smtp", greet=True, tls=False, source=None):
        self.server = server
        self.socket = server.connect(port, source)
        if tls:
            self.start_tls()
        self.input = b""
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def start_tls(self):
        self.socket = self.server.trust().wrap_socket(self.socket, server_hostname="localhost")

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def receive(self):
        """More bytes, empty at the end. A reset counts as the end."""
        try:
            return self.socket.recv(65536)
        except (ConnectionError, ssl.SSLEOFError):
            return b""

    def line(self):
        """One line without its end; None when the server has closed the connection."""
        while b"\r\n" not in self.input:
            more = self.receive()
            if not more:
                return None
            self.input += more
        line, self.input = self.input.split(b"\r\n", 1)
        return line.decode("utf-8", "replace")

    def reply(self):
        """One SMTP reply, or one POP3 status line, its lines joined; "" at the end."""
        lines = []
        while True:
            line = self.line()
            if line is None:
                return "\n".join(lines)
            lines.append(line)
            if not re.match(r"\d\d\d-", line):
                return "\n".join(lines)

    def say(self, command):
        """Sends one line and gives the reply."""
        self.send((command.encode() if isinstance(command, str) else command) + b"\r\n")
        return self.reply()

    def rest(self):
        """Everything until the server closes."""
        while True:
            more = self.receive()
            if not more:
                data, self.input = self.input, b""
                return data
            self.input += more

    def hello(self):
        reply = self.say("EHLO client.test")
        assert reply.startswith("250"), reply
        return [line[4:] for line in reply.split("\n")]

    def login(self, user, password=PASSWORD):
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        reply = self.say(f"AUTH PLAIN {secret}")
        assert reply.startswith("235"), reply

    def multiline(self):
        """The lines of a POP3 multi-line response, dot-unstuffed."""
        data, seen = bytearray(b"\r\n" + self.input), 0
        while (end := data.find(b"\r\n.\r\n", max(0, seen - 4))) < 0:  # line by line takes seconds for megabytes
            seen = len(data)
            more = self.receive()
            assert more, "the response has no end"
            data += more
        self.input = bytes(data[end + 5:])
        lines = data[2:end].decode("utf-8", "replace").split("\r\n") if end else []
        return [line[1:] if line.startswith(".") else line for line in lines]

    def pop3_login(self, user, password=PASSWORD):
        assert self.say(f"USER {user}").startswith("+OK")
        reply = self.say(f"PASS {password}")
        assert reply.startswith("+OK"), reply

    def retrieve(self, number):
        """A message by RETR as exactly the bytes it has: poplib would take apart bare line ends."""
        reply = self.say(f"RETR {number}")
        assert reply.startswith("+OK"), reply
        while not self.input.endswith(b"\r\n.\r\n"):
            more = self.receive()
            assert more, "the response has no end"
            self.input += more
        raw, self.input = self.input[:-3], b""
        return re.sub(rb"(^|\r\n)\.", rb"\1", raw)


def letter(subject="A letter", body=("Hello,", "world."), sender="carol@stranger.test",
           to="somebody@example.test"):
    """A message as bytes with CRLF."""
    return "\r\n".join((f"From: {sender}", f"To: {to}", f"Subject: {subject}", "", *body, "")).encode()


def deliver(server, recipients, message=None, sender="carol@stranger.test", options=(), port="smtp"):
    """Hands a message in on port 25; gives the text of the 250."""
    with smtplib.SMTP("127.0.0.1", server.ports[port], timeout=TIMEOUT) as client:
        client.ehlo("mail.stranger.test")
        assert client.mail(sender, options)[0] == 250
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            code, text = client.rcpt(recipient)
            assert code == 250, (recipient, code, text)
        code, text = client.data(message if message is not None else letter())
        assert code == 250, (code, text)
        return text.decode()


def deliver_exactly(server, recipient, message):
    """The same for bytes that smtplib would put right: an empty message, one of a single dot."""
    with Wire(server) as wire:
        wire.hello()
        for command in ("MAIL FROM:<carol@stranger.test>", f"RCPT TO:<{recipient}>", "DATA"):
            assert wire.say(command)[:1] in "23"
        wire.send(re.sub(rb"(^|\r\n)\.", rb"\1..", message) + b".\r\n")
        reply = wire.reply()
        assert reply.startswith("250"), reply


def message_id(reply):
    """The id that a 250 names."""
    return re.search(r"\bid=(\S+)", reply).group(1)


def submit(server, user, recipients, message=None, password=PASSWORD):
    with smtplib.SMTP("localhost", server.ports["submission"], timeout=TIMEOUT) as client:
        client.starttls(context=server.trust())
        client.login(user, password)
        refused = client.sendmail(user, recipients, message if message is not None else letter())
        assert not refused


def pop3(server, user, password=PASSWORD):
    """A poplib client that is logged in over TLS."""
    client = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.trust(),
                             timeout=TIMEOUT)
    client.encoding = "utf-8"
    client.user(user)
    client.pass_(password)
    return client


def fetch(client, number):
    """A message of a poplib client, as bytes."""
    return b"".join(line + b"\r\n" for line in client.retr(number)[1])


def mail_of(server, user, password=PASSWORD):
    """All messages of a mailbox, as bytes."""
    client = pop3(server, user, password)
    messages = [fetch(client, n + 1) for n in range(client.stat()[0])]
    client.quit()
    return messages


def without_trace(message):
    """The message as it was sent: without the trace fields put in front of it."""
    lines = message.split(b"\r\n")
    at = 0
    while at < len(lines) and lines[at].split(b":")[0].lower() in TRACE_FIELDS:
        at += 1
        while lines[at][:1] in (b" ", b"\t"):
            at += 1
    return b"\r\n".join(lines[at:])


def count_of(server, user, password=PASSWORD):
    client = pop3(server, user, password)
    count = client.stat()[0]
    client.quit()
    return count
