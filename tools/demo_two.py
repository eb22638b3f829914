"""The second story of the demo: from Alice's server to Bob's, through DNS, queue and relay, and back
when it fails."""

import email
import email.policy
import itertools
import os
import re

import server as godwit
from demo_story import MailProgram, letter, without_trace
from dns_server import Nsd
from server import wait_for

ALICE, BOB, NOBODY = "alice@alice.test", "bob@bob.test", "nobody@bob.test"
PASSWORDS = {ALICE: "correct horse battery", BOB: "staple \u00e9clair"}
HOSTS = {"alice.test": "127.0.0.2", "bob.test": "127.0.0.3"}
ZONE = "@ MX 10 mail\nmail A {0}\n"
RETRY = 'queue = {{ retry = ["1s", "2s"]; delay_warning = []; lifetime = "{0}"; bounce_lifetime = "1h"; }};'

# Each letter's story as `godwit trace` has it: its events, repeated ones once, and what else is in it.
EVENT = r"^\S+ +\S+ \S+ +([a-z]+) "
TOLD = (("The offer", ["received", "attempt", "relayed"], "S: 250 2.0.0"),
        ("While you are away", ["received", "attempt", "relayed"], "S: 250 2.0.0"),
        ("Are you there", ["received", "attempt", "bounced", "notice"], "connection refused"),
        ("Hello Bbo", ["received", "attempt", "bounced", "notice"], "S: 550 5.1.1"))


def without_dialogue(trace):
    return re.sub(r"^ .*\n", "", trace, flags=re.M)


