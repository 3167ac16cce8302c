"""Who may ask: this computer's own page with the token, and nobody else; it answers no question.

A page of another site that the browser has open can send requests to a local server too, and a
name of that site can be made to point here. Therefore every request needs a Host that is ours, an
Origin that is ours where the browser tells one, and a session: the cookie that opening the address
with the token gives, or the token itself (`Authorization: Bearer`), for scripts.
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
"""The session of those who send the token itself."""

MAX_SESSIONS = 256

LIBRARY_STYLE = "sha256-5PP43BnU5yH/rFan+OMuagcJ566hafpOP2E2t5PLZic="
"""The one style element that the page may add: wavesurfer.js writes it into its shadow root."""

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
    """An ASGI application around another one."""

    def __init__(self, app: App, *, token: str, hosts: Iterable[str], port: int) -> None:
        """Guard an application.

        Args:
            app: What answers those who may ask; it finds the session in scope["session"].
            token: That opens a session.
            hosts: Names and addresses under which the server is reached.
            port: That it listens on.
        """
        self._app, self._token = app, token
        self._hosts = {name for host in hosts for name in _names(host, port)}
        self._cookie = f"isolde-{port}"  # browsers do not keep the cookies of ports apart
        self._sessions: dict[str, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        answer = self._refusal(scope, headers) or self._entry(scope, headers)
        if answer is None:
            session = self._session(headers)
            if session is not None:
                scope["session"] = session
                await self._app(scope, receive, send_guarded)
                return
            why = "this page has no session: open the address in the terminal"
            answer = _refuse(401, why, headers)
        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        host = headers.get("host", "").lower()
        # Where all addresses are listened on, the one that was reached is ours too: no site has it.
        if host not in self._hosts and host not in _names(*(scope.get("server") or ("", 0))):
            return _refuse(421, f"'{host[:80]}' is not a name of this server", headers)
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return _refuse(403, "other sites may not ask", headers)
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _refuse(403, "other sites may not ask", headers)
        return None

    def _entry(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        """The way in: the address with the token, which gives a cookie and goes from the bar.

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
        # Not http.cookies: it reads nothing behind another local server's cookie like {"a": 1}.
        session = cookie_parser(headers.get("cookie", "")).get(self._cookie)
        return session if session in self._sessions else None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _names(host: str, port: int) -> set[str]:
    """What a browser may call a host and a port."""
    name = f"[{host}]" if ":" in host else host
    return {f"{name}:{port}".lower()} | ({name.lower()} if port == 80 else set())


def _refuse(status: int, why: str, headers: dict[str, str]) -> Response:
    """The reason: a line for people, JSON for scripts."""
    if "text/html" in headers.get("accept", ""):
        return PlainTextResponse(f"isolde studio: {why}\n", status_code=status)
    return JSONResponse({"error": why}, status_code=status)
