"""What the numbers of bench/run and bench/scale may be at most: one table. Whatever size was measured, for less is
no excuse."""

import sys

MB_OF_MIB = 1.048576


def memories(results):
    """Of all processes together, wherever it was measured."""
    rows = [results[load] for load in ("mailbox", "queue") if load in results]
    rows += results.get("accounts", {}).values()
    return [MB_OF_MIB * row[name]["all"] for row in rows for name in ("memory", "memory_after") if name in row]


def logins(results):
    found = results.get("mailbox")
    return [found["first_login_ms"], found["login_to_stat"]["max"]] if found else []


def arrivals(results):
    return [results["queue"]["new_mail"][kind]["max"] for kind in ("known", "new")] if "queue" in results else []


def first_deliveries(results):
    return [results["queue"]["first_delivery_seconds"]] if "queue" in results else []


def delays(results):
    """Of commits behind what one takes when nothing else goes on."""
    others = results["wake"]["others"] if "wake" in results else {}
    return [took["max"] - others["before"]["p50"] for phase, took in others.items()
            if phase != "before" and took["n"]]


def syncs(results):
    return [run["syncs"] for run in results["runs"] if run.get("counted") and
            (run["load"], run["connections"], run["peer"]) == ("A", 100, "godwit")]


# Measured by, what, its unit, the most it may be, and what was measured of it: the worst counts.
LIMITS = (
    ("scale", "memory of all processes", "MB", 500, memories),
    ("scale", "login to the reply of STAT", "ms", 1000, logins),
    ("scale", "a new message's way to a destination that is well", "ms", 100, arrivals),
    ("scale", "from a start to the first delivery", "s", 5, first_deliveries),
    ("scale", "delay of others' commits while a destination wakes", "ms", 50, delays),
    ("run", "syncs a message from 100 clients", "", 0.1, syncs),
)


def rows(results, by):
    """(what, unit, measured, limit) of all that was measured."""
    found = []
    for one, what, unit, most, values in LIMITS:
        numbers = [n for n in (values(results) if one == by else []) if n is not None]
        if numbers:
            found.append((what, unit, max(numbers), most))
    return found


def beyond(results, by):
    """A sentence on each number that is more than it may be."""
    return [f"beyond its limit: {what}: {number:,.4g} {unit}".rstrip() + f", at most {most:,g} {unit}".rstrip()
            for what, unit, number, most in rows(results, by) if number > most]


def tell(results, by):
    """The exit status."""
    sentences = beyond(results, by)
    for sentence in sentences:
        print(f"bench/{by}: {sentence}", file=sys.stderr)
    return 1 if sentences else 0
