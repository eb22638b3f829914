"""Where the relay sends mail to: what the DNS says, what it should not say, and what it does not say."""

import os
import re
import signal
import threading

import pytest
from dns_servers import message, question_end, record, to_wire
from relay_net import ALICE, SERVFAIL, net, shared_net  # noqa: F401 (fixtures)
from server import HOST, wait_for
from wire import mail_of

UNREACHABLE = "unreachable"
MOST_HOSTS = 10  # of a domain, in one attempt


def define(net, name, *records, **hosts):
    """A domain with these records, and its hosts with addresses."""
    net.names.answers[name] = list(records)
    for host, addresses in hosts.items():
        net.names.answers[f"{host}.{name}"] = [("AAAA" if ":" in a else "A", a) for a in addresses]
    return name


def goes(net, domain, peer):
    number = net.send(f"bob@{domain}")
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    assert len(peer.taken) == 1


def waits(net, domain, says="DNS lookup failed"):
    number = net.send(f"bob@{domain}")
    assert net.wait_attempt(number) == (0, 0, 1), net.trace(number)
    [row] = net.queue(number)
    assert row["state"] == UNREACHABLE and says in row["last_reply"], row
    assert says in net.trace(number)
    return number


def returned(net, domain, says, status):
    number = net.send(f"bob@{domain}")
    assert net.wait_attempt(number) == (0, 1, 0), net.trace(number)
    net.wait_gone(number)
    report = mail_of(net.server, ALICE)[-1].decode()
    assert says in net.trace(number) and f"Status: {status}" in report, report


# ---- what is there ----

def test_hosts_in_order_of_preference(net):
    first, second = net.peer(greeting=b"421 4.3.2 busy\r\n"), net.peer()
    domain = define(net, "order.test", ("MX", 20, "b.order.test"), ("MX", 10, "a.order.test"),
                    ("MX", 30, "c.order.test"), a=[first.address], b=[second.address], c=[net.address()])
    goes(net, domain, second)
    assert len(first.sessions) == 1


def test_equal_preferences_share_the_mail(net):
    peers = [net.peer() for _ in range(2)]
    domain = define(net, "equal.test", ("MX", 10, "a.equal.test"), ("MX", 10, "b.equal.test"),
                    a=[peers[0].address], b=[peers[1].address])
    for peer in peers:
        peer.answers["end"] = (b"250 2.0.0 taken\r\n", "close")  # a connection each
    for _ in range(40):
        assert net.wait_attempt(net.send(f"bob@{domain}")) == (1, 0, 0)
        if all(peer.taken for peer in peers):
            return
    raise AssertionError("one of them never had any")


def test_equal_preferences_stand_in_for_each_other(net):
    peer = net.peer()
    domain = define(net, "dead.test", ("MX", 10, "a.dead.test"), ("MX", 10, "b.dead.test"),
                    a=[net.address()], b=[peer.address])
    for count in range(1, 7):
        assert net.wait_attempt(net.send(f"bob@{domain}")) == (1, 0, 0)
        assert len(peer.taken) == count


def test_several_addresses_the_first_dead(net):
    peer = net.peer()
    goes(net, define(net, "several.test", ("MX", 10, "a.several.test"),
                     a=[net.address(), net.address(), peer.address]), peer)


def test_ipv6_then_ipv4(net):
    """An IPv6 address at which nobody is comes first, and costs nothing."""
    peer = net.peer()
    number = net.send("bob@" + define(net, "six.test", ("MX", 10, "a.six.test"), a=[peer.address, "::1"]))
    assert net.wait_attempt(number) == (1, 0, 0)
    trace = net.trace(number)
    assert re.search(rf"refused.*\n.*next: a\.six\.test \[{peer.address}\]", trace), trace


def test_ipv6(net):
    peer = net.peer("::1")
    goes(net, define(net, "only6.test", ("MX", 10, "a.only6.test"), a=["::1"]), peer)


