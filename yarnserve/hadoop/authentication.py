"""Who we are to Hadoop: put on the session once, so that no request can be sent without it."""

from __future__ import annotations

from typing import Protocol

import requests


class Authentication(Protocol):
    """A way to say who is asking; *user* is the short name the cluster will see."""

    @property
    def user(self) -> str:
        """The short user name."""

    def attach(self, session: requests.Session) -> None:
        """Make *session* say who we are on every request."""


class SimpleAuthentication:
    """Hadoop's "simple" authentication: the cluster believes ``user.name`` (yarn-services.md 1.3).

    Without it the ResourceManager acts as ``dr.who``, and a running service reads as "not found".
    """

    def __init__(self, user: str) -> None:
        self.user = user

    def attach(self, session: requests.Session) -> None:
        """Send ``user.name`` on every request."""
        session.params = {"user.name": self.user}
