"""``nodes``: which nodes the supervisors avoid, and a person's word on that."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from yarnserve.cli.options import DOCUMENTS, OUTPUT, with_connection
from yarnserve.cli.output import age, narrate, print_document, print_table, timestamp
from yarnserve.cli.quantities import Duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarnserve.records.nodes import NodeLedger, Quarantine
    from yarnserve.records.yarn import Node
    from yarnserve.service.connection import Connection

NODE = click.argument("node", metavar="NODE")

_COLUMNS = ("node", "state", "gpus", "quarantined", "strikes", "by", "why")


@click.group()
def nodes() -> None:
    """Show which nodes the supervisors avoid; quarantine or release one.

    A supervisor strikes a node when a replica dies there of something that is the node's fault, and quarantines it when
    the evidence is enough. All your services share what is known of nodes.

    Quarantine is advice: YARN's services API has no list of nodes to avoid. A supervisor looks at where YARN has placed
    a replica, and moves it away from a quarantined node twice at most. Replicas that are well stay where they are, and
    without a running supervisor nothing is moved.
    """


@nodes.command("list")
@OUTPUT
@with_connection
def list_nodes(connection: Connection, output: str) -> None:
    """List the cluster's nodes, with what is held against them.

    STRIKES are those of the last hour. A quarantined node that has left the cluster is listed, too.
    """
    from yarnserve.service.nodes import SharedNodes

    ledger, now = SharedNodes(connection.eyes).read(), time.time()
    rows = _rows(connection.cluster.nodes(), ledger, now)
    if output in DOCUMENTS:
        print_document(output, "NodeList", {"nodes": rows})
        return
    print_table(_COLUMNS, [_cells(row, ledger.quarantines.get(row["node"]), now) for row in rows])


@nodes.command()
@NODE
@click.option("--for", "ttl", type=Duration(), metavar="TIME", help="For so long, e.g. 4h; else until it is released.")
@click.option("--why", default="by hand", metavar="TEXT", help="Shown by list, and to whoever asks.")
@with_connection
def quarantine(connection: Connection, node: str, ttl: float | None, why: str) -> None:
    """Have the supervisors move newly placed replicas away from NODE, a host name as list shows it.

    Those that are well there stay. Evidence alone takes a quarter of the nodes out of service at most; you may take any
    number, and change how long a quarantine lasts.

    \b
      yarnserve nodes quarantine gpu07.example.org --for 4h --why "new driver"
    """  # noqa: D301  click's mark for lines that stay as they are
    from yarnserve.judge.nodes import quarantined
    from yarnserve.service.nodes import SharedNodes

    members = connection.cluster.nodes()
    name = _member(node, members)
    shared = SharedNodes(connection.storage)
    shared.quarantine(name, connection.actor, why, time.time(), ttl)
    end = "until it is released" if ttl is None else f"until {timestamp(time.time() + ttl)}"
    narrate(f"{name} is quarantined {end}: supervisors move newly placed replicas away, twice at most")
    if {each.host.lower() for each in members} <= quarantined(shared.read(), time.time()).keys():
        narrate("every node of the cluster is quarantined now: replicas stay where YARN places them")
    narrate(f"next: yarnserve nodes release {name}")


@nodes.command()
@NODE
@with_connection
def release(connection: Connection, node: str) -> None:
    """Let replicas run on NODE again.

    You vouch for it: its strikes, and how long it was quarantined before, are forgotten.
    """
    from yarnserve.judge.nodes import node_name
    from yarnserve.service.nodes import SharedNodes

    shared = SharedNodes(connection.storage)
    ledger = shared.read()
    known = ledger.quarantines.keys() | ledger.strikes.keys()
    # A node that has left the cluster may be released, too.
    name = node_name(node) if node_name(node) in known else _member(node, connection.cluster.nodes())
    if shared.release(name):
        narrate(f"{name} is used again; what was held against it is forgotten")
    else:
        narrate(f"nothing is held against {name}: nothing to do")


def _member(node: str, members: Sequence[Node]) -> str:
    """The host name of *node*, which may be given as a NodeManager's id, too.

    Raises:
        NotFoundError: the cluster has no such node.
    """
    import difflib

    from yarnserve.errors import NotFoundError
    from yarnserve.judge.nodes import node_name

    hosts = {node_name(each.host): node_name(each.host) for each in members}
    names = {**hosts, **{node_name(each.id): node_name(each.host) for each in members}}
    if node_name(node) in names:
        return names[node_name(node)]
    short = [host for host in hosts if host.partition(".")[0] == node_name(node).partition(".")[0]]
    close = short or difflib.get_close_matches(node_name(node), hosts, n=3) or sorted(hosts)[:5]
    raise NotFoundError(
        f"the cluster has no node {node!r}",
        why=f"it has {len(hosts)}, such as {', '.join(close)}" if close else "no NodeManager is registered",
        fix="give the host name as YARN has it",
        next="yarnserve nodes list",
    )


def _rows(members: Sequence[Node], ledger: NodeLedger, now: float) -> list[dict[str, Any]]:
    """A document for each host: those of the cluster, then those that are only in the ledger."""
    from yarnserve.judge.nodes import node_name, quarantined, strikes_that_count

    held, strikes = quarantined(ledger, now), strikes_that_count(ledger, now)
    by_host: dict[str, list[Node]] = {}
    for each in sorted(members, key=lambda each: each.host):
        by_host.setdefault(node_name(each.host), []).append(each)
    gone = sorted((held.keys() | strikes.keys()) - by_host.keys())
    return [
        {
            "node": host,
            "state": by_host[host][0].state if host in by_host else None,
            "gpus": sum(each.gpus for each in by_host[host]) if host in by_host else None,
            "quarantine": _quarantine(held[host]) if host in held else None,
            "strikes": [
                {
                    "at": timestamp(each.at),
                    "service": each.service,
                    "instance": each.instance,
                    "class": each.death,
                    "why": each.why,
                    "hardware": each.is_hardware,
                }
                for each in strikes.get(host, ())
            ],
        }
        for host in [*by_host, *gone]
    ]


def _quarantine(held: Quarantine) -> dict[str, Any]:
    return {
        "since": timestamp(held.at),
        "until": timestamp(held.until),
        "level": held.level,
        "by": held.by,
        "why": held.why,
    }


def _cells(row: dict[str, Any], held: Quarantine | None, now: float) -> tuple[str, ...]:
    state = row["state"] or "not in the cluster"
    gpus = "-" if row["gpus"] is None else str(row["gpus"])
    strikes = str(len(row["strikes"]))
    if row["quarantine"] is None or held is None:
        return (row["node"], state, gpus, "-", strikes, "-", row["strikes"][-1]["why"] if row["strikes"] else "-")
    end = "until released" if held.until is None else f"{age(now, held.until)} more"
    return (row["node"], state, gpus, end, strikes, held.by, held.why)
