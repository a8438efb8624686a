"""Whether YARN and Docker can take a service's replicas, looked at before it is launched.

YARN takes placement constraints that nothing obeys and more replicas than hosts for them, and says nothing: the
service stays STARTED for ever (yarn-services.md 3, 8). What is certain is refused, what may change is told.
"""

from __future__ import annotations

from collections.abc import Callable

from yarnserve.config import Settings
from yarnserve.errors import ConfigurationError, YarnserveError
from yarnserve.judge import doctor as judge
from yarnserve.records.doctor import Check, Outcome
from yarnserve.service.connection import Connection
from yarnserve.service.examine import needs_of
from yarnserve.spec.hostname import MAX_HOSTNAME, longest_hostname
from yarnserve.spec.model import ServiceSpec


def require_placement(connection: Connection, spec: ServiceSpec, narrate: Callable[[str], None]) -> None:
    """Refuse *spec* where its placement constraints are switched off; tell what else keeps replicas waiting.

    Only services with constraints cost the two reads. Too few hosts, or a label that no node has, are told and not
    refused: nodes come and go, and the replicas that fit do run.

    Raises:
        ConfigurationError: the ResourceManager says that it has no placement constraint handler.
    """
    needs = needs_of(spec)
    if not needs.constrained:
        return
    try:
        properties = connection.cluster.configuration()
    except YarnserveError:
        # Where /conf is closed to us, nobody but the admin knows.
        properties = None
    handler = judge.placement(needs, properties)
    if handler.outcome is Outcome.FAILED:
        raise ConfigurationError(handler.what, where=_field(spec), why=handler.why, fix=handler.fix)
    nodes = connection.cluster.nodes()
    candidates = [node for node in nodes if not needs.node_label or needs.node_label in node.labels]
    label = judge.label(needs.node_label, nodes)
    # Without a node of the label there are too few hosts as well: one word about it is enough.
    hosts = () if label.outcome is Outcome.FAILED else (judge.hosts(needs, candidates),)
    for check in (handler, label, *hosts):
        if check.outcome in (Outcome.WARNING, Outcome.FAILED):
            narrate(_told(check))


def require_kerberos(settings: Settings, spec: ServiceSpec) -> None:
    """Refuse a *spec* without the principal that a cluster with Kerberos needs, or with somebody else's.

    YARN would take it, and its ApplicationMaster fail, or run and be reached by nobody (real-hadoop-kerberos.md 5).

    Raises:
        ConfigurationError: with what ``kerberos`` has to say.
    """
    if not settings.has_kerberos:
        return
    user = settings.user
    if spec.kerberos is None:
        raise ConfigurationError(
            f"{spec.name} has no Kerberos principal",
            where="kerberos of service.yaml",
            why="this cluster wants one of the service, too; its ApplicationMaster logs in with it",
            fix=f"kerberos: {{principal: {user}/_HOST@REALM, keytab: hdfs:///user/{user}/{user}.keytab}}",
        )
    if spec.kerberos.principal.partition("/")[0] != user:
        raise ConfigurationError(
            f"the principal of {spec.name} is not yours",
            where="kerberos.principal of service.yaml",
            why=f"{spec.kerberos.principal} may not read what {user} stores, so the ApplicationMaster would fail",
            fix=f"name {user}/_HOST@REALM, or launch as {spec.kerberos.principal.partition('/')[0]}",
        )


def require_hostname(settings: Settings, spec: ServiceSpec) -> None:
    """Refuse a *spec* whose last replica would have too long a host name.

    YARN does not check it, and every NodeManager refuses the container (yarn-services.md 5.1).

    Raises:
        ConfigurationError: with the longest name that the service may have.
    """
    longest = longest_hostname(spec.name, spec.replicas, user=settings.user, domain=settings.registry_domain)
    excess = len(longest) - MAX_HOSTNAME
    if spec.image is None or excess <= 0:
        return
    raise ConfigurationError(
        f"{longest} would be a host name of {len(longest)} characters",
        where="name",
        why=f"Docker's host names may have {MAX_HOSTNAME}: YARN takes the service, and then every container fails",
        fix=f"use a name of at most {max(len(spec.name) - excess, 1)} characters",
    )


def _told(check: Check) -> str:
    return f"warning: {check.what}: {check.why}; {check.fix}"


def _field(spec: ServiceSpec) -> str:
    """Name the field that made a constraint necessary."""
    if spec.placement.node_label is not None or spec.placement.spread:
        return "placement"
    return "ports.per_replica"
