"""Godwit with its defaults; only its ports and its accounts are chosen."""

import subprocess

import server as godwit  # tools/server.py
from peers.peer import DOMAIN, HOST, PASSWORD, SINK_DOMAIN, Peer


class Godwit(Peer):
    name = "godwit"
    title = "Godwit"

    def __init__(self, settings):
        super().__init__(settings)
        self.server = godwit.Server(self.folder, log=self.path("server.log"))
        self.server.binary = settings.godwit
        self.loads = "ABCE"

    def version(self):
        done = subprocess.run([self.settings.godwit, "--version"], text=True, capture_output=True)
        return done.stdout.strip().removeprefix("godwit ")

    def start(self):
        self.server.create([DOMAIN], options=self.route() if self.sink else "")
        self.server.start(wait=False)
        self.processes.append(self.server.process)
        self.server.wait_ready()
        for name in self.settings.names():
            self.server.add_account(f"{name}@{DOMAIN}", PASSWORD)
        self.ports = {"smtp": self.server.ports["smtp"], "relay": self.server.ports["smtp"],
                      "pop3": self.server.ports["pop3"]}

        if not any("relay" in godwit.words_of(pid) for pid in self.pids()):
            self.loads = "ACE"

    def route(self):
        host, port = self.sink
        return f'trusted_networks = ["{HOST}/32"];\n' \
               f'routes = ( {{ domain = "{SINK_DOMAIN}"; host = "{host}"; port = {port}; }} );'

    def stored(self):
        return self.server.message_count()
