"""Secrets appear nowhere: canaries stand wherever a person may put one, and every command is searched for them.

What is searched: stdout, stderr with every request shown, all that is on HDFS (the service's state, YARN's definition,
the files of containers), and what YARN answers for the service.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import DIGITS
from tests.errors_page.runs import Ran, run
from tests.support import claimed_ports
from yarnserve.sandbox import Sandbox

#: Part of every canary; none of them may be seen anywhere.
CANARY = "tweet"

_PROPERTIES = {
    "core-site.xml": {
        "fs.s3a.secret.key": f"{CANARY}-s3a",
        "hadoop.http.authentication.signature.secret": f"{CANARY}-signature",
        "hadoop.security.credential.provider.path": f"jceks://file/{CANARY}-store",
        "fs.azure.account.key.x": f"{CANARY}-azure",
    },
    "hdfs-site.xml": {"dfs.client.https.keystore.password": f"{CANARY}-hdfs-keystore"},
    "yarn-site.xml": {"yarn.resourcemanager.webapp.https.keystore.password": f"{CANARY}-yarn-keystore"},
}


@dataclass
class Aviary:
    """A sandbox whose user has canaries everywhere, and all that was said so far."""

    sandbox: Sandbox
    home: Path
    work: Path
    base: int
    ran: list[tuple[tuple[str, ...], Ran]] = field(default_factory=list)

    def __call__(self, *arguments: str, **changes: str) -> Ran:
        """Run a command as somebody whose environment holds secrets; cluster commands show every request."""
        environment = {
            **self.sandbox.environment,
            "HADOOP_CONF_DIR": str(self.work / "conf"),
            "HADOOP_CREDSTORE_PASSWORD": f"{CANARY}-credstore",
            "AWS_SECRET_ACCESS_KEY": f"{CANARY}-aws",
            "HTTP_PROXY": f"http://alice:{CANARY}-proxy@127.0.0.1:1",
            "HOME": str(self.work),
            **changes,
        }
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        root.handlers.clear()
        try:
            ran = run(*arguments, environment=environment, directory=self.work)
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
        self.ran.append((arguments, ran))
        return ran

    def spec(self, **fields: Any) -> str:
        """Write a service.yaml."""
        document = {
            "name": "digits",
            "model": {"base_path": "hdfs:///models/digits", "name": "digits", "example": "example.json"},
            "serving": {"version": "2.6", "flags": {"prefer_tflite_model": True}},
            "resources": {"cpus": 1, "memory": "512m"},
            "ports": {"grpc": self.base, "rest": self.base + 1},
            "env": {"HF_TOKEN_FILE": str(self.work / "token")},
        }
        (self.work / "service.yaml").write_text(json.dumps({**document, **fields}))
        return "service.yaml"

    def seen(self) -> list[str]:
        """Return where a canary was said."""
        return [
            f"yarnserve {' '.join(arguments)}: {line}"
            for arguments, ran in self.ran
            for line in (ran.stdout + ran.stderr).splitlines()
            if CANARY in line
        ]

    def stored(self) -> list[str]:
        """Return the files of the cluster that hold a canary: HDFS, containers, logs."""
        return [
            str(path.relative_to(self.home))
            for path in self.home.rglob("*")
            if path.is_file() and CANARY.encode() in path.read_bytes()
        ]


@pytest.fixture
def aviary(tmp_path: Path) -> Iterator[Aviary]:
    """Canaries in the environment, Hadoop's configuration, files that are named, and the registry's credentials."""
    home, work = tmp_path / "cluster", tmp_path / "work"
    work.mkdir()
    (work / "token").write_text(f"{CANARY}-file")
    (work / "example.json").write_text((DIGITS / "example.json").read_text())
    with (
        claimed_ports() as base,
        Sandbox(user="alice", uploads=[(DIGITS / "model", "/models/digits")], directory=home) as sandbox,
    ):
        _with_secrets(Path(sandbox.environment["HADOOP_CONF_DIR"]), work / "conf")
        yield Aviary(sandbox, home, work, base)


def _with_secrets(source: Path, target: Path) -> None:
    """Copy Hadoop's configuration, and add passwords."""
    target.mkdir()
    for file in ("core-site.xml", "hdfs-site.xml", "yarn-site.xml"):
        written = "".join(
            f"<property><name>{name}</name><value>{value}</value></property>"
            for name, value in _PROPERTIES[file].items()
        )
        text = (source / file).read_text() if (source / file).exists() else "<configuration></configuration>"
        (target / file).write_text(text.replace("</configuration>", f"{written}</configuration>"))


