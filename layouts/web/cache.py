"""The shared cache of answers: JSON only, so that a planted value can be wrong but never run.

Nothing is ever cleared: a key holds the question, its arguments, the reader's scope and the
version of the data, so new data means a new key.
"""

from contextlib import suppress
from typing import Any

import orjson
from cachelib.serializers import BaseSerializer
from flask import Flask
from flask_caching import Cache

from ioc.errors import IocError


class JsonSerializer(BaseSerializer):
    """What is stored is JSON bytes; anything else is a miss."""

    def dumps(self, value: Any, *_protocol: Any) -> bytes:
        """The bytes to keep."""
        return orjson.dumps(value)

    def loads(self, stored: bytes | None) -> Any:
        """The value kept; None for a miss and for bytes that are not ours."""
        try:
            return None if stored is None else orjson.loads(stored)
        except orjson.JSONDecodeError:
            return None

    def dump(self, value: Any, f: Any, *_protocol: Any) -> None:
        """As ``dumps``, into a file."""
        f.write(self.dumps(value))

    def load(self, f: Any) -> Any:
        """As ``loads``, from a file."""
        return self.loads(f.read())


class Kept:
    """What may be kept and may be lost: a cache that fails is a miss, never an error."""

    def __init__(self, cache: Cache, failures: tuple[type[Exception], ...]):
        self._cache, self._failures = cache, failures

    def get(self, key: str) -> Any:
        """What was kept under the key; None when nothing was, or nobody answers."""
        try:
            return self._cache.get(key)
        except self._failures:
            return None

    def set(self, key: str, value: Any) -> None:
        """Keep plain JSON data under the key."""
        with suppress(*self._failures):
            self._cache.set(key, value)


def install(server: Flask, url: str = "") -> Kept:
    """A cache in this process, or in Redis when ``url`` names one.

    A Redis that is gone costs at most 0.3 s: the answer then comes from the store.

    Raises:
        IocError: the client library of Redis is not installed.
    """
    common = {
        "CACHE_DEFAULT_TIMEOUT": 86_400,
        "CACHE_KEY_PREFIX": "ioc:",
        "CACHE_SERIALIZER": JsonSerializer(),
    }
    if not url:
        memory = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 512}
        return Kept(Cache(server, config=memory | common), ())
    try:
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
        from redis.retry import Retry
    except ImportError as error:
        raise IocError("IOC_CACHE_URL cần thư viện redis: pip install redis") from error
    waits = {"socket_timeout": 0.3, "socket_connect_timeout": 0.3, "retry": Retry(NoBackoff(), 0)}
    redis = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url, "CACHE_OPTIONS": waits}
    return Kept(Cache(server, config=redis | common), (RedisError, OSError))
