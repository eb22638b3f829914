"""The resolver process, asked over its own link, against a real DNS server and against liars."""

import json
import os
import random
import struct
import subprocess
import time

import pytest
from dns_servers import Liar, Nsd, message, question_end, record, to_wire
from server import HOST, binary_path, wait_for

AAAA = 28
BUILD = os.path.dirname(os.path.abspath(binary_path()))
DNS_ASK, DNS_DIRECT = (os.path.join(BUILD, "tests", "e2e", name)
                       for name in ("dns_ask", "dns_direct"))

ZONE = """
@ MX 20 mx2
@ MX 10 mx1
@ TXT "v=spf1 " "-all"
mx1 A 127.0.0.11
mx1 A 127.0.0.12
mx1 AAAA 2001:db8::11
mx2 A 127.0.0.21
_25._tcp.mx1 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
null MX 0 .
alias CNAME alias2
alias2 CNAME mx1
dangling CNAME nowhere
away CNAME host.other.test.
loop1 CNAME loop2
loop2 CNAME loop1
empty TXT "x"
Upper.Case MX 5 Mail.Upper.CASE
odd MX 10 a\\032b
odd-one MX 10 a\\032b
odd-one MX 20 mx2
*.wild A 127.0.0.99
deep TXT """ + " ".join(f'"{chr(97 + i) * 200}"' for i in range(9)) + """
huge TXT """ + " ".join('"' + "x" * 255 + '"' for _ in range(20)) + "\n" + "".join(
    f"many A 10.1.{i // 250}.{i % 250}\n" for i in range(300)) + "".join(
    f"link{i} CNAME link{i + 1}\n" for i in range(30)) + "link30 A 127.0.0.30\n"
OTHER = "host A 127.0.0.44\n"
REVERSE = "4.3 PTR mail.Zone.test.\n"


