"""A scripted SMTP server: what tests of the relay send mail to.

It is a good server but for the answers it is told to give. An answer is octets to send, CLOSE, RESET
or HANG, a function of the session, or a tuple of those; a list is used up, one answer each time, and
then it is good again. Every command it was given and every message it took is kept.
"""

import contextlib
import os
import re
import socket
import ssl
import struct
import threading

from own_net_agent import listen
from server import wait_for

CLOSE, RESET, HANG = "close", "reset", "hang"
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
CHUNKING = (*EXTENSIONS, "CHUNKING")
GOOD = {
    "greeting": b"220 peer.test ESMTP\r\n",
    "HELO": b"250 peer.test\r\n",
    "STARTTLS": b"220 2.0.0 go\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go on\r\n",
    "chunk": b"250 2.0.0 continue\r\n",
    "end": b"250 2.0.0 taken\r\n",
    "RSET": b"250 2.0.0 ok\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
}
TAKEN = re.compile(rb"(250-[^\n]*\n)*250 ")


class End(Exception):
    """This session is over."""


class Message:
    """What came between MAIL and the final dot or last chunk. taken: it was answered with 250. chunks:
    their sizes; refused: one of them was."""

    def __init__(self, mail):
        self.mail, self.recipients, self.content, self.taken = mail, [], None, False
        self.chunks, self.refused = [], False


class Session:
    """One connection. commands: each line that came, but for content."""

    def __init__(self, peer, connection):
        self.peer, self.socket = peer, connection
        self.peer_address = connection.getpeername()[0]
        self.lines = connection.makefile("rb")
        self.commands = []
        self.message = None
        self.head = b""  # of the content, if an answer has read it already
        self.tls = False

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        line = self.lines.readline()
        if not line.endswith(b"\n"):
            raise End
        return line

    def content(self):
        """The lines up to the final dot, unstuffed."""
        lines = []
        while (line := self.line()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def start_tls(self):
        """What was read in the clear is dropped."""
        context = self.peer.tls
        self.lines.detach()
        self.socket = context.wrap_socket(self.socket, server_side=True, suppress_ragged_eofs=True)
        self.lines = self.socket.makefile("rb")
        self.tls = True

    def hang(self):
        """Until the other side goes, or the test lets it go on."""
        below = socket.socket(fileno=os.dup(self.socket.fileno()))  # TLS does not let one peek
        below.settimeout(0.02)
        self.peer.hanging.add(self)
        try:
            while not self.peer.go_on.is_set():
                with contextlib.suppress(socket.timeout):
                    if not below.recv(1, socket.MSG_PEEK):
                        raise End
                    self.peer.go_on.wait(0.02)  # there is something, but it is not our turn
        finally:
            self.peer.hanging.discard(self)
            below.close()
            self.socket.settimeout(None)

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError, ValueError):
            self.lines.close()
        self.socket.close()

    def act(self, answer):
        """Carries an answer out; gives the octets that were sent, if there were any."""
        if isinstance(answer, tuple):
            return b"".join(self.act(part) for part in answer)
        if callable(answer):
            return self.act(answer(self))
        if answer == HANG:
            self.hang()
        elif answer in (CLOSE, RESET):
            self.close(answer == RESET)
            raise End
        elif answer is not None:
            self.send(answer)
            return answer
        return b""

    def ehlo(self):
        words = [*self.peer.extensions, *(["STARTTLS"] if self.peer.tls and not self.tls else [])]
        lines = ["peer.test", *words]
        return "".join(f"250{' ' if n == len(lines) - 1 else '-'}{line}\r\n"
                       for n, line in enumerate(lines)).encode()

    def answer(self, what):
        """Says what it is told to say, else what a good server would."""
        good = self.ehlo() if what == "EHLO" else GOOD.get(what, b"500 5.5.1 what?\r\n")
        if what in ("RCPT", "DATA") and not self.message:
            good = b"503 5.5.1 MAIL first\r\n"
        elif what == "DATA" and not self.message.recipients:
            good = b"503 5.5.1 no recipients\r\n"
        told = self.peer.next_answer(what)
        if told == HANG:
            told = (HANG, good)
        return self.act(good if told is None else told)

    def run(self):
        self.answer("greeting")
        while True:
            line = self.line().decode("utf-8", "surrogateescape").rstrip("\r\n")
            self.commands.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            if verb == "MAIL":
                self.message = Message(line[len("MAIL FROM:"):])
            said = (self.answer(verb) or b"") if verb != "BDAT" else b""
            if verb == "MAIL" and said[:1] in b"45":
                self.message = None
            elif verb == "RCPT" and said[:1] not in b"45" and self.message:
                self.message.recipients.append(line[len("RCPT TO:"):])
            elif verb == "DATA" and b"354 " in said:
                self.take()
            elif verb == "BDAT":
                self.take_chunk(*line.split(" ")[1:])
            elif verb == "STARTTLS" and said[:3] == b"220" and self.peer.tls:
                self.start_tls()
            elif verb == "QUIT":
                raise End

    def take(self):
        """The content. Without a recipient it is kept apart, and no message."""
        self.act(self.peer.next_answer("content"))
        self.message.content = self.head + self.content()
        if not self.message.recipients:
            self.peer.empty.append(self.message.content)
            self.send(b"554 5.5.1 for nobody\r\n")
            return
        self.end()

    def take_chunk(self, size, last=None):
        """The octets first, whatever is said to them."""
        self.act(self.peer.next_answer("content"))
        octets = self.lines.read(int(size))
        message = self.message
        if len(octets) < int(size):
            raise End
        if not message or not message.recipients or message.refused:
            self.send(b"503 5.5.1 not now\r\n")
            return
        message.content = (message.content or b"") + octets
        message.chunks.append(len(octets))
        if last:
            self.end()
            self.message = None
        elif self.answer("chunk")[:1] != b"2":
            message.refused = True

    def end(self):
        """All content is here."""
        self.peer.received.append(self.message)
        told = self.peer.next_answer("end")
        told = GOOD["end"] if told is None else (HANG, GOOD["end"]) if told == HANG else told
        for part in told if isinstance(told, tuple) else (told,):
            # taken from the moment the 250 may be on its way
            self.message.taken |= isinstance(part, bytes) and bool(TAKEN.match(part))
            self.act(part)


