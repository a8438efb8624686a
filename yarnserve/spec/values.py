"""What single values of service.yaml may be.

Every function returns the value, or raises ValueError saying what may stand there instead, with the reason where it
is not evident.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable

from yarnserve.errors import names_secret
from yarnserve.spec.model import COMPONENT, LATEST, STABLE, Flag, Mount
from yarnserve.spec.source import WrittenFloat

#: Anything but these reaches the server unchanged from inside the launch command: YARN puts the command between
#: double quotes without escaping, where ``$``, a backquote and a backslash are the shell's (yarn-services.md 5.1),
#: and replaces ``<LOG_DIR>`` and ``{{NAME}}`` itself; the single quote is ours.
_NOT_IN_COMMAND = frozenset("\"'$`\\<>{}")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PRINCIPAL = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+@[A-Za-z0-9._-]+")
_KEYTAB = re.compile(r"(hdfs://[A-Za-z0-9._:-]*|file://)(/[A-Za-z0-9._+-]+)+")
_BASE_PATH = re.compile(r"(hdfs://[A-Za-z0-9._:-]*)?(/[^/]+)+")
_SCHEME = re.compile(r"([a-z0-9+.-]+):/", re.IGNORECASE)
#: What a NodeManager accepts, with a tag, a digest or both; a digest only from Hadoop 3.3.5 on, which render checks
#: (yarn-services.md 5.2).
_IMAGE = re.compile(
    r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9_./-]+(:[A-Za-z0-9_.-]+|(:[A-Za-z0-9_.-]+)?@sha256:[0-9a-f]{64})"
)
_VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?")
_FLAG = re.compile(r"[a-z][a-z0-9_]*")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: An address with user and password, as it is given for a proxy.
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]*@")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[^\s@]*)?")
_PROGRAM = re.compile(r"(/?[A-Za-z0-9._+-]+)+")
_THREAD_POOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
#: Docker's list of mounts is separated by commas, a mount's parts by colons (yarn-services.md 5.2).
_MOUNTED = re.compile(r"(/[^/:,\s]+)+")

#: Environment variables that YARN or yarnserve sets, and from what (yarn-services.md 5.1).
OWN_ENV = {
    "YARN_CONTAINER_RUNTIME_TYPE": "image",
    "YARN_CONTAINER_RUNTIME_DOCKER_IMAGE": "image",
    "YARN_CONTAINER_RUNTIME_DOCKER_CONTAINER_HOSTNAME": "the service's name",
    "YARN_CONTAINER_RUNTIME_DOCKER_CONTAINER_NETWORK": "network",
    "YARN_CONTAINER_RUNTIME_DOCKER_PORTS_MAPPING": "ports",
    "YARN_CONTAINER_RUNTIME_DOCKER_MOUNTS": "mounts",
    "YARN_CONTAINER_RUNTIME_DOCKER_RUN_OVERRIDE_DISABLE": "entrypoint",
    "YARN_CONTAINER_RUNTIME_DOCKER_CLIENT_CONFIG": "registry_credentials",
    "WORK_DIR": "the container",
    "LOG_DIR": "the container",
}

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


def model_version(value: object) -> str:
    """Which version of a model is served: the newest, the promoted one, or one by its number."""
    if value in (LATEST, STABLE):
        return str(value)
    if type(value) is int and 0 < value < 2**63:
        return str(value)
    raise ValueError(f"{LATEST}, {STABLE} or a version's number")


def image(value: str) -> str:
    """A Docker image with its tag or its digest."""
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


class NotAmongError(ValueError):
    """None of the allowed words; *suggestion* is the likely meant one, or empty."""

    def __init__(self, allowed: str, suggestion: str) -> None:
        super().__init__(allowed)
        self.suggestion = suggestion


def one_of(*words: str) -> Callable[[str], str]:
    """Return a function that takes these *words* only."""

    def check(value: str) -> str:
        if value not in words:
            meant = difflib.get_close_matches(value.lower(), words, n=1)
            raise NotAmongError(" or ".join(words), meant[0] if meant else "")
        return value

    return check


def env_name(value: str) -> str:
    """An environment variable that neither YARN nor yarnserve sets, and that is no secret."""
    if not _ENV_NAME.fullmatch(value):
        raise ValueError("a variable's name: letters, digits and '_', not beginning with a digit")
    if names_secret(value):
        raise ValueError(
            "no passwords and tokens, which everybody who may look at the service could read: put the secret into a "
            f"file of mode 0600 and its path here, as {value}_FILE"
        )
    if value in OWN_ENV:
        raise ValueError(f"other variables than {value}, which follows from {OWN_ENV[value]}")
    return value


def env_value(value: object) -> str:
    """A variable's value, as it survives YARN's launch script."""
    if isinstance(value, WrittenFloat):
        value = value.text
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError('a text, such as "1" or "true" in quotes')
    if any(character in '"$`\\' or not character.isprintable() for character in value):
        raise ValueError('a text without " $ ` \\ : YARN writes it into a shell script between double quotes')
    if any(token in value for token in ("<LOG_DIR>", "<CPS>", "{{", "}}")):
        raise ValueError("a text without <LOG_DIR>, <CPS>, {{ and }}, which YARN replaces")
    if _PASSWORD_IN_URL.search(value):
        raise ValueError("an address without a password, which everybody who may look at the service could read")
    return value


def mount(value: object) -> Mount:
    """``source:target``, ``source:target:ro`` or ``source:target:rw``; without a mode read-only."""
    source, target, mode = (*value.split(":"), "", "", "")[:3] if isinstance(value, str) else ("", "", "")
    if not isinstance(value, str) or value.count(":") not in (1, 2):
        raise ValueError("source:target or source:target:rw, such as /etc/hadoop/conf:/etc/hadoop/conf")
    if value.count(":") == 2 and mode not in ("ro", "rw"):
        raise ValueError("ro or rw as the mode behind the last colon")
    for path in (source, target):
        if not _MOUNTED.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise ValueError("two absolute paths, without commas, blanks, '.' and '..', and without / at the end")
        in_command(path)
    return Mount(source, target, read_only=mode != "rw")


def node_label(value: str) -> str:
    """A node label (partition), by YARN's rule."""
    if not _LABEL.fullmatch(value):
        raise ValueError("a node label: letters, digits, '_' and '-'")
    return value