class Resolver:
    """A resolver process with its supervisor and relay played by dns_ask. within: words that run it."""

    def __init__(self, options, within=()):
        self.process = subprocess.Popen([*within, DNS_ASK, binary_path(), options], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        assert self.line() == "ready"

    def line(self):
        return self.process.stdout.readline().strip()

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def ask_all(self, *questions):
        """{(type, name): answer} of questions "TYPE NAME", all asked at once."""
        self.say(*(f"ask {question}" for question in questions))
        got = [json.loads(self.line()) for _ in questions]
        return {f"{answer['type']} {answer['name']}": answer for answer in got}

    def ask(self, kind, name):
        return self.ask_all(f"{kind} {name}")[f"{kind} {name}"]

    def close(self):
        """Ends it; gives what it logged."""
        _, log = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, log
        assert "Sanitizer" not in log and "bug at" not in log and "runtime error" not in log, log
        return log


@pytest.fixture(scope="module")
def nsd():
    server = Nsd({"zone.test": ZONE, "other.test": OTHER, "0.10.in-addr.arpa": REVERSE})
    yield server
    server.close()


@pytest.fixture(scope="module")
def resolver(nsd):
    process = Resolver(f'dns_server = "{nsd.server}";')
    yield process
    process.close()


@pytest.fixture
def liar():
    made = []

    def make(behave, **more):
        made.append(Liar(behave, **more))
        return made[-1]

    yield make
    for server in made:
        server.close()


def hosts(answer):
    return sorted((a["preference"], a["host"]) for a in answer["answers"])


def ips(answer):
    return sorted(a["ip"] for a in answer["answers"])


# ---- a real server ----

def test_each_type(resolver):
    mx = resolver.ask("MX", "zone.test")
    assert mx["status"] == "OK" and mx["ttl"] == 300 and not mx["secure"]
    assert hosts(mx) == [(10, "mx1.zone.test"), (20, "mx2.zone.test")]
    assert ips(resolver.ask("A", "mx1.zone.test")) == ["127.0.0.11", "127.0.0.12"]
    assert ips(resolver.ask("AAAA", "mx1.zone.test")) == ["2001:db8::11"]
    assert resolver.ask("TXT", "zone.test")["answers"][0]["bytes"] == "v=spf1 -all"
    tlsa = resolver.ask("TLSA", "_25._tcp.mx1.zone.test")["answers"][0]
    assert tlsa["tlsa"] == [3, 1, 1] and tlsa["bytes"].encode("latin-1").hex() == "0123456789abcdef" * 4
    assert resolver.ask("PTR", "4.3.0.10.in-addr.arpa")["answers"][0]["host"] == "mail.zone.test"


def test_nothing_there(resolver):
    answer = resolver.ask("MX", "nowhere.zone.test")
    assert answer["status"] == "NXDOMAIN" and answer["ttl"] == 120 and not answer["answers"]
    assert resolver.ask("MX", "empty.zone.test")["status"] == "NODATA"
    assert resolver.ask("AAAA", "mx2.zone.test")["status"] == "NODATA"


def test_null_mx(resolver):
    answer = resolver.ask("MX", "null.zone.test")
    assert answer["status"] == "OK" and hosts(answer) == [(0, "")]


def test_aliases(resolver):
    answer = resolver.ask("A", "alias.zone.test")
    assert ips(answer) == ["127.0.0.11", "127.0.0.12"]
    assert answer["canonical"] == "mx1.zone.test"
    answer = resolver.ask("A", "away.zone.test")
    assert ips(answer) == ["127.0.0.44"] and answer["canonical"] == "host.other.test"
    answer = resolver.ask("A", "dangling.zone.test")
    assert answer["status"] == "NXDOMAIN" and answer["canonical"] == "nowhere.zone.test"
    assert resolver.ask("MX", "alias.zone.test")["status"] == "NODATA"


def test_aliases_without_end(resolver):
    assert resolver.ask("A", "loop1.zone.test")["status"] in ("SERVFAIL", "BAD")
    assert resolver.ask("A", "link0.zone.test")["status"] in ("SERVFAIL", "BAD")
    assert ips(resolver.ask("A", "link25.zone.test")) == ["127.0.0.30"]


def test_case_and_odd_names(resolver):
    answer = resolver.ask("MX", "uPPer.case.zone.test")
    assert hosts(answer) == [(5, "mail.upper.case.zone.test")]
    answer = resolver.ask("MX", "odd.zone.test")
    assert answer["status"] == "BAD" and answer["dropped"] == 1 and answer["why"]
    answer = resolver.ask("MX", "odd-one.zone.test")
    assert hosts(answer) == [(20, "mx2.zone.test")] and answer["dropped"] == 1
    assert ips(resolver.ask("A", "any.wild.zone.test")) == ["127.0.0.99"]


def test_large_answers(resolver):
    """They come over TCP; what is above the limits is left out."""
    answer = resolver.ask("TXT", "deep.zone.test")
    assert answer["answers"][0]["bytes"] == "".join(chr(97 + i) * 200 for i in range(9))
    answer = resolver.ask("TXT", "huge.zone.test")
    assert answer["status"] == "BAD" and answer["dropped"] == 1
    answer = resolver.ask("A", "many.zone.test")
    assert len(answer["answers"]) == 64 and answer["dropped"] == 300 - 64


def test_a_server_that_is_not_ours_to_ask(resolver):
    """nsd refuses what is in none of its zones."""
    assert resolver.ask("MX", "elsewhere.test")["status"] == "SERVFAIL"


def test_many_at_once(resolver):
    names = [f"n{i}.wild.zone.test" for i in range(900)]
    answers = resolver.ask_all(*(f"A {name}" for name in names))
    assert len(answers) == 900
    assert all(ips(answer) == ["127.0.0.99"] for answer in answers.values())


# ---- cache, sharing, configuration ----

def soa(minimum):
    return to_wire("ns.test") + to_wire("root.test") + struct.pack(">5I", 1, 2, 3, 4, minimum)


def nothing(query, flags, minimum):
    """There is no such name, or record; known for so many seconds."""
    return (message(query, flags)[:6] + struct.pack(">3H", 0, 1, 0) + message(query)[12:]
            + record("test", "SOA", soa(minimum)))


NOERROR, NXDOMAIN = 0x8580, 0x8583


def test_cache(liar):
    def behave(name, query, tcp):
        if name == "no.test":
            return [nothing(query, NXDOMAIN, 100)]
        if name == "empty.test" or query[question_end(query) - 3] == AAAA:
            return [nothing(query, NOERROR, 100)]
        return [message(query, answer=[record(name, "A", b"\x7f\0\0\5")])]

    server = liar(behave)
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off";')
    begin = time.monotonic()
    for _ in range(3):
        assert ips(process.ask("A", "a.test")) == ["127.0.0.5"]
        for kind, name, status in (("A", "no.test", "NXDOMAIN"), ("A", "empty.test", "NODATA"), ("AAAA", "half.test", "NODATA")):
            answer = process.ask(kind, name)
            assert answer["status"] == status, answer
            assert 99 - (time.monotonic() - begin) <= answer["ttl"] <= 100, answer
    assert {name: server.count(name) for name in ("a.test", "no.test", "empty.test", "half.test")} == {
        "a.test": 1, "no.test": 1, "empty.test": 1, "half.test": 1}
    # of another type nothing is known
    assert ips(process.ask("A", "half.test")) == ["127.0.0.5"]
    assert server.count("half.test") == 2
    process.close()


@pytest.mark.parametrize("before", ["A", "NODATA", "NXDOMAIN"])
def test_what_is_known_expires(liar, before):
    """After its second it is asked for again, and what came in its place is believed."""
    now = [record("a.test", "A", b"\x7f\0\0\5", ttl=1)]

    def behave(name, query, tcp):
        return [message(query, answer=now) if now else
                nothing(query, NXDOMAIN if before == "NXDOMAIN" else NOERROR, 1)]

    if before != "A":
        now.clear()
    server = liar(behave)
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off";')
    assert process.ask("A", "a.test")["status"] == ("OK" if before == "A" else before)
    now[:] = [record("a.test", "A", b"\x7f\0\0\6")]
    wait_for("the new address", lambda: ips(process.ask("A", "a.test")) == ["127.0.0.6"])
    assert server.count("a.test") == 2
    process.close()


def test_the_same_question_is_asked_once(liar):
    server = liar(lambda name, query, tcp: [message(query, answer=[record(name, "A", b"\x7f\0\0\5")])])
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off";')
    process.say(*(["ask A Shared.test", "ask A shared.test"] * 50))
    got = [json.loads(process.line()) for _ in range(100)]
    assert all(ips(answer) == ["127.0.0.5"] for answer in got)
    assert server.count("shared.test") == 1
    process.close()


def test_who_asks_late_has_time_of_his_own(liar, long):
    """A question that has been open for most of its time does not take the next one along as it ends."""
    if not long:
        pytest.skip("waits for 17 seconds")
    server = liar(lambda *_: [])
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off";')
    process.say("ask A silent.test")
    began = time.monotonic()
    time.sleep(7)
    process.say("ask A silent.test")
    ends = []
    for _ in range(2):
        assert json.loads(process.line())["status"] in ("TIMEOUT", "SERVFAIL")
        ends.append(time.monotonic() - began)
    assert ends[0] < 11 and ends[1] > 12, ends
    process.close()


def test_another_server(liar):
    """A new configuration asks another server, also for what was under way."""
    silent = liar(lambda name, query, tcp: [])
    good = liar(lambda name, query, tcp: [message(query, answer=[record(name, "A", b"\x7f\0\0\6")])])
    process = Resolver(f'dns_server = "{silent.server}"; dnssec = "off";')
    process.say("ask A a.test", "ask A b.test")
    process.say(f'config dns_server = "{good.server}"; dnssec = "off";')
    got = [json.loads(process.line()), json.loads(process.line())]
    assert [ips(answer) for answer in got] == [["127.0.0.6"]] * 2, str(got)
    assert "event=config number=2" in process.close()


def test_the_cache_survives_other_changes(liar):
    server = liar(lambda name, query, tcp: [message(query, answer=[record(name, "A", b"\x7f\0\0\6")])])
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off";')
    process.ask("A", "a.test")
    process.say(f'config dns_server = "{server.server}"; dnssec = "off"; history = "10d";')
    process.ask("A", "a.test")
    process.close()
    assert server.count("a.test") == 1


# ---- servers that fail or lie ----

def lies(name, query, tcp):
    good = message(query, answer=[record(name, "A", b"\x7f\0\0\7")])
    evil = [record(name, "A", b"\x06\6\6\6")]
    other = to_wire("other.test") + struct.pack(">2H", 1, 1)
    number = bytes([query[0] ^ 255, query[1]])
    table = {
        "wrong-id.test": [message(query, number=number, answer=evil), good],
        "wrong-question.test": [message(query, question=other, answer=evil), good],
        "no-response.test": [message(query, flags=0x0100, answer=evil), good],
        "extra.test": [message(query, answer=[record("bank.test", "A", b"\x06\6\6\6"),
                                              record(name, "A", b"\x7f\0\0\7")])],
        "tcp.test": [good] if tcp else [message(query, flags=0x8780)],
        "servfail.test": [message(query, 0x8582)],
        "refused.test": [message(query, 0x8585)],
        "formerr.test": [message(query, 0x8581)],
        "garbage.test": [query[:2] + b"\x85\x80" + b"\xff" * 100],
        "cut.test": [good[:-5]],
        "short.test": [good[:9]],
        "forever.test": [message(query, answer=[record(name, "CNAME", to_wire("x" + name[-60:]))])],
        "bank.test": [message(query, answer=[record(name, "A", b"\x7f\0\0\x08")])],
    }
    if name.endswith("forever.test"):
        return table["forever.test"]
    return table.get(name, [])


def test_lies(liar):
    server = liar(lies)
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off";')
    for name in ("wrong-id", "extra", "tcp"):
        answer = process.ask("A", f"{name}.test")
        assert answer["status"] == "OK" and ips(answer) == ["127.0.0.7"], name
    for name in ("wrong-question", "no-response"):
        answer = process.ask("A", f"{name}.test")
        assert answer["status"] in ("OK", "SERVFAIL"), name
        assert all(a["ip"] == "127.0.0.7" for a in answer["answers"]), name
    assert ("tcp.test", True) in server.queries
    # what came beside the answer is not believed later
    assert ips(process.ask("A", "bank.test")) == ["127.0.0.8"]
    for name in ("servfail", "refused", "formerr", "forever"):
        answer = process.ask("A", f"{name}.test")
        assert answer["status"] in ("SERVFAIL", "BAD") and answer["why"], name
    process.close()


def test_silence(liar):
    """Nothing usable comes: every question ends, and one that can be answered is."""
    server = liar(lies)
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off";')
    names = ("silent", "garbage", "cut", "short")
    got = process.ask_all(*(f"A {name}.test" for name in names), "A tcp.test")
    assert ips(got["A tcp.test"]) == ["127.0.0.7"]
    for name in names:
        answer = got[f"A {name}.test"]
        assert answer["status"] in ("TIMEOUT", "SERVFAIL") and answer["why"], name
    process.close()


def test_nobody_there():
    process = Resolver(f'dns_server = "{HOST}@1"; dnssec = "off";')
    assert process.ask("MX", "zone.test")["status"] == "TIMEOUT"
    process.close()


# ---- one who asks ----

def test_junk(nsd):
    process = Resolver(f'dns_server = "{nsd.server}";')
    process.say("junk")
    assert {process.line(), process.line()} == {"bad-peer", "nothing"}
    assert "event=ipc-violation" in process.close()


def test_leaving_while_it_works(liar):
    server = liar(lambda name, query, tcp: [])
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off";')
    process.say("ask A silent.test", "ask MX silent.test", "leave")
    assert [process.line(), process.line()] == ["lost", "lost"]
    process.say("ask A silent.test", "leave")
    assert process.line() == "lost"
    process.close()


def test_too_many_at_once(liar):
    """Above the limit a question fails at once; the others are not hurt."""
    server = liar(lambda name, query, tcp: [])
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "off"; log_level = "debug";')
    process.say(*(f"ask A n{i}.test" for i in range(1100)))
    for _ in range(100):
        answer = json.loads(process.line())
        assert answer["status"] == "SERVFAIL" and "too many" in answer["why"]
    process.say("ask A n5.test", "leave")
    assert [process.line() for _ in range(1001)] == ["lost"] * 1001
    assert process.close().count("event=lookup name=n") == 100


# ---- DNSSEC ----

def direct(server, keys, *questions):
    done = subprocess.run([DNS_DIRECT, server, keys, *" ".join(questions).split()], text=True,
                          capture_output=True, check=True, timeout=60)
    return {answer["name"]: answer for answer in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """nsd with a signed zone whose record "forged" was changed after signing; its key's file."""
    folder = tmp_path_factory.mktemp("signed")
    zone = folder / "zone"
    zone.write_text(Nsd.HEAD.format("signed.test") + "@ MX 10 mx\nmx A 127.0.0.3\nforged A 127.0.0.4\n")
    key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "signed.test"], cwd=folder,
                         capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["ldns-signzone", "-e", "20380101000000", "-i", "20200101000000", "-n", "zone", key],
                   cwd=folder, check=True)
    path = folder / "zone.signed"
    text = path.read_text()
    assert "127.0.0.4" in text
    path.write_text(text.replace("127.0.0.4", "127.0.0.5"))
    server = Nsd({"signed.test": str(path), "plain.test": OTHER})
    yield server.server, str(folder / f"{key}.key")
    server.close()


