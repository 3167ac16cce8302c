"""Access control: requests need the server's own Host, Origin and a session; it serves no data.

Pages of other sites can send requests to a local server too, and a host name of another site can be
made to resolve to this computer. Therefore every request needs a Host that is the server's, an
Origin that is the server's if the browser sends one, and a session: the cookie that the address
with the token sets, or the token itself (`Authorization: Bearer`) for scripts.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCRIPTS = "scripts"
"""The session of clients that send the token itself."""

MAX_SESSIONS = 256

LIBRARY_STYLE = "sha256-5PP43BnU5yH/rFan+OMuagcJ566hafpOP2E2t5PLZic="
"""The only inline style that is allowed: wavesurfer.js writes it into its shadow root."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",  # the stretching library is WebAssembly
        f"style-src 'self' '{LIBRARY_STYLE}'",
        "img-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """An ASGI application that guards another one."""

    def __init__(self, app: App, *, token: str, hosts: Iterable[str], port: int) -> None:
        """Guard an application.

        Args:
            app: Application that answers allowed requests; scope["session"] names the session.
            token: Token that opens a session.
            hosts: Names and addresses of the server.
            port: Port that it listens on.
        """
        self._app, self._token = app, token
        self._hosts = {name for host in hosts for name in _host_names(host, port)}
        self._cookie = f"isolde-{port}"  # browsers do not keep the cookies of ports apart
        self._sessions: dict[str, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        answer = self._check(scope, headers) or self._enter(scope, headers)
        if answer is None:
            session = self._session(headers)
            if session is not None:
                scope["session"] = session
                await self._app(scope, receive, send_guarded)
                return
            why = "this page has no session: open the address in the terminal"
            answer = _refuse(401, why, headers)
        await answer(scope, receive, send_guarded)

    def _check(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        host = headers.get("host", "").lower()
        # A server on all addresses also has the address that the connection reached.
        if host not in self._hosts and host not in _host_names(*(scope.get("server") or ("", 0))):
            return _refuse(421, f"'{host[:80]}' is not a name of this server", headers)
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return _refuse(403, "other sites may not ask", headers)
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _refuse(403, "other sites may not ask", headers)
        return None

    def _enter(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        """The response to the address with the token: a cookie, and a redirect without the token.

        A browser that has a session keeps it, and with it the songs of its other windows.
        """
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if scope["path"] != "/" or scope["method"] != "GET" or given is None:
            return None
        if not self._is_token(given[0]):
            why = "the token is another server's: open the address in the terminal"
            return _refuse(403, why, headers)
        answer = RedirectResponse("/", status_code=303)
        if self._visitor(headers) is not None:
            return answer
        session = secrets.token_urlsafe(24)
        while len(self._sessions) >= MAX_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[session] = None
        answer.set_cookie(self._cookie, session, httponly=True, samesite="strict", path="/")
        return answer

    def _session(self, headers: dict[str, str]) -> str | None:
        given = headers.get("authorization", "")
        if given.startswith("Bearer ") and self._is_token(given.removeprefix("Bearer ")):
            return SCRIPTS
        return self._visitor(headers)

    def _visitor(self, headers: dict[str, str]) -> str | None:
        """The session of a browser's cookie."""
        # Not http.cookies: it stops at a cookie of another local server like {"a": 1}.
        session = cookie_parser(headers.get("cookie", "")).get(self._cookie)
        return session if session in self._sessions else None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _host_names(host: str, port: int) -> set[str]:
    """The forms of a host and a port in a Host header."""
    name = f"[{host}]" if ":" in host else host
    return {f"{name}:{port}".lower()} | ({name.lower()} if port == 80 else set())


def _refuse(status: int, why: str, headers: dict[str, str]) -> Response:
    """A refusal: a line of text for browsers, JSON for scripts."""
    if "text/html" in headers.get("accept", ""):
        return PlainTextResponse(f"isolde studio: {why}\n", status_code=status)
    return JSONResponse({"error": why}, status_code=status)