def hdfs_file(value: str) -> str:
    """A file on HDFS."""
    scheme = _SCHEME.match(value)
    if (scheme and scheme.group(1) != "hdfs") or not _BASE_PATH.fullmatch(value):
        raise ValueError("the path of a file on HDFS, such as hdfs:///user/ml/docker/config.json")
    return in_command(value)


def service_principal(value: str) -> str:
    """A Kerberos principal of a service: YARN refuses one without a host, and fails late for most else."""
    if not _PRINCIPAL.fullmatch(value):
        raise ValueError("a principal with a host, such as alice/_HOST@EXAMPLE.ORG")
    return value


def keytab(value: str) -> str:
    """The URI of a keytab; the ApplicationMaster dies of a path without a scheme (real-hadoop-kerberos.md 5)."""
    if not _KEYTAB.fullmatch(value):
        raise ValueError("hdfs:///user/alice/alice.keytab, or file:///etc/security/alice.keytab on every node")
    return value


def program(value: str) -> str:
    """A program of the image or of the nodes, by its name on the PATH or its path."""
    if not _PROGRAM.fullmatch(value):
        raise ValueError("a program's name or absolute path, such as /opt/yarnserve/bin/yarnserve, without blanks")
    return value


def web_address(value: str) -> str:
    """An address that is told something; everybody who may look at the service could read a password in it."""
    if not _URL.fullmatch(value):
        raise ValueError("an address such as http://alerts.example.org/hook, without user and password")
    return value


def directory(value: str) -> str:
    """A directory of the nodes."""
    if not _MOUNTED.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError("an absolute path, without commas, blanks, '.' and '..', and without / at the end")
    return in_command(value)


def thread_pool_name(value: str) -> str:
    """A name that needs no quoting in a text proto."""
    if not _THREAD_POOL.fullmatch(value):
        raise ValueError("letters, digits, '.', '_' and '-'")
    return value


def batch_sizes(value: object) -> str:
    """Increasing batch sizes; returned as they are kept, ``32,128``."""
    sizes = value if isinstance(value, list) else []
    if not sizes or not all(type(size) is int and 0 < size < 2**31 for size in sizes) or sizes != sorted(set(sizes)):
        raise ValueError("a list of increasing whole numbers, such as [32, 128]")
    return ",".join(map(str, sizes))
