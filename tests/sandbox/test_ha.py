"""Two ResourceManagers and two NameNodes: what standbys answer, fail-overs as they go, and our clients meanwhile."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from tests.sandbox.cluster_support import send
from tests.sandbox.ha_support import ALICE, LONG, SERVICES, ids, pairs, post
from tests.support import wait_until
from yarnserve.hadoop.addresses import file_system, resource_managers
from yarnserve.hadoop.configuration import HadoopConfiguration
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.election import Election, Standing, Times
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, Profile


def test_election() -> None:
    """The other takes over in its time and knows it a little before; who died comes back as the standby."""
    election = Election(Times(takeover=10, loading=2, down=30, starting=5))
    assert [election.standing(index, 0) for index in (0, 1)] == [Standing.ACTIVE, Standing.STANDBY]
    election.kill(0, 100)
    seen = {}
    for now in (100, 107.9, 108, 110, 129.9, 130, 132.5, 135):
        election.advance(now)
        seen[now] = [election.standing(index, now).name for index in (0, 1)]
    assert seen == {
        100: ["DOWN", "STANDBY"],
        107.9: ["DOWN", "STANDBY"],
        108: ["DOWN", "LOADING"],
        110: ["DOWN", "ACTIVE"],
        129.9: ["DOWN", "ACTIVE"],
        130: ["BOOTING", "ACTIVE"],
        132.5: ["STARTING", "ACTIVE"],
        135: ["STANDBY", "ACTIVE"],
    }


def test_none_is_left() -> None:
    """With both dead nobody is elected; the first that comes back is a standby until it has read the other's state."""
    election = Election(Times(takeover=10, loading=2, down=30, starting=5))
    election.kill(0, 0)
    election.kill(1, 1)
    assert not election.advance(36)
    assert election.standing(0, 36) is Standing.LOADING
    assert election.advance(37)
    assert election.active == 0


@pytest.mark.parametrize("profile", [HADOOP_3_1_4, HADOOP_3_3_6], ids=["3.1.4", "3.3.6"])
def test_a_standby_redirects_everything_but_its_own(profile: Profile) -> None:
    """/info and /conf are its own; reads and writes, valid or not, are sent on by 307 and not carried out."""
    with pairs(profile) as running:
        active, standby = (running.one("resourcemanager", state) for state in ("ACTIVE", "STANDBY"))
        assert send("GET", f"{standby}/ws/v1/cluster/info").document()["clusterInfo"]["haState"] == "STANDBY"
        assert send("GET", f"{active}/ws/v1/cluster/info").document()["clusterInfo"]["haState"] == "ACTIVE"
        assert send("GET", f"{standby}/conf").status == 200
        answer = post(standby)
        assert (answer.status, answer.content_type) == (307, "text/plain;charset=utf-8")
        assert answer.text.startswith(f"This is standby RM. The redirect url is: {SERVICES}?user.name=alice")
        assert send("GET", f"{active}{SERVICES}/svc", **ALICE).status == 404
        modern = profile is HADOOP_3_3_6
        assert send("GET", f"{standby}/isActive").status == (405 if modern else 307)
        assert send("GET", f"{active}/isActive").status == (200 if modern else 404)


def test_a_fail_over_as_it_goes() -> None:
    """Refused; 307 with Refresh; 307 to itself; ACTIVE, ACCEPTED without components; then the same containers."""
    with pairs(takeover=1.5, loading=0.7, recovery=0.7, **LONG) as running:
        active, standby = (running.one("resourcemanager", state) for state in ("ACTIVE", "STANDBY"))
        assert post(active).status == 202
        before = running.stable()
        running.fail_over()
        with pytest.raises(ConnectionRefusedError):
            send("GET", f"{active}/ws/v1/cluster/info")
        waiting = send("GET", f"{standby}{SERVICES}/svc", **ALICE)
        assert waiting.status == 307
        assert waiting.text.startswith("Can not find any active RM. Will retry in next ")
        exhausted = send("GET", f"{standby}{SERVICES}/svc", **{**ALICE, "next.refresh.interval": "8"})
        assert (exhausted.status, exhausted.content_type) == (200, "text/plain;charset=utf-8")
        assert exhausted.text.startswith("There is no active RM right now.")
        running.one("resourcemanager", "LOADING")
        assert send("GET", f"{standby}{SERVICES}/svc", **ALICE).text.startswith("This is standby RM.")
        assert running.one("resourcemanager", "ACTIVE") == standby
        unstarted = running.service().document()
        assert (unstarted["state"], unstarted["components"]) == ("ACCEPTED", [])
        after = running.stable()
        assert (after["id"], ids(after)) == (before["id"], ids(before))


