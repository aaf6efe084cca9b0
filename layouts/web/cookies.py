"""Our cookies: bound to this host over HTTPS, plain on this machine, never read by a script."""

from flask import Response, request

SESSION, SCREEN = "ioc", "ioc-screen"
LONG = 400 * 86_400
"""Seconds: the longest that browsers keep a cookie; how long a screen lasts is decided here."""


def name(plain: str) -> str:
    """The name that this wire calls for: the prefix makes the browser hold us to the rules."""
    return f"__Host-{plain}" if request.is_secure else plain


def get(plain: str) -> str:
    """The value that came; empty when none did."""
    return request.cookies.get(name(plain), "")


def put(
    response: Response, plain: str, value: str, *, strict: bool = False, seconds: int | None = None
) -> None:
    """Set one; without ``seconds`` it goes with the browser."""
    response.set_cookie(
        name(plain),
        value,
        max_age=seconds,
        path="/",
        secure=request.is_secure,
        httponly=True,
        samesite="Strict" if strict else "Lax",
    )


def drop(response: Response, plain: str) -> None:
    """Take one back."""
    response.delete_cookie(name(plain), path="/", secure=request.is_secure, httponly=True)
