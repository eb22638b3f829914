"""An order to stop while other servers say nothing more: it is not held up for long, and nothing is lost."""

import pytest
from relay_net import net, shared_net  # noqa: F401 (fixtures)
from server import wait_for
from smtp_peer import CHUNKING, GOOD, HANG
from wire import letter

NET_OPTIONS = """queue = { retry = ["1s"]; };
"""
LARGE = letter(body=["0123456789" * 9] * 110_000)  # more than the kernel takes ahead
LARGE_AT = ("content", "chunk", "slow")
LATE = ("end", "last chunk")  # all of the content is out

pytestmark = pytest.mark.kills


class Transfers:
    """Messages that do not move any more, each at another step; one that moves slowly, and one of which a recipient
    was refused already."""

    def __init__(self, net):
        self.net = net
        self.peers = {step: net.peer(**{step: [HANG]})
                      for step in ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "end")}
        self.peers["chunk"] = net.peer(extensions=CHUNKING, chunk=[HANG])
        self.peers["last chunk"] = net.peer(extensions=CHUNKING, end=[HANG])
        self.silent = dict(self.peers)
        self.silent["refused"] = self.peers["refused"] = net.peer(RCPT=[b"550 5.1.1 who?\r\n"], DATA=[HANG])
        self.peers["slow"] = net.peer(content=self.slowly, end=(self.late, GOOD["end"]))
        self.numbers = {step: self.send(step, peer) for step, peer in self.peers.items()}
        for peer in self.silent.values():
            peer.wait_hanging()
        wait_for("content", lambda: any(session.head for session in self.peers["slow"].sessions))

    def send(self, step, peer):
        names = ("nobody", "bob") if step == "refused" else ("bob",)
        return self.net.send(*(f"{name}@{peer.domain}" for name in names),
                             content=LARGE if step in LARGE_AT else None)

    def is_held(self):
        return bool(self.peers["DATA"].hanging)

    def slowly(self, session):
        while self.is_held():
            session.head += session.lines.read(1000)
            session.peer.go_on.wait(0.01)

    def late(self, session):
        while self.is_held():
            session.peer.go_on.wait(0.01)

    def check(self):
        """All arrived; what was not said whole counts as not tried, what was as without an answer."""
        for step, peer in self.peers.items():
            self.net.wait_gone(self.numbers[step])
            assert len(peer.taken) == 1 and len(peer.received) == 1 + (step in LATE), step
            assert peer.taken[0].content.endswith(LARGE if step in LARGE_AT else letter(sender="alice@example.test"))
            before = [(0, 0, 1)] if step in LATE else [(0, 1, 1)] if step == "refused" else []
            assert self.net.attempts(self.numbers[step]) == [*before, (1, 0, 0)], step
        assert sum(command.startswith("RCPT TO:<nobody@") for command in self.peers["refused"].commands) == 1
        self.net.server.command("audit")


@pytest.mark.rare
def test_order_to_stop_where_nobody_goes_on(net):
    """Slow content, and a late answer to its end, are waited for; what does not move is left for the next start."""
    transfers = Transfers(net)
    net.server.process.terminate()
    assert net.server.process.wait(60) == 0
    assert "event=stop-forced" not in net.server.new_log()
    assert len(transfers.peers["slow"].taken) == 1
    net.server.process = None
    net.server.start()
    transfers.check()
