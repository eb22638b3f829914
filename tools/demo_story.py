"""What the stories of ./quickstart --demo share: steps, letters, and mail programs."""

import os
import poplib
import smtplib
import ssl

TRACE_FIELDS = (b"return-path", b"delivered-to", b"received")


class NotSo(Exception):
    """A step did not turn out as told."""


class Story:
    """Numbered steps, and checks that end the story when they are not true."""

    def __init__(self):
        self.number = 0

    def step(self, sentence):
        self.number += 1
        print(f"\n{self.number}. {sentence}", flush=True)

    def true(self, sentence, fact):
        if not fact:
            raise NotSo(sentence)
        print(f"   - {sentence}", flush=True)

    def show(self, text):
        """The output of a command, as it is."""
        for line in text.rstrip().split("\n"):
            print(f"       | {line}", flush=True)


def without_trace(message):
    """The message as it was sent: without the trace fields that servers put in front of it."""
    lines = message.split(b"\r\n")
    at = 0
    while lines[at].split(b":")[0].lower() in TRACE_FIELDS:
        at += 1
        while lines[at][:1] in (b" ", b"\t"):
            at += 1
    return b"\r\n".join(lines[at:])


def letter(subject, body, sender, to):
    return "\r\n".join((f"From: {sender}", f"To: {to}", f"Subject: {subject}",
                        "Message-ID: <" + subject.replace(" ", ".") + "@demo.example.test>",
                        "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
                        "Content-Transfer-Encoding: 8bit", "", *body, "")).encode()


class MailProgram:
    """Somebody's: hands in by SMTP submission, fetches by POP3. The certificate of his server is one
    that it made itself, and the only one that he believes."""

    def __init__(self, server, address, password):
        self.server, self.address, self.password = server, address, password

    def trust(self):
        context = ssl.create_default_context(
            cafile=os.path.join(self.server.data, "tls", "certificate.pem"))
        context.check_hostname = False  # it is reached by its address
        return context

    def submission(self):
        client = smtplib.SMTP(self.server.host, self.server.ports["submission"], timeout=30)
        client.starttls(context=self.trust())
        return client

    def hand_in(self, to, message):
        """Logs in and sends; gives the server's answer."""
        client = self.submission()
        client.login(self.address, self.password)
        client.mail(self.address, ["BODY=8BITMIME"])
        client.rcpt(to)
        answer = client.data(message)
        client.quit()
        return answer

    def pop3(self, password=None):
        client = poplib.POP3_SSL(self.server.host, self.server.ports["pop3s"],
                                 context=self.trust(), timeout=30)
        client.encoding = "utf-8"
        client.user(self.address)
        client.pass_(password or self.password)
        return client

    def mail(self):
        """All messages of the mailbox, as bytes."""
        client = self.pop3()
        count = client.stat()[0]
        messages = [b"\r\n".join(client.retr(n + 1)[1]) + b"\r\n" for n in range(count)]
        client.quit()
        return messages