def test_implicit_mx(net):
    peer = net.peer()
    goes(net, define(net, "implicit.test", ("A", peer.address)), peer)


def test_cname_of_the_domain_and_of_a_host(net):
    peer = net.peer()
    net.names.answers["alias.test"] = [("CNAME", "real.test")]
    net.names.answers["mx.alias.test"] = [("CNAME", "host.alias.test")]
    net.names.answers["host.alias.test"] = [("A", peer.address)]
    define(net, "real.test", ("MX", 10, "mx.alias.test"))
    goes(net, "alias.test", peer)


def test_implicit_mx_by_cname(net):
    peer = net.peer()
    net.names.answers["www.test"] = [("CNAME", "web.test")]
    goes(net, "www.test", define(net, "web.test", ("A", peer.address)) and peer)


def test_host_without_address_beside_one_with(net):
    peer = net.peer()
    goes(net, define(net, "half.test", ("MX", 10, "nowhere.half.test"), ("MX", 20, "a.half.test"),
                     a=[peer.address]), peer)


def test_address_literal(net):
    peer = net.peer()
    goes(net, f"[{peer.address}]", peer)


def long_list(net, domain, best):
    """A domain with many hosts, at which nobody is but at the one that stands at this place."""
    peer = net.peer()
    rows = [("MX", n, f"h{n}.{domain}") for n in range(60, 0, -1)]
    addresses = {f"h{n}": [peer.address if n == best else net.address()] for n in range(1, 61)}
    define(net, domain, *rows, **addresses)
    return peer


def test_many_hosts(net):
    """Only the ten best ones are looked up and tried; a long list harms nobody."""
    goes(net, "many.test", long_list(net, "many.test", MOST_HOSTS))
    peer = long_list(net, "more.test", MOST_HOSTS + 1)
    assert net.wait_attempt(net.send("bob@more.test")) == (0, 0, 1)
    asked = {int(re.sub(r"\D", "", name)) for name, _ in net.names.dns.queries if name.endswith(".more.test")}
    assert asked == set(range(1, MOST_HOSTS + 1)) and not peer.sessions


def test_many_addresses_do_not_hide_the_next_host(net):
    """More than are tried in one attempt, all dead: there is a backup."""
    peer = net.peer()
    goes(net, define(net, "crowd.test", ("MX", 10, "a.crowd.test"), ("MX", 20, "b.crowd.test"),
                     a=[net.address() for _ in range(25)], b=[peer.address]), peer)


# ---- nothing is there ----

def test_no_such_domain(net):
    returned(net, "nowhere.test", "no such domain", "5.1.2")


def test_neither_mx_nor_address(net):
    returned(net, define(net, "empty.test"), "no mail server", "5.4.4")


def test_hosts_without_addresses(net):
    peer = net.peer()  # where the domain itself is: with MX records that is no way [RFC 5321 5.1]
    returned(net, define(net, "bare.test", ("MX", 10, "a.bare.test"), ("MX", 20, "b.bare.test"),
                         ("A", peer.address), b=[]), "no mail server", "5.4.4")
    assert not peer.sessions


def test_null_mx(net):
    peer = net.peer()
    returned(net, define(net, "null.test", ("MX", 0, ""), ("A", peer.address)), "takes no mail", "5.1.10")
    assert not peer.sessions


def test_address_as_the_name_of_a_host(net):
    """An MX of "127.0.0.1" is a name that does not exist, and no address, whatever is there."""
    peer = net.peer()
    returned(net, define(net, "number.test", ("MX", 10, peer.address), ("A", peer.address)), "no mail server", "5.4.4")
    returned(net, define(net, "local.test", ("MX", 10, "127.0.0.1")), "no mail server", "5.4.4")
    assert not peer.sessions


