"""``models``: the model repository on HDFS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yarnserve.cli.options import TIMEOUT, YES, confirm, with_connection
from yarnserve.cli.output import age, narrate, print_document, print_table, timestamp
from yarnserve.cli.quantities import Rate, bytes_in_words

if TYPE_CHECKING:
    from yarnserve.records.repository import Manifest, VersionReport
    from yarnserve.repository.channels import ChannelEntry
    from yarnserve.repository.publish import Publishing
    from yarnserve.service.connection import Connection

BASE_PATH = click.argument("base_path", metavar="BASE_PATH")
VERSION = click.argument("version", metavar="VERSION", type=click.IntRange(min=1))
OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", help="How to print it."
)
BANDWIDTH = click.option("--bandwidth", type=Rate(), metavar="RATE", help="At most so much, e.g. 100MB/s.")
SERVICE = click.option(
    "--service", metavar="NAME", help="Follow it through this service, until every replica serves it."
)
WHY = click.option("--why", default="", metavar="TEXT", help="Kept in the history.")


@click.group()
def models() -> None:
    """Bring models to HDFS, and say which version is to be served.

    BASE_PATH is the directory above the version numbers, such as hdfs:///models/digits.
    """


def _version_or_next(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    if value == "next":
        return None
    if not (value.isascii() and value.isdecimal() and int(value) > 0):
        raise click.BadParameter(f"{value!r} is neither a number from 1 on nor next")
    return int(value)


@models.command()
@click.argument("directory", metavar="DIR")
@BASE_PATH
@click.option(
    "--version",
    default="next",
    show_default=True,
    metavar="N",
    callback=_version_or_next,
    help="The number it is served under.",
)
@click.option("--in-place", is_flag=True, help="DIR is on HDFS already: complete it where it stands.")
@click.option("--replication", type=click.IntRange(min=1), help="Copies that HDFS keeps of each file.")
@BANDWIDTH
@click.option("--force", is_flag=True, help="Publish it whatever the look at its files finds.")
@with_connection
def publish(
    connection: Connection,
    directory: str,
    base_path: str,
    version: int | None,
    in_place: bool,
    replication: int | None,
    bandwidth: float | None,
    force: bool,
) -> None:
    """Publish the exported model in DIR as BASE_PATH/VERSION on HDFS.

    Its files are looked over first: what TensorFlow Serving would not load, or load and then fail with. Then it is
    uploaded beside the numbers, read back, and appears under its own with one rename: a server never sees half
    of it. Two publishers of one number: one wins, the other is told.

    With --in-place nothing is uploaded: DIR, which a training job wrote to HDFS, is read once and gets its manifest;
    sums beside it in md5sum's format are compared.
    """
    from yarnserve.config import hdfs_path
    from yarnserve.repository import in_place as placing
    from yarnserve.repository import publish as publishing

    storage = connection.storage_at(base_path)
    with _narrated(connection, replication, bandwidth, is_inspected=not force) as how:
        if in_place:
            done = placing.publish_in_place(storage, hdfs_path(directory), hdfs_path(base_path), version, how)
        else:
            done = publishing.publish(storage, Path(directory), hdfs_path(base_path), version, how)
    size = bytes_in_words(done.manifest.bytes)
    narrate(f"published version {done.version}: {len(done.manifest.files)} files, {size}")
    click.echo(done.path)


@contextmanager
def _narrated(
    connection: Connection, replication: int | None, bandwidth: float | None, *, is_inspected: bool
) -> Iterator[Publishing]:
    """How to publish: told on stderr, with a line a second at most for the bytes."""
    from yarnserve.repository.claims import Claimant
    from yarnserve.repository.publish import Publishing
    from yarnserve.storage.rate import RateLimit

    moved = Moved()
    yield Publishing(
        claimant=Claimant(
            holder=connection.actor,
            on_wait=lambda holder: narrate(f"waiting for the claim of {holder}"),
        ),
        rate=RateLimit(bandwidth),
        replication=replication,
        is_inspected=is_inspected,
        on_step=narrate,
        on_file=lambda path, size: narrate(f"  {path} ({bytes_in_words(size)})"),
        on_bytes=moved,
    )


class Moved:
    """Counts bytes from several threads, and says every few seconds how far it has come."""

    def __init__(self, every: float = 5.0) -> None:
        self._every = every
        self._bytes = 0
        self._begun = self._told = time.monotonic()

    def __call__(self, count: int) -> None:
        """Take *count* more bytes."""
        self._bytes += count
        now = time.monotonic()
        if now - self._told >= self._every:
            self._told = now
            rate = self._bytes / (now - self._begun)
            narrate(f"  {bytes_in_words(self._bytes)} so far, {bytes_in_words(rate)}/s")


@models.command("list")
@BASE_PATH
@OUTPUT
@with_connection
def list_versions(connection: Connection, base_path: str, output: str) -> None:
    """List the versions under BASE_PATH, and which are to be served."""
    from yarnserve.config import hdfs_path
    from yarnserve.repository.catalog import reports
    from yarnserve.repository.channels import Channels
    from yarnserve.repository.versions import versions

    storage, base = connection.storage_at(base_path), hdfs_path(base_path).rstrip("/")
    found = reports(storage, base, versions(storage, base))
    latest = Channels(storage, base).latest()
    if output != "table":
        print_document(
            output,
            "ModelVersions",
            {
                "basePath": base,
                "channels": _channel_document(latest),
                "versions": [_report_document(report, latest) for report in found],
            },
        )
        return
    rows = [
        [
            str(report.version),
            ", ".join(_names(report.version, latest)) or "-",
            bytes_in_words(report.manifest.bytes) if report.manifest else "-",
            str(len(report.manifest.files)) if report.manifest else "-",
            age(report.manifest.created_at if report.manifest else report.modified_at),
            report.manifest.created_by if report.manifest else report.problem,
        ]
        for report in found
    ]
    print_table(["version", "channel", "size", "files", "age", "published by"], rows)


@models.command()
@BASE_PATH
@VERSION
@OUTPUT
@with_connection
def show(connection: Connection, base_path: str, version: int, output: str) -> None:
    """Show the files of a version, as its manifest lists them."""
    from yarnserve.config import hdfs_path
    from yarnserve.repository.catalog import read_manifest

    base = hdfs_path(base_path).rstrip("/")
    manifest = read_manifest(connection.storage_at(base_path), base, version)
    if output != "table":
        print_document(output, "ModelVersion", {"basePath": base, "version": version, **_manifest_document(manifest)})
        return
    print_table(["md5", "bytes", "path"], [[file.md5, str(file.size), file.path] for file in manifest.files])


@models.command()
@BASE_PATH
@VERSION
@BANDWIDTH
@with_connection
def verify(connection: Connection, base_path: str, version: int, bandwidth: float | None) -> None:
    """Read every byte of a version on HDFS and compare it with the manifest; 9 when something differs."""
    from yarnserve.config import hdfs_path
    from yarnserve.errors import UnhealthyError
    from yarnserve.repository import catalog
    from yarnserve.repository.layout import version_directory
    from yarnserve.storage.rate import RateLimit

    storage, base = connection.storage_at(base_path), hdfs_path(base_path).rstrip("/")
    manifest = catalog.read_manifest(storage, base, version)
    directory = version_directory(base, version)
    wrong = catalog.verify(storage, directory, manifest, rate=RateLimit(bandwidth), on_bytes=Moved())
    if wrong:
        raise UnhealthyError(
            f"version {version} is not what was published",
            where=directory,
            why="; ".join(wrong[:10]),
            fix="publish the model as another version, and promote that",
        )
    size = bytes_in_words(manifest.bytes)
    click.echo(f"version {version} is whole: {len(manifest.files)} files, {size}, every byte as published")


@models.command()
@BASE_PATH
@click.argument("old", metavar="V1", type=click.IntRange(min=1))
@click.argument("new", metavar="V2", type=click.IntRange(min=1))
@OUTPUT
@with_connection
def diff(connection: Connection, base_path: str, old: int, new: int, output: str) -> None:
    """Say what changed from version V1 to V2, and how many bytes a host that has V1 must fetch."""
    from yarnserve.config import hdfs_path
    from yarnserve.records.repository import changes
    from yarnserve.repository.catalog import read_manifest

    storage, base = connection.storage_at(base_path), hdfs_path(base_path).rstrip("/")
    found = changes(read_manifest(storage, base, old), read_manifest(storage, base, new))
    if output != "table":
        content = {
            "added": list(found.added),
            "removed": list(found.removed),
            "changed": list(found.changed),
            "unchanged": list(found.unchanged),
            "bytesToFetch": found.bytes,
        }
        print_document(output, "ModelChanges", {"basePath": base, "from": old, "to": new, **content})
        return
    for mark, paths in (("+", found.added), ("-", found.removed), ("~", found.changed)):
        for path in paths:
            click.echo(f"{mark} {path}")
    click.echo(f"{len(found.unchanged)} files are the same; {bytes_in_words(found.bytes)} to fetch")


def _instances(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not names:
        raise click.BadParameter("name at least one instance, such as serve-0")
    return names


@models.command()
@BASE_PATH
@VERSION
@click.option(
    "--canary", "instances", metavar="INSTANCES", callback=_instances, help="Only these serve it, e.g. serve-0,serve-3."
)
@WHY
@SERVICE
@click.option("--bake", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="SECONDS",
              help="With --canary and --service: how long the canary is compared with the others.")  # fmt: skip
@TIMEOUT
@with_connection
def promote(
    connection: Connection,
    base_path: str,
    version: int,
    instances: tuple[str, ...],
    why: str,
    service: str | None,
    bake: float,
    timeout: float,
) -> None:
    """Make VERSION the one that is to be served; with --canary by the named instances only, first.

    Whoever follows BASE_PATH (the agents of delivery: sync, and yarnserve sync) takes it up. With --service it is
    followed until every replica serves it. With --canary and --service the named replicas serve it first; when they
    have answered their golden predictions for --bake seconds, and no larger part of their requests failed than of the
    others', it is promoted for all, and else the canary is ended.

    A server that reads HDFS itself (delivery: native) serves the highest number, whatever is promoted, unless its
    service.yaml says version: stable; then the next launch (with --replace) brings the promoted one.
    """
    channels = _channels(connection, base_path)
    if service is None:
        _tell_channels(channels.promote(version, why=why, instances=instances))
        return
    from yarnserve.service.rollout import Rollout, promote_with_canary

    rollout = Rollout(connection, service, base_path, narrate=narrate)
    if instances:
        promote_with_canary(rollout, channels, version, instances, bake=bake, timeout=timeout, why=why, narrate=narrate)
    else:
        rollout.require()
        channels.promote(version, why=why)
        rollout.see_served(version, timeout)
    _tell_channels(channels.latest())


@models.command()
@BASE_PATH
@click.option("--to", "version", type=click.IntRange(min=1), metavar="VERSION", help="Default: what was stable before.")
@WHY
@SERVICE
@TIMEOUT
@with_connection
def rollback(
    connection: Connection, base_path: str, version: int | None, why: str, service: str | None, timeout: float
) -> None:
    """End the canary, or else go back to the version that was stable before; with --service, see it served."""
    channels = _channels(connection, base_path)
    if service is None:
        _tell_channels(channels.rollback(version, why=why))
        return
    from yarnserve.service.rollout import Rollout

    rollout = Rollout(connection, service, base_path, narrate=narrate)
    rollout.require()
    entry = channels.rollback(version, why=why)
    rollout.see_served(entry.channel.stable, timeout)
    _tell_channels(entry)


@models.command()
@BASE_PATH
@OUTPUT
@with_connection
def history(connection: Connection, base_path: str, output: str) -> None:
    """List what was promoted and rolled back, when, by whom and why."""
    entries = _channels(connection, base_path).history()
    if output != "table":
        print_document(output, "ModelChannels", {"history": [_channel_document(entry) for entry in entries]})
        return
    rows = [
        [
            str(entry.number),
            str(entry.channel.stable),
            _canary_in_words(entry) or "-",
            age(entry.channel.at),
            entry.channel.who,
            entry.channel.why,
        ]
        for entry in entries
    ]
    print_table(["change", "stable", "canary", "age", "by", "why"], rows)


@models.command()
@BASE_PATH
@click.option("--keep", required=True, type=click.IntRange(min=1), help="So many of the newest versions stay.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@YES
@with_connection
def prune(connection: Connection, base_path: str, keep: int, dry_run: bool, yes: bool) -> None:
    """Remove old versions, and what publishers that died have left.

    What is stable, what is canary, and what rollback would go back to stay, however old they are.
    """
    from yarnserve.config import hdfs_path
    from yarnserve.repository import prune as pruning

    storage, base = connection.storage_at(base_path), hdfs_path(base_path).rstrip("/")
    plan = pruning.plan_pruning(storage, base, keep)
    for version, why in plan.kept.items():
        narrate(f"version {version} stays: {why}")
    if not plan.removed and not plan.leftovers:
        narrate("nothing to remove")
        return
    told = [f"version {version}" for version in plan.removed] + [f"leftover {name}" for name in plan.leftovers]
    if dry_run:
        click.echo("\n".join(told))
        return
    confirm(f"Remove {', '.join(told)} of {base} for good?", yes=yes, typed="remove")
    pruning.prune(storage, base, plan, on_step=narrate)
    click.echo("\n".join(told))


def _channels(connection: Connection, base_path: str) -> Any:
    from yarnserve.config import hdfs_path
    from yarnserve.repository.channels import Channels

    return Channels(connection.storage_at(base_path), hdfs_path(base_path), who=connection.actor)


def _tell_channels(entry: ChannelEntry | None) -> None:
    if entry is None:
        return
    canary = _canary_in_words(entry)
    click.echo(f"stable: {entry.channel.stable}" + (f", canary: {canary}" if canary else ""))


def _canary_in_words(entry: ChannelEntry) -> str:
    canary = entry.channel.canary
    return f"{canary.version} on {', '.join(canary.instances)}" if canary else ""


def _names(version: int, latest: ChannelEntry | None) -> list[str]:
    if latest is None:
        return []
    canary = latest.channel.canary
    named = [("stable", latest.channel.stable), ("canary", canary.version if canary else None)]
    return [name for name, number in named if number == version]


def _channel_document(entry: ChannelEntry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    canary = entry.channel.canary
    return {
        "change": entry.number,
        "stable": entry.channel.stable,
        "canary": {"version": canary.version, "instances": list(canary.instances)} if canary else None,
        "at": timestamp(entry.channel.at),
        "by": entry.channel.who,
        "why": entry.channel.why,
    }


def _report_document(report: VersionReport, latest: ChannelEntry | None) -> dict[str, Any]:
    about = {"version": report.version, "complete": report.manifest is not None, "problem": report.problem}
    names = {"channels": _names(report.version, latest)}
    return {**about, **names, **(_summary(report.manifest) if report.manifest else {})}


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "bytes": manifest.bytes,
        "publishedAt": timestamp(manifest.created_at),
        "publishedBy": manifest.created_by,
    }


def _manifest_document(manifest: Manifest) -> dict[str, Any]:
    files = [{"path": file.path, "bytes": file.size, "md5": file.md5} for file in manifest.files]
    return {**_summary(manifest), "files": files}
