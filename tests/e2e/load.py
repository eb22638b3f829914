"""Hundreds of clients that keep books: what was answered with 250, what was deleted with +OK.

Senders and readers run in one asyncio loop in a thread of its own, so that a test may kill the server
meanwhile. Every attempt to send has a name ("7.0": the first try of message 7), which its Subject bears and
which determines its content; a sender tries again until he has a 250, as other servers do. Once all is
over, check() compares the books with every mailbox and with what the next hop took.
"""

import asyncio
import collections
import contextlib
import random
import re
import threading
import time

from conftest import DOMAIN, PASSWORD
from server import wait_for
from wire import TIMEOUT, without_trace

FILLER = b"".join(b"%06d %s\r\n" % (n, b"." * (n % 3) + b"godwits fly far " * (n % 5)) for n in range(20_000))
LARGE = 300_000  # octets: streamed, and a pack of its own
SUBJECT = re.compile(rb"^Subject: load (\d+\.\d+)\r\n", re.M)


def content(name):
    """The message of an attempt, always the same."""
    chance = random.Random(f"content {name}")
    size = LARGE if chance.random() < 0.02 else chance.randrange(3000)
    at = FILLER.index(b"\n", chance.randrange(len(FILLER) - LARGE - 1000)) + 1
    body = FILLER[at:FILLER.index(b"\n", at + size) + 1]
    return b"From: load@client.test\r\nSubject: load %s\r\n\r\n" % name.encode() + body


class Gone(Exception):
    """The connection has ended, or refuses to go on."""