def test_dnssec(signed):
    server, keys = signed
    got = direct(server, keys, "MX signed.test", "A mx.signed.test", "A forged.signed.test",
                 "A nowhere.signed.test", "A host.plain.test")
    assert got["signed.test"]["status"] == "OK" and got["signed.test"]["secure"]
    assert got["mx.signed.test"]["secure"]
    forged = got["forged.signed.test"]
    assert forged["status"] == "BOGUS" and forged["why"] and not forged["answers"]
    assert got["nowhere.signed.test"]["status"] == "NXDOMAIN" and got["nowhere.signed.test"]["secure"]
    assert got["host.plain.test"]["status"] == "OK" and not got["host.plain.test"]["secure"]


def test_without_keys_nothing_is_secure(signed):
    got = direct(signed[0], "-", "MX signed.test", "A forged.signed.test")
    assert got["signed.test"]["status"] == "OK" and not got["signed.test"]["secure"]
    assert ips(got["forged.signed.test"]) == ["127.0.0.5"]


# ---- DNSSEC, from a root of the test's own ----

ROOT_KEYS = "/usr/share/dns/root.key"  # where the process looks
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root puts other keys in the place of the root's")
HEAD = "$ORIGIN {0}\n$TTL 300\n@ SOA ns.secure. root.secure. 1 3600 600 86400 120\n@ NS ns.secure.\n"
HOSTS = "@ MX 10 mx\nmx A 127.0.0.3\nforged A 127.0.0.4\n"


