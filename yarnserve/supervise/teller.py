"""What a supervisor tells: entries of the journal, alerts that begin and end, each once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

from yarnserve.alerts.records import Alarm, Alert
from yarnserve.errors import YarnserveError
from yarnserve.judge.decisions import Decision, Judgement
from yarnserve.judge.memory import News
from yarnserve.records.journal import JournalEntry, What
from yarnserve.records.ledger import Do
from yarnserve.service.look import Snapshot

#: Entries that the state shows.
_LAST = 20

#: Steps in a row that fail before somebody is told: a fail-over of YARN or HDFS takes some.
_PATIENT_STEPS = 4


class Teller:
    """Tells of service *name*.

    Attributes:
        actions: how many were carried out, by their means.
    """

    def __init__(
        self, name: str, journal: Callable[[JournalEntry], None], alarm: Alarm, now: Callable[[], float]
    ) -> None:
        self._name = name
        self._journal = journal
        self._alarm = alarm
        self._now = now
        self._last: deque[JournalEntry] = deque(maxlen=_LAST)
        self._said: dict[str, tuple[Do, str]] = {}
        self._firing: set[str] = set()
        self._has_settled = False
        self._notes: dict[str, str] = {}
        self._failed_steps = 0
        self.actions: Counter[str] = Counter()

    @property
    def last(self) -> tuple[JournalEntry, ...]:
        """The newest entries, oldest first."""
        return tuple(self._last)

    def tell(
        self,
        what: What,
        text: str,
        instance: str = "",
        snapshot: Snapshot | None = None,
        *,
        rule: str = "",
        means: str = "",
        left: str = "",
    ) -> None:
        """Write one entry; *snapshot* tells where *instance* runs."""
        replicas = snapshot.replicas if snapshot is not None else ()
        replica = next((each for each in replicas if each.instance == instance), None)
        container, node = (replica.container_id, replica.node) if replica is not None else ("", "")
        entry = JournalEntry(self._now(), self._name, what, text, instance, container, node, rule, means, left)
        self._last.append(entry)
        self._journal(entry)

    def once(self, about: str, text: str) -> None:
        """Write *text* if it is another than the last one *about* the same; an empty one says that it is over."""
        if self._notes.get(about, "") != text:
            self._notes[about] = text
            self.tell(What.TOLD, text or f"{about}: all is well again")

    def news(self, news: Iterable[News], snapshot: Snapshot) -> None:
        """Write what a look has brought."""
        for each in news:
            self.tell(each.what, each.text, each.instance, snapshot)

    def judged(self, judgement: Judgement, snapshot: Snapshot, left: Mapping[str, str], *, would: bool) -> None:
        """Write what is decided, where it is not what was decided before, and alert or stop alerting.

        Args:
            judgement: what is decided.
            snapshot: of what.
            left: what is left of the budget of each replica, in words.
            would: it is not carried out.
        """
        decisions = {**judgement.said}
        main = judgement.decision
        if main.do is not Do.NOTHING:
            decisions[main.instance] = main
        for instance, decision in decisions.items():
            is_done = decision is main and decision.do.acts and not would
            if self._said.get(instance) != (decision.do, decision.rule) or is_done:
                what = What.HELD if decision.do is Do.HOLD else What.DECIDED
                is_only_said = (would and decision is main) or (decision.do.acts and decision is not main)
                prefix = "would " if is_only_said else ""
                # The journal is read where no alert has come.
                fix = f"; fix: {decision.fix}" if decision.fix else ""
                text = f"{prefix}{decision.do.value}: {decision.why}{fix}"
                budget = left.get(instance, "")
                self.tell(what, text, instance, snapshot, rule=decision.rule, left=budget)
        self._said = {instance: (decision.do, decision.rule) for instance, decision in decisions.items()}
        away = {f"{self._name}/{each.instance}" for each in judgement.ledger.taken_out}
        self._alert({self._key(each): each for each in decisions.values() if each.alarms}, away)

    def rest(self) -> None:
        """Stop alerting of the service: nothing is wrong with what is not to run, and another tells of its own."""
        if self._firing or self._failed_steps >= _PATIENT_STEPS or not self._has_settled:
            self._alarm.settle(f"{self._name}/", ())
        self._firing, self._has_settled, self._failed_steps = set(), True, 0
        self._said = {}

    def acted(self, decision: Decision, means: str, snapshot: Snapshot) -> None:
        """Write that *decision* was carried out."""
        self.actions[means] += 1
        self.tell(What.ACTED, decision.do.value, decision.instance, snapshot, rule=decision.rule, means=means)

    def failed(self, decision: Decision, error: YarnserveError, means: str, snapshot: Snapshot) -> None:
        """Write that it could not be carried out."""
        text = f"{decision.do.value}: {error.in_a_line}"
        self.tell(What.FAILED, text, decision.instance, snapshot, rule=decision.rule, means=means)

    def trouble(self, error: YarnserveError | None) -> None:
        """Alert of a service that cannot be supervised for some steps, and that it can be again."""
        key = f"{self._name}/supervision"
        if error is None:
            if self._failed_steps >= _PATIENT_STEPS:
                self.tell(What.SEEN, "it can be supervised again")
                self._alarm.resolve(key, f"{self._name} can be supervised again")
            self._failed_steps = 0
            return
        self._failed_steps += 1
        if self._failed_steps == 1 or self._failed_steps == _PATIENT_STEPS:
            self.tell(What.TOLD, f"cannot be looked at: {error.in_a_line}")
        if self._failed_steps >= _PATIENT_STEPS:
            labels = {"alertname": "YarnserveNotSupervised", "service": self._name}
            self._alarm.fire(Alert.of(key, error, severity="critical", labels=labels))

    def _key(self, decision: Decision) -> str:
        return f"{self._name}/{decision.instance or 'all'}"

    def _alert(self, alarming: dict[str, Decision], away: set[str]) -> None:
        """Alert of what is *alarming*; what is *away* by our own hand is not over because it is not seen any more."""
        for key, decision in alarming.items():
            severity = "critical" if decision.do in (Do.HOLD, Do.GIVE_UP, Do.START) else "warning"
            details = {"rule": decision.rule, **({"fix": decision.fix} if decision.fix else {})}
            labels = {"alertname": _name_of(decision.rule), "service": self._name}
            labels |= {"instance": decision.instance} if decision.instance else {}
            self._alarm.fire(Alert(key, f"{self._name}: {decision.why}", severity, details, labels))
        if not self._has_settled:
            self._alarm.settle(f"{self._name}/", set(alarming) | away)
            self._has_settled = True
            self._firing = away
        for key in self._firing - set(alarming) - away:
            self._alarm.resolve(key, f"{key} is over")
        self._firing = set(alarming) | (self._firing & away)


def _name_of(rule: str) -> str:
    """The alert's name for Prometheus: ``replica's budget`` is YarnserveReplicasBudget."""
    words = "".join(character for character in rule if character.isalnum() or character == " ").split()
    return "Yarnserve" + "".join(word.capitalize() for word in words)
