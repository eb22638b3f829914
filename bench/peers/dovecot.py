"""A private Dovecot: POP3, and LMTP for a Postfix beside it. Durability and processes as by default."""

import os

from peers.peer import HOST, PASSWORD, Peer, free_port, package_version

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
listen = {host}
protocols = pop3 lmtp
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%n
first_valid_uid = 1
# No hash: checking a password shall cost nothing here.
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {folder}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%n allow_all_users=yes
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
}}
"""


class Dovecot(Peer):
    name = "dovecot"
    title = "Dovecot"
    loads = "CE"

    def __init__(self, settings):
        super().__init__(settings)
        # A user may have 10 sessions from one address.
        self.idle_limit = {"pop3": 10 * settings.accounts}

    def missing(self):
        if os.geteuid() != 0:
            return "Dovecot needs root to start its processes"
        return None if os.path.exists("/usr/sbin/dovecot") else "Dovecot is not installed"

    def version(self):
        return package_version("dovecot-core")

    @property
    def lmtp(self):
        return self.path("lmtp")

    def start(self):
        self.ports["pop3"] = free_port()
        os.mkdir(self.path("mail"))
        os.chmod(self.path("mail"), 0o777)
        self.write("users", "".join(f"{name}:{PASSWORD}\n"
                                    for name in self.settings.names()))
        self.write("dovecot.conf", CONFIG.format(folder=self.folder, host=HOST,
                                                 pop3=self.ports["pop3"]))
        self.run("/usr/sbin/dovecot", "-F", "-c", self.path("dovecot.conf"))
        self.wait_greeting(self.ports["pop3"], b"+OK")

    def stored(self):
        return count_maildirs(self.path("mail"))


def count_maildirs(top):
    """Messages in all Maildirs of a folder."""
    count = 0
    for box in os.listdir(top):
        for part in ("new", "cur"):
            folder = os.path.join(top, box, part)
            if os.path.isdir(folder):
                count += len(os.listdir(folder))
    return count


