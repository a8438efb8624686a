"""The sandbox's HDFS servers beside real ones of three Hadoop releases: the recorded conversations, step by step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.sandbox.hdfs_support import Answer, send, serving
from tests.support import REPOSITORY, golden
from yarnserve.sandbox.namespace import Namespace

HERE = "/user/alice/golden"

#: Steps left out because the sandbox does not have what they ask for.
LEFT_OUT = {
    **dict.fromkeys(("append", "append-redirected", "append-missing", "append-dir", "append-dir-redirected"), "APPEND"),
    **dict.fromkeys(("list-batch", "list-batch-after"), "LISTSTATUS_BATCH"),
    **dict.fromkeys(("checksum", "checksum-redirected", "checksum-empty", "checksum-empty-redirected"), "checksums"),
    **dict.fromkeys(("checksum-dir", "checksum-dir-redirected", "checksum-missing"), "checksums"),
    **dict.fromkeys(("quota", "set-replication", "set-times", "truncate", "concat-none"), "no such operation"),
    **dict.fromkeys(("access-ok", "access-no"), "CHECKACCESS"),
    **dict.fromkeys(("bob-chown", "alice-chown", "chown-root"), "SETOWNER over HTTP"),
    **dict.fromkeys(("rename-options-overwrite", "rename-options-none"), "renameoptions: yarnserve never sends them"),
    **dict.fromkeys(("doas-root", "doas-alice", "delegation-token"), "proxy users and tokens"),
    **dict.fromkeys(("acl-status", "set-acl", "acl-status-2", "xattr-set", "xattr-get"), "ACLs and attributes"),
    **dict.fromkeys(("trash-root", "block-locations", "get-block-locations", "server-defaults"), "no such operation"),
    **dict.fromkeys(("storage-policy", "ec-missing-op", "snapshot-no", "symlink"), "no such operation"),
}

NAMES = tuple(f"{server}-{release}" for server in ("webhdfs", "httpfs") for release in ("3.1.4", "3.3.6", "3.4.2"))


def release_of(name: str) -> tuple[int, ...]:
    """The Hadoop release that a transcript was recorded with."""
    return tuple(int(part) for part in name.partition("-")[2].split("."))


def left_out_of(name: str) -> dict[str, str]:
    """The steps of a transcript that are not replayed, and why."""
    newer = {} if release_of(name) < (3, 3) else {"status-acl-bit": "ACLs and attributes"}
    reasons = LEFT_OUT | newer | ({} if release_of(name) < (3, 4) else {"fs-status": "no such operation"})
    if name.startswith("httpfs"):
        # It ignores renameoptions, and answers itself where a NameNode redirects.
        recorded = {exchange["step"] for exchange in golden(name)}
        kept = ("rename-options-overwrite", "rename-options-none")
        reasons = {step: reason for step, reason in reasons.items() if step in recorded and step not in kept}
    return reasons


#: What some of them did to the tree, so that the steps after them find it.
EFFECTS: dict[str, Callable[[Namespace], Any]] = {
    "append-redirected": lambda tree: append(tree, f"{HERE}/a.txt", b"more\n"),
    "chown-root": lambda tree: tree.set_owner(f"{HERE}/empty", user="root", owner="alice", group="staff"),
    "rename-options-overwrite": lambda tree: (
        tree.delete(f"{HERE}/empty", user="alice"),
        tree.rename(f"{HERE}/perm.txt", f"{HERE}/empty", user="alice"),
    ),
}

#: Differ from one cluster to the next.
VOLATILE = {"accessTime", "modificationTime", "fileId"}


def effects_of(name: str) -> dict[str, Callable[[Namespace], Any]]:
    """The effects of the left-out steps; HttpFS appends without a redirect, and its RENAME is replayed."""
    if name.startswith("webhdfs"):
        return EFFECTS
    return {"append": EFFECTS["append-redirected"], "chown-root": EFFECTS["chown-root"]}


def append(tree: Namespace, path: str, data: bytes) -> None:
    """Append by writing the file anew."""
    with tree.open(path, user="alice") as blob:
        before = blob.read()
    permission = tree.status(path, user="alice").permission
    with tree.create(path, user="alice", overwrite=True, permission=permission) as writer:
        writer.write(before + data)


def comparable(document: Any) -> Any:
    """Mask what differs between clusters, and cut messages to their first line."""
    if isinstance(document, dict):
        return {
            key: "masked"
            if key in VOLATILE
            else value.splitlines()[0]
            if key == "message" and value
            else comparable(value)
            for key, value in document.items()
        }
    return [comparable(item) for item in document] if isinstance(document, list) else document


def difference(exchange: dict[str, Any], answer: Answer) -> str:
    """Say how *answer* differs from the recorded one; empty when it does not."""
    if answer.status != exchange["status"]:
        return f"status {answer.status}, recorded {exchange['status']}: {answer.body!r}"
    if (answer.content_type or "").partition(";")[0] != (exchange["content_type"] or "").partition(";")[0]:
        return f"content type {answer.content_type}, recorded {exchange['content_type']}"
    if bool(exchange["body"]) != bool(answer.body):
        return f"body {answer.body!r}, recorded {exchange['body']!r}"
    if "json" in (answer.content_type or "") and answer.body:
        return document_difference(exchange["body"], answer.document())
    if answer.content_type == "application/octet-stream" and answer.body.decode() != (exchange["body"] or ""):
        return f"body {answer.body!r}, recorded {exchange['body']!r}"
    return ""


def document_difference(recorded: Any, found: Any) -> str:
    """Compare JSON bodies: key order included, redirect addresses apart."""
    if set(recorded) == {"Location"}:
        recorded, found = path_of(recorded["Location"]), path_of(found["Location"])
    recorded, found = json.dumps(comparable(recorded)), json.dumps(comparable(found))
    return "" if recorded == found else f"{found}, recorded {recorded}"


def path_of(location: str) -> str:
    """Cut scheme and host off a redirect, decode it, and name the NameNode as the recorded one was."""
    path = location.partition("//")[2].partition("/")[2]
    return unquote(path).replace("namenoderpcaddress=127.0.0.1:", "namenoderpcaddress=localhost:")


def replay(exchange: dict[str, Any], server: str, location: str) -> Answer:
    """Send a recorded request; a step on the DataNode's port goes where the step before was sent."""
    query = f"?{exchange['query']}" if exchange["query"] else ""
    url = location if exchange["port"] == 9864 else f"{server}{exchange['path']}{query}"
    body = exchange["request_body"]
    return send(exchange["method"], url, None if body is None else body.encode(), exchange["request_headers"])