def test_ids_after_a_fail_over() -> None:
    """New containers carry the epoch and are counted from 1 again; new applications carry the other's time stamp."""
    with pairs(**LONG) as running:
        assert post(running.one("resourcemanager", "ACTIVE")).status == 202
        first = running.stable()["id"]
        running.fail_over(how="term")
        active = running.one("resourcemanager", "ACTIVE")
        running.stable()
        flexed = {"state": "FLEX", "components": [{"name": "web", "number_of_containers": 2}]}
        assert send("PUT", f"{active}{SERVICES}/svc", flexed, **ALICE).status == 202
        wait_until(lambda: len(ids(running.service().document())) == 2, what="the second container")
        new = next(each for each in ids(running.service().document()) if "_e01_" in each)
        assert new.endswith("_000001")
        assert post(active, "other").status == 202
        second = running.stable("other")["id"]
        assert (first[-5:], second[-5:]) == ("_0001", "_0001")
        assert first != second


def test_death_in_the_midst_of_a_post() -> None:
    """The definition is saved and no application submitted: STOPPED without one, and PUT STARTED is the way out."""
    with pairs(HADOOP_3_1_4, **LONG) as running:
        running.fail_over(at="saved")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            post(running.one("resourcemanager", "ACTIVE"))
        half = running.service().document()
        assert (half["state"], "id" in half, running.applications()) == ("STOPPED", False, [])
        active = running.one("resourcemanager", "ACTIVE")
        again = post(active)
        assert (again.status, again.document()["diagnostics"]) == (500, "Service name svc is already taken.")
        assert send("PUT", f"{active}{SERVICES}/svc", {"state": "STARTED"}, **ALICE).status == 200
        running.stable()
        assert len(running.applications()) == 1


@pytest.mark.parametrize(("moment", "count"), [("before", 0), ("after", 1)])
def test_an_answer_that_never_came(moment: str, count: int) -> None:
    """A write is lost with the ResourceManager before it is carried out, or after: the client cannot tell which."""
    with pairs(**LONG) as running:
        running.fail_over(at=moment)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            post(running.one("resourcemanager", "ACTIVE"))
        assert running.service().status == (200 if count else 404)
        assert len(running.applications()) == count


def test_a_standby_namenode_refuses_and_the_other_takes_over() -> None:
    """403 StandbyException of it; HttpFS waits; a NameNode that comes back says so, and is the standby then."""
    with pairs(namenode_start=0.6) as running:
        active, standby = (running.one("namenode", state) for state in ("ACTIVE", "STANDBY"))
        path = "/webhdfs/v1/user/alice"
        refused = send("GET", f"{standby}{path}", op="LISTSTATUS", **ALICE)
        assert (refused.status, refused.document()["RemoteException"]["exception"]) == (403, "StandbyException")
        assert send("GET", f"{standby}{path}", op="GETHOMEDIRECTORY", **ALICE).status == 200
        running.fail_over(of="namenode")
        with pytest.raises(ConnectionRefusedError):
            send("GET", f"{active}{path}", op="LISTSTATUS", **ALICE)
        assert send("GET", f"{running.sandbox.httpfs_url}{path}", op="LISTSTATUS", **ALICE).status == 200
        assert running.one("namenode", "ACTIVE") == standby
        assert running.one("namenode", "STARTING") == active
        starting = send("GET", f"{active}{path}", op="LISTSTATUS", **ALICE).document()["RemoteException"]
        assert starting["exception"] == "RetriableException"
        assert running.one("namenode", "STANDBY") == active


def test_configuration_names_the_pairs() -> None:
    """yarn.resourcemanager.ha.* and dfs.nameservices are written, and our clients find both of each in them."""
    with pairs() as running:
        hadoop = HadoopConfiguration.load(Path(running.sandbox.environment["HADOOP_CONF_DIR"]))
        assert set(resource_managers(hadoop).urls) == set(running.daemons("resourcemanager"))
        found = file_system(hadoop)
        assert found.authority == "ns1"
        assert set(found.namenodes.urls) == set(running.daemons("namenode"))


def test_only_pairs_fail_over() -> None:
    """Without a pair there is nobody to take over (404); what is no fail-over is 400."""
    with Sandbox(user="alice") as sandbox:
        url = f"{sandbox.environment['YARNSERVE_SANDBOX']}/failover"
        assert send("POST", url).status == 404
        assert send("POST", url, of="namenode").status == 404
        assert send("POST", url, of="zookeeper").status == 400
        assert send("POST", url, of="namenode", how="term").status == 400