class TwoServers:
    def __init__(self, story, folder):
        self.story = story
        self.folder = folder
        self.dns = None
        self.alices, self.bobs = (self.server(domain) for domain in HOSTS)
        self.servers = [self.alices, self.bobs]
        self.alice = MailProgram(self.alices, ALICE, PASSWORDS[ALICE])
        self.bob = MailProgram(self.bobs, BOB, PASSWORDS[BOB])
        self.ids = {}  # of messages, by their subjects
        self.arrived = {server: 0 for server in self.servers}  # messages in its mailbox

    def server(self, domain):
        folder = os.path.join(self.folder, domain)
        os.mkdir(folder)
        os.chmod(folder, 0o755)  # a server started as root walks there as another user
        return godwit.Server(folder, hostname=f"mail.{domain}", host=HOSTS[domain])

    def close(self):
        if self.dns:
            self.dns.close()

    # ---- helpers ----

    def configure(self, server, lifetime):
        server.configure("\n".join((
            f'dns_server = "{self.dns.server}";',
            f"relay_port = {server.ports['smtp']};",
            "relay_allow_private = true;",
            RETRY.format(lifetime))))

    def write(self, subject, to, *body):
        """Alice hands a letter in; gives what she sent."""
        sent = letter(subject, body or ("Hello.",), ALICE, to)
        code, text = self.alice.hand_in(to, sent)
        self.story.true(f"Alice's server has it on disk: {code} {text.decode()}", code == 250)
        self.ids[subject] = re.search(r"id=(\S+)", text.decode()).group(1)
        return sent

    def wait_for_mail(self, server):
        wait_for(f"mail at {server.hostname}", lambda: server.message_count() > self.arrived[server])
        self.arrived[server] = server.message_count()

    def arrives(self, sent, sentence):
        self.wait_for_mail(self.bobs)
        self.story.true(sentence, sum(without_trace(m) == sent for m in self.bob.mail()) == 1)

    def story_of(self, subject):
        return self.alices.command("trace", self.ids[subject]).stdout

    def report_about(self, subject):
        """The report in Alice's mailbox about that letter, when it has come."""
        name = f"<{subject.replace(' ', '.')}@demo.example.test>"
        self.wait_for_mail(self.alices)
        found = [m for m in self.alice.mail() if b"multipart/report" in m and name.encode() in m]
        self.story.true("one report lies in Alice's mailbox", len(found) == 1)
        return email.message_from_bytes(found[0], policy=email.policy.default)

    def check_report(self, report, recipient, status, reason, subject):
        """By the rules of RFC 3464, part by part. Gives its text."""
        story = self.story
        parts = list(report.iter_parts())
        story.true("it comes from nobody who could be answered, so that no reports about reports arise",
                   report["Return-Path"] == "<>" and report["Auto-Submitted"] == "auto-replied")
        story.true("it is a report by RFC 3464: a text, fields for programs, the letter itself",
                   report.get_content_type() == "multipart/report"
                   and report.get_param("report-type") == "delivery-status"
                   and [part.get_content_type() for part in parts]
                   == ["text/plain", "message/delivery-status", "message/rfc822"])
        about, one = parts[1].get_payload()
        story.true(f"the fields say: {one['Final-Recipient']}, {one['Action']}, {one['Status']}",
                   about["Reporting-MTA"] == "dns; mail.alice.test"
                   and one["Final-Recipient"] == f"rfc822; {recipient}"
                   and one["Action"] == "failed" and one["Status"] == status)
        story.true(f"and why: {one['Diagnostic-Code']}",
                   one["Diagnostic-Code"] == reason and "Arrival-Date" in about
                   and "Last-Attempt-Date" in one)
        story.true("and the original is hers",
                   parts[2].get_content()["Subject"] == subject)
        return parts[0].get_content()

    # ---- the steps ----

    def begin(self):
        story = self.story
        story.step("Two companies have a mail server each, and the DNS knows both.")
        self.dns = Nsd({domain: ZONE.format(host) for domain, host in HOSTS.items()})
        story.true("a DNS server names mail.alice.test and mail.bob.test as mail exchangers",
                   all(self.dns.names(domain, host) for domain, host in
                       (("alice.test", "mail.alice.test"), ("bob.test", "mail.bob.test")))
                   and not self.dns.names("bob.test", "other.bob.test"))
        offset = godwit.free_offset(hosts=HOSTS.values())
        for server, domain, who in ((self.alices, "alice.test", ALICE), (self.bobs, "bob.test", BOB)):
            server.offset = offset
            server.create([domain], {who: PASSWORDS[who]})
            self.configure(server, "1h")
            server.start()
            story.true(f"{server.hostname} runs at {server.host} and looks names up there", True)

    def transfer(self):
        story = self.story
        story.step("Alice writes to Bob, who is with the other company.")
        sent = self.write("The offer", BOB, "Dear Bob,", "", ".two dots", "..", "Gr\u00fc\u00dfe")
        self.arrives(sent, "her server found Bob's by the DNS and transferred it: it is there once, "
                           "byte for byte")
        message = next(m for m in self.bob.mail() if without_trace(m) == sent)
        received = email.message_from_bytes(message).get_all("Received")
        story.true("two servers have left their trace, and the transfer was encrypted: "
                   + " ".join(received[0].split()),
                   len(received) == 2 and "with ESMTPS" in " ".join(received[0].split()))

    def down_and_up(self):
        story = self.story
        story.step("Bob's server is switched off. Alice writes.")
        story.true("it has stopped", self.bobs.stop() == 0)
        sent = self.write("While you are away", BOB)
        wait_for("the first attempt", lambda: self.alices.json(
            "queue", "list", BOB)[0]["state"] == "unreachable")
        listing = self.alices.command("queue", "list").stdout
        story.show(listing)
        entry = listing.partition(self.ids["While you are away"])[2]  # a line, and the reason below
        story.true("`godwit queue list` has the letter, from whom, to whom, and that Bob's server is away",
                   ALICE in entry and BOB in entry and "unreachable" in entry
                   and "connection refused" in entry)
        explanation = self.alices.command("queue", "explain", BOB).stdout
        story.show(explanation)
        explanation = " ".join(explanation.split())
        story.true("`godwit queue explain` says why it waits, when it is tried next, and how it ends",
                   "could not be reached" in explanation and "next attempt" in explanation
                   and f"returned to {ALICE}" in explanation)
        story.step("Bob's server is switched on again. Nobody does anything else.")
        self.bobs.start()
        self.arrives(sent, "the letter arrives by itself, once")
        story.true("the queue is empty", self.alices.json("queue", "list") == [])

    def expires(self):
        story = self.story
        story.step("Bob's server is off again, for longer than Alice's server tries: here for 5 seconds, "
                   "else for 5 days.")
        self.bobs.stop()
        self.configure(self.alices, "5s")
        reloads = self.alices.log().count("event=reloaded")
        self.alices.reload()
        wait_for("the new configuration",
                 lambda: self.alices.log().count("event=reloaded") > reloads)
        self.write("Are you there", BOB)
        text = self.check_report(self.report_about("Are you there"), BOB, "4.4.7",
                                 "x-godwit; connection refused", "Are you there")
        story.show(text)
        words = " ".join(text.split())  # where its lines end depends on the date
        story.true("its text says in plain words what happened, to whom, and what she can do",
                   all(part in words for part in (BOB, "could not be reached", "has been given up",
                                                  "send the message again later")))
        story.true("the queue is empty", self.alices.json("queue", "list") == [])
        self.bobs.start()

    def unknown(self):
        story = self.story
        story.step("Alice mistypes Bob's address.")
        self.write("Hello Bbo", NOBODY)
        text = self.check_report(self.report_about("Hello Bbo"), NOBODY, "5.1.1",
                                 "smtp; 550 5.1.1 there is no such user here", "Hello Bbo")
        story.show(text)
        attempts = self.story_of("Hello Bbo").count(" attempt ")
        story.true("it came at once: one attempt was made", attempts == 1)
        story.true("it says that there is no such mailbox, and quotes the other server's own words",
                   "there is no mailbox" in " ".join(text.split()) and "> 550 5.1.1" in text)

    def answers(self):
        story = self.story
        story.step("The administrators ask what happened.")
        for subject, events, says in TOLD:
            trace = self.story_of(subject)
            story.show(without_dialogue(trace) if subject == "While you are away" else trace)
            told = [event for event, _ in itertools.groupby(re.findall(EVENT, trace, re.M))]
            story.true(f"`godwit trace` tells the story of \u201c{subject}\u201d: {', '.join(told)}",
                       ALICE in trace and told == events and says in trace)
            if says.startswith("S: "):
                story.true("with what the servers said to each other",
                           "C: STARTTLS" in trace and "C: RCPT TO:" in trace)
        story.true("`godwit trace` of Bob's server knows the letter as well",
                   ALICE in self.bobs.command("trace", BOB).stdout)
        for server in self.servers:
            server.command("audit")
            story.true(f"`godwit audit` balances at {server.hostname}", True)
        story.true("nothing came twice: Bob has two letters, and Alice two reports",
                   [len(person.mail()) for person in (self.bob, self.alice)] == [2, 2])

    def end(self):
        self.story.step("The servers are asked to stop.")
        self.story.true("they stop cleanly", [server.stop() for server in self.servers] == [0, 0])

    def play(self):
        for part in (self.begin, self.transfer, self.down_and_up, self.expires, self.unknown,
                     self.answers, self.end):
            part()
