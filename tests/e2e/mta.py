"""Real mail servers of others as private instances on loopback, which mail goes to and comes from.

Each serves user0@bench.test ... user19@bench.test and sends mail for example.test to the port that it is
given. Postfix is installed; Exim and OpenSMTPD, which cannot be beside it, are unpacked (tools/unpack) and
run in a mount namespace in which they find themselves where they were built to be.
"""

import glob
import os
import shutil
import subprocess
import sys

import pytest
from server import HOST, ROOT, free_port

sys.path.append(os.path.join(ROOT, "bench"))
from peers import peer, postfix  # noqa: E402 (bench/peers: adapters for servers)

DOMAIN = peer.DOMAIN
USERS = 20
UNPACKED = os.path.join(ROOT, "build-unpacked")


def address(n):
    return f"user{n}@{DOMAIN}"


def give_up(why):
    """A server of others that cannot run. An ordinary user cannot help that; for root it is a package that is
    missing, and tests that do not run for want of one have not passed."""
    (pytest.fail if os.geteuid() == 0 else pytest.skip)(why)


class Mta(peer.Peer):
    """What the tests ask of a server beside starting and stopping."""

    log_name = "output.log"
    tls = True  # it offers STARTTLS
    originals = True  # its reports name ENVID and ORCPT
    orcpt_decoded = True  # ... without xtext
    slow_to_return = False
    closed = f"closed@{DOMAIN}"  # it takes mail for this address and then cannot deliver it
    offers_chunking = True
    # What it logs of sending by CHUNKING and of commands in advance, None when it does not do or say so.
    chunking = None
    pipelining = None

    def __init__(self, folder, godwit):
        super().__init__(peer.Settings(folder, None, None, USERS, 0))
        self.godwit = godwit  # the port of its SMTP
        self.ports["smtp"] = free_port()  # also while it is stopped

    def make_certificate(self):
        path = self.path("certificate.pem")
        if not os.path.exists(path):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path("key.pem"), "-out",
                            path, "-days", "2", "-subj", "/CN=mail.bench.test"], check=True,
                           capture_output=True)

    def mail(self, n):
        """The messages of a user, as bytes with CRLF: a Maildir has them with LF."""
        found = []
        for path in sorted(glob.glob(self.path("mail", f"user{n}", "new", "*"))):
            with open(path, "rb") as file:
                found.append(file.read().replace(b"\n", b"\r\n"))
        return found

    def log(self):
        with open(self.path(self.log_name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def try_again(self):
        """Tries at once what waits in its queue."""
        raise NotImplementedError


class Postfix(Mta, postfix.Postfix):
    name = "postfix"
    log_name = "log"

    def more_options(self):
        return (f"smtpd_tls_cert_file = {self.path('certificate.pem')}\n"
                f"smtpd_tls_key_file = {self.path('key.pem')}\nsmtpd_tls_security_level = may\n"
                f"smtp_tls_security_level = may\nmyhostname = mail.{DOMAIN}\n"
                f"transport_maps = inline:{{example.test=smtp:[{HOST}]:{self.godwit}}}\n"
                f"virtual_alias_maps = inline:{{{self.closed}=nobody@elsewhere.test}}\n"
                "relay_domains = example.test\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"
                "message_size_limit = 50000000\nmailbox_size_limit = 0\nvirtual_mailbox_limit = 0\n")

    def start(self):
        self.make_certificate()
        super().start()

    def try_again(self):
        subprocess.run(["/usr/sbin/postqueue", "-c", self.path("config"), "-f"], check=True,
                       capture_output=True)


class Unpacked(Mta):
    """A server out of build-unpacked/."""

    accounts = ()  # system users that its program asks for
    program = ""  # where it was built to be

    def missing(self):
        if os.geteuid() != 0:
            return "it runs in a mount namespace, which only root can make"
        return None if os.path.exists(UNPACKED + self.program) else f"{self.name}: tools/unpack has not been run"

    def copy_with(self, name, lines):
        with open(f"/etc/{name}", encoding="utf-8") as file:
            self.write(name, file.read() + "".join(line + "\n" for line in lines))

    def prepare(self):
        """Files that stand in for those of the system."""
        self.make_certificate()
        for name in ("mail", "var", "work", "run"):
            os.makedirs(self.path(name), exist_ok=True)
        people = [*self.accounts, *(f"user{n}" for n in range(USERS))]
        self.copy_with("passwd", (f"{name}:x:{7000 + n}:{7000 + n}::{self.path('mail', name)}:/bin/false"
                                  for n, name in enumerate(people)))
        self.copy_with("group", (f"{name}:x:{7000 + n}:" for n, name in enumerate(people)))
        for n in range(USERS):
            os.makedirs(self.path("mail", f"user{n}"), exist_ok=True)
            os.chown(self.path("mail", f"user{n}"), 7000 + len(self.accounts) + n, -1)

    def inside(self, *words):
        """The command line that runs words where the server finds its files."""
        mounts = (f"mount -t overlay overlay -o lowerdir={UNPACKED}/usr:/usr /usr",
                  f"mount -t overlay overlay -o lowerdir=/var,upperdir={self.path('var')},"
                  f"workdir={self.path('work')} /var",
                  f"mount --bind {self.path('run')} /run",
                  f"mount --bind {self.path('passwd')} /etc/passwd",
                  f"mount --bind {self.path('group')} /etc/group", 'exec "$@"')
        return ("unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(mounts), "sh",
                *words)

    def enter(self, *words):
        """Runs a command beside the server, in its namespace."""
        done = subprocess.run(["nsenter", "--mount", "-t", str(self.processes[0].pid), *words],
                              text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout


EXIM = """\
primary_hostname = mail.bench.test
local_interfaces = {host}
daemon_smtp_ports = {port}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
log_selector = +pipelining
pid_file_path = {folder}/exim.pid
tls_advertise_hosts = *
tls_certificate = {folder}/certificate.pem
tls_privatekey = {folder}/key.pem
dsn_advertise_hosts = *
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_rcpt = rcpt
message_size_limit = 50M
keep_environment =
smtp_accept_queue_per_connection = 0
host_lookup =

begin acl
rcpt:
  accept domains = bench.test : example.test
         verify = recipient
  deny   message = there is no such user at bench.test

begin routers
out:
  driver = manualroute
  domains = example.test
  route_list = * {host}
  self = send
  transport = smtp_out
  no_more
closed_at_first:
  driver = accept
  verify_only
  domains = bench.test
  local_parts = closed
closed:
  driver = redirect
  domains = bench.test
  local_parts = closed
  allow_fail
  data = :fail: nothing is delivered here
in:
  driver = accept
  domains = bench.test
  local_parts = {users}
  transport = maildir

begin transports
smtp_out:
  driver = smtp
  port = {godwit}
  hosts_try_fastopen = :
maildir:
  driver = appendfile
  directory = {folder}/mail/$local_part_data
  maildir_format
  create_directory
  user = mail
  group = mail
  return_path_add
  delivery_date_add

begin retry
* * F,1h,1s
"""


class Exim(Unpacked):
    name = "exim"
    log_name = "log/mainlog"
    orcpt_decoded = False
    chunking = r" K "
    pipelining = r" L "
    accounts = ("Debian-exim",)
    program = "/usr/sbin/exim4"

    def start(self):
        self.prepare()
        port = self.ports["smtp"]
        for name in ("spool", "log"):
            os.makedirs(self.path(name), exist_ok=True)
            os.chown(self.path(name), 7000, 7000)
        for n in range(USERS):
            shutil.chown(self.path("mail", f"user{n}"), "mail", "mail")
        # At the place it knows: with -C it would give up the rights that it delivers with.
        os.makedirs(self.path("var", "lib", "exim4"), exist_ok=True)
        self.write("var/lib/exim4/config.autogenerated", EXIM.format(folder=self.folder, host=HOST, port=port, godwit=self.godwit,
                                            users=" : ".join(f"user{n}" for n in range(USERS))))
        os.chmod(self.path("key.pem"), 0o644)
        self.run(*self.inside(self.program, "-bdf", "-q1m"))
        self.wait_greeting(port)

    def try_again(self):
        self.enter(self.program, "-qff")


OPENSMTPD = """\
smtp max-message-size 50M
queue ttl 1h
listen on {host} port {port} hostname mail.bench.test
action "in" maildir "{folder}/mail/%{{user.username}}"
action "out" relay host "smtp://{host}:{godwit}"
match from any for domain "bench.test" action "in"
match from any for domain "example.test" action "out"
"""


class OpenSmtpd(Unpacked):
    name = "opensmtpd"
    offers_chunking = False
    slow_to_return = True
    tls = False  # Debian's build fails each handshake as a server, with any client: it is not offered
    originals = False
    closed = None
    accounts = ("opensmtpd", "opensmtpq")
    program = "/usr/sbin/smtpd"

    def start(self):
        self.prepare()
        port = self.ports["smtp"]
        self.write("smtpd.conf", OPENSMTPD.format(folder=self.folder, host=HOST, port=port,
                                                  godwit=self.godwit))
        os.makedirs(self.path("var", "lib", "opensmtpd", "empty"), exist_ok=True)
        os.makedirs(self.path("var", "spool", "smtpd"), exist_ok=True)
        os.chmod(self.path("var", "spool", "smtpd"), 0o711)
        self.run(*self.inside(self.program, "-d", "-f", self.path("smtpd.conf")))
        self.wait_greeting(port)

    def try_again(self):
        # It asks to be setgid: the group is the one of opensmtpq.
        self.enter("setpriv", "--regid", "7001", "--clear-groups", "/usr/sbin/smtpctl", "schedule", "all")


ALL = (Postfix, Exim, OpenSmtpd)
