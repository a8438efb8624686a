"""Make YARN run what a service.yaml says; nothing is sent when it already does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarnserve.errors import ConflictError, YarnserveError
from yarnserve.judge.plan import Plan, Step, plan_launch
from yarnserve.render.service import ClusterFacts, render
from yarnserve.service import sending
from yarnserve.service.assigning import ensure_secret, hdfs_access
from yarnserve.service.changing import Changing, Held, Outcome, Seen
from yarnserve.service.pinning import pin_versions
from yarnserve.service.placing import require_hostname, require_kerberos, require_placement
from yarnserve.service.refused import bring_back, clear_refused
from yarnserve.service.sizing import flex
from yarnserve.service.state import Revision, Wanted
from yarnserve.service.store import Saved
from yarnserve.spec.assignment import HdfsAccess
from yarnserve.spec.model import ServiceSpec


@dataclass(frozen=True)
class Launch:
    """What is to run: *spec* with its versions pinned, as YARN is told it; *access* is None where it has no agents."""

    spec: ServiceSpec
    rendered: Mapping[str, Any]
    access: HdfsAccess | None


def prepare(changing: Changing, spec: ServiceSpec) -> Launch:
    """Look whether *spec* can run here, and write down what YARN will be told; no lease is needed for that."""
    connection, orders = changing.connection, changing.orders
    settings = connection.settings
    require_kerberos(settings, spec)
    require_hostname(settings, spec)
    orders.patiently(lambda: require_placement(connection, spec, changing.narrate))
    spec = pin_versions(connection, spec)
    version = orders.patiently(connection.hadoop_version)
    access = hdfs_access(settings, spec, connection.storage.home()) if spec.has_agent else None
    return Launch(spec, render(spec, ClusterFacts(version, settings.hdfs_client, access)), access)


def launch(held: Held, new: Launch, *, replace: bool) -> Outcome:
    """Take the service to what is *new*; with *replace* whatever has its name may be stopped and removed first."""
    seen = held.see()
    saved = held.store.revisions.latest()
    plan = _plan(seen, saved, new, replace=replace)
    _refuse(held.name, plan)
    if plan.step is Step.REPLACE:
        # Before anything is saved: a revision must never say that YARN has what it has not.
        _make_room(held, seen, known=saved is not None)
    _save(held, plan.step, saved, new)
    try:
        return _carry_out(held, plan.step, new)
    except YarnserveError as error:
        is_free = plan.step in (Step.CREATE, Step.REPLACE) and clear_refused(held, error, known=saved is not None)
        if is_free and plan.step is Step.REPLACE and seen.runs and saved is not None:
            bring_back(held, saved, seen)
        raise


def _plan(seen: Seen, saved: Saved[Revision] | None, new: Launch, *, replace: bool) -> Plan:
    return plan_launch(
        exists=seen.service is not None,
        runs=seen.runs,
        yarn_replicas=seen.replicas,
        saved=saved.record.rendered if saved else None,
        rendered=new.rendered,
        replicas=new.spec.replicas,
        replace=replace,
    )


def _make_room(held: Held, seen: Seen, *, known: bool) -> None:
    """Stop and remove what is to be replaced; *known* when yarnserve launched it."""
    if seen.runs:
        held.narrate(f"stopping {held.name}, to replace it")
        if known:
            held.want(Wanted.STOPPED, seen.replicas or 0, "launch --replace")
        try:
            sending.stop(held)
        except ConflictError:
            # It has ended meanwhile; its ApplicationMaster may take some seconds more.
            held.orders.settle(lambda: not held.unfinished(), f"{held.name} to end")
    held.narrate(f"removing the stopped definition of {held.name}")
    sending.remove(held)


def _save(held: Held, step: Step, saved: Saved[Revision] | None, new: Launch) -> None:
    """Save what is needed before YARN is told: the agents' secret, and the revision where it is another."""
    if new.access is not None:
        ensure_secret(held.connection.storage, new.access.secret)
    if saved is None or step in (Step.CREATE, Step.REPLACE) or not saved.record.same_spec(new.spec):
        revision = Revision(new.spec, new.rendered, held.connection.actor, held.changing.now())
        held.store.revisions.append(revision, after=saved)
        held.store.begin_sightings()


def _carry_out(held: Held, step: Step, new: Launch) -> Outcome:
    replicas = new.spec.replicas
    if step is Step.SCALE:
        flex(held, replicas, "launch")
        return Outcome(step)
    held.want(Wanted.RUNNING, replicas, "launch")
    if step is Step.NOTHING:
        return Outcome(step)
    if step is Step.START:
        return Outcome(step, sending.start(held))
    held.narrate(f"submitting {held.name}: {replicas} replicas")
    return Outcome(step, sending.create(held, new.rendered))


def _refuse(name: str, plan: Plan) -> None:
    if plan.step is Step.FOREIGN:
        raise ConflictError(
            f"the name {name!r} is taken",
            why="YARN runs a service of this name that yarnserve did not launch",
            fix="choose another name, or stop and replace that service: launch --replace",
            next=f"yarnserve status {name}",
        )
    if plan.step is Step.LEFTOVER:
        raise ConflictError(
            f"the name {name!r} is taken by a leftover definition",
            why="YARN keeps a definition of this name that yarnserve did not launch; nothing of it runs: it was "
            "stopped, has ended, or its launch was refused after YARN had stored it",
            fix=f"replace it: launch --replace; or only remove it: yarnserve destroy {name}",
            next=f"yarnserve status {name}",
        )
    if plan.step is Step.CHANGED:
        raise ConflictError(
            f"{name} runs, and differs from the file in more than its size",
            why="; ".join(str(change) for change in plan.differences),
            fix=f"stop it first, then launch again: yarnserve stop {name}; or let launch do both: launch --replace",
        )
