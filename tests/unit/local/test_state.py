"""The state directory: where it is, who may change it, what is remembered, which process is ours."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.errors_page.runs import run
from tests.unit.local.specs import spec
from yarnserve.errors import ConfigurationError, ConflictError, NotFoundError, YarnserveError
from yarnserve.local.files import follow_files, tail_of
from yarnserve.local.processes import ProcessHost
from yarnserve.local.records import Asked, Way
from yarnserve.local.state import Place, default_state, services


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The digits, prepared."""
    made = Place(tmp_path, "digits")
    made.prepare()
    return made


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/x", "HOME": "/home/a"}, "/x/yarnserve/local"),
        ({"HOME": "/home/a"}, "/home/a/.local/state/yarnserve/local"),
    ],
)
def test_state_lies_where_the_system_keeps_it(environ: Mapping[str, str], expected: str) -> None:
    """XDG's variable counts."""
    assert str(default_state(environ)) == expected


def test_what_was_asked_for_is_remembered_until_it_is_forgotten(place: Place) -> None:
    """A service that is not there is named with those that are."""
    asked = Asked(spec(), Way.DOCKER)
    assert place.asked_before() is None
    place.remember(asked)
    assert place.asked() == asked
    with pytest.raises(NotFoundError) as caught:
        Place(place.state, "other").asked()
    assert "digits" in caught.value.why
    place.forget()
    assert services(place.state) == ()


def test_what_cannot_be_read_is_said(place: Place) -> None:
    """With the file and what is wrong in it; whoever brings the service up, as is advised, may."""
    place.write(place.directory / "service.json", "{}")
    assert place.asked_before() is None
    with pytest.raises(YarnserveError, match="cannot be read") as caught:
        place.asked()
    assert "service.json" in caught.value.where


def test_two_at_once_are_told_apart(place: Place) -> None:
    """The second one changes nothing; when the first has ended it may."""
    with place.locked(), pytest.raises(ConflictError, match="another yarnserve changes digits"), place.locked():
        pass
    with place.locked():
        pass


def test_a_path_that_docker_cannot_mount_is_refused(tmp_path: Path) -> None:
    """Before anything is made of it."""
    with pytest.raises(ConfigurationError, match="a colon or a comma"):
        Place(tmp_path / "a:b", "digits").prepare()


def test_a_process_id_that_another_process_has_got_is_not_taken_for_ours(place: Place) -> None:
    """This process has the id of the record and not its time of start: it is neither shown as running nor ended."""
    record = {"pid": os.getpid(), "since": "boot/1", "at": 1.0, "mark": "m", "is_foreground": False}
    place.write(place.run / "serve-0.json", json.dumps(record))
    host = ProcessHost(place)
    assert not host.seen()["serve-0"].is_running
    host.stop(["serve-0"], 1.0)
    assert host.seen() == {}


def test_the_end_of_a_log_and_what_comes_to_it(tmp_path: Path) -> None:
    """A file that is begun anew is read from its beginning; one that is not there yet is waited for."""
    log, late = tmp_path / "a.log", tmp_path / "b.log"
    log.write_text("one\ntwo\nthree\n")
    assert tail_of(log, 2) == "two\nthree\n"
    assert tail_of(late, 2) == ""

    def append() -> None:
        log.write_text(log.read_text() + "four\n")

    def begin_anew() -> None:
        log.rename(tmp_path / "a.log.1")
        log.write_text("five\n")

    def begin_late() -> None:
        late.write_text("six\n")

    acts = iter([append, begin_anew, begin_late])
    news = follow_files({"a": log, "b": late}, 1, pause=lambda seconds: next(acts)())
    assert [next(news) for _ in range(4)] == [("a", "three\n"), ("a", "four\n"), ("a", "five\n"), ("b", "six\n")]


def test_one_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    """The list tells of it in a note, and does not claim that there are none."""
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "service.json").write_text("{")
    ran = run("local", "list", "--state", str(tmp_path), environment={}, directory=tmp_path)
    assert ran.status == 0
    assert ran.stderr.startswith("note: torn: what is saved of the service cannot be read")
    assert "there are no services" not in ran.stderr
