"""Whom a command that runs for long tells of troubles: its options, each written once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from yarnserve.cli.output import narrate

if TYPE_CHECKING:
    from yarnserve.alerts.delivery import Alerts
    from yarnserve.alerts.records import Sink


class _WebAddress(click.ParamType):  # type: ignore[type-arg]
    """Where alerts are POSTed; what is no address would fail at night, when the first is sent."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is."""
        try:
            parts = urlsplit(value)
            is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one:
            self.fail(f"{value!r} is no address of a web server; write it as http://HOST:PORT", param, ctx)
        return str(value)


_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option("--alert-command", metavar="COMMAND", help="Run by the shell for each alert, with JSON on its stdin."),
    click.option("--alert-webhook", metavar="URL", type=_WebAddress(), help="Gets each alert as JSON by POST."),
    click.option(
        "--alertmanager",
        "alertmanagers",
        metavar="URL",
        type=_WebAddress(),
        multiple=True,
        help="Prometheus' Alertmanager; repeatable.",
    ),
    click.option(
        "--runbook", default="", metavar="URL", help="What to do; in alerts to Alertmanager, with #NAME of the alert."
    ),
)


def with_alerts(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the options that say who is told; ``alerts_of`` makes of them what sends."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def alerts_of(options: Mapping[str, Any], state: Path, say: Callable[[str], None] = narrate) -> Alerts:
    """Return what sends to whoever *options* name, and *say*s it; *state* remembers what lasts."""
    from yarnserve.alerts.alertmanager import AlertmanagerSink
    from yarnserve.alerts.delivery import Alerts
    from yarnserve.alerts.sinks import CommandSink, LogSink, WebhookSink

    sinks: list[Sink] = [LogSink(say)]
    if options["alert_command"]:
        sinks.append(CommandSink(options["alert_command"]))
    if options["alert_webhook"]:
        sinks.append(WebhookSink(options["alert_webhook"]))
    sinks += [AlertmanagerSink(url, runbook=options["runbook"]) for url in options["alertmanagers"]]
    return Alerts(sinks, clock=time.time, state=state, on_failure=say)
