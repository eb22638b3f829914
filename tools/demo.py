"""./quickstart --demo: the journey of a message, told in plain sentences, each step checked.

A server of its own in a temporary directory, on free loopback ports; real clients: Python's smtplib
and poplib and `godwit mail`. Ends with 0 only when every step was seen to be true.
"""

import email
import os
import poplib
import shutil
import smtplib
import ssl
import sys
import tempfile
import time

import server as godwit

ALICE, BOB = "alice@example.test", "bob@example.test"
PASSWORDS = {ALICE: "correct horse battery", BOB: "staple \u00e9clair"}
TRACE_FIELDS = (b"return-path", b"delivered-to", b"received")


class NotSo(Exception):
    """A step did not turn out as told."""


class Story:
    """Numbered steps with their time, and checks that end the story when they are not true."""

    def __init__(self):
        self.number = 0

    def step(self, sentence):
        self.number += 1
        print(f"\n{self.number}. {sentence}", flush=True)

    def true(self, sentence, fact):
        if not fact:
            raise NotSo(sentence)
        print(f"   - {sentence}", flush=True)


def without_trace(message):
    """The message as it was sent: without the trace fields that servers put in front of it."""
    lines = message.split(b"\r\n")
    at = 0
    while lines[at].split(b":")[0].lower() in TRACE_FIELDS:
        at += 1
        while lines[at][:1] in (b" ", b"\t"):
            at += 1
    return b"\r\n".join(lines[at:])


def letter(subject, body, sender=ALICE):
    return "\r\n".join((f"From: {sender}", f"To: {BOB}", f"Subject: {subject}",
                        "Message-ID: <" + subject.replace(" ", ".") + "@demo.example.test>",
                        "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
                        "Content-Transfer-Encoding: 8bit", "", *body, "")).encode()


