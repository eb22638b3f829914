"""Private instances of Postfix: into Maildirs by its virtual agent, and into Dovecot by LMTP.

Debian's master.cf with its process limits, everything unchrooted, and a maillog of its own (postlogd)
in place of the system's syslog. Nothing about queues, processes or durability is changed.
"""

import os
import pwd
import subprocess

from peers.dovecot import Dovecot, count_maildirs
from peers.peer import DOMAIN, HOST, SINK_DOMAIN, Peer, free_port, package_version, wait_for

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/lib
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = /
myhostname = mail.bench.test
mydestination =
inet_interfaces = {host}
inet_protocols = ipv4
default_transport = error:nothing leaves this benchmark
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_mailbox_base = {folder}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""

MASTER = """\
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Peer):
    name = "postfix"
    title = "Postfix"
    loads = "ABE"
    idle_kinds = ("smtp",)
    idle_limit = {"smtp": 90}  # of 100 smtpd processes

    def missing(self):
        if os.geteuid() != 0:
            return "Postfix starts as root only"
        return None if os.path.exists("/usr/sbin/postfix") else "Postfix is not installed"

    def version(self):
        return package_version("postfix")

    def more_options(self):
        """Lines of main.cf."""
        if not self.sink:
            return ""
        host, port = self.sink
        return f"transport_maps = inline:{{{SINK_DOMAIN}=smtp:[{host}]:{port}}}\n"

    def start(self):
        owner, config = pwd.getpwnam("mail"), self.path("config")
        port = self.ports["smtp"] = self.ports["relay"] = self.ports.get("smtp") or free_port()
        for name in (config, self.path("queue"), self.path("mail"), self.path("lib")):
            os.makedirs(name, exist_ok=True)
        os.chown(self.path("mail"), owner.pw_uid, owner.pw_gid)
        os.chown(self.path("lib"), pwd.getpwnam("postfix").pw_uid, -1)
        self.write("mailboxes", "".join(f"{name}@{DOMAIN} {name}/\n"
                                        for name in self.settings.names()))
        self.write("config/main.cf", MAIN.format(
            folder=self.folder, host=HOST, domain=DOMAIN, uid=owner.pw_uid,
            gid=owner.pw_gid) + self.more_options())
        self.write("config/master.cf", MASTER.format(port=f"{HOST}:{port}"))
        # As the wrapper does before it starts the master; this way the master is our child.
        subprocess.run(["/usr/sbin/postfix", "-c", config, "check"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.run("/usr/lib/postfix/sbin/master", "-c", config, "-d")
        self.wait_greeting(port)

    def settle(self):
        wait_for("an empty queue", self.queue_is_empty)

    def queue_is_empty(self):
        """incoming before active: that is the way of a message."""
        for name in ("incoming", "active"):
            if os.listdir(self.path("queue", name)):
                return False
        late = [name for _, _, files in os.walk(self.path("queue", "deferred")) for name in files]
        if late:
            raise RuntimeError(f"{self.name} deferred {len(late)} messages: see {self.path('log')}")
        return True

    def stored(self):
        return count_maildirs(self.path("mail"))


class PostfixDovecot(Postfix):
    """Postfix that hands over to Dovecot by LMTP; Dovecot's POP3 reads what it stored."""

    name = "postfix-dovecot"
    title = "Postfix + Dovecot"
    loads = "ACE"
    idle_kinds = ("pop3",)  # its SMTP is measured with Postfix alone

    def __init__(self, settings):
        super().__init__(settings)
        self.dovecot = Dovecot(settings)
        self.idle_limit = self.dovecot.idle_limit

    def missing(self):
        return super().missing() or self.dovecot.missing()

    def version(self):
        return f"{super().version()} + {self.dovecot.version()}"

    def more_options(self):
        return f"virtual_transport = lmtp:unix:{self.dovecot.lmtp}\n"

    def start(self):
        self.dovecot.start()
        super().start()
        self.ports["pop3"] = self.dovecot.ports["pop3"]

    def pids(self):
        return super().pids() + self.dovecot.pids()

    def stop(self):
        super().stop()
        self.dovecot.stop()

    def stored(self):
        return self.dovecot.stored()
