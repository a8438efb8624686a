"""Who an agent is to HDFS: whom the cluster believes, a keytab that it can read, or the container's token."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from yarnserve.errors import YarnserveError
from yarnserve.hadoop.authentication import Authentication, SimpleAuthentication
from yarnserve.hadoop.delegation import VARIABLE, DelegationTokenAuthentication
from yarnserve.hadoop.fallback import FallbackAuthentication
from yarnserve.hadoop.kerberos import KerberosAuthentication
from yarnserve.spec.assignment import Assignment
from yarnserve.spec.model import KerberosSpec

_HOST = "_HOST"


def agent_authentication(
    assignment: Assignment, environ: Mapping[str, str], *, narrate: Callable[[str], None]
) -> Authentication:
    """Return who the agent of *assignment* is; what is not there is told by each request, for it may come.

    A keytab goes before the token, since it does not end, and HttpFS takes it too.

    Args:
        assignment: the service and its HDFS.
        environ: the container's variables.
        narrate: told in words why a keytab that is there cannot be used.
    """
    if not assignment.hdfs.has_kerberos:
        return SimpleAuthentication(assignment.hdfs.user)
    trouble: list[str] = []
    file = environ.get(VARIABLE, "")
    name, kerberos = assignment.spec.name, assignment.spec.kerberos
    token = DelegationTokenAuthentication(
        Path(file) if file else None,
        file_systems=file_systems(assignment),
        renewal=lambda: _renewal(name, trouble[-1] if trouble else ""),
        next=f"yarnserve stop {name} && yarnserve start {name}",
    )
    keytab = keytab_file(kerberos)
    if kerberos is None or keytab is None or not keytab.is_file():
        return token

    def explain(error: YarnserveError) -> None:
        why = f"{keytab}: {error.what}" + (f": {error.why}" if error.why else "")
        if trouble != [why]:
            narrate(f"the keytab cannot be used, the container's token stands in: {why}; {error.fix}")
        trouble[:] = [why]

    principal = kerberos.principal.replace(_HOST, socket.getfqdn().lower())
    return FallbackAuthentication(
        lambda: KerberosAuthentication(principal=principal, keytab=keytab), token, on_trouble=explain
    )


def file_systems(assignment: Assignment) -> dict[str, str]:
    """Return the authority of the file system behind each endpoint, empty where nothing says it."""
    hdfs = assignment.hdfs
    found = dict.fromkeys(hdfs.secret_endpoints, hdfs.default_file_system)
    for model in assignment.spec.models:
        authority = urlsplit(model.base_path).netloc or hdfs.default_file_system
        found |= dict.fromkeys(hdfs.endpoints.get(model.name, ()), authority)
    return found


def keytab_file(kerberos: KerberosSpec | None) -> Path | None:
    """Return where the service's keytab would be on a node; None where it lies on HDFS, or there is none."""
    parts = urlsplit(kerberos.keytab) if kerberos else None
    return Path(unquote(parts.path)) if parts and parts.scheme == "file" else None


def _renewal(name: str, trouble: str) -> str:
    fix = (
        f"start {name} anew for another token, which lasts 7 days by default; to need none, name a keytab that its "
        "containers can read (kerberos.keytab: file:///... on every node, with yarnserve[kerberos] and krb5.conf "
        "there); at HttpFS only a keytab helps: else launch with --namenode naming the NameNodes"
    )
    return f"{fix}. The keytab that is there cannot be used: {trouble}" if trouble else fix
