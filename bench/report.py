"""Renders the results of a run as Markdown.

usage: bench/report.py RESULTS.json      prints it
"""

import json
import sys

BASE = "floor-log"
RATIOS = (("floor-log", "× floor"), ("postfix", "× Postfix"), ("postfix-dovecot", "× P+D"))
HEADINGS = {
    "A": "A: SMTP to mailbox",
    "B": "B: SMTP to relay, to a sink",
    "C": "C: POP3",
    "E": "E: idle connections",
}
EXPLAINED = {
    "A": "Messages of {size} octets to {accounts} accounts, {messages} a connection, counted when they lie in the "
         "mailbox (Postfix answers before that; its queue must be empty). p50, p99: from connecting (or, for "
         "further messages of a connection, MAIL) to the 250. The floor with a log is what the ratios are to.",
    "B": "As A, but to another domain: counted when the sink has the message.",
    "C": "Login with a known password, STAT, UIDL, RETR of all {read_each} messages, QUIT. p50, p99: a whole session.",
    "E": "PSS of all processes, before and with idle connections: SMTP after EHLO, POP3 after login.",
}

# From this share of a processor on in one of its threads, the generator may have been what was measured.
GENERATOR_LIMIT = 0.8
# From this share of all processors on, server and generator took them from each other.
MACHINE_LIMIT = 0.9
GENERATOR_MARK, MACHINE_MARK = "†", "‡"
LIMITED = {
    GENERATOR_MARK: f"limited by the generator: one of its threads used {100 * GENERATOR_LIMIT:.0f} % of a processor or "
                    "more in the median run, so that this server may be faster than the table says, and a ratio to it "
                    "smaller.",
    MACHINE_MARK: f"limited by the machine: {100 * MACHINE_LIMIT:.0f} % of all its processors or more were in use in the "
                  "median run, by server, generator and other work together, and no thread of the generator was at its "
                  "limit. With more processors this server may be faster.",
}


def median(values):
    values = sorted(values)
    if not values:
        return None
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


