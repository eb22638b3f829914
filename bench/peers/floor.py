"""The floors, and the sinks that relayed mail ends in."""

import os
import re
import struct

from peers.peer import HOST, Peer, free_port


class Floor(Peer):
    """Speaks the SMTP dialogue and forgets the message."""

    name = "floor-dialogue"
    title = "floor: dialogue only"
    loads = "A"
    options = ()

    def start(self):
        port = self.ports["smtp"] = free_port()
        self.run(self.settings.floor, "--listen", f"{HOST}:{port}",
                 "--counters", self.path("counters"), *self.options)
        self.wait_greeting(port)

    def stored(self):
        with open(self.path("counters"), "rb") as file:
            return struct.unpack("=4Q", file.read(32))[1]


class DurableFloor(Floor):
    """Also appends to a log, one sync for all messages of a turn, before the 250."""

    name = "floor-log"
    title = "floor: dialogue, log, group commit"

    def __init__(self, settings):
        super().__init__(settings)
        self.options = ("--log", self.path("log"))


class Sink(Floor):
    """Where relayed mail ends: the floor without a log."""

    name = "sink"
    title = "sink"
    loads = ""


class PostfixSink(Peer):
    """Postfix's smtp-sink in its place."""

    name = "smtp-sink"
    title = "smtp-sink"

    def start(self):
        port = self.ports["smtp"] = free_port()
        user = ("-u", "nobody") if os.geteuid() == 0 else ()  # it refuses to run as root
        self.run("/usr/sbin/smtp-sink", *user, "-c", f"{HOST}:{port}", "1000")
        self.wait_greeting(port)

    def stored(self):
        """The last of its running counters: "sess=1 quit=1 mesg=1"."""
        with open(self.path("output.log"), "rb") as file:
            file.seek(-min(200, file.seek(0, os.SEEK_END)), os.SEEK_END)
            counts = re.findall(rb"mesg=(\d+)[^\d]", file.read())
        return int(counts[-1]) if counts else 0