class Connection:
    """A line protocol over asyncio's streams."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port):
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 21))

    def send(self, octets):
        self.writer.write(octets)

    async def until(self, end):
        try:
            return await asyncio.wait_for(self.reader.readuntil(end), TIMEOUT)
        except asyncio.IncompleteReadError:
            raise Gone from None

    async def reply(self):
        """The last line of an SMTP reply, or one of POP3."""
        while True:
            line = await self.until(b"\r\n")
            if not re.match(rb"\d\d\d-", line):
                return line

    async def expect(self, start, octets=b""):
        self.send(octets)
        line = await self.reply()
        if not line.startswith(start):
            raise Gone(line)
        return line

    def close(self):
        self.writer.transport.abort()


class Attempt:
    """state: "" the final dot was not sent; "unsure" it was, and no answer came; "taken"; "refused"."""

    def __init__(self, name, accounts, remote):
        self.name, self.accounts, self.remote = name, accounts, remote
        self.state = ""


class Mailbox:
    """The books of one reader. All by unique id, which is for ever."""

    def __init__(self, user):
        self.user = user
        self.names = {}  # uid: the attempt that it is a copy of
        self.deleted = set()  # +OK to the QUIT
        self.unsure = set()  # a QUIT without an answer
        self.seen = set()  # read and left there, +OK to a QUIT that deleted others: one commit
        self.perhaps_seen = set()  # any other QUIT behind it


class Load:
    """remote: a domain whose server is the next hop. Everything is drawn from the seed, but for when."""

    def __init__(self, server, users, remote=None, senders=100, seed=1, pause=0.1):
        self.server, self.remote, self.seed, self.pause = server, remote, seed, pause
        self.attempts = {}
        self.mailboxes = [Mailbox(user) for user in users]
        self.relayed = collections.defaultdict(list)  # name: when the next hop took it
        self.taken = self.deletions = self.numbers = 0
        self.wrong = []  # sentences about what may never be
        self.senders = senders
        self.stopping = False
        self.thread = None

    def __enter__(self):
        """May be entered again after the end: the books go on."""
        self.stopping = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()

    def wait_for_more(self, count):
        """Until so many messages more were taken."""
        goal = self.taken + count
        wait_for(f"{count} more messages", lambda: self.taken >= goal)

    async def run(self):
        await asyncio.gather(*(self.keep(self.send_some, n) for n in range(self.senders)),
                             *(self.keep(self.read_some, n) for n in range(len(self.mailboxes))))

    async def keep(self, session, number):
        """One session after the other; a server that is away is tried again soon."""
        chance = random.Random(f"{self.seed} {session.__name__} {number}")
        state = {}
        while not self.stopping:
            connection = None
            try:
                port = self.server.ports["smtp" if session == self.send_some else "pop3"]
                connection = await Connection.open(port)
                await session(connection, number, chance, state)
            except (Gone, OSError):
                await asyncio.sleep(0.02)
            finally:
                if connection:
                    connection.close()

    # ---- sending ----

    def next_attempt(self, chance, state):
        """The one that is to be tried again, or a new one."""
        before = state.get("attempt")
        if before and before.state != "taken":
            number, tries = before.name.split(".")
            after = Attempt(f"{number}.{int(tries) + 1}", before.accounts, before.remote)
        else:
            count = 1 if chance.random() < 0.8 else min(3, len(self.mailboxes))
            accounts = chance.sample(range(len(self.mailboxes)), count)
            after = Attempt(f"{self.numbers}.0", accounts, bool(self.remote) and chance.random() < 0.2)
            self.numbers += 1
        state["attempt"] = self.attempts[after.name] = after
        return after

    async def send_some(self, connection, _, chance, state):
        await connection.expect(b"220")
        await connection.expect(b"250", b"EHLO client.test\r\n")
        for _ in range(chance.randrange(1, 8)):
            await self.send_one(connection, chance, state)
            if self.stopping:
                break
            await asyncio.sleep(chance.random() * 2 * self.pause)
        if chance.random() < 0.5:
            await connection.expect(b"221", b"QUIT\r\n")

    async def send_one(self, connection, chance, state):
        attempt = self.next_attempt(chance, state)
        rcpts = [self.mailboxes[n].user for n in attempt.accounts]
        if attempt.remote:
            rcpts.append(f"load@{self.remote}")
        commands = [b"MAIL FROM:<load@client.test>", *(f"RCPT TO:<{rcpt}>".encode() for rcpt in rcpts), b"DATA"]
        connection.send(b"".join(command + b"\r\n" for command in commands))
        for _ in commands[:-1]:
            await connection.expect(b"250")
        await connection.expect(b"354")
        connection.send(content(attempt.name).replace(b"\r\n.", b"\r\n.."))
        await connection.writer.drain()
        attempt.state = "unsure"
        connection.send(b".\r\n")
        reply = await connection.reply()
        attempt.state = "taken" if reply.startswith(b"250") else "refused"
        if attempt.state == "refused":
            raise Gone(reply)
        self.taken += 1

    # ---- reading ----

    async def login(self, connection, user):
        await connection.expect(b"+OK")
        await connection.expect(b"+OK", f"USER {user}\r\n".encode())
        await connection.expect(b"+OK", f"PASS {PASSWORD}\r\n".encode())

    async def uids(self, connection):
        await connection.expect(b"+OK", b"UIDL\r\n")
        uids = []
        while (line := await connection.until(b"\r\n")) != b".\r\n":
            uids.append(line.split()[1].decode())
        return uids

    async def retrieve(self, connection, mailbox, number, uid):
        await connection.expect(b"+OK", b"RETR %d\r\n" % number)
        raw = (b"\r\n" + await connection.until(b"\r\n.\r\n"))[:-3]
        message = without_trace(raw.replace(b"\r\n..", b"\r\n.")[2:])
        found = SUBJECT.search(message)
        name = found[1].decode() if found else "without a name"
        if not found or message != content(name):
            self.wrong.append(f"{mailbox.user}: message {uid} ({name}) is not what was sent")
        if mailbox.names.setdefault(uid, name) != name:
            self.wrong.append(f"{mailbox.user}: {uid} was {mailbox.names[uid]} and is {name}")

    def see(self, mailbox, uids):
        """Nothing comes back, nothing is there twice."""
        back = mailbox.deleted & set(uids)
        if back:
            self.wrong.append(f"{mailbox.user}: deleted and back: {sorted(back)}")
        if len(set(uids)) != len(uids):
            self.wrong.append(f"{mailbox.user}: a unique id twice: {sorted(uids)}")

    async def read_some(self, connection, number, chance, _):
        mailbox = self.mailboxes[number]
        await self.login(connection, mailbox.user)
        uids = await self.uids(connection)
        self.see(mailbox, uids)
        chosen = sorted(chance.sample(range(len(uids)), min(len(uids), chance.randrange(12))))
        for at in chosen:
            await self.retrieve(connection, mailbox, at + 1, uids[at])
        victims = [at for at in chosen if chance.random() < 0.6]
        for at in victims:
            await connection.expect(b"+OK", b"DELE %d\r\n" % (at + 1))
        if chance.random() < 0.8:
            await self.quit(connection, mailbox, {uids[at] for at in victims},
                            {uids[at] for at in chosen if at not in victims})
        await asyncio.sleep(chance.random() * 4 * self.pause)

    async def quit(self, connection, mailbox, victims, read):
        """Also -ERR tells nothing: the store may have died behind the commit. Nor does +OK to who deletes nothing."""
        mailbox.unsure |= victims
        mailbox.perhaps_seen |= read
        connection.send(b"QUIT\r\n")
        if (await connection.reply()).startswith(b"+OK"):
            mailbox.unsure -= victims
            mailbox.deleted |= victims
            mailbox.seen |= read if victims else set()
            self.deletions += len(victims)

    # ---- the next hop ----

    def on_relayed(self, session):
        """A Peer's answer to the final dot: 250, and it is in the books."""
        self.relayed[SUBJECT.search(session.message.content)[1].decode()].append(time.monotonic())
        return b"250 2.0.0 taken\r\n"

    # ---- afterwards ----

    async def read_all(self):
        """{account: uids}, each message read and compared."""
        few = asyncio.Semaphore(8)  # logins at a time: the server refuses too many that it has to hash

        async def one(mailbox):
            async with few:
                return await read(mailbox)

        async def read(mailbox):
            connection = await Connection.open(self.server.ports["pop3"])
            with contextlib.closing(connection):
                await self.login(connection, mailbox.user)
                uids = await self.uids(connection)
                self.see(mailbox, uids)
                for at, uid in enumerate(uids):
                    await self.retrieve(connection, mailbox, at + 1, uid)
                return uids
        return await asyncio.gather(*map(one, self.mailboxes))

    def copies(self):
        """{(account, name): [uids there, uids deleted for certain, uids perhaps deleted]}."""
        found = collections.defaultdict(lambda: [0, 0, 0])
        for number, (mailbox, uids) in enumerate(zip(self.mailboxes, asyncio.run(self.read_all()))):
            there = set(uids)
            for uid, name in mailbox.names.items():
                place = found[number, name]
                place[0] += uid in there
                place[1] += uid in mailbox.deleted
                place[2] += uid in mailbox.unsure - mailbox.deleted - there
                if uid not in there | mailbox.deleted | mailbox.unsure:
                    self.wrong.append(f"{mailbox.user}: {uid} ({name}) was there and is lost")
        return found

    def check_mailboxes(self, unsure_refusals):
        """Gives how many copies there are of attempts without a 250, and of messages that are there again."""
        found, extra, twice = self.copies(), 0, 0
        delivered = set()
        for attempt in self.attempts.values():
            for number in attempt.accounts:
                copies = sum(found.pop((number, attempt.name), (0,)))
                what = f"{attempt.name} ({attempt.state or 'not sent whole'}) for {self.mailboxes[number].user}"
                if copies > 1:
                    self.wrong.append(f"{what} is there {copies} times")
                if copies == 0 and attempt.state == "taken":
                    self.wrong.append(f"{what} is lost")
                if copies and (attempt.state == "" or attempt.state == "refused" and not unsure_refusals):
                    self.wrong.append(f"{what} is there")
                extra += copies and attempt.state != "taken"
                place = number, attempt.name.split(".")[0]
                twice += copies and place in delivered
                if copies:
                    delivered.add(place)
        self.wrong += [f"nobody sent {name} to {self.mailboxes[number].user}" for number, name in found]
        return extra, twice

    def check_seen(self):
        """Gives how many messages have a mark that was promised."""
        promised = 0
        for mailbox in self.mailboxes:
            rows = {row["id"]: row["flags"] for row in self.server.json("flags", mailbox.user)}
            marked = {uid for uid, flags in rows.items() if flags}
            self.wrong += [f"{mailbox.user}: {uid} was read and is unseen"
                           for uid in mailbox.seen & set(rows) - marked]
            self.wrong += [f"{mailbox.user}: {uid} is seen, and nobody read it" for uid in marked - mailbox.perhaps_seen]
            promised += len(mailbox.seen & marked)
        return promised

    def check_relayed(self, deaths):
        """deaths: between which moments a relay died. Gives how many messages went twice, each with one of them between."""
        twice = 0
        for attempt in self.attempts.values():
            times = self.relayed.get(attempt.name, [])
            if attempt.remote and attempt.state == "taken" and not times:
                self.wrong.append(f"{attempt.name} was taken and never relayed")
            if times and (attempt.state in ("", "refused") or not attempt.remote):
                self.wrong.append(f"{attempt.name} ({attempt.state or 'not sent whole'}) was relayed")
            for first, second in zip(times, times[1:]):
                twice += 1
                if not any(first - 5 <= end and begin <= second for begin, end in deaths):
                    self.wrong.append(f"{attempt.name} was relayed twice and no relay had died")
        return twice

    def check(self, deaths=(), unsure_refusals=False):
        """Compares everything; gives the sums in a sentence. unsure_refusals: what was refused may be there, for
        the disk failed in the middle of a commit."""
        (extra, again), twice = self.check_mailboxes(unsure_refusals), self.check_relayed(deaths)
        seen = self.check_seen()
        assert not self.wrong, "\n".join(self.wrong[:40])
        states = collections.Counter(attempt.state for attempt in self.attempts.values())
        return (f"{states['taken']} messages taken, {self.deletions} copies deleted, {seen} seen, "
                f"{len(self.relayed)} relayed; "
                f"{states['unsure']} tries had no answer, {extra} copies of these are there; delivered twice {again}, "
                f"relayed twice {twice}")


def add_accounts(server, count):
    """New accounts of a server that runs; their addresses."""
    users = [f"load{n}@{DOMAIN}" for n in range(count)]
    for user in users:
        server.add_account(user, PASSWORD)
    return users
