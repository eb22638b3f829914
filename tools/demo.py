"""./quickstart --demo: the journey of a message, told in plain sentences, each step checked.

Servers of its own in a temporary directory, on free loopback ports; real clients: Python's smtplib
and poplib and `godwit mail`; a real DNS server. Ends with 0 only when every step was seen to be true.
"""

import os
import poplib
import shutil
import signal
import smtplib
import sys
import tempfile
import time

import dns_server
import server as godwit
from demo_one import OneServer
from demo_story import NotSo, Story
from demo_two import TwoServers

FAILURES = (NotSo, godwit.ServerError, OSError, smtplib.SMTPException, poplib.error_proto, LookupError)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)  # the last: one of them, put off
LOG_SHOWN = 8000  # octets
put_off = []  # signals that came where they could not be heard


def deafen():
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)


def clean_up(part):
    """Ends what the story started, each for itself; a signal that comes now changes nothing."""
    deafen()
    for server in part.servers:
        if server.process:
            try:
                server.kill_all()
            except FAILURES as error:
                print(f"{server.hostname} did not end: {error!r}", flush=True)
    if hasattr(part, "close"):
        part.close()
    listen()


def tell(story, kind, folder):
    """Plays one story. False: a step was not so, and its servers' logs were shown."""
    folder = os.path.join(folder, kind.__name__)
    os.mkdir(folder)
    os.chmod(folder, 0o755)  # a server started as root walks there as another user
    part = kind(story, folder)
    try:
        part.play()
        return True
    except FAILURES as error:
        if put_off:  # Ctrl-C went to the command that failed, too
            raise KeyboardInterrupt from error
        print(f"\nNOT SO: {error!r}", flush=True)
        for server in part.servers:
            print(f"\nThe end of the log of {server.hostname}:\n{server.log()[-LOG_SHOWN:]}", flush=True)
        return False
    finally:
        clean_up(part)


def is_within(frame, module):
    while frame and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    return frame is not None


def on_signal(number, frame):
    """Not within subprocess, whose locks would stay taken: whoever waits for a process then waits for ever."""
    if is_within(frame, "subprocess"):
        put_off.append(number)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        return
    raise KeyboardInterrupt


def listen():
    for number in SIGNALS:
        signal.signal(number, on_signal)


def main():
    sys.stdout.reconfigure(errors="replace")
    listen()
    if not dns_server.NSD:
        print("The demo needs the DNS server nsd: sudo apt-get install --no-install-recommends nsd",
              file=sys.stderr)
        return 69
    started = time.monotonic()
    folder = tempfile.mkdtemp(prefix="godwit-demo-")
    os.chmod(folder, 0o755)
    story = Story()
    try:
        if not all(tell(story, kind, folder) for kind in (OneServer, TwoServers)):
            return 1
    except KeyboardInterrupt:
        deafen()
        print("\nstopped; nothing is kept", flush=True)
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nEverything was as told, in {time.monotonic() - started:.1f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
