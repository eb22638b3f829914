"""RESULTS.md has two parts: that of bench/run, and that of bench/scale behind a mark."""

import json
import sys

import limits

MARK = "<!-- from here on: made by bench/scale -->"
DELIVERY = ("calls", "syncs", "pages_read", "pages_written", "pack_pages")


def publish(path, run=None, size=None):
    """Replaces one part; the other stays."""
    try:
        with open(path, encoding="utf-8") as file:
            first, _, second = file.read().partition(MARK)
    except FileNotFoundError:
        first, second = "", ""
    first = first.strip("\n") if run is None else run.strip("\n")
    second = second.strip("\n") if size is None else size.strip("\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{first}\n" + (f"\n{MARK}\n\n{second}\n" if second else ""))


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return lines + ["| " + " | ".join(cell if isinstance(cell, str) else number(cell)
                                      for cell in row) + " |" for row in rows]


def deliveries(rows):
    """Of {what: {connections: counts}}."""
    return table(("delivered", "connections", "calls", "syncs", "pages read", "pages written",
                  "pages of the pack"),
                 [(what, connections, *(counts.get(name) for name in DELIVERY))
                  for what, found in rows.items() for connections, counts in found.items()])


def times(rows):
    return table(("what", "n", "p50 ms", "p99 ms", "max ms"),
                 [(what, float(v["n"]), v["p50"], v["p99"], v["max"]) for what, v in rows.items()])


def memory(rows):
    roles = list(next(iter(rows.values())))
    return table(("memory, MiB (PSS)", *roles),
                 [(what, *(row.get(role) for role in roles)) for what, row in rows.items()])


def mailbox(r, _):
    return [
        f"## A mailbox of {r['count']:,} messages", "",
        f"Filled in {r['filled']['seconds']:.0f} s. Login to the reply of STAT: {r['first_login_ms']:.0f} ms the "
        f"first time, which checks the password, then {r['login_to_stat']['p50']:.0f} ms (at most "
        f"{r['login_to_stat']['max']:.0f}). UIDL: {r['uidl']['lines']:,} lines in {r['uidl']['seconds']:.2f} s; LIST in "
        f"{r['list']['seconds']:.2f} s. Deleting all of it: {r['delete_seconds']:.1f} s.", "",
        *memory({"with five sessions in it, after UIDL and LIST": r["memory"],
                 "after everything": r["memory_after"]}), "",
        "Counted for each message, 1 KiB:", "",
        *deliveries({"into it": r["into_full"], "into an empty one": r["into_empty"]}), "",
        "Mail of others meanwhile, from the final dot to the 250:", "", *times(r["others"])]


def accounts(r, _):
    columns = ("start_seconds", "first_login_ms", "second_login_ms", "list_seconds", "status_seconds")
    rows = {}
    for count, row in r.items():
        rows[f"{int(count):,} accounts, 100 of them get mail"] = row["to_100"]
        if "to_all" in row:
            rows[f"{int(count):,} accounts, all of them"] = row["to_all"]
    return [
        f"## {max(map(int, r)):,} accounts", "",
        *table(("accounts", "start s", "first login ms", "login ms", "`account list --json` s", "`status` s"),
               [(f"{int(count):,}", *(row[name] for name in columns)) for count, row in r.items()]), "",
        *memory({f"{int(count):,} accounts": row["memory"] for count, row in r.items()}), "",
        "Counted for each message, 1 KiB:", "", *deliveries(rows)]


def queue(r, args):
    new = r["new_mail"]
    return [
        f"## {args['messages']:,} messages that wait for {args['destinations']:,} destinations", "",
        f"{args['dead']} of a hundred are dead, each with a server of its own: a third refuse connections, a third do not answer, a third accept "
        f"and are silent. {r['waiting']:,} recipients waited when it was started again; first delivery "
        f"{r['first_delivery_seconds']:.2f} s after the start. Then {r['rate']:.0f} messages a second went to the live "
        "ones, the backlog, while new mail was handed in. From its 250 to its arrival at the other server:", "",
        *times({"to a destination that is known": new["known"], "to ones never tried": new["new"],
                "(the 250 itself, from the final dot)": new["commit"]}), "",
        *memory({"meanwhile": r["memory"]})]


def wake(r, args):
    return [
        f"## A destination with {args['waiting']:,} messages wakes", "",
        f"`queue retry` of all of them took {r['retry_seconds']:.2f} s. Mail of others, from the final dot to the "
        "250:", "", *times(r["others"])]


SECTIONS = {"mailbox": mailbox, "accounts": accounts, "queue": queue, "wake": wake}


def section(name, results, earlier):
    """Of these results, or of the newest earlier ones that have it, and then says so."""
    if name in results:
        return ["", *SECTIONS[name](results[name], results["args"])]
    for old in earlier:
        if name in old:
            heading, *rest = SECTIONS[name](old[name], old["args"])
            before, after = old["load_average"]
            return ["", heading, "", f"Not measured again since {old['date']}, source {old['source']}, load average "
                    f"before {before[0]:.1f}, after {after[0]:.1f}.", *rest]
    return []


def render(results, earlier=()):
    """earlier: other results, the newest first."""
    machine, (before, after) = results["machine"], results["load_average"]
    lines = [
        "# Results at size", "",
        f"Made by `bench/scale`. {results['date']}. Source {results['source']}.", "",
        f"- Machine: {machine['processors']} processors ({machine['model']}), {machine['memory_mib']:,} MiB, Linux "
        f"{machine['kernel']}, {machine['file_system']}; load average before {before[0]:.1f}, after {after[0]:.1f}",
        f"- Command: `{results['command']}`",
        "- Counted: system calls and syncs of all processes by perf; pages of 4 KiB of database, its log and packs "
        "by strace, in a run of their own. Times depend on what else the machine did: with a load average far above "
        "the number of processors they are upper bounds."]
    lines += ["", *table(("limits", "unit", "measured", "at most"), limits.rows(results, "scale"))]
    for name in SECTIONS:
        lines += section(name, results, earlier)
    return "\n".join(lines) + "\n"


def main(arguments):
    results, *earlier = [read(path) for path in arguments]
    print(render(results, earlier), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
