"""Settings of the supervisor's policy: spec fills them, render and judge read them."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds between two examples at most. After a long silence evidence begins anew (judge/limits.py, BLIND): a pause
#: near that would make every look the first, and nothing would ever be restarted.
LONGEST_CHECK_INTERVAL = 60

#: Examples in a row at most: an only replica needs twice as many, and more answers than that are not remembered.
MOST_FAILURES = 10


@dataclass(frozen=True)
class SupervisePolicy:
    """When a supervisor restarts a replica, and when it stops doing so. All times are seconds.

    The defaults are those of peers.md 5.1; docs/service-yaml.md has the reasons.

    Attributes:
        enabled: a supervisor owns the restarts of this service, so YARN must not count them against it.
        min_available: replicas that must stay live while one is restarted; None: all but a quarter, at least one less
            than there are.
        check_interval: between two examples sent to one replica; LONGEST_CHECK_INTERVAL at most.
        check_timeout: an answer that takes longer is none.
        failures: examples in a row that a replica has to fail before it is restarted; MOST_FAILURES at most.
        startup_deadline: until a new replica has to be live.
        restarts: of one replica within restart_window, after which the supervisor gives it up and tells.
        restart_window: see restarts.
        max_backoff: the longest wait between two restarts of one replica; it doubles from 10 seconds.
    """

    enabled: bool = False
    min_available: int | None = None
    check_interval: int = 10
    check_timeout: int = 5
    failures: int = 3
    startup_deadline: int = 600
    restarts: int = 5
    restart_window: int = 600
    max_backoff: int = 300