def signed_zone(folder, name, text):
    """Writes a zone and signs it. (the path of its file, its key's file without the ending)"""
    path = folder / f"{name or 'root'}.zone"
    path.write_text(HEAD.format(f"{name}.") + text)
    key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", f"{name}."], cwd=folder,
                         capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["ldns-signzone", "-e", "20380101000000", "-i", "20200101000000", path.name, key],
                   cwd=folder, check=True)
    return folder / f"{path.name}.signed", folder / key


@pytest.fixture(scope="module")
def rooted(tmp_path_factory):
    """nsd with a signed root, a signed zone "secure." of which "forged" was changed after signing,
    and one without signatures, "plain."; and words that run a program where the root's key is known."""
    folder = tmp_path_factory.mktemp("rooted")
    secure, key = signed_zone(folder, "secure", "ns A 127.0.0.1\n" + HOSTS)
    secure.write_text(secure.read_text().replace("127.0.0.4", "127.0.0.5"))
    delegations = "secure. NS ns.secure.\nplain. NS ns.secure.\nns.secure. A 127.0.0.1\n"
    root, root_key = signed_zone(folder, "", delegations + key.with_name(f"{key.name}.ds").read_text())
    plain = folder / "plain.zone"
    plain.write_text(HEAD.format("plain.") + HOSTS)
    server = Nsd({"secure": str(secure), "plain": str(plain), ".": str(root)})
    yield server.server, ("unshare", "--mount", "--propagation", "private", "sh", "-ec",
                          f'mount --bind {root_key}.key {ROOT_KEYS}; exec "$@"', "sh")
    server.close()


