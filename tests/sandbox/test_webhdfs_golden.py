"""The sandbox's WebHDFS beside a real Hadoop 3.1.4: the recorded conversation, step by step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.sandbox.hdfs_support import Answer, put_file, send, serving
from tests.support import golden
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


def append(tree: Namespace, path: str, data: bytes) -> None:
    """Append by writing the file anew."""
    with tree.open(path, user="alice") as blob:
        before = blob.read()
    put_file(tree, path, before + data, "alice")


def comparable(document: Any) -> Any:
    """Mask what differs between clusters, and cut messages to their first line."""
    if isinstance(document, dict):
        return {
            key: "masked" if key in VOLATILE else value.splitlines()[0] if key == "message" else comparable(value)
            for key, value in document.items()
        }
    return [comparable(item) for item in document] if isinstance(document, list) else document


def difference(exchange: dict[str, Any], answer: Answer) -> str:
    """Say how *answer* differs from the recorded one; empty when it does not."""
    if answer.status != exchange["status"]:
        return f"status {answer.status}, recorded {exchange['status']}: {answer.body!r}"
    if (answer.content_type or "").partition(";")[0] != (exchange["content_type"] or "").partition(";")[0]:
        return f"content type {answer.content_type}, recorded {exchange['content_type']}"
    if "json" in (answer.content_type or "") and exchange["method"] != "HEAD":
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


def replay(exchange: dict[str, Any], namenode: str, location: str) -> Answer:
    """Send a recorded request; a step on the DataNode's port goes where the step before was sent."""
    query = f"?{exchange['query']}" if exchange["query"] else ""
    url = location if exchange["port"] == 9864 else f"{namenode}{exchange['path']}{query}"
    body = exchange["request_body"]
    return send(exchange["method"], url, None if body is None else body.encode())


def test_recorded_conversation(tmp_path: Path) -> None:
    """Every recorded step answers with the status, content type, redirect and JSON of a real 3.1.4."""
    tree = Namespace(tmp_path, superuser="root")
    tree.make_directories("/tmp", user="root")
    tree.make_directories("/user/alice", user="root")
    tree.set_owner("/user/alice", user="root", owner="alice")
    tree.make_directories("/user/bob", user="root")
    tree.set_owner("/user/bob", user="root", owner="bob")
    different, location, replayed = [], "", 0
    with serving(tree) as servers:
        for exchange in golden("webhdfs-3.1.4"):
            if exchange["step"] in LEFT_OUT:
                EFFECTS.get(exchange["step"], lambda _: None)(tree)
                continue
            replayed += 1
            answer = replay(exchange, servers.namenode_url, location)
            location = answer.headers.get("location", "")
            recorded_location = exchange["response_headers"].get("Location", "")
            why = difference(exchange, answer)
            if not why and path_of(location) != path_of(recorded_location):
                why = f"Location {location}, recorded {recorded_location}"
            if why:
                different.append(f"{exchange['step']}: {why}")
    assert different == []
    assert replayed > 100


def test_left_out_steps_exist() -> None:
    """The list of what is left out names recorded steps only."""
    steps = {exchange["step"] for exchange in golden("webhdfs-3.1.4")}
    assert steps.issuperset(LEFT_OUT)
    assert set(LEFT_OUT).issuperset(EFFECTS)
