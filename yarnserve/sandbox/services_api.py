"""``/app/v1/services`` of the ResourceManager (yarn-services.md 1; real-hadoop.md 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from yarnserve.sandbox import binding
from yarnserve.sandbox.answers import Refusal, refuse, remote_exception
from yarnserve.sandbox.profile import Profile
from yarnserve.sandbox.services import Services, no_answer
from yarnserve.sandbox.web_answers import Handler, answer, error_page, user_of

_NULL = 'Cannot invoke "org.apache.hadoop.yarn.service.api.records.Service.{method}" because "{name}" is null'
_BARE = "application/json;charset=null"
_WEB_EXCEPTION = "javax.ws.rs.WebApplicationException"
_ROUTE = "/app/v1/services"
_NO_READER = "A message body reader for Java class org.apache.hadoop.yarn.service.api.records.Service was not found"
_CONTAINER_STATES = (
    *("RUNNING_BUT_UNREADY", "READY", "STOPPED", "NEEDS_UPGRADE", "UPGRADING", "SUCCEEDED", "FAILED"),
    "FAILED_UPGRADE",
)
#: How often a DELETE looks whether the service has ended.
_PAUSE = 0.02


class ServicesApi:
    """Handlers for the services of *services*; *clock* gives seconds since the epoch.

    *is_active* says whether the ResourceManager is still there: one that has died carries out nothing more.
    """

    def __init__(
        self,
        services: Services,
        profile: Profile,
        clock: Callable[[], float],
        *,
        is_active: Callable[[], bool] = lambda: True,
    ) -> None:
        self._is_active = is_active
        self._services = services
        self._profile = profile
        self._clock = clock
        self._asked_while_off = False

    def add_to(self, application: web.Application) -> None:
        """Route the API's paths; a method that a path does not have answers 500 (real-hadoop.md 7, item 2)."""
        name = f"{_ROUTE}/{{name:[^/]+}}{{slash:/?}}"
        if self._profile.has_instances:
            application.router.add_get(f"{_ROUTE}/{{name}}/component-instances", self._instances)
        router = application.router
        application.middlewares.append(self._switch)
        router.add_get(f"{_ROUTE}/version", self._version)
        router.add_post(_ROUTE, self._create)
        router.add_get(name, self._get)
        router.add_put(name, self._put)
        router.add_delete(name, self._delete)
        router.add_put(f"{_ROUTE}/{{name}}/components/{{component}}", self._put_component)
        router.add_route("*", _ROUTE, self._undefined)
        router.add_route("*", name, self._undefined)

    @web.middleware
    async def _switch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer as a web server does whose services API is switched off (real-hadoop.md 7, item 4)."""
        if not request.path.startswith("/app"):
            return await handler(request)
        if not self._services.is_off:
            self._asked_while_off = False
            return await handler(request)
        is_first, self._asked_while_off = not self._asked_while_off, True
        later = 404 if self._profile.release >= (3, 3) else 503
        return error_page(500 if is_first else later)

    async def _reach_master(self, request: web.Request) -> None:
        """Wait while the service's ApplicationMaster is silent, as long as YARN waits (yarn-services.md 1.5)."""
        user, name = user_of(request), request.match_info["name"]
        ends = self._clock() + self._profile.master_wait
        while self._services.awaits_master(user, name):
            if self._clock() >= ends:
                raise no_answer()
            await self._pause()

    async def _pause(self) -> None:
        await asyncio.sleep(_PAUSE)
        if not self._is_active():
            # For nobody: the connection is gone.
            raise no_answer()

    async def _version(self, request: web.Request) -> web.Response:
        return answer({"hadoop_version": self._profile.build_version})

    async def _create(self, request: web.Request) -> web.Response:
        self._require_json(request)
        document = binding.parse(await request.read())
        if document is None:
            words = _NULL.format(method="getState()", name="service")
            raise remote_exception(self._profile.generic_failure, "java.lang.NullPointerException", words)
        service = binding.with_defaults(binding.bind_service(document, self._profile), self._profile)
        return answer(self._services.create(user_of(request), service, self._clock()), 202)

    async def _get(self, request: web.Request) -> web.Response:
        await self._reach_master(request)
        return answer(self._services.get(user_of(request), request.match_info["name"], self._clock()))

    async def _delete(self, request: web.Request) -> web.Response:
        user, name = user_of(request), request.match_info["name"]
        while True:
            destroyed = self._services.destroy(user, name, self._clock())
            if destroyed is not None:
                return answer(destroyed)
            await self._pause()

    async def _put(self, request: web.Request) -> web.Response:
        self._require_json(request)
        document = binding.parse(await request.read())
        if document is None:
            raise refuse(500, _NULL.format(method="setName(String)", name="updateServiceData"))
        change = binding.bind_service(document, self._profile)
        await self._reach_master(request)
        status, body = self._update(user_of(request), request.match_info["name"], change)
        return answer(body, status) if body else _no_content()

    def _update(self, user: str, name: str, change: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        # the first that fits, in ApiServer's order (yarn-services.md 1.5)
        services, now = self._services, self._clock()
        state, components = change.get("state"), change.get("components", [])
        if state == "FLEX":
            counts = {each.get("name", ""): each.get("number_of_containers") for each in components}
            return 202, services.flex(user, name, counts, now)
        if state == "STOPPED":
            return 200, services.stop(user, name, now)
        if state == "STARTED":
            return 200, services.start(user, name, now)
        if state in ("UPGRADING", "UPGRADING_AUTO_FINALIZE", "EXPRESS_UPGRADING"):
            raise refuse(400, "Service upgrade is disabled.")
        if state == "CANCEL_UPGRADING":
            raise refuse(400, f"Service {name} is not upgrading, so nothing to cancel.")
        if change.get("lifetime", 0) > 0:
            return 200, services.set_lifetime(user, name, change["lifetime"], now)
        leaving = {
            each.get("name", ""): each["decommissioned_instances"]
            for each in components
            if each.get("decommissioned_instances")
        }
        return (202, services.decommission(user, name, leaving, now)) if leaving else (204, {})

    async def _put_component(self, request: web.Request) -> web.Response:
        name, component = request.match_info["name"], request.match_info["component"]
        document = binding.parse(await request.read())
        if document is None:
            raise refuse(400, "No component data provided")
        change = binding.bind_component(document, self._profile)
        given = change.get("name", component)
        if given != component:
            words = f"Component name in the request object ({given}) does not match that in the URI path ({component})"
            raise refuse(400, words)
        if change.get("state") == "UPGRADING":
            raise refuse(400, f"The upgrade of service {name} has not been initiated.")
        count = change.get("number_of_containers")
        if count is None:
            raise refuse(400, "No container count provided")
        if count < 0:
            raise refuse(400, f"Invalid number of containers specified {count}")
        await self._reach_master(request)
        return answer(self._services.resize(user_of(request), name, component, count, self._clock()))

    async def _instances(self, request: web.Request) -> web.Response:
        query = request.query
        states = query.getall("containerState", [])
        if any(state not in _CONTAINER_STATES for state in states):
            raise refuse(400, f"valid container states are: [{', '.join(_CONTAINER_STATES)}]")
        await self._reach_master(request)
        found = self._services.instances(user_of(request), request.match_info["name"], self._clock())
        names, version = query.getall("componentName", []), query.get("version", found.version)
        groups = [
            (name, [each for each in containers if not states or each["state"] in states])
            for name, containers in found.containers.items()
            if (not names or name in names) and version == found.version
        ]
        if not self._profile.groups_instances:
            return answer([each for _, containers in groups for each in containers])
        return answer([{"componentName": name, "containers": shown} for name, shown in groups if shown])

    def _not_provided(self) -> Refusal:
        body = {"exception": "WebApplicationException", "javaClassName": _WEB_EXCEPTION}
        return Refusal(self._profile.generic_failure, body, _BARE)

    async def _undefined(self, request: web.Request) -> web.Response:
        raise self._not_provided()

    def _require_json(self, request: web.Request) -> None:
        if "Content-Type" not in request.headers:
            words = f"com.sun.jersey.api.MessageException: {_NO_READER}.\n"
            raise remote_exception(self._profile.generic_failure, _WEB_EXCEPTION, words)
        if request.content_type != "application/json":
            raise self._not_provided()


def _no_content() -> web.Response:
    return web.Response(status=204, headers={"Content-Type": "application/json;charset=utf-8"})