QUESTIONS = ("MX secure", "A mx.secure", "A forged.secure", "A nowhere.secure", "AAAA mx.secure", "MX plain",
             "A forged.plain", "A nowhere.plain", "A nowhere")


@ROOT_ONLY
def test_the_process_validates(rooted):
    server, within = rooted
    process = Resolver(f'dns_server = "{server}"; dnssec = "validate";', within)
    got = process.ask_all(*QUESTIONS)
    assert {question: (answer["status"], answer["secure"]) for question, answer in got.items()} == {
        "MX secure": ("OK", True), "A mx.secure": ("OK", True), "A forged.secure": ("BOGUS", False),
        "A nowhere.secure": ("NXDOMAIN", True), "AAAA mx.secure": ("NODATA", True),
        "MX plain": ("OK", False), "A forged.plain": ("OK", False), "A nowhere.plain": ("NXDOMAIN", False),
        "A nowhere": ("NXDOMAIN", True)}
    forged = got["A forged.secure"]
    assert forged["why"] and not forged["answers"]
    assert ips(got["A mx.secure"]) == ["127.0.0.3"] and hosts(got["MX plain"]) == [(10, "mx.plain")]
    log = process.close()
    assert "event=dnssec " in log
    assert [line for line in log.split("\n") if "level=warn" in line and "event=lookup" in line
            and "name=forged.secure" in line and "status=BOGUS" in line], log