class Demo:
    def __init__(self, folder):
        self.story = Story()
        self.server = godwit.Server(folder)

    def trust(self):
        """The server's certificate is its own: it is the only one these clients believe."""
        return ssl.create_default_context(cafile=os.path.join(self.server.data, "tls",
                                                              "certificate.pem"))

    def submission(self):
        client = smtplib.SMTP("localhost", self.server.ports["submission"], timeout=30)
        client.starttls(context=self.trust())
        return client

    def pop3(self, password=PASSWORDS[BOB]):
        client = poplib.POP3_SSL("localhost", self.server.ports["pop3s"], context=self.trust(),
                                 timeout=30)
        client.encoding = "utf-8"
        client.user(BOB)
        client.pass_(password)
        return client

    def bobs_mail(self):
        """All of Bob's messages, as bytes."""
        client = self.pop3()
        count = client.stat()[0]
        messages = [b"\r\n".join(client.retr(n + 1)[1]) + b"\r\n" for n in range(count)]
        client.quit()
        return messages

    # ---- the steps ----

    def begin(self):
        self.story.step("A mail server for example.test is made and started; Alice and Bob get accounts.")
        self.server.create(["example.test"], PASSWORDS)
        self.server.start()
        names = sorted(set(self.server.processes().values()))
        self.story.true(f"it runs as these processes: {', '.join(names)}",
                        {"supervisor", "store", "mx", "user"} <= set(names))

    def alice_writes(self):
        story = self.story
        story.step("Alice's mail program logs in over STARTTLS and hands in a letter for Bob.")
        sent = letter("A walk on Sunday", ["Dear Bob,", "", ".a line that begins with a dot", ".",
                                           "Gr\u00fc\u00dfe, Alice"])
        client = self.submission()
        story.true("the connection is encrypted and the certificate is the server's own",
                   client.sock.version() in ("TLSv1.2", "TLSv1.3"))
        client.login(ALICE, PASSWORDS[ALICE])
        story.true("her name and password are accepted", True)
        client.mail(ALICE, ["BODY=8BITMIME"])
        client.rcpt(BOB)
        code, text = client.data(sent)
        client.quit()
        story.true(f"the server has it on disk and says so: {code} {text.decode()}", code == 250)

        story.step("Bob logs in by POP3 over TLS.")
        mail = self.bobs_mail()
        story.true("exactly one message waits for him", len(mail) == 1)
        story.true("it is byte for byte what Alice sent, behind the server's trace fields",
                   without_trace(mail[0]) == sent)
        fields = email.message_from_bytes(mail[0])
        received = " ".join(fields["Received"].split())
        story.true(f"they name the way it came: {received}",
                   "ESMTPSA" in received and fields["Return-Path"] == f"<{ALICE}>")

    def godwit_mail(self):
        story = self.story
        story.step("Bob answers and Alice reads it with `godwit mail`, on the command line.")
        cert = os.path.join(self.server.data, "tls", "certificate.pem")

        def mail(who, command, port, tls, *more, text=""):
            return self.server.command(
                "mail", command, "--server", f"localhost:{self.server.ports[port]}", "--tls", tls,
                "--ca", cert, "--user", who, *more, stdin=text, data=False,
                env={"GODWIT_PASSWORD": PASSWORDS[who]}).stdout

        mail(BOB, "send", "smtps", "implicit", "--from", BOB, "--to", ALICE, "--subject",
             "Sunday: gern", text="At ten?\nBob\n")
        listing = mail(ALICE, "list", "pop3", "starttls")
        story.true("the list shows Bob's answer with its subject",
                   "Sunday: gern" in listing and BOB in listing)
        story.true("she reads it", "At ten?" in mail(ALICE, "read", "pop3s", "implicit", "1"))

    def wrong_password(self):
        story = self.story
        story.step("Somebody tries Bob's mailbox with a wrong password.")
        try:
            self.pop3("guess")
            refused = b""
        except poplib.error_proto as error:
            refused = error.args[0]
        story.true(f"POP3 gives nothing: {refused.decode()}", refused.startswith(b"-ERR"))
        client = self.submission()
        try:
            client.login(BOB, "guess")
            refused = 0
        except smtplib.SMTPAuthenticationError as error:
            refused = error.smtp_code
        client.close()
        story.true(f"SMTP gives nothing: {refused}", refused == 535)

    def stranger(self):
        story = self.story
        story.step("A stranger's mail server connects to the port for the whole world.")
        with smtplib.SMTP("localhost", self.server.ports["smtp"], timeout=30) as client:
            client.ehlo("mail.stranger.test")
            story.true("logging in is not even offered there", not client.has_extn("auth"))
            client.mail("carol@stranger.test")
            code, text = client.rcpt("someone@elsewhere.test")
            story.true(f"mail for others is not relayed: {code} {text.decode()}", code == 550)
            code, _ = client.rcpt("nobody@example.test")
            story.true("mail for nobody is refused at once", code == 550)
            code, _ = client.rcpt(BOB)
            story.true("mail for Bob is welcome", code == 250)
            code, _ = client.data(letter("Hello from outside", ["Hi!"], "carol@stranger.test"))
            story.true("and taken", code == 250)
        story.true("Bob has it", any(b"Hello from outside" in m for m in self.bobs_mail()))

    def kill(self):
        story = self.story
        story.step("A letter is handed in; right after the 250 every process is killed with -9.")
        before = len(self.bobs_mail())
        client = self.submission()
        client.login(ALICE, PASSWORDS[ALICE])
        sent = letter("Just in time", ["This must not be lost."])
        client.mail(ALICE)
        client.rcpt(BOB)
        code, _ = client.data(sent)
        self.server.kill_all()
        client.close()
        story.true("the server had said 250 and is gone", code == 250)
        self.server.start()
        mail = self.bobs_mail()
        story.true("started again, it has the letter, once and whole",
                   len(mail) == before + 1
                   and sum(without_trace(m) == sent for m in mail) == 1)

    def answers(self):
        story = self.story
        story.step("The administrator asks what happened.")
        trace = self.server.command("trace", BOB).stdout
        story.true("`godwit trace` tells where Bob's mail came from", ALICE in trace)
        self.server.command("audit")
        story.true("`godwit audit` balances: every accepted recipient is in exactly one place", True)

    def end(self):
        self.story.step("The server is asked to stop.")
        self.story.true("it stops cleanly", self.server.stop() == 0)

    def play(self):
        for part in (self.begin, self.alice_writes, self.godwit_mail, self.wrong_password,
                     self.stranger, self.kill, self.answers, self.end):
            part()


def main():
    sys.stdout.reconfigure(errors="replace")
    started = time.monotonic()
    folder = tempfile.mkdtemp(prefix="godwit-demo-")
    demo = Demo(folder)
    try:
        demo.play()
    except (NotSo, godwit.ServerError, OSError, smtplib.SMTPException, poplib.error_proto) as error:
        print(f"\nNOT SO: {error!r}\n\nThe server's log:\n{demo.server.log()}", flush=True)
        return 1
    finally:
        if demo.server.process:
            demo.server.kill_all()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nEverything was as told, in {time.monotonic() - started:.1f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
