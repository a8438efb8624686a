"""What an agent is told: the whole service, and how its HDFS is reached. A file of JSON beside the agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarnserve.records.document import from_document, to_document
from yarnserve.spec.model import ServiceSpec

#: Version of the file's format; a higher one was written by a newer yarnserve.
FORMAT = 1

#: Bytes that an assignment may have: it is a part of the service's definition on YARN.
MAX_ASSIGNMENT = 256 * 1024


@dataclass(frozen=True)
class HdfsAccess:
    """How HDFS is reached.

    Attributes:
        user: who asks, where the cluster believes a name.
        endpoints: base URLs of NameNodes or HttpFS, by the name of the model that lies there.
        has_kerberos: the cluster wants a ticket, a keytab or the container's delegation token.
        secret: the path of the file whose holders may give orders; empty for nobody.
        secret_endpoints: base URLs of the file system that it is on.
        default_file_system: authority of fs.defaultFS (``prod``, ``host:8020``), by which a token is told; may be
            empty.
    """

    user: str
    endpoints: Mapping[str, tuple[str, ...]]
    has_kerberos: bool = False
    secret: str = ""
    secret_endpoints: tuple[str, ...] = ()
    default_file_system: str = ""


@dataclass(frozen=True)
class Assignment:
    """One agent's work; which replica it is, it is told when it is started."""

    spec: ServiceSpec
    hdfs: HdfsAccess
    format: int = field(default=FORMAT)

    def to_text(self) -> str:
        """Return the file's content; YARN finds none of its tokens in it (yarn-services.md 5.1)."""
        return json.dumps(to_document(self), sort_keys=True).replace("$", "\\u0024") + "\n"

    @classmethod
    def from_text(cls, text: str) -> Assignment:
        """Read it.

        Raises:
            ValueError: it is none, or a newer yarnserve's.
        """
        document = json.loads(text)
        number = document.get("format") if isinstance(document, dict) else None
        if isinstance(number, int) and number > FORMAT:
            raise ValueError(f"a newer yarnserve wrote it: its format is {number}, this one knows {FORMAT}")
        return from_document(cls, document)
