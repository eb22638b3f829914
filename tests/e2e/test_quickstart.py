"""The two set-up commands as a newcomer runs them."""

import os
import re
import resource
import shutil
import signal
import ssl
import subprocess

import pytest
from conftest import new_folder
from server import HOST, ROOT, free_offset, parents, wait_for, words_of
from wire import count_of, submit

QUICKSTART = os.path.join(ROOT, "quickstart")
pytestmark = pytest.mark.skipif("GODWIT" in os.environ, reason="quickstart runs build/godwit")


def hear_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Visitor:
    """Somebody who runs ./quickstart in a terminal and reads what it prints."""

    def __init__(self, folder, *words):
        self.data = os.path.join(folder, "the mail")
        self.output = os.path.join(folder, "output")
        self.certificate = os.path.join(self.data, "tls", "certificate.pem")
        self.words = words

    def __enter__(self):
        with open(self.output, "wb") as output:
            # as a terminal starts it: whoever runs the tests in the background ignores SIGINT
            self.process = subprocess.Popen([QUICKSTART, "--data", self.data, *self.words],
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            preexec_fn=hear_interrupts)
        wait_for("Godwit is running", self.is_running)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def said(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def is_running(self):
        assert self.process.poll() is None, self.said()
        return "what happened to the message" in self.said()

    def accounts(self):
        return dict(re.findall(r"account (\S+)\s+password (\S+)", self.said()))

    def ports(self):
        smtp, submission, smtps, pop3, pop3s = re.search(
            rf"{HOST}:(\d+)\n.*{HOST}:(\d+) STARTTLS, {HOST}:(\d+) TLS\n"
            rf".*{HOST}:(\d+) STLS, {HOST}:(\d+) TLS", self.said()).groups()
        return {"smtp": int(smtp), "submission": int(submission), "smtps": int(smtps),
                "pop3": int(pop3), "pop3s": int(pop3s)}

    def stop(self, number):
        self.process.send_signal(number)
        return self.process.wait(60)

    def trust(self):
        return ssl.create_default_context(cafile=self.certificate)

    def commands(self):
        """The commands it tells one to try, as one would paste them."""
        text = self.said().split("Three commands to try", 1)[1]
        text = re.sub(r"\\\n\s+", "", text)
        return [line.strip() for line in text.split("\n") if "godwit " in line
                and not line.strip().startswith("#")]


@pytest.fixture
def folder():
    path = new_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def run(command):
    """One that is to be tried, as it would be pasted; gives what it says."""
    done = subprocess.run(command, shell=True, cwd=ROOT, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def without_log(said):
    """The server logs to the same terminal."""
    return re.sub(r"^\d{4}-\S+Z level=.*\n", "", said, flags=re.M)


def test_a_visit_and_another_one(folder):
    with Visitor(folder) as visitor:
        visitor.ports = visitor.ports()
        accounts = visitor.accounts()
        alice, bob = sorted(accounts)
        submit(visitor, alice, bob, password=accounts[alice])
        assert count_of(visitor, bob, accounts[bob]) == 1
        commands = visitor.commands()
        assert len(commands) == 3
        told = [run(command) for command in commands]
        assert "Hello" in told[1]  # the letter that was there before, or the one of the first command
        assert count_of(visitor, bob, accounts[bob]) == 2
        assert list(steps(without_log(visitor.said()))) == TO_A_SERVER
        assert visitor.stop(signal.SIGINT) == 0
        assert "kept" in visitor.said()
    built, used = when_built(), seconds_used()
    with Visitor(folder) as again:
        assert again.accounts() == accounts and again.ports() == visitor.ports
        again.ports = visitor.ports
        assert count_of(again, bob, accounts[bob]) == 2
        assert "keeping what is in" in again.said()
        assert list(steps(without_log(again.said()))) == TO_A_SERVER
        assert again.stop(signal.SIGTERM) == 0
    assert when_built() == built and seconds_used() - used < 10


def seconds_used():
    """Of a processor, by all that was started here and has ended: not what passes while others are busy."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def when_built():
    """When the build was configured and the program linked."""
    return [os.stat(os.path.join(ROOT, "build", name)).st_mtime_ns for name in ("build.ninja", "godwit")]


def test_other_ports_are_found_when_the_usual_ones_are_taken(folder):
    with Visitor(folder) as one:
        second = os.path.join(folder, "second")
        os.mkdir(second)
        with Visitor(second) as two:
            assert not set(one.ports().values()) & set(two.ports().values())


def test_it_ends_when_the_server_cannot_start(folder):
    with Visitor(folder) as one:
        offset = one.ports()["smtp"] - 25
        done = subprocess.run([QUICKSTART, "--data", os.path.join(folder, "second"),
                               "--port-offset", str(offset)], text=True, capture_output=True,
                              timeout=60)
        assert done.returncode == 69 and "in use" in done.stderr


def make_data(folder, changes):
    """What a visit before has made, with its configuration changed; gives the offset of its ports."""
    data, offset = os.path.join(folder, "the mail"), free_offset(more=(2525,))
    subprocess.run([os.path.join(ROOT, "build", "godwit"), "init", "--data", data, "--hostname", "mail.example.test",
                    "--listen", HOST, "--port-offset", str(offset)], check=True, stdout=subprocess.DEVNULL)
    path = os.path.join(data, "godwit.conf")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return offset


def test_ports_that_were_changed(folder):
    offset = make_data(folder, {"#smtp = 25;": "smtp : 2525;", "#pop3 = 110;": "pop3 = 0;",
                                "port_offset =": "port_offset:"})
    with Visitor(folder, "--port-offset", str(offset)) as visitor:
        said = without_log(visitor.said())
        assert f"  SMTP from other servers  {HOST}:{offset + 2525}\n" in said
        assert f"  POP3                     {HOST}:{offset + 995} TLS\n" in said and "STLS" not in said
        assert "Hello" in [run(command) for command in visitor.commands()][1]


@pytest.mark.parametrize("before, after, status, says", [
    ("#pop3s = 995;", "pop3s = 0;", 78, "ports.pop3s is 0"),
    (f'listen = ["{HOST}"]', 'listen = ["127.0.0.2"]', 69, "(ports.smtp); see its log above, and listen in ")])
def test_it_ends_when_a_port_does_not_answer(folder, before, after, status, says):
    make_data(folder, {before: after})
    done = subprocess.run([QUICKSTART, "--data", os.path.join(folder, "the mail")], text=True, capture_output=True,
                          timeout=60)
    assert done.returncode == status and says in done.stderr and "Godwit is running" not in done.stdout, done


@pytest.mark.parametrize("words, status", [(["--nonsense"], 64), (["--port-offset"], 64),
                                           (["--port-offset", "x"], 64),
                                           (["--port-offset", "99999"], 64), (["--help"], 0)])
def test_words(words, status):
    done = subprocess.run([QUICKSTART, *words], text=True, capture_output=True, timeout=60)
    assert done.returncode == status and (done.stdout if status == 0 else done.stderr)


BUILDING = ["packages are installed", "configuring the build", "compiling build/godwit"]
AS_ROOT = ["users for a server started as root"] if os.getuid() == 0 else []
TO_A_SERVER = [*BUILDING, *AS_ROOT, "data directory", "domain example.test with accounts alice and bob",
               "the server is ready, all together"]


def steps(said):
    """What each line before the first empty one says was done, and the milliseconds that it must tell."""
    lines = said.split("\n\n")[0].rstrip("\n").split("\n")
    timed = [re.fullmatch(r"(\S.*?) +(\d+) ms", line) for line in lines if not line.startswith("  ")]
    assert all(timed), said
    return {step[1]: int(step[2]) for step in timed}


def test_build_only():
    done = subprocess.run([QUICKSTART, "--build-only"], text=True, capture_output=True, timeout=300)
    assert done.returncode == 0 and list(steps(done.stdout)) == BUILDING


# Commands that answer otherwise than they should: in the first story, in the second one, and a server that
# does not come up. The words that a command begins with, what it does then, what the demo says.
FALSEHOODS = {
    "words that are not there": ("mail read", "exit 0", "NOT SO: NotSo('she reads it')"),
    "books that do not balance": ("audit", "exit 65", "exit 65, not 0"),
    "no reason why": ("queue explain", "echo It will go.; exit 0", "NOT SO: NotSo('`godwit queue explain` says why"),
    "no server": ("serve", "exit 70", "the server ended with 70"),
}


@pytest.mark.parametrize("what", FALSEHOODS)
def test_demo_of_what_is_not_so(folder, what, long):
    """A step that turns out false ends the demo with another status than 0, and nothing stays behind."""
    if not long and what not in ("no reason why", "no server"):
        pytest.skip("in the long form")
    words, deed, says = FALSEHOODS[what]
    binary, temporary = os.path.join(folder, "godwit"), os.path.join(folder, "tmp")
    with open(binary, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\ncase "$*" in "{words} "*) {deed} ;; esac\n'
                   f'exec {os.path.join(ROOT, "build", "godwit")} "$@"\n')
    os.chmod(binary, 0o755)
    os.mkdir(temporary, 0o755)
    demo = subprocess.Popen([QUICKSTART, "--demo"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, "GODWIT": binary, "TMPDIR": temporary})
    said, _ = demo.communicate(timeout=300)
    assert demo.returncode == 1, said
    assert says in said and "Everything was as told" not in said, said
    assert "The end of the log of" in said and os.listdir(temporary) == []
    wait_for("the end of all of it", lambda: nobody_names(temporary))


def nobody_names(folder):
    """No process has it in its command line."""
    return not [pid for pid in parents() if any(folder in word for word in words_of(pid))]


def test_demo(folder):
    done = subprocess.run([QUICKSTART, "--demo"], text=True, capture_output=True, timeout=300,
                          env={**os.environ, "TMPDIR": folder})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything was as told" in done.stdout
    assert os.listdir(folder) == []
    wait_for("the end of all of it", lambda: nobody_names(folder))


def test_demo_is_interrupted(folder):
    """Ctrl-C in the middle of a story: nothing stays behind."""
    output = os.path.join(folder, "output")
    with open(output, "wb") as file:
        demo = subprocess.Popen([QUICKSTART, "--demo"], stdin=subprocess.DEVNULL, stdout=file,
                                stderr=file, start_new_session=True, env={**os.environ, "TMPDIR": folder})
    wait_for("the second story", lambda: b"switched off" in open(output, "rb").read())
    os.killpg(demo.pid, signal.SIGINT)
    assert demo.wait(60) == 130
    assert os.listdir(folder) == ["output"]
    wait_for("the end of all of it", lambda: nobody_names(folder))
