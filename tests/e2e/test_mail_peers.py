"""`godwit mail` against scripted servers: odd, broken and hostile ones. None may hang or crash it."""

import contextlib
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from server import binary_path

LIMIT = 128 * 1024 * 1024  # of what is read
LINE = None  # a step of a script: wait for a line of the client
BODY = "body"  # wait for the end of a message

GREETING = b"220 mail.odd.test ESMTP\r\n"
TO_DATA = [GREETING, LINE, b"250 mail.odd.test\r\n", LINE, b"250 2.1.0 ok\r\n", LINE,
           b"250 2.1.5 ok\r\n", LINE, b"250 2.1.5 ok\r\n", LINE, b"354 go on\r\n", BODY]
LOGIN = [b"+OK\r\n", LINE, b"-ERR what?\r\n", LINE, b"+OK\r\n", LINE, b"+OK welcome\r\n"]
SEND = ("mail", "send", "--from", "a@b.test", "--to", "b@c.test", "--to", "d@c.test")
LIST = ("mail", "list", "--user", "me")
READ = ("mail", "read", "1", "--user", "me")


def follow(script, connection):
    with connection, connection.makefile("rb") as lines:
        for step in script:
            if step is LINE:
                if not lines.readline():
                    return
            elif step is BODY:
                while lines.readline() not in (b".\r\n", b""):
                    pass
            else:
                connection.sendall(step)


