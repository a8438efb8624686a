"""``configuration.files``: what lies in a container's work directory, and for how long it stays the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.cluster_support import Lab, component, service
from yarnserve.sandbox.states import NodeContainerState


def files_of(lab: Lab, instance: str = "web-0") -> dict[str, str]:
    """The files of the newest container of an instance, by place."""
    return {place: body.decode() for place, body in lab.runtime.of(instance)[-1].launch.files.items()}


def launched(lab: Lab, *files: dict[str, Any], count: int = 1, **more: Any) -> None:
    """Launch a service whose component has *files*, and wait for its containers."""
    lab.create(service(component(count=count, **more) | {"configuration": {"files": list(files)}}))
    lab.until(lambda: len(lab.runtime.of(f"web-{count - 1}")) == 1)


TEMPLATE = {
    "type": "TEMPLATE",
    "dest_file": "a.txt",
    "properties": {"content": "${COMPONENT_INSTANCE_NAME} of ${USER}"},
}
PROPERTIES = {"b": "2 = ${SERVICE_NAME}", "a": "<1>"}


def test_each_instance_has_its_own_text() -> None:
    """Tokens in a template are replaced for each instance, and the file lies below conf/."""
    lab = Lab()
    launched(lab, TEMPLATE, count=2)
    assert files_of(lab, "web-0") == {"conf/a.txt": "web-0 of alice"}
    assert files_of(lab, "web-1") == {"conf/a.txt": "web-1 of alice"}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("PROPERTIES", "b=2\\ \\=\\ svc\na=<1>\n"),
        ("JSON", '{\n  "b": "2 = svc",\n  "a": "<1>"\n}'),
        ("YAML", '"b": "2 = svc"\n"a": "<1>"\n'),
        (
            "HADOOP_XML",
            '<?xml version="1.0" encoding="UTF-8" standalone="no"?><configuration>'
            "<property><name>b</name><value>2 = svc</value></property>"
            "<property><name>a</name><value>&lt;1&gt;</value></property></configuration>",
        ),
    ],
)
def test_properties_in_every_form(kind: str, text: str) -> None:
    """Properties are written as the file's type says, with tokens replaced in their values."""
    lab = Lab()
    launched(lab, {"type": kind, "dest_file": "f", "properties": PROPERTIES})
    assert files_of(lab) == {"conf/f": text}


def test_sources_on_hdfs() -> None:
    """A template's source has its tokens replaced, Hadoop's XML is overlaid, a static file is copied untouched."""
    lab = Lab()
    home = lab.services.home
    home.write("/t", b"I am ${SERVICE_NAME}", "alice")
    home.write("/x", b"<configuration><property><name>a</name><value>${USER}</value></property></configuration>", "al")
    lab.create(
        service(
            component()
            | {
                "configuration": {
                    "files": [
                        {"type": "TEMPLATE", "dest_file": "t", "src_file": "/t"},
                        {"type": "HADOOP_XML", "dest_file": "x", "src_file": "/x", "properties": {"b": "2"}},
                        {"type": "STATIC", "dest_file": "s", "src_file": "/t"},
                    ]
                }
            }
        )
    )
    lab.until(lambda: lab.runtime.of("web-0"))
    found = files_of(lab)
    assert found["conf/t"] == "I am svc"
    assert found["s"] == "I am ${SERVICE_NAME}"
    assert "<name>a</name><value>alice</value>" in found["conf/x"]
    assert "<name>b</name><value>2</value>" in found["conf/x"]


def test_docker_mounts_are_called_by_their_place() -> None:
    """An absolute destination, which Docker would mount, lies below conf/, and the command is told so."""
    lab = Lab()
    file = TEMPLATE | {"dest_file": "/etc/yarnserve/a.txt"}
    docker = {"artifact": {"id": "serving:1", "type": "DOCKER"}}
    launched(lab, file, launch_command="run ${COMPONENT_INSTANCE_NAME} /etc/yarnserve/a.txt", **docker)
    launch = lab.runtime.of("web-0")[-1].launch
    assert list(launch.files) == ["conf/a.txt"]
    assert launch.command.startswith("run web-0 conf/a.txt ")


def stopped_and_started(lab: Lab) -> None:
    """STOPPED, and STARTED again."""
    lab.services.stop("alice", "svc", lab.now)
    lab.run(3)
    lab.services.start("alice", "svc", lab.now)


def destroyed_and_created(lab: Lab) -> None:
    """DELETE until it is done, and a new POST with the same text."""
    lab.until(lambda: lab.services.destroy("alice", "svc", lab.now) is not None)
    lab.create(service(component() | {"configuration": {"files": [TEMPLATE]}}))


def killed(lab: Lab) -> None:
    """The container dies and is replaced."""
    lab.runtime.of("web-0")[-1].exit_code = 137


@pytest.mark.parametrize(
    ("act", "text"),
    [(killed, "changed"), (stopped_and_started, "changed"), (destroyed_and_created, "web-0 of alice")],
)
def test_what_was_written_once_stays(act: Callable[[Lab], None], text: str) -> None:
    """A replacement and a new start find the file as it lies on HDFS; only DELETE removes it."""
    lab = Lab()
    launched(lab, TEMPLATE)
    lab.services.home.files["/user/alice/.yarn/services/svc/components/web/web-0/a.txt"] = b"changed"  # type: ignore[attr-defined]
    act(lab)
    lab.until(lambda: len(lab.runtime.of("web-0")) == 2, seconds=60)
    assert files_of(lab) == {"conf/a.txt": text}


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ({"type": "JSON", "dest_file": "f", "src_file": "/there"}, "src_file is not read for JSON"),
        ({"type": "HADOOP_XML", "dest_file": "f", "src_file": "/there"}, "java.lang.RuntimeException: syntax error"),
    ],
)
def test_a_file_that_cannot_be_made(file: dict[str, Any], words: str) -> None:
    """The launch of a container fails, with the reason, where its file cannot be made; nothing is started."""
    lab = Lab()
    lab.create(service(component() | {"configuration": {"files": [file]}}))
    failed: list[str] = []

    def has_failed() -> bool:
        containers = [each for node in lab.nodes for each in node.containers.values()]
        failed[:] = [each.diagnostics for each in containers if each.state is NodeContainerState.DONE]
        return bool(failed)

    lab.until(has_failed, seconds=20)
    assert words in failed[0]
    assert lab.runtime.of("web-0") == []
