"""From a spec and settings to what has to run on this host; what is missing for it is said before anything is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from yarnserve.config import Settings
from yarnserve.errors import ConfigurationError
from yarnserve.local.docker import DockerHost
from yarnserve.local.host import Host
from yarnserve.local.launches import HostFacts, local_spec, starts
from yarnserve.local.processes import ProcessHost, require_linux, require_server
from yarnserve.local.records import Asked, Start, Way
from yarnserve.local.state import Place
from yarnserve.spec.assignment import HdfsAccess
from yarnserve.spec.model import Network, ServiceSpec

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Job:
    """What is wanted of this host: *starts* of what is *asked*, in *place*, by *hosts*."""

    place: Place
    asked: Asked
    starts: tuple[Start, ...]
    hosts: Mapping[Way, Host]


def prepare(
    settings: Settings,
    spec: ServiceSpec,
    state: Path,
    *,
    replicas: int | None,
    is_docker: bool,
    environ: Mapping[str, str],
    narrate: Callable[[str], None],
) -> Job:
    """Return what has to run; an image that is not here is pulled.

    Args:
        settings: where HDFS is, as whom.
        spec: of service.yaml.
        state: where services of this host lie.
        replicas: in place of those of *spec*.
        is_docker: whether an image is run by Docker; else in its place a plain process.
        environ: of this process.
        narrate: told what may not work.

    Raises:
        YarnserveError: something is missing here; says what.
    """
    spec, way = local_spec(spec, replicas=replicas, is_docker=is_docker)
    place = Place(state.absolute(), spec.name)
    before = place.asked_before()
    asked = Asked(spec, way, may_have_containers=before is not None and before.needs_docker)
    docker = DockerHost(place)
    if way is Way.DOCKER:
        _require_mounts(spec)
    else:
        require_linux()
        require_server()
        _require_hdfs_of_server(spec, settings, environ, narrate)
    _require_keytab(spec, settings)
    hdfs = _access(settings, spec)
    if way is Way.DOCKER and spec.network is Network.BRIDGE:
        _refuse_loopback(hdfs)
    place.prepare()
    facts = HostFacts(
        hdfs,
        place.directory,
        user=f"{os.getuid()}:{os.getgid()}",
        cpus=os.cpu_count() or 1,
        image_id=docker.image_id(spec.image) if spec.image else "",
        hdfs_client=settings.hdfs_client,
        hadoop_conf=str(settings.conf_dir or ""),
    )
    return Job(place, asked, starts(spec, way, facts), hosts_of(place, asked))


def hosts_of(place: Place, asked: Asked) -> dict[Way, Host]:
    """Who shows and ends the replicas of *place*; Docker is asked only where it was used, or is to be."""
    hosts: dict[Way, Host] = {Way.PROCESS: ProcessHost(place)}
    if asked.needs_docker:
        hosts[Way.DOCKER] = DockerHost(place)
    return hosts


def _access(settings: Settings, spec: ServiceSpec) -> HdfsAccess:
    """How agents reach HDFS. Nobody gives orders to those of this host: SIGTERM and a new start are enough."""
    models = spec.models if spec.has_agent else ()
    endpoints = {model.name: settings.namenodes_for(model.base_path) for model in models}
    return HdfsAccess(settings.user, endpoints, has_kerberos=settings.has_kerberos)


def _require_keytab(spec: ServiceSpec, settings: Settings) -> None:
    """Without YARN nobody hands an agent a token."""
    if not (spec.has_agent and settings.has_kerberos):
        return
    keytab = urlsplit(spec.kerberos.keytab) if spec.kerberos else None
    if keytab is None or keytab.scheme != "file" or not Path(unquote(keytab.path)).is_file():
        raise ConfigurationError(
            "HDFS wants Kerberos, and the agents of this host have no keytab",
            why="on YARN they have the container's token, which is not there without it",
            fix="name a keytab of this host in service.yaml, kerberos: {principal: ..., keytab: file:///...}; with an "
            "image, mount it and /etc/krb5.conf too",
        )


def _refuse_loopback(hdfs: HdfsAccess) -> None:
    for urls in hdfs.endpoints.values():
        for url in urls:
            if urlsplit(url).hostname in _LOOPBACK:
                raise ConfigurationError(
                    "a container with network: bridge does not reach an HDFS of this host by 127.0.0.1",
                    where=url,
                    why="in the container that is the container itself",
                    fix="say network: host, or name the NameNode by an address that others reach it by",
                )


def _require_mounts(spec: ServiceSpec) -> None:
    for mount in spec.mounts:
        # Docker would make an empty directory of root's in its place.
        if not Path(mount.source).exists():
            raise ConfigurationError(
                f"what is to be mounted is not on this host: {mount.source}",
                where=f"mounts: {mount.source}:{mount.target}",
                why="mounts of service.yaml name paths of the host that runs the replica",
                fix="make it, or take the mount out",
            )


def _require_hdfs_of_server(
    spec: ServiceSpec, settings: Settings, environ: Mapping[str, str], narrate: Callable[[str], None]
) -> None:
    if spec.has_agent:
        return
    if settings.conf_dir is None and not environ.get("CLASSPATH"):
        raise ConfigurationError(
            "the server has to read HDFS itself, and nothing tells it where that is",
            why="with delivery: native it is libhdfs that reads, by Hadoop's own configuration",
            fix="set HADOOP_CONF_DIR, and JAVA_HOME and CLASSPATH for libhdfs; or say delivery: sync: then an agent "
            "brings the models, and nothing of Hadoop has to be here",
        )
    missing = [name for name in ("JAVA_HOME", "CLASSPATH") if not environ.get(name)]
    if missing:
        narrate(
            f"note: TensorFlow Serving reads hdfs:// with Java and Hadoop's jars, and {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not set; delivery: sync needs neither"
        )