@ROOT_ONLY
def test_validation_is_turned_off_and_on(rooted):
    """What was believed without proof is asked for again."""
    server, within = rooted
    process = Resolver(f'dns_server = "{server}"; dnssec = "off";', within)
    answer = process.ask("A", "forged.secure")
    assert ips(answer) == ["127.0.0.5"] and not answer["secure"]
    process.say(f'config dns_server = "{server}"; dnssec = "validate";')
    assert process.ask("A", "forged.secure")["status"] == "BOGUS"
    assert process.ask("MX", "secure")["secure"]
    log = process.close()
    assert "event=dnssec-off" in log and "event=dnssec " in log


@ROOT_ONLY
def test_a_server_that_keeps_signatures_back(rooted, liar):
    """Nothing is believed, and the log says why."""
    server = liar(lambda name, query, tcp: [message(query, answer=[record(name, "A", b"\x7f\0\0\5")])])
    process = Resolver(f'dns_server = "{server.server}"; dnssec = "validate";', rooted[1])
    answer = process.ask("A", "mx.secure")
    assert answer["status"] == "BOGUS" and not answer["answers"]
    assert "event=dnssec-failed" in process.close()


# ---- the system's servers ----

@pytest.fixture
def of_the_system(tmp_path):
    """Two servers on the usual port, each with its answer; a file that names the first, and words that run a
    program for which it is the system's."""
    net = f"127.{random.randrange(128, 255)}.{random.randrange(255)}"
    servers = [Liar(lambda name, query, tcp, last=last: [message(query, answer=[
        record(name, "A", bytes((192, 88, 99, last)))])], 53, f"{net}.{last}") for last in (1, 2)]
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {servers[0].host}\n")
    os.chmod(tmp_path, 0o755)
    yield servers, file, ("unshare", "--mount", "--propagation", "private", "sh", "-ec",
                          f'mount --bind {file} /etc/resolv.conf; exec "$@"', "sh")
    for each in servers:
        each.close()


@ROOT_ONLY
def test_servers_of_the_system(of_the_system):
    """They are asked where the configuration names none; others when the file has others and a configuration comes."""
    (first, second), file, within = of_the_system
    process = Resolver('dnssec = "off";', within)
    assert ips(process.ask("A", "host.example.org")) == ["192.88.99.1"]
    process.say('config dnssec = "off"; log_level = "debug";')
    assert ips(process.ask("A", "host.example.org")) == ["192.88.99.1"]
    assert [name for name, _ in first.queries].count("host.example.org") == 1  # the cache was kept
    file.write_text(f"# changed\nnameserver {second.host}\n")
    process.say('config dnssec = "off";')
    # the old servers answer until the new ones can
    wait_for("the other server to be asked",
             lambda: ips(process.ask("A", "host.example.org")) == ["192.88.99.2"])
    assert "no-dns-server" not in process.close()


@ROOT_ONLY
def test_no_servers_of_the_system(tmp_path):
    """The log says what is done instead."""
    process = Resolver('dnssec = "off";', ("unshare", "--mount", "--propagation", "private", "sh", "-ec",
                                           f'cp /etc/passwd /etc/group {tmp_path}; mount --bind {tmp_path} /etc; '
                                           'exec "$@"', "sh"))
    log = process.close()
    assert "event=no-dns-server" in log and "/etc/resolv.conf cannot be read" in log