class Peer:
    """A server at an address of its own. tls: a context, with which it offers STARTTLS. answers: by
    verb in capitals, "greeting", "content" (before it reads content or a chunk), "chunk" (one that is not
    the last) and "end" (the final dot, the last chunk). listen: how it comes to a listener."""

    def __init__(self, address, port, extensions=EXTENSIONS, tls=None, listen=listen, **answers):
        self.address, self.port, self.listen = address, port, listen
        self.extensions, self.tls = extensions, tls
        self.answers = answers
        self.sessions, self.received, self.empty = [], [], []
        self.hanging = set()
        self.go_on = threading.Event()
        self.lock = threading.Lock()
        self.threads = []
        self.listener = None
        self.up()

    def up(self):
        """Listens, as at the beginning."""
        self.listener = self.listen(self.address, self.port)
        thread = threading.Thread(target=self.accept, args=(self.listener,))
        self.threads.append(thread)
        thread.start()

    def down(self):
        """Refuses connections from now on; those that are open stay."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def cut(self):
        """Ends all connections."""
        for session in self.sessions:
            with contextlib.suppress(OSError):
                session.socket.shutdown(socket.SHUT_RDWR)

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, connection)
            self.sessions.append(session)
            thread = threading.Thread(target=self.serve, args=(session,))
            self.threads.append(thread)
            thread.start()

    @staticmethod
    def serve(session):
        try:
            session.run()
        except (End, OSError, ssl.SSLError, ValueError):
            pass
        session.close()

    def next_answer(self, what):
        with self.lock:
            told = self.answers.get(what)
            if isinstance(told, list):
                return told.pop(0) if told else None
            return told

    @property
    def taken(self):
        """Messages that were answered with 250."""
        return [message for message in self.received if message.taken]

    @property
    def commands(self):
        return [command for session in self.sessions for command in session.commands]

    def wait_hanging(self):
        """Somebody waits for an answer that does not come."""
        wait_for("a session that hangs", lambda: self.hanging)

    def wait_taken(self, count=1):
        wait_for(f"{count} messages at {self.address}", lambda: len(self.taken) >= count)
        return self.taken

    def close(self):
        self.go_on.set()
        with contextlib.suppress(OSError):
            self.down()
        for thread in self.threads:  # those that accept come before those of their sessions
            while thread.is_alive():
                self.cut()  # again: one may have been in the middle of a handshake
                thread.join(0.1)