def test_names_that_no_host_can_have(net):
    """Of all MX: it will be so tomorrow, and the domain's own address is no way then. One that is good is enough."""
    peer = net.peer()
    says = "none of its mail exchangers (MX) has a name that a host can have"
    for count, names in enumerate((["a host.test"], ["*.bad.test", "@.test"])):
        returned(net, define(net, f"bad{count}.test", *(("MX", 10, name) for name in names), ("A", peer.address)), says, "5.4.4")
    assert not peer.sessions
    goes(net, define(net, "bad2.test", ("MX", 10, "a host.test"), ("MX", 20, "b.bad2.test"), b=[peer.address]), peer)


# ---- ourselves ----

def test_mx_is_this_server(net):
    returned(net, define(net, "self.test", ("MX", 10, net.server.hostname)), "mail loop", "5.4.6")


def test_only_hosts_before_ourselves_are_tried(net):
    peer, behind = net.peer(), net.peer()
    domain = define(net, "before.test", ("MX", 10, "a.before.test"), ("MX", 20, net.server.hostname),
                    ("MX", 30, "b.before.test"), a=[peer.address], b=[behind.address])
    goes(net, domain, peer)
    peer.down()
    peer.cut()
    number = net.send(f"bob@{domain}")
    assert net.wait_attempt(number) == (0, 0, 1)
    assert not behind.sessions


def test_address_of_this_server(net):
    """It listens there: whatever is allowed, mail does not go round."""
    returned(net, define(net, "own.test", ("MX", 10, "a.own.test"), a=[HOST]), "mail loop", "5.4.6")


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1"])
def test_addresses_at_which_nobody_is(net, address):
    name = f"never{address.split('.')[0]}{address.split('.')[3]}.test"
    returned(net, define(net, name, ("MX", 10, f"a.{name}"), a=[address]), "nobody can be at its addresses", "5.4.4")


# ---- no answer, and wrong ones ----

def servfail(name, query, tcp):
    return [message(query, flags=SERVFAIL)]


def silence(name, query, tcp):
    return []


def test_servfail(net):
    net.names.answers["fail.test"] = servfail
    waits(net, "fail.test")


def test_servfail_of_a_hosts_address(net):
    define(net, "fail2.test", ("MX", 10, "a.fail2.test"))
    net.names.answers["a.fail2.test"] = servfail
    waits(net, "fail2.test")


def test_trouble_with_one_host_does_not_matter(net):
    peer = net.peer()
    net.names.answers["a.some.test"] = servfail
    goes(net, define(net, "some.test", ("MX", 10, "a.some.test"), ("MX", 20, "b.some.test"),
                     b=[peer.address]), peer)


def half_known(net, name, peer):
    """A domain whose best host the DNS does not tell at present, and its backup."""
    net.names.answers[f"a.{name}"] = servfail
    return define(net, name, ("MX", 10, f"a.{name}"), ("MX", 20, f"b.{name}"), b=[peer.address])


def test_a_backup_that_takes_no_mail_beside_one_in_trouble(net):
    """The best host could not be asked: what its backup says of itself is not the last word."""
    peer = net.peer(greeting=b"521 5.3.2 no mail here\r\n")
    number = waits(net, half_known(net, "shut.test", peer), "no answer for the addresses of a.shut.test")
    assert len(peer.sessions) == 1
    assert "521 5.3.2 no mail here" in net.trace(number)


def test_a_backup_that_takes_no_mail_beside_one_without_address(net):
    """That there is no such host is an answer: nobody is left who may take it."""
    peer = net.peer(greeting=b"521 5.3.2 no mail here\r\n")
    returned(net, define(net, "gone.test", ("MX", 10, "a.gone.test"), ("MX", 20, "b.gone.test"),
                         b=[peer.address]), "521 5.3.2 no mail here", "5.3.2")


def test_a_backup_that_refuses_the_recipient(net):
    """It speaks for the domain: that is final, whoever could not be asked."""
    peer = net.peer(RCPT=[b"550 5.1.1 nobody of that name\r\n"])
    returned(net, half_known(net, "strict.test", peer), "550 5.1.1 nobody of that name", "5.1.1")