@pytest.mark.parametrize("name", NAMES)
def test_recorded_conversation(name: str, tmp_path: Path) -> None:
    """Every recorded step answers with the status, content type, redirect and JSON of the real server."""
    tree = Namespace(tmp_path, superuser="root")
    tree.make_directories("/tmp", user="root")
    for user in ("alice", "bob"):
        tree.make_directories(f"/user/{user}", user="root")
        tree.set_owner(f"/user/{user}", user="root", owner=user)
    if name.startswith("httpfs"):  # recorded after the other, on the same cluster
        tree.make_directories(HERE, user="alice")
    different, location = [], ""
    left_out = left_out_of(name)
    with serving(tree, release_of(name)) as servers:
        server = servers.httpfs_url if name.startswith("httpfs") else servers.namenode_url
        for exchange in golden(name):
            if exchange["step"] in left_out:
                effects_of(name).get(exchange["step"], lambda _: None)(tree)
                continue
            answer = replay(exchange, server, location)
            location = answer.headers.get("location", "")
            recorded_location = exchange["response_headers"].get("Location", "")
            why = difference(exchange, answer)
            if not why and path_of(location) != path_of(recorded_location):
                why = f"Location {location}, recorded {recorded_location}"
            if why:
                different.append(f"{exchange['step']}: {why}")
    assert different == []


@pytest.mark.parametrize("name", NAMES)
def test_left_out_steps_exist(name: str) -> None:
    """The list of what is left out names recorded steps only, and each has a reason."""
    steps = {exchange["step"] for exchange in golden(name)}
    assert steps.issuperset(left_out_of(name))
    assert set(left_out_of(name)).issuperset(effects_of(name))
    assert all(left_out_of(name).values())


def test_documented_counts() -> None:
    """docs/sandbox.md tells for each transcript how many steps are replayed, and why the others are not."""
    page = (REPOSITORY / "docs" / "sandbox.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert row(name) in page, f"put this into docs/sandbox.md: {row(name)}"


def row(name: str) -> str:
    """A transcript's line in docs/sandbox.md."""
    total = sum(1 for _ in golden(name))
    left_out = left_out_of(name)
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(Counter(left_out.values()).items()))
    return f"| {name} | {total} | {total - len(left_out)} | {reasons} |"