class Results:
    """Medians and ratios of the runs of one file."""

    def __init__(self, results):
        self.results = results

    def runs(self, **want):
        return [run for run in self.results["runs"]
                if all(run.get(key) == value for key, value in want.items())]

    def median(self, field, **want):
        return median([run[field] for run in self.runs(**want) if field in run])

    def ratio(self, field, name, base, **want):
        """Median of the ratios of runs that were neighbours in time."""
        bases = {run["repetition"]: run[field] for run in self.runs(peer=base, **want)
                 if not run.get("counted")}
        return median([run[field] / bases[run["repetition"]]
                       for run in self.runs(peer=name, **want)
                       if not run.get("counted") and bases.get(run["repetition"])])

    def limit(self, **want):
        """The mark of what left the server waiting in the median run, or "". In files without the busiest
        thread's share the generator had one thread."""
        busiest = self.median("busiest_share", **want) or self.median("generator_share", **want) or 0
        if busiest >= GENERATOR_LIMIT:
            return GENERATOR_MARK
        return MACHINE_MARK if (self.median("machine_share", **want) or 0) >= MACHINE_LIMIT else ""

    def peers(self, **want):
        present = {run["peer"] for run in self.runs(**want)}
        return [name for name in self.results["titles"] if name in present]

    def connections(self, letter):
        return sorted({run["connections"] for run in self.runs(load=letter)})

    def throughput(self, letter):
        """The table of load A, B or C."""
        bases = [(base, title) for base, title in RATIOS if self.runs(load=letter, peer=base)]
        sessions = ["sessions/s"] if letter == "C" else []
        head = ["server", "connections", "messages/s", *sessions, *(title for _, title in bases),
                "p50 ms", "p99 ms", "CPU µs/message", "calls/message", "syncs/message"]
        if any("server_share" in run for run in self.runs(load=letter)):
            head.append("processors: server + generator")
        rows = []
        for connections in self.connections(letter):
            for name in self.peers(load=letter, connections=connections):
                rows.append(self.row(letter, name, connections, bases))
        return table(head, rows)

    def row(self, letter, name, connections, bases):
        want = {"load": letter, "connections": connections}

        def value(field, digits=0):
            return number(self.median(field, peer=name, **want), digits)

        def mark(*names):
            """A ratio is marked for the generator only: the machine is the same for both."""
            marks = {self.limit(peer=one, **want) for one in names}
            return GENERATOR_MARK if GENERATOR_MARK in marks else ""

        limit = self.limit(peer=name, **want)
        sessions = [value("sessions_per_second") + limit] if letter == "C" else []
        ratios = ["" if base == name else number(self.ratio("per_second", name, base, **want), 2) + mark(name, base)
                  for base, _ in bases]
        shares = [value("server_share", 2) + " + " + value("generator_share", 2)] \
            if any("server_share" in run for run in self.runs(load=letter)) else []
        return [self.results["titles"][name], str(connections), value("per_second") + limit, *sessions,
                *ratios, value("p50_ms", 2), value("p99_ms", 2), value("cpu_us"),
                value("calls", 1), value("syncs", 3), *shares]

    def idle(self):
        rows = [[self.results["titles"][run["peer"]], run["kind"], str(run["held"]),
                 number(run["idle_kib"] / 1024, 1), number(run["each_kib"], 1)]
                for run in self.runs(load="E")]
        return table(["server", "protocol", "connections", "MiB before", "KiB a connection"], rows)

    @staticmethod
    def stolen(timed):
        shares = [run["stolen_share"] for run in timed if "stolen_share" in run]
        if not shares:
            return []
        return [f"The machine is a virtual one, and its host gave {100 * median(shares):.0f} % of its processors' time to "
                f"others in the median run, {100 * max(shares):.0f} % in the worst."] if max(shares) > 0.01 else []

    def disturbance(self):
        """Sentences on what else the machine did, and on the generator."""
        timed = [run for run in self.results["runs"] if "others_share" in run]
        if not timed:
            return []
        others = [run["others_share"] for run in timed]
        most = max(run["generator_share"] for run in timed)
        busiest = max(run.get("busiest_share", run["generator_share"]) for run in timed)
        marks = {self.limit(**{key: run[key] for key in ("load", "connections", "peer")}) for run in timed}
        return [f"Other work took {100 * median(others):.0f} % of the processors' time in the "
                f"median run, {100 * max(others):.0f} % in the worst (kernel threads that write to "
                f"the disk are in it).",
                *self.stolen(timed),
                f"The generator used at most {100 * most:.0f} % of one processor, the busiest of its threads "
                f"{100 * busiest:.0f} %.",
                *(f"{mark} {text}" for mark, text in LIMITED.items() if mark in marks)]


def heading(results):
    machine = results["machine"]
    versions = [f"{results['titles'][name]} {version}"
                for name, version in results["versions"].items() if version]
    before, after = results["load_average"]
    return [
        "# Results",
        "",
        f"Made by `bench/run`, rendered from its file in `bench/results`. {results['date']}.",
        "",
        f"- Machine: {machine['processors']} processors ({machine['model']}), "
        f"{machine['memory_mib']:,} MiB, Linux {machine['kernel']}, mail on "
        f"{machine['file_system']}; load average before {before[0]:.1f}, after {after[0]:.1f}",
        f"- Versions: {'; '.join(versions)}; source {results['source']}",
        f"- Command: `{results['command']}`: {results['repeat']} × "
        f"{results['seconds']} s, servers in turn; medians; ratios are medians of the ratios of "
        "runs next to each other",
        "- All servers on the same loopback and disk with default durability. CPU: all processes of "
        f"the server. System calls and syncs: a run of their own, counted by {results['counted_by']}. "
        "Dovecot's passwords are not hashed, Godwit's are (argon2id with its cache). Each writes its log "
        "to a file (Postfix by its postlogd).",
        *(f"- Without {name}: {why}" for name, why in results["missing"].items()),
        *(f"- {note}" for note in results["notes"]),
    ]


def render(results):
    data = Results(results)
    lines = heading(results) + [f"- {text}" for text in data.disturbance()]
    for letter, title in HEADINGS.items():
        if not data.runs(load=letter):
            continue
        lines += ["", f"## {title}", "", EXPLAINED[letter].format(**results), "",
                  f"`{results['commands'][letter]}`", "",
                  data.idle() if letter == "E" else data.throughput(letter)]
    return "\n".join(lines) + "\n"


def main(arguments):
    with open(arguments[0], encoding="utf-8") as file:
        print(render(json.load(file)), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
