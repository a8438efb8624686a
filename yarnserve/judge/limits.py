"""The numbers of the supervisor's policy that service.yaml does not set, each with its reason (docs/supervise.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """One number, what it is, and why it is so."""

    name: str
    value: float
    reason: str


FIRST_WAIT = Limit("first wait (s)", 10.0, "the second restart of a replica; the first is immediate")
LONG_LIVE = Limit("long live (s)", 600.0, "live for so long without a break: ladder, pauses and giving up begin anew")
LOOKS = Limit("looks that are counted", 10, "a replica that fails every other look never fails three in a row")
SOME_FAILED = Limit("failed of them", 5, "then it is as bad as one that fails three in a row, but still serves some")
SINGLE = Limit("evidence where only one replica is (times)", 2, "there is nothing else to serve meanwhile")
IN_PLACE = Limit(
    "restarts in place that help for a while", 2, "then it is moved: its node, or its GPU, may be at fault"
)
LOOP = Limit("deaths that make a loop", 2, "one death is bad luck; YARN goes on hiding them for ever")
DAILY = Limit("restarts, or deaths, of a replica in 24 h", 20, "one an hour is sick, however far apart they are")
GIVE_UP = Limit("given up (s)", 1800.0, "then one trial; twice as long each time, up to eight times")
MOST_OPENINGS = Limit("doublings of that", 3, "four hours between two trials: what is mended is found the same night")
TAKEN_OUT = Limit("share of replicas taken out", 0.25, "what fails everywhere is not mended by taking it away")
SERVICE_WINDOW = Limit("window of the service's budget (s)", 600.0, "more actions than replicas in it is a storm")
SERVICE_LEAST = Limit("least budget of a service", 5, "small services may need more restarts than they have replicas")
TOGETHER = Limit("turned bad together within (s)", 60.0, "more than half of the replicas: what they share is at fault")
HOLD = Limit("hold after that, and up to twice as long (s)", 120.0, "time for what they share to come back")
ODD_SIZE = Limit("YARN has another size for (s)", 60.0, "a person's verb, or ours, may be half way")
FRESH_MODEL = Limit(
    "a model version is fresh for (s)", 3600.0, "what fails then on half the replicas is the version's fault"
)
SAID = Limit("time to say which version is stable (s)", 30.0, "whoever was to say it has died: it is said again")
TAKEN_BACK = Limit("time to take a version back (s)", 120.0, "agents have to hear of it and to load it")
BEGUN = Limit(
    "time for an act to be seen (s)",
    120.0,
    "its old container still fails: whoever was to tell YARN has died, or stalled",
)
BLIND = Limit("time since the last look (s)", 180.0, "nobody looked, or a clock jumped: evidence is gathered anew")
STARTS = Limit("starts of a FAILED service in 24 h", 5, "what fails five times needs a person")
NEXT_START = Limit(
    "pause after the first of them, each five times as long (s)", 20.0, "the last comes an hour later: a queue was full"
)

#: Every number above.
LIMITS = tuple(value for value in list(globals().values()) if isinstance(value, Limit))

DAY = 86_400.0
