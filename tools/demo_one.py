"""The first story of the demo: one server, two users, a stranger and a crash."""

import email
import os
import poplib
import smtplib

import server as godwit
from demo_story import MailProgram, letter, without_trace

ALICE, BOB = "alice@example.test", "bob@example.test"
PASSWORDS = {ALICE: "correct horse battery", BOB: "staple \u00e9clair"}


class OneServer:
    def __init__(self, story, folder):
        self.story = story
        self.server = godwit.Server(folder)
        self.servers = [self.server]
        self.alice = MailProgram(self.server, ALICE, PASSWORDS[ALICE])
        self.bob = MailProgram(self.server, BOB, PASSWORDS[BOB])

    def begin(self):
        self.story.step("A mail server for example.test is made and started; Alice and Bob get accounts.")
        self.server.create(["example.test"], PASSWORDS)
        self.server.start()
        names = sorted(set(self.server.processes().values()))
        self.story.true(f"it runs as these processes: {', '.join(names)}",
                        {"supervisor", *godwit.ROLES} <= set(names))

    def alice_writes(self):
        story = self.story
        story.step("Alice's mail program logs in over STARTTLS and hands in a letter for Bob.")
        sent = letter("A walk on Sunday", ["Dear Bob,", "", ".a line that begins with a dot", ".",
                                           "Gr\u00fc\u00dfe, Alice"], ALICE, BOB)
        client = self.alice.submission()
        story.true("the connection is encrypted and the certificate is the server's own",
                   client.sock.version() in ("TLSv1.2", "TLSv1.3"))
        client.close()
        code, text = self.alice.hand_in(BOB, sent)
        story.true(f"the server has it on disk and says so: {code} {text.decode()}", code == 250)

        story.step("Bob logs in by POP3 over TLS.")
        mail = self.bob.mail()
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
            self.bob.pop3("guess")
            refused = b""
        except poplib.error_proto as error:
            refused = error.args[0]
        story.true(f"POP3 gives nothing: {refused.decode()}", refused.startswith(b"-ERR"))
        client = self.alice.submission()
        try:
            client.login(ALICE, "guess")
            refused = 0
        except smtplib.SMTPAuthenticationError as error:
            refused = error.smtp_code
        client.close()
        story.true(f"SMTP gives nothing: {refused}", refused == 535)

    def stranger(self):
        story = self.story
        story.step("A stranger's mail server connects to the port for the whole world.")
        with smtplib.SMTP(self.server.host, self.server.ports["smtp"], timeout=30) as client:
            client.ehlo("mail.stranger.test")
            story.true("logging in is not even offered there", not client.has_extn("auth"))
            client.mail("carol@stranger.test")
            code, text = client.rcpt("someone@elsewhere.test")
            story.true(f"mail for others is not relayed: {code} {text.decode()}", code == 550)
            code, _ = client.rcpt("nobody@example.test")
            story.true("mail for nobody is refused at once", code == 550)
            code, _ = client.rcpt(BOB)
            story.true("mail for Bob is welcome", code == 250)
            code, _ = client.data(letter("Hello from outside", ["Hi!"], "carol@stranger.test", BOB))
            story.true("and taken", code == 250)
        story.true("Bob has it", any(b"Hello from outside" in m for m in self.bob.mail()))

    def kill(self):
        story = self.story
        story.step("A letter is handed in; right after the 250 every process is killed with -9.")
        before = len(self.bob.mail())
        client = self.alice.submission()
        client.login(ALICE, PASSWORDS[ALICE])
        sent = letter("Just in time", ["This must not be lost."], ALICE, BOB)
        client.mail(ALICE)
        client.rcpt(BOB)
        code, _ = client.data(sent)
        self.server.kill_all()
        client.close()
        story.true("the server had said 250 and is gone", code == 250)
        self.server.start()
        mail = self.bob.mail()
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