def test_cname_loop(net):
    net.names.answers["loop1.test"] = [("CNAME", "loop2.test")]
    net.names.answers["loop2.test"] = [("CNAME", "loop1.test")]
    waits(net, "loop1.test")


def test_answer_for_another_name(net):
    """The liar's address is not asked for anything; the same answer under the name asked for is believed."""
    peer = net.peer()

    def says(owner):
        def answer(name, query, tcp):
            is_mx = query[question_end(query) - 4:question_end(query) - 2] == b"\0\x0f"
            mx = record(owner, "MX", b"\0\x0a" + to_wire(f"mx0.{peer.domain}"))
            return [message(query, answer=[mx] if is_mx else [])]

        return answer

    net.names.answers["lied.test"] = says("other.test")
    net.names.answers["honest.test"] = says("honest.test")
    returned(net, "lied.test", "no mail server", "5.4.4")
    assert not peer.sessions
    goes(net, "honest.test", peer)


def test_answer_with_another_number_or_question(net):
    peer = net.peer()

    def lie(name, query, tcp):
        mx = [record(name, "MX", b"\0\x0a" + to_wire(f"mx0.{peer.domain}"))]
        return [message(query, answer=mx, number=bytes(a ^ 0xff for a in query[:2])),
                message(query, answer=mx, question=to_wire("other.test") + b"\0\x0f\0\x01"), b"\xff" * 40, b"",
                message(query, flags=SERVFAIL)]

    net.names.answers["spoofed.test"] = lie
    waits(net, "spoofed.test")
    assert not peer.sessions


@pytest.mark.kills
@pytest.mark.parametrize("host", ["", "mx0."], ids=["MX", "address"])
def test_resolver_that_dies_with_a_question(net, host):
    """It says nothing about the domain: the next one is asked at once, and the mail does not wait."""
    peer, asked = net.peer(), threading.Event()
    looked_up = host + peer.domain
    records = net.names.answers[looked_up]

    def silent(*_):
        asked.set()
        return []

    net.names.answers[looked_up] = silent
    number = net.send(f"bob@{peer.domain}")
    assert asked.wait(10)
    net.names.answers[looked_up] = records
    net.server.kill("resolver")
    assert net.wait_attempt(number) == (1, 0, 0), net.trace(number)
    assert len(peer.taken) == 1


@pytest.mark.kills
def test_no_resolver_for_long(net):
    """The supervisor starts none: that is no attempt, no place is kept for it, and what needs none goes."""
    peer = net.peer()
    supervisor, [resolver] = net.server.process.pid, net.server.pids("resolver")
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(resolver, signal.SIGKILL)
        number = net.send(f"bob@{peer.domain}")
        wait_for("its place to be free", lambda: net.queue(number)[0]["state"] != "under way"
                 and "no resolver" in net.queue(number)[0]["last_reply"])
        [told] = net.server.json("queue", "explain", number)
        assert "its resolver was not running" in told["explanation"], told
        assert "resolver" not in net.trace(number)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    wait_for("another resolver", lambda: set(net.server.pids("resolver")) - {resolver})
    net.server.command("queue", "retry", number)
    wait_for("the message", lambda: len(peer.taken) == 1)


def test_silence_delays_nobody_else(net):
    """A lookup gives up after its 10 seconds; meanwhile mail to others goes."""
    net.names.answers["silent.test"] = silence
    number = net.send("bob@silent.test")
    for _ in range(3):
        peer = net.peer()
        goes(net, peer.domain, peer)
    assert net.attempts(number) == []
    [row] = net.queue(number)
    assert row["state"] == "under way"
    assert net.wait_attempt(number) == (0, 0, 1)
    [row] = net.queue(number)
    assert row["state"] == UNREACHABLE and "DNS lookup failed" in row["last_reply"]
