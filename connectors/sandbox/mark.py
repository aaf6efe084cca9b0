"""The mark that everything of the sandbox carries; it has no switch."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

SAMPLE = "DỮ LIỆU MẪU"
HEADER = (b"x-du-lieu", b"DU LIEU MAU")

Message = MutableMapping[str, Any]
ASGI = Callable[..., Awaitable[None]]


def marked(app: ASGI) -> ASGI:
    """The same application with the sample header on every reply, errors too."""

    async def replies(scope: Message, receive: Callable, send: Callable) -> None:
        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), HEADER]
            await send(message)

        await app(scope, receive, mark)

    return replies
