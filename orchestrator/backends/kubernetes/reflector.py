"""Keeps one resource's cache in step with the API server: list once, watch from there, start again when it must.

Run for ever by `backend` and `cli.cluster_watch`. Never raises for what the network or the server do: it waits, longer
each time, and tries again. Why each rule: docs/design/20261126.kubernetes.md.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import uniform
from typing import Generic

import msgspec

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api, ApiError, Request, Response, Unreachable
from orchestrator.backends.kubernetes.backoff import Backoff
from orchestrator.backends.kubernetes.cache import Cache, Name
from orchestrator.backends.kubernetes.objects import Item, ListPage, Status, WatchEvent
from orchestrator.backends.kubernetes.resources import Resource

SILENCE_SECONDS = 70.0
"""A bookmark comes every minute: whoever says nothing for longer is not there any more."""
WATCH_SECONDS = (300.0, 600.0)
RELIST_SECONDS = 30.0
"""At most one list in so many seconds, when the server says again and again that our version is too old."""
_EXPIRED = 410


class Expired(Exception):
    """The server does not know our version any more: only a new list helps."""


class Reflector(Generic[Item]):
    """One resource, of one namespace or (None) of all, into a cache that others may fill too.

    `trouble`: the last thing that the server or the network refused; "" once there is a new list."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        kind: type[Item],
        cache: Cache[Item],
        *,
        namespace: str | None = None,
        label_selector: str = "",
    ) -> None:
        self.resource = resource
        self._api, self._cache = api, cache
        self._namespace, self._selector = namespace, label_selector
        self._items = msgspec.json.Decoder(kind)
        self._pages = msgspec.json.Decoder(ListPage[kind])  # type: ignore[valid-type]  # a type made of a value
        self._events = msgspec.json.Decoder(WatchEvent)
        self._backoff = Backoff(0.2, 30.0)
        self._relisting = Backoff(RELIST_SECONDS / 2, RELIST_SECONDS * 2)
        self._version = ""
        self._is_relisting = False
        self.trouble = ""
        self.synced = asyncio.Event()
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.lists = 0
        self.watches = 0
        self.events = 0
        self.errors = 0

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                if not self._version:
                    self._version = await self._list()
                await self._follow()
                self._backoff.reset()
            except Expired:
                self._version = ""
                await self._hold_back()
            except ApiError as error:
                self.errors += 1
                self.trouble = error.message or str(error)
                await self.sleep(self._backoff.next(error.retry_after))
            except (Unreachable, msgspec.DecodeError) as error:
                self.errors += 1
                self.trouble = str(error)
                await self.sleep(self._backoff.next())

    async def _hold_back(self) -> None:
        """The first time at once."""
        if self._is_relisting:
            await self.sleep(self._relisting.next())
        self._is_relisting = True

    async def _list(self) -> str:
        """Everything there is; returns the version that it is the state of."""
        self.lists += 1
        names: set[Name] = set()
        following, version = "", ""
        while True:
            request = resources.list_page(
                self.resource, self._namespace, selector=self._selector, following=following
            )
            page: ListPage[Item] = self._pages.decode((await self._ask(request)).body)
            for item in page.items or ():
                names.add((item.metadata.namespace, item.metadata.name))
                self._cache.put(item)
            version, following = page.metadata.resource_version, page.metadata.continue_
            if not following:
                break
        self._cache.keep_only(names, self._namespace)
        self._cache.note(version, self._namespace)
        self.trouble = ""
        self.synced.set()
        return version

    async def _ask(self, request: Request) -> Response:
        try:
            return await self._api.send(request)
        except ApiError as error:
            raise _expired_or(error) from None

    async def _follow(self) -> None:
        """Watches from the newest version until the server ends it. Raises what makes watching on impossible."""
        self.watches += 1
        request = resources.watch(
            self.resource,
            self._namespace,
            version=self._version,
            seconds=int(uniform(*WATCH_SECONDS)),
            selector=self._selector,
        )
        try:
            async with self._api.lines(request, silence_seconds=SILENCE_SECONDS) as lines:
                await self._read(lines)
        except ApiError as error:
            raise _expired_or(error) from None

    async def _read(self, lines: AsyncIterator[bytes]) -> None:
        async for line in lines:
            if line:
                self._take(line)

    def _take(self, line: bytes) -> None:
        event = self._events.decode(line)
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=Status)
            raise ApiError(status.code or 500, status.reason, status.message)
        item = self._items.decode(event.object)
        version = item.metadata.resource_version
        self.events += 1
        if event.type in ("ADDED", "MODIFIED"):
            self._cache.put(item)
        elif event.type == "DELETED":
            self._cache.remove(item)
        self._cache.note(version, self._namespace)
        self._version = version
        self._is_relisting = False
        self._relisting.reset()


def _expired_or(error: ApiError) -> Expired | ApiError:
    return Expired() if error.status == _EXPIRED else error
