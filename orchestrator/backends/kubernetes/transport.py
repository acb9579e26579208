"""The real API server: the official client's configuration and authentication, one HTTP session, no models.

Made by the controller program and the command line. The only module that imports the official client, and only when
it connects: importing it costs a quarter of a second. It repeats nothing: who asked knows whether that is safe.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.backends.kubernetes.api import REQUEST_SECONDS, ApiError, Request, Response, Unreachable
from orchestrator.backends.kubernetes.objects import Status
from orchestrator.version import __version__

if TYPE_CHECKING:
    import aiohttp

USER_AGENT = f"tf-orchestrator/{__version__}"
REQUESTS = 50
"""At the same time, watches aside; each has a connection of its own, with a quarter of a megabyte of TLS buffers."""
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONNECT_SECONDS = 10.0
_READ_BYTES = 2 * 1024 * 1024
"""A watch event is one line, and an object may have 1.5 MB."""
_LONGEST_WORDS = 500

Observer = Callable[[str, str, float], None]
"""Told (method, code or `<error>`, seconds) of every request."""


class ConfigurationError(Exception):
    """No cluster is configured, or what is configured cannot be used; in words for the user."""


class Transport:
    """Implements `api.Api`. `namespace`: of the context or the pod; `server`: its address."""

    def __init__(self, configuration: Any, namespace: str, requests: int) -> None:
        import aiohttp
        from kubernetes.aio.client.rest import RESTClientObject

        self._configuration = configuration
        self.namespace = namespace
        self.server: str = configuration.host.rstrip("/")
        self.observer: Observer = lambda method, code, seconds: None
        self._extras = _extras(configuration)
        self._gate = asyncio.Semaphore(requests)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, ssl=RESTClientObject(configuration).ssl_context, keepalive_timeout=60
            ),
            headers={"User-Agent": USER_AGENT},
            read_bufsize=_READ_BYTES,
            auto_decompress=True,
            trust_env=False,
        )

    async def __aenter__(self) -> "Transport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Sockets are closed in the loop's next turn, which this waits for."""
        await self._session.close()
        await asyncio.sleep(0)

    async def send(self, request: Request, *, seconds: float = REQUEST_SECONDS) -> Response:
        begun, code = monotonic(), "<error>"
        try:
            async with asyncio.timeout(seconds), self._gate, await self._open(request) as answer:
                code = str(answer.status)
                body = await answer.read()
        except Exception as error:
            raise self._translate(error, seconds) from None
        finally:
            self.observer(request.method, code, monotonic() - begun)
        if answer.status >= 400:
            raise _refusal(answer.status, body, answer.headers.get("Retry-After"))
        return Response(status=answer.status, body=body)

    @asynccontextmanager
    async def lines(self, request: Request, *, silence_seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await self._open(request)
        except Exception as error:
            raise self._translate(error, REQUEST_SECONDS) from None
        self.observer(request.method, str(answer.status), 0.0)
        try:
            if answer.status >= 400:
                raise _refusal(answer.status, await answer.read(), answer.headers.get("Retry-After"))
            yield self._lines(answer.content, silence_seconds)
        finally:
            # A watch that is left says no goodbye: TLS would wait for the server's, and outlive the loop.
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
            answer.close()

    async def _lines(self, content: "aiohttp.StreamReader", silence_seconds: float) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(silence_seconds):
                    line = await content.readline()
            except Exception as error:
                raise self._translate(error, silence_seconds) from None
            if not line:
                return
            yield line.rstrip(b"\n")

    async def _open(self, request: Request) -> "aiohttp.ClientResponse":
        headers = {"Accept": request.accept, "Accept-Encoding": "identity"}
        if request.body:
            headers["Content-Type"] = request.content_type
        token = (await self._configuration.auth_settings()).get("BearerToken")
        if token and token["value"]:
            headers["Authorization"] = token["value"]
        return await self._session.request(
            request.method,
            self.server + request.path,
            params=request.query,
            data=request.body or None,
            headers=headers,
            timeout=_no_limit(),
            allow_redirects=False,
            **self._extras,
        )

    def _translate(self, error: Exception, seconds: float) -> Exception:
        """What the network says, in words that name the server; anything else is an error of ours."""
        import aiohttp

        if isinstance(error, TimeoutError):
            return Unreachable(f"{self.server} did not answer within {seconds:g} s")
        if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
            return Unreachable(f"the certificate of {self.server} is not trusted: {error}")
        if isinstance(error, aiohttp.ClientConnectorError):
            return Unreachable(
                f"{self.server} cannot be reached: {error.os_error.strerror or error.os_error}"
            )
        if isinstance(error, aiohttp.ClientError | OSError | ValueError):
            return Unreachable(f"the connection to {self.server} broke: {str(error) or type(error).__name__}")
        return error


def _no_limit() -> "aiohttp.ClientTimeout":
    """The limits around a request are ours; connecting has its own."""
    import aiohttp

    return aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)


def _extras(configuration: Any) -> dict[str, Any]:
    found = {"proxy": configuration.proxy, "server_hostname": configuration.tls_server_name}
    return {name: value for name, value in found.items() if value}


def _refusal(code: int, body: bytes, retry_after: str | None) -> ApiError:
    """The server answers with a Status, but whoever stands before it with anything."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, msgspec.ValidationError):
        status = Status(message=body[:_LONGEST_WORDS].decode(errors="replace").strip())
    told = status.details.retry_after_seconds if status.details else 0.0
    if retry_after is not None and retry_after.isdecimal():
        told = max(told, float(retry_after))
    return ApiError(code, status.reason, status.message, told or None)


async def open_api(
    *, kubeconfig: str | None = None, context: str | None = None, requests: int = REQUESTS
) -> Transport:
    """To the cluster that this pod runs in, if nothing else is said, else to the one that kubectl would talk to.

    Raises ConfigurationError.
    """
    try:
        from kubernetes.aio import config
        from kubernetes.aio.client.configuration import Configuration
    except ImportError:
        raise ConfigurationError(
            "the client for Kubernetes is not installed; pip install 'tf-orchestrator[kubernetes]'"
        ) from None
    configuration = Configuration()
    try:
        if kubeconfig is None and context is None and _is_in_cluster():
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # theirs
            return Transport(configuration, (_ACCOUNT / "namespace").read_text().strip(), requests)
        loader = await config.load_kube_config(  # type: ignore[no-untyped-call]  # theirs
            config_file=kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config",
            context=context,
            client_configuration=configuration,
        )
    except config.ConfigException as error:
        raise ConfigurationError(f"no cluster to talk to: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"no cluster to talk to: {error.filename}: {error.strerror}") from None
    found = loader.current_context.get("context", {}).get("namespace") or "default"
    return Transport(configuration, found, requests)


def _is_in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and (_ACCOUNT / "token").exists()
