"""A page at rest: the clock of Gradio's loading sign goes on when the sign is gone, and asks for sixty frames a second.

Gradio reads `requestAnimationFrame` when its code is loaded, and puts a page's own `head` in later; so the script that
slows the clock is written into the page as it is sent.
"""

from __future__ import annotations

from typing import Any

SCRIPT = rb"""<script>
{
  const everyFrame = window.requestAnimationFrame.bind(window);
  const isClock = (draw) => /^\(\)=>\{[\w$]+\([\w$]+,\(performance\.now\(\)-/.test(draw);
  window.requestAnimationFrame = (draw) =>
    isClock(draw) ? setTimeout(() => draw(performance.now()), 500) : everyFrame(draw);
}
</script>"""


class SlowClock:
    """ASGI middleware that puts `SCRIPT` at the beginning of the page's head; all else passes through it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        root = scope.get("root_path", "").rstrip("/")
        if scope["type"] != "http" or scope["path"].rstrip("/") not in ("", root):  # a proxy may take the root off
            await self._app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        begun: list[Any] = []
        body = b""

        async def send_changed(message: Any) -> None:
            nonlocal body
            if message["type"] != "http.response.body":
                begun.append(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = body.replace(b"<head>", b"<head>" + SCRIPT, 1)
            for each in begun:
                kept = [(name, value) for name, value in each.get("headers", []) if name != b"content-length"]
                await send({**each, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            await send({"type": "http.response.body", "body": body})

        await self._app({**scope, "headers": plain}, receive, send_changed)