def play(script, *words, tls="none"):
    """Runs the command against a server that follows the script, then closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            try:
                follow(script, listener.accept()[0])
            except OSError:
                pass  # the client left first

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        done = subprocess.run(
            [binary_path(), *words, "--server", f"127.0.0.1:{listener.getsockname()[1]}", "--tls",
             tls], input="text\n", text=True, capture_output=True, timeout=60,
            env={**os.environ, "GODWIT_PASSWORD": "x"})
        thread.join(60)
    assert "Sanitizer" not in done.stderr and "bug at" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("script, tls, status, says", [
    ([], "none", 75, "add --tls implicit"),
    ([b"hello there\r\n"], "none", 69, "this is no port for sending mail: the server sent what is no SMTP reply"),
    ([b"x" * 100_000], "none", 69, "this is no port for sending mail"),
    ([b"554 go away\r\n", LINE, b"221 bye\r\n"], "none", 69, "554 go away"),
    ([b"421 4.3.2 later\r\n"], "none", 75, "4.3.2 later"),
    ([GREETING, LINE], "none", 75, "closed"),
    ([GREETING, LINE, b"250 x\r\n", LINE, b"221 bye\r\n"], "starttls", 75, "STARTTLS"),
    ([GREETING, LINE, b"250-x\r\n250 STARTTLS\r\n", LINE, b"220 go\r\n", LINE, b"nonsense\r\n" * 9],
     "starttls", 69, "TLS"),
    ([GREETING, LINE, b"250-x\r\n250 STARTTLS\r\n", LINE, b"220 go\r\n250 injected\r\n"],
     "starttls", 75, "TLS"),
    ([GREETING, LINE], "implicit", 69, "TLS"),
    (TO_DATA, "none", 75, "may or may not"),
    (TO_DATA + [b"451 4.3.0 try again\r\n", LINE, b"221 bye\r\n"], "none", 75, "4.3.0 try again"),
    (TO_DATA + [b"550 5.6.0 bad content\r\n", LINE, b"221 bye\r\n"], "none", 65, "5.6.0 bad content"),
], ids=range(13))
def test_send_is_refused(script, tls, status, says):
    done = play(script, *SEND, tls=tls)
    assert done.returncode == status, done
    assert done.stderr.startswith("godwit: ") and says in done.stderr
    assert done.stdout == ""


def test_send_says_what_the_server_said_but_not_to_the_terminal():
    done = play(TO_DATA + [b"250 2.0.0 taken \x1b[31m\r\n", LINE, b"221 bye\r\n"], *SEND)
    assert done.returncode == 0 and "taken" in done.stdout and "\x1b" not in done.stdout


def test_send_to_some_only():
    done = play([GREETING, LINE, b"250 x\r\n", LINE, b"250 ok\r\n", LINE, b"550 5.1.1 who?\r\n",
                 LINE, b"250 ok\r\n", LINE, b"354 go\r\n", BODY, b"250 2.0.0 taken\r\n", LINE,
                 b"221 bye\r\n"], *SEND)
    assert done.returncode == 67
    assert "b@c.test" in done.stderr and "5.1.1 who?" in done.stderr
    assert "d@c.test" not in done.stderr and "taken" in done.stdout


ONE_AT_A_TIME = [GREETING, LINE, b"250-x\r\n250 LIMITS RCPTMAX=1\r\n"]
MAIL_AND_RCPT = [LINE, b"250 2.1.0 ok\r\n", LINE, b"250 2.1.5 ok\r\n"]
CONTENT = [LINE, b"354 go\r\n", BODY]
QUIT = [LINE, b"221 bye\r\n"]


@pytest.mark.parametrize("script", [
    ONE_AT_A_TIME + MAIL_AND_RCPT,
    TO_DATA[:3] + MAIL_AND_RCPT + [LINE, b"452 4.5.3 too many\r\n"],
    TO_DATA[:3] + MAIL_AND_RCPT + [LINE, b"552 too many\r\n"],
], ids=["announced", "452", "552"])
def test_those_for_whom_there_is_no_room_get_another_transaction(script):
    done = play(script + CONTENT + [b"250 2.0.0 one\r\n"] + MAIL_AND_RCPT + CONTENT +
                [b"250 2.0.0 two\r\n"] + QUIT, *SEND)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout == "Sent: 250 2.0.0 one\nSent: 250 2.0.0 two\n"


@pytest.mark.parametrize("script, says", [
    ([b"421 4.3.2 going down\r\n"], "421 4.3.2 going down"),
    ([], "the server closed the connection"),
    ([LINE, b"451 4.3.0 not now\r\n"] + QUIT, "451 4.3.0 not now"),
], ids=["says why", "closes", "refuses"])
def test_a_server_that_goes_before_all_have_had_their_turn(script, says):
    done = play(ONE_AT_A_TIME + MAIL_AND_RCPT + CONTENT + [b"250 2.0.0 one\r\n"] + script, *SEND, "--to", "e@c.test")
    assert done.returncode == 75 and done.stdout == "Sent to the others: 250 2.0.0 one\n", done
    assert done.stderr == f"godwit: the message to d@c.test and the 1 behind it was not accepted for now: {says}\n"


def test_a_server_with_room_for_nobody():
    done = play(TO_DATA[:5] + [LINE, b"452 4.5.3 too many\r\n"] * 2 + QUIT, *SEND)
    assert done.returncode == 75 and done.stdout == "" and done.stderr.count("4.5.3 too many") == 2, done


@pytest.mark.parametrize("script, said", [
    ([LINE, b"530 5.7.0 say AUTH first\r\n"], "was refused: 530 5.7.0 say AUTH first (log in with --user NAME)"),
    (MAIL_AND_RCPT + CONTENT + [b"550 5.6.0 bad\r\n"], "was refused: 550 5.6.0 bad"),
], ids=["login", "content"])
def test_a_message_that_is_refused_as_a_whole_is_said_once(script, said):
    done = play(ONE_AT_A_TIME + script + QUIT, *SEND)
    assert done.returncode in (65, 77) and done.stdout == ""
    many = play(TO_DATA[:3] + script[:4] + [LINE, b"250 2.1.5 ok\r\n"] * (len(script) > 2) + script[4:] + QUIT, *SEND)
    assert done.stderr == many.stderr == f"godwit: the message {said}\n"


def test_a_message_that_is_too_large_for_the_server():
    done = play([GREETING, LINE, b"250-x\r\n250 SIZE 100\r\n"] + QUIT, *SEND)
    assert done.returncode == 69
    assert re.fullmatch(r"godwit: the message was refused: it has \d+ octets, and 127.0.0.1 takes no more than 100\n",
                        done.stderr), done


def test_a_server_that_offers_chunking_and_does_not_know_it():
    script = [*TO_DATA[:2], b"250-mail.odd.test\r\n250 CHUNKING\r\n", *TO_DATA[3:], b"250 2.0.0 taken\r\n", *QUIT]
    done = play(script, *SEND)
    assert done.returncode == 0, done


def test_password_is_not_sent_where_no_login_is_offered():
    done = play([GREETING, LINE, b"250 x\r\n", LINE, b"221 bye\r\n"], *SEND, "--user", "me")
    assert done.returncode == 77 and "authentication" in done.stderr


@pytest.mark.parametrize("words", [LIST, READ], ids=["list", "read"])
@pytest.mark.parametrize("script, status, says", [
    ([], 75, "add --tls implicit"),
    ([b"hi\r\n"], 69, "this is no port for reading mail: the server does not speak POP3: hi"),
    ([b"+OK" + b"x" * 100_000], 75, "clos"),
    ([b"-ERR [SYS/TEMP] later\r\n"], 75, "later"),
    (LOGIN[:-1] + [b"-ERR [AUTH] no\r\n", LINE, b"+OK\r\n"], 77, ""),
    (LOGIN + [LINE], 75, "closed"),
    (LOGIN + [LINE, b"nonsense\r\n"], 75, ""),
    ([b"+OK\r\n", LINE, b"nonsense\r\n"], 75, "does not speak POP3"),
], ids=range(8))
def test_pop3_breaks_off(words, script, status, says):
    done = play(script, *words)
    assert done.returncode == status, done
    assert done.stderr.startswith("godwit: ") and says in done.stderr


SILENT = ("godwit: the server does not greet: try again later, or, if this is a port with TLS from the start, "
          "add --tls implicit\n")


@pytest.mark.rare
@pytest.mark.parametrize("words, tls", [(SEND, "none"), (LIST, "starttls"), (READ, "none")],
                         ids=["send", "list", "read"])
@pytest.mark.parametrize("script", [[], [LINE]], ids=["closes", "waits"])
def test_a_server_that_does_not_greet(words, tls, script):
    began = time.monotonic()
    done = play(script, *words, tls=tls)
    assert (done.returncode, done.stderr) == (75, SILENT)
    assert not script or 9 < time.monotonic() - began < 25


@pytest.mark.parametrize("words, answer, status", [
    (READ, b"-ERR no such message", 66),
    (READ, b"-ERR [SYS/TEMP] later", 75),
    (READ, b"-ERR [SYS/PERM] never", 69),
    (LIST, b"-ERR what?", 69),
    (LIST, b"-ERR [SYS/TEMP] later", 75),
], ids=range(5))
def test_what_is_refused_after_the_login(words, answer, status):
    done = play(LOGIN + [LINE, answer + b"\r\n", LINE, b"+OK\r\n"], *words)
    assert done.returncode == status, done
    assert done.stderr == f"godwit: the server refuses: {answer[5:].decode().split('] ')[-1]}\n"


@pytest.mark.rare
@pytest.mark.parametrize("words, answers, status, says", [
    (READ, [], 65, "the message is too large to be shown; save it with --raw > FILE"),
    (LIST, [b"+OK 1 100\r\n", LINE, b"+OK 1 100\r\n", LINE], 69,
     "the server goes on without end where the header of a message was asked for"),
], ids=["read", "list"])
def test_a_message_without_end(words, answers, status, says):
    """Nobody waits for it."""
    script = LOGIN + [LINE, *answers, b"+OK\r\n", *[b"X: y\r\n" * 100_000] * 1000]
    for end in [], [b"X: y\r\n" * (LIMIT // 6 + 100), b"\r\n.\r\n", *QUIT]:
        done = play(script[:-1000] + end if end else script, *words)
        assert (done.returncode, done.stderr) == (status, f"godwit: {says}\n")
        assert done.stdout in ("", "[]\n", "Nothing found.\n"), done.stdout[:1000]


@pytest.mark.parametrize("reply", [b"421 4.3.2 closing", b"250 2.0.0 taken"], ids=["421", "250"])
def test_a_server_that_answers_before_it_has_the_message(reply):
    """What is said to have failed does not go out whole behind that: a second try would be a second message."""
    came = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 300)

        def serve():
            connection = listener.accept()[0]
            for line in (GREETING, b"250 mail.odd.test\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
                connection.sendall(line)
                if not line.startswith(b"354"):
                    connection.recv(4096)
            time.sleep(1)  # the kernel has taken what it takes
            connection.sendall(reply + b"\r\n")
            time.sleep(0.5)
            with contextlib.suppress(OSError):
                while octets := connection.recv(65536):
                    came.append(octets)
            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        done = subprocess.run(
            [binary_path(), *SEND[:6], "--server", f"127.0.0.1:{listener.getsockname()[1]}", "--tls", "none"],
            input="a line of a message that is larger than buffers\n" * 1300, text=True, capture_output=True, timeout=60)
        thread.join(60)
    assert done.returncode == 75, done
    assert 10_000 < len(b"".join(came)) < 60_000 and not b"".join(came).endswith(b"\r\n.\r\n")


def test_list_of_an_empty_mailbox():
    done = play(LOGIN + [LINE, b"+OK 0 0\r\n", LINE, b"+OK bye\r\n"], *LIST)
    assert done.returncode == 0 and "empty" in done.stdout
    done = play(LOGIN + [LINE, b"+OK 0 0\r\n", LINE, b"+OK bye\r\n"], *LIST, "--json")
    assert done.returncode == 0 and done.stdout == "[]\n"


def test_list_without_top_shows_sizes():
    capa = [b"+OK\r\n", LINE, b"+OK\r\nUSER\r\n.\r\n", LINE, b"+OK\r\n", LINE, b"+OK\r\n"]
    done = play(capa + [LINE, b"+OK 1 4321\r\n", LINE, b"+OK 1 4321\r\n", LINE, b"+OK\r\n"], *LIST,
                "--json")
    assert done.returncode == 0 and '"size": 4321' in done.stdout


def test_read_that_ends_half_way_prints_nothing_as_if_whole():
    done = play(LOGIN + [LINE, b"+OK\r\nSubject: x\r\n\r\nhalf"], *READ)
    assert done.returncode == 75 and "half" not in done.stdout


def test_read_undoes_dots():
    done = play(LOGIN + [LINE, b"+OK\r\nSubject: x\r\n\r\n..dot\r\n.\r\n", LINE, b"+OK\r\n"], *READ,
                "--raw")
    assert done.returncode == 0 and done.stdout == "Subject: x\n\n.dot\n"
