"""Loads ``sources.yaml``, ours and the deployment's over it: whole, or refused with every fault."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors import mapping
from connectors.door import origin_of
from connectors.kinds import KINDS
from ioc.config import Lined, expand, read_yaml
from ioc.errors import Broken, ConfigError, Fault, NeedsCredentials
from ioc.source import OAuth2, Source

PACKAGED = Path(__file__).with_name("sources.yaml")
OPTIONS = {"deadline", "poll_deadline", "max_bytes", "hosts", "ca_file", "ignore"}
_COUNTS = ("deadline", "poll_deadline", "max_bytes", "max_pages", "max_rows", "settle")


def paths_of(settings: Any) -> list[Path]:
    """Our own file, then the deployment's where there is one."""
    own = Path(settings.config) / "sources.yaml" if settings.config else None
    return [PACKAGED, *([own] if own and own.exists() else [])]


def load_sources(
    paths: Sequence[Path] = (PACKAGED,),
    env: Mapping[str, str] = os.environ,
    faults: list[Fault] | None = None,
) -> list[Source]:
    """All sources, in the order of the files.

    A later file changes single entries of a source, adds sources, or removes one (``name:``
    with nothing after it).

    Raises:
        ConfigError: all faults with file and line, unless ``faults`` is given to collect them.
    """
    found: list[Fault] = [] if faults is None else faults
    before = len(found)
    entries: dict[str, tuple[Any, str]] = {}
    for path in paths:
        data = read_yaml(path, found)
        if not isinstance(data, Lined):
            found.append(Fault(str(path), 1, "tệp phải gồm các mục tên nguồn: khai báo"))
            continue
        for id_, entry in data.items():
            if entry is None:
                entries.pop(id_, None)
            else:
                entries[id_] = (_over(entries.get(id_, (None, ""))[0], entry), str(path))
    sources = [
        source
        for id_, (entry, path) in entries.items()
        if (source := _source(id_, entry, env, found, path)) is not None
    ]
    if faults is None and len(found) > before:
        raise ConfigError(found)
    return sources


def _over(base: Any, entry: Any) -> Any:
    if not isinstance(base, Lined) or not isinstance(entry, Lined):
        return entry
    lines = {**dict.fromkeys(base, entry.line), **entry.lines}
    return Lined({**base, **entry}, line=entry.line, lines=lines)


def _source(
    id_: Any, entry: Any, env: Mapping[str, str], faults: list[Fault], file: str
) -> Source | None:
    if not isinstance(id_, str):
        faults.append(Fault(file, 0, f"tên nguồn {id_!r} phải là chuỗi"))
        return None
    source = Source.from_yaml(id_, entry, faults, file)
    if source is None:
        return None

    def fault(name: str, message: str) -> None:
        faults.append(Fault(file, entry.line_of(name), f"nguồn {id_!r}, mục {name}: {message}"))

    if source.kind not in KINDS:
        fault("kind", f"không có loại {source.kind!r}; chỉ có {', '.join(sorted(KINDS))}")
        return None
    before = len(faults)
    _check_options(source, fault)
    _check_address(source, env, fault)
    try:
        mapping.compile(source, bytes(32))
    except ValueError as error:
        fault("readings" if "readings" in str(error) else "fields", str(error))
    return source if len(faults) == before else None


def _check_options(source: Source, fault: Any) -> None:
    allowed = OPTIONS | KINDS[source.kind].OPTIONS
    for name in sorted(set(source.options) - allowed):
        fault("options", f"không có {name!r}; chỉ có {', '.join(sorted(allowed))}")
    for name in _COUNTS:
        value = source.options.get(name, 1)
        if type(value) not in (int, float) or value < 0:
            fault("options", f"{name} phải là số không âm")
    skip = source.options.get("skip", {})
    patterns = list(skip.values()) if isinstance(skip, dict) else [None]
    for pattern in [*patterns, source.options.get("files", "")]:
        try:
            re.compile(pattern)
        except (re.error, TypeError):
            fault("options", f"mẫu chữ không hợp lệ: {pattern!r}")
    for name, message in getattr(KINDS[source.kind], "faults", lambda _: ())(source):
        fault(name, message)
    for name in source.formats:
        if name not in ("instant", "zone"):
            fault("formats", f"không có {name!r}; chỉ có instant, zone")


def _check_address(source: Source, env: Mapping[str, str], fault: Any) -> None:
    addresses = [("url", source.url), *(("options", h) for h in source.options.get("hosts", ()))]
    if isinstance(source.auth, OAuth2):
        addresses.append(("auth", source.auth.token_url))
    refuse = getattr(KINDS[source.kind], "refuse_address", origin_of)
    for name, address in addresses:
        try:
            text = expand(address, env)
            (refuse if name == "url" else origin_of)(text)
        except (Broken, NeedsCredentials) as error:
            fault(name, str(error))