def test_a_life_of_a_service_tells_no_secret(aviary: Aviary) -> None:
    """From check to destroy, every command, and what it leaves on the cluster."""
    file = aviary.spec()
    for command in (
        ("spec", "check", file),
        ("spec", "schema"),
        ("render", file),
        ("config", "show", "--origin"),
        ("config", "show", "-o", "yaml"),
        ("doctor", file, "-v"),
        ("doctor", file, "-o", "json"),
        ("launch", file, "--wait", "--timeout", "60", "-v"),
        ("launch", file, "-v"),
        ("status", "digits", "-v"),
        ("status", "digits", "-o", "yaml"),
        ("status", "digits", "-o", "wide"),
        ("list", "-v"),
        ("list", "-o", "json"),
        ("wait", "digits", "-v"),
        ("events", "digits", "-v"),
        ("logs", "digits", "-v"),
        ("logs", "digits", "--file", "launch_container.sh"),
        ("predict", "digits", "--example", "-v"),
        ("scale", "digits", "2", "-v"),
        ("history", "digits", "-v"),
        ("history", "digits", "1"),
        ("explain", "7"),
        ("completion", "bash"),
    ):
        assert aviary(*command).status == 0, aviary.ran[-1]
    definition = f"{aviary.sandbox.resource_manager_url}/app/v1/services/digits?user.name=alice"
    with urllib.request.urlopen(definition) as reply:
        assert CANARY.encode() not in reply.read()
    assert aviary.stored() == []
    for command in (
        ("stop", "digits", "-v"),
        ("start", "digits", "-v"),
        ("launch", aviary.spec(resources={"cpus": 2, "memory": "512m"}), "--replace", "-v"),
        ("destroy", "digits", "--yes", "-v"),
    ):
        assert aviary(*command).status == 0, aviary.ran[-1]
    assert aviary.seen() == []
    assert aviary.stored() == []


_SPOILT = f"alice:{CANARY}@127.0.0.1:1"

#: What stands in Hadoop's configuration in place of an address or beside one, and is wrong.
_PROPERTY = "<configuration><property><name>{}</name><value>{}</value></property></configuration>"
CONFIGURATIONS = {
    "address": {"yarn-site.xml": _PROPERTY.format("yarn.resourcemanager.webapp.address", _SPOILT)},
    "address with scheme": {
        "yarn-site.xml": _PROPERTY.format("yarn.resourcemanager.webapp.address", f"http://{_SPOILT}")
    },
    "endless variable": {
        "yarn-site.xml": _PROPERTY.format("yarn.resourcemanager.webapp.address", f"alice:{CANARY}@${{a}}").replace(
            "</configuration>", "<property><name>a</name><value>${a}x</value></property></configuration>"
        )
    },
    "no XML": {"core-site.xml": f"<configuration><property><value>{CANARY}</configuration>"},
    "no configuration": {"core-site.xml": f"<html><p>{CANARY}</p></html>"},
    "file system": {"core-site.xml": _PROPERTY.format("fs.defaultFS", f"hdfs://alice:{CANARY}@nn:8020")},
    "NameNode": {"hdfs-site.xml": _PROPERTY.format("dfs.namenode.http-address", _SPOILT)},
    "log server": {"yarn-site.xml": _PROPERTY.format("yarn.log.server.url", f"http://{_SPOILT}/jobhistory/logs")},
}


