"""Keep to the request limits of search APIs, and send an API token where the user has one.

The credentials of a registered Openverse client come from the environment, so that no configuration holds a secret.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from distillery.jobs import UserError, log
from distillery.sources.engines import ENGINES
from distillery.sources.network.exchange import Target
from distillery.sources.network.failures import FetchError
from distillery.sources.network.fetching import Fetcher, Limits, Response
from distillery.sources.search import Search
from distillery.storage.retrieved.refusals import Refusal

CLIENT_ID, CLIENT_SECRET = "OPENVERSE_CLIENT_ID", "OPENVERSE_CLIENT_SECRET"
TOKEN_PATH = "/v1/auth_tokens/token/"


@dataclass(frozen=True)
class RequestQuota:
    """What an API allows: requests a minute and a day."""

    minute: int
    day: int

    @property
    def pause(self) -> float:
        """Seconds from one request to the next."""
        return 60 / self.minute


ANONYMOUS, REGISTERED = RequestQuota(20, 200), RequestQuota(100, 10_000)  # of Openverse
# iNaturalist asks for 60 a minute, and stops at 100
QUOTAS = {"openverse": ANONYMOUS, "inaturalist": RequestQuota(60, 10_000)}


class ApiFetcher(Fetcher):
    """A fetcher that waits between requests to one site, and sends a token to that site only.

    Args:
        limits, loopback: see `Fetcher`.
        home: start of the site's URLs.
        pause: seconds from the start of one request to the site to the start of the next.
        token: sent to the site; empty for none.
    """

    def __init__(self, limits: Limits, loopback: int | None, home: str, pause: float, token: str = ""):
        super().__init__(limits, loopback)
        self.home, self.pause, self.token = home, pause, token
        self._next, self._turn = 0.0, threading.Lock()

    def fetch(
        self, url: str, accept: str = "*/*", max_bytes: int | None = None, form: Mapping[str, str] | None = None
    ) -> Response:
        """As `Fetcher.fetch`, after the pause."""
        if url.startswith(self.home + "/"):
            with self._turn:
                time.sleep(max(0.0, self._next - time.monotonic()))
                self._next = time.monotonic() + self.pause
        return super().fetch(url, accept, max_bytes, form)

    def _own_headers(self, target: Target) -> dict[str, str]:
        scheme, host = target.site[:2]
        own = urlsplit(self.home)
        # the token is never sent unencrypted, nor to another site that a redirect leads to
        same = (scheme, host) == (own.scheme, own.hostname)
        return {"Authorization": f"Bearer {self.token}"} if self.token and same else {}


def fetcher_of(search: Search, limits: Limits, loopback: int | None = None) -> Fetcher:
    """The fetcher of a search; it keeps to the quota of the search's API, if there is one.

    Raises:
        UserError: the search does not know the client in the environment, or half of its credentials is missing.
        Refusal: the search gives no token.
    """
    if search.kind not in QUOTAS:
        return Fetcher(limits, loopback)
    home, quota = search.home or ENGINES[search.kind].HOME, QUOTAS[search.kind]
    paused = loopback is None  # the imitated search has no quota
    client = has_client() if search.kind == "openverse" else False
    if client:
        quota = REGISTERED
        token = _openverse_token(ApiFetcher(limits, loopback, home, 0.0), home)
    log.info(
        "source %s: %s allows %d requests a minute and %d a day%s",
        *(search.source, search.kind, quota.minute, quota.day, " to this client" if client else ""),
    )
    return ApiFetcher(limits, loopback, home, quota.pause if paused else 0.0, token if client else "")


def has_client() -> bool:
    """Whether the environment has the credentials of a registered Openverse client.

    Raises:
        UserError: only one of the two variables is set.
    """
    given = [name for name in (CLIENT_ID, CLIENT_SECRET) if os.environ.get(name)]
    if len(given) == 1:
        raise UserError(f"{given[0]} is set, but not the other of {CLIENT_ID} and {CLIENT_SECRET}. Set both, or none.")
    return bool(given)


def _openverse_token(fetcher: Fetcher, home: str) -> str:
    """Request a token, valid for some hours, for the client in the environment."""
    form = {
        "grant_type": "client_credentials",
        "client_id": os.environ[CLIENT_ID],
        "client_secret": os.environ[CLIENT_SECRET],
    }
    try:
        response = fetcher.fetch(home + TOKEN_PATH, accept="application/json", form=form)
        token = json.loads(response.body)["access_token"]
    except FetchError as error:
        if str(error).endswith(("HTTP 400", "HTTP 401", "HTTP 403")):
            raise UserError(
                f"Openverse does not know the client in {CLIENT_ID} and {CLIENT_SECRET} ({error}). Correct them,"
                " confirm the client's e-mail address, or unset both."
            ) from error
        reason = "quota used up" if str(error).endswith("HTTP 429") else "unreachable"
        raise Refusal(f"Openverse gives no token ({error}). Run again later.", reason) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal("Openverse answered the request for a token in an unknown form.", "unreadable page") from error
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise Refusal("Openverse answered the request for a token in an unknown form.", "unreadable page")
    return token
