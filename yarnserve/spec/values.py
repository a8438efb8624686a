"""What single values of service.yaml may be.

Every function returns the value, or raises ValueError saying what may stand there instead, with the reason where it
is not evident.
"""

from __future__ import annotations

import math
import re

from yarnserve.spec.model import COMPONENT, Flag
from yarnserve.spec.source import WrittenFloat

#: Anything but these reaches the server unchanged from inside the launch command: YARN puts the command between
#: double quotes without escaping, where ``$``, a backquote and a backslash are the shell's (yarn-services.md 5.1),
#: and replaces ``<LOG_DIR>`` and ``{{NAME}}`` itself; the single quote is ours.
_NOT_IN_COMMAND = frozenset("\"'$`\\<>{}")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BASE_PATH = re.compile(r"(hdfs://[A-Za-z0-9._:-]*)?(/[^/]+)+")
_SCHEME = re.compile(r"([a-z0-9+.-]+):/", re.IGNORECASE)
#: What a NodeManager accepts, with a tag; digests only from Hadoop 3.3.5 on (yarn-services.md 5.2).
_IMAGE = re.compile(r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9_./-]+:[A-Za-z0-9_.-]+")
_VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?")
_FLAG = re.compile(r"[a-z][a-z0-9_]*")

#: Flags of the server that yarnserve sets itself, and from what.
OWN_FLAGS = {
    "port": "ports.grpc",
    "rest_api_port": "ports.rest",
    "model_name": "model.name",
    "model_base_path": "model.base_path",
    "model_config_file": "model (the file would override it)",
    "grpc_channel_arguments": "grpc.so_reuseport=0, which keeps two servers from sharing a port",
}


def service_name(value: str) -> str:
    """A service's name by YARN's rule (yarn-services.md 3), also a DNS label."""
    if not _NAME.fullmatch(value):
        raise ValueError("lower-case letters, digits and '-', beginning with a letter, at most 63 characters")
    if value == COMPONENT:
        raise ValueError(f"any name but {COMPONENT!r}: YARN refuses a service called like its component")
    if value == "version":
        raise ValueError("any name but 'version': YARN answers its own version under that address")
    return value


def model_name(value: str) -> str:
    """A model's name, as it stands in the URL of a prediction."""
    if not _MODEL_NAME.fullmatch(value):
        raise ValueError("letters, digits, '.', '_' and '-', beginning with a letter or digit")
    return value


def base_path(value: str) -> str:
    """The HDFS directory above the version numbers; slashes at its end are dropped."""
    trimmed = value.rstrip("/")
    scheme = _SCHEME.match(trimmed)
    if scheme and scheme.group(1) != "hdfs":
        raise ValueError(f"a path on HDFS: {scheme.group(1)}:// is not supported")
    if not _BASE_PATH.fullmatch(trimmed) or {".", ".."} & set(trimmed.split("/")):
        raise ValueError("an absolute path of a directory on HDFS, such as /models/digits or hdfs://prod/models/digits")
    return in_command(trimmed)


def image(value: str) -> str:
    """A Docker image with its tag."""
    if "@" in value:
        raise ValueError("an image with a tag: YARN accepts digests only from 3.3.5 on")
    if not _IMAGE.fullmatch(value):
        raise ValueError("an image with a tag, such as registry.example.org/tfserving-hdfs:2.6")
    return value


def serving_version(value: str | WrittenFloat) -> str:
    """TF Serving's version; a bare decimal will do as long as the number is what was written."""
    written = value.text if isinstance(value, WrittenFloat) else value
    if not isinstance(written, str) or not _VERSION.fullmatch(written):
        raise ValueError('a version such as "2.6" or "2.6.3"')
    if isinstance(value, WrittenFloat) and str(float(value)) != written:
        raise ValueError(f'"{written}", in quotes: without them YAML means the number {float(value)}')
    return written


def queue(value: str) -> str:
    """A scheduler queue, by its name or its full path."""
    if not value or any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("a queue's name, such as ml or root.ml")
    return value


def flag_name(value: str) -> str:
    """A flag of tensorflow_model_server that the user may set."""
    if not _FLAG.fullmatch(value):
        raise ValueError("a flag's name without dashes, such as enable_batching")
    if value in OWN_FLAGS:
        raise ValueError(f"other flags than {value}: yarnserve sets it, from {OWN_FLAGS[value]}")
    return value


def flag_value(value: object) -> Flag:
    """A flag's value: anything that can be written behind ``--name=``."""
    if isinstance(value, str):
        return in_command(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, (bool, int)):
        return value
    raise ValueError("a text, a number, true or false")


def in_command(value: str) -> str:
    """A text that survives the way from the launch command to the server."""
    wrong = sorted({character for character in value if character in _NOT_IN_COMMAND or not character.isprintable()})
    if wrong:
        shown = " ".join(character if character.isprintable() else ascii(character)[1:-1] for character in wrong)
        raise ValueError(f"a text without {shown} : YARN or the shell would change it inside the launch command")
    return value