@pytest.mark.parametrize("files", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_passwords_in_hadoops_configuration_are_not_repeated(aviary: Aviary, files: dict[str, str]) -> None:
    """Whatever is wrong with the file that holds one, and whichever command reads it."""
    for name, text in files.items():
        (aviary.work / "conf" / name).write_text(text)
    file = aviary.spec()
    for command in (("config", "show", "--origin"), ("doctor", file), ("list", "-v"), ("launch", file, "-v")):
        aviary(*command)
    assert aviary.seen() == []


@pytest.mark.parametrize(
    "text",
    [
        f"password: {CANARY}\n",
        f"resource-manager: http://{_SPOILT}\n",
        f"resource-manager: {_SPOILT}\n",
        f"namenode: [{_SPOILT}, 127.0.0.1:1]\n",
        f"user: {{password: {CANARY}}}\n",
        f"user: alice\n password: {CANARY}\n",
        f"password: {CANARY}: {CANARY}\n",
        f"password: [{CANARY}\n",
        f"password: *{CANARY}\n",
        f"password: !{CANARY} x\n",
        f"{CANARY}\n",
    ],
)
def test_passwords_in_settings_files_are_not_repeated(aviary: Aviary, text: str) -> None:
    """They do not belong there, and the message that says so does not show them."""
    (aviary.work / ".yarnserve.yaml").write_text(text)
    assert aviary("config", "show", "--origin").status == 3
    assert aviary("list", "-v").status == 3
    assert aviary.seen() == []


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (("--resource-manager", _SPOILT), {}),
        (("--resource-manager", f"http://alice:a/{CANARY}@127.0.0.1:1"), {}),
        (("--namenode", f"https://{_SPOILT}"), {}),
        ((), {"YARNSERVE_RESOURCE_MANAGER": f"127.0.0.1:1,http://{_SPOILT}"}),
        ((), {"YARNSERVE_NAMENODE": _SPOILT}),
    ],
)
def test_passwords_in_addresses_are_not_repeated(
    aviary: Aviary, arguments: tuple[str, ...], changes: dict[str, str]
) -> None:
    """An address that holds one is refused, by flag and by variable."""
    for command in (("list", "-v"), ("config", "show"), ("doctor",)):
        assert aviary(*command, *arguments, **changes).status == 3
    assert aviary.seen() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"env": {"DB_PASSWORD": CANARY}},
        {"env": {"HTTP_PROXY": f"http://alice:{CANARY}@proxy:3128"}},
        {"env": {"OPTION": f'"{CANARY}'}},
        {"image": f"alice:{CANARY}@registry.example.org/serving:2.6"},
        {"image": f"https://alice:{CANARY}@registry.example.org/serving:2.6"},
        {"image": "r.example.org/s:2.6", "registry_credentials": f"hdfs://alice:{CANARY}@nn/config.json"},
        {"image": "r.example.org/s:2.6", "registry_credentials": {"auth": CANARY}},
        {"image": "r.example.org/s:2.6", "mounts": [f"//alice:{CANARY}@share/x:/x"]},
        {"model": {"base_path": f"hdfs://alice:{CANARY}@nn/models/digits"}},
        {"model": {"base_path": f"s3a://key:{CANARY}@bucket/digits"}},
        {"password": CANARY},
        {"serving": {"version": "2.6", "flags": {"password": CANARY}}},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_secrets_in_a_spec_are_refused_and_not_repeated(aviary: Aviary, fields: dict[str, Any]) -> None:
    """The mistake is named with its line; its value is not shown, and nothing reaches the cluster."""
    file = aviary.spec(**fields)
    for command in (("spec", "check"), ("render",), ("launch",), ("doctor",)):
        assert aviary(*command, file).status == 3, aviary.ran[-1]
    assert aviary.seen() == []
    assert aviary.stored() == []


def test_registry_credentials_stay_in_their_file(aviary: Aviary) -> None:
    """Docker's config.json on HDFS is named to YARN and read by nobody else."""
    credentials = aviary.work / "config.json"
    credentials.write_text(json.dumps({"auths": {"registry.example.org": {"auth": f"{CANARY}-registry"}}}))
    aviary.sandbox.upload(credentials, "/user/alice/config.json")
    file = aviary.spec(image="registry.example.org/serving:2.6", registry_credentials="hdfs:///user/alice/config.json")
    for command in (("doctor", file), ("launch", file), ("status", "digits"), ("history", "digits"), ("render", file)):
        assert aviary(*command, "-v" if command[0] != "render" else "--force").status == 0, aviary.ran[-1]
    assert aviary.seen() == []
    (only,) = aviary.stored()
    assert b"-registry" in (aviary.home / only).read_bytes()


def test_what_servers_hand_out_is_not_shown(aviary: Aviary) -> None:
    """Cookies and the tokens in a NameNode's redirects are secrets, too, when every request is shown."""
    with handing_out(aviary.sandbox.resource_manager_url) as manager, handing_out(aviary.sandbox.namenode_url) as hdfs:
        changes = {"YARNSERVE_RESOURCE_MANAGER": manager, "YARNSERVE_NAMENODE": hdfs}
        for command in (("doctor",), ("launch", aviary.spec()), ("status", "digits"), ("destroy", "digits", "--yes")):
            assert aviary(*command, "-v", **changes).status == 0, aviary.ran[-1]
    assert aviary.seen() == []


@contextmanager
def handing_out(upstream: str) -> Iterator[str]:
    """A server in front of *upstream* that gives everybody a cookie, and puts a token into its redirects."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            assert CANARY not in str(self.headers) + self.path, "it was sent back"
            connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=10)
            connection.request(self.command, self.path, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            content = reply.read()
            connection.close()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Set-Cookie", f'hadoop.auth="u=alice&s={CANARY}"; Path=/')
            if location := reply.headers.get("Location"):
                self.send_header("Location", f"{location}&delegation={CANARY}-token")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
