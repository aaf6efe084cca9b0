"""What a sector system is to us: where it is, how to read it, how fresh it must be.

Configuration only, checked in full before the first poll. Secrets stand here as ``${IOC_NAME}``
and are resolved at the moment of use (``ioc.config.expand``); a literal secret is a fault.
"""

import re
from dataclasses import fields as fields_of
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from ioc.config import Lined
from ioc.errors import Fault
from ioc.model import Record

_DURATION = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SECRET = r"^\$\{IOC_[A-Z0-9_]+\}$"
_SECRET_NAME = re.compile(r"(?i)key|secret|token|passw|auth")
_SECRET_IN_TEXT = re.compile(r"\$\{IOC_[A-Z0-9_]+\}")
RECORD_FIELDS = tuple(
    field.name for field in fields_of(Record) if field.name not in ("key", "kind", "position")
)
READING_FIELDS = ("org_unit", "period", "changed_at")


def duration(text: Any) -> timedelta:
    """``60s``, ``5m``, ``2h`` or ``1d`` as a timedelta; anything else raises ValueError."""
    if isinstance(text, timedelta):
        return text
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not found or not int(found[1]) or int(found[1]) * _SECONDS[found[2]] > 20 * 366 * 86400:
        raise ValueError("thời khoảng phải có dạng 60s, 5m, 2h hoặc 1d")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Duration = Annotated[timedelta, BeforeValidator(duration)]
Text = Annotated[str, StringConstraints(min_length=1)]
Secret = Annotated[str, StringConstraints(pattern=_SECRET)]
Serves = Annotated[
    tuple[Literal["department", "district", "commune"], ...], BeforeValidator(_as_tuple)
]


PagingKind = Literal[
    "none", "page", "offset", "cursor", "header_cursor", "body_link", "header_link"
]
_SIZE = ("size_param", "size")
_PAGING: dict[str, tuple[tuple[str, ...], str]] = {  # what a kind may say, and what it must
    "none": (("total_path",), ""),
    "page": (("page_param", "first", "total_path", *_SIZE), ""),
    "offset": (("offset_param", "total_path", *_SIZE), ""),
    "cursor": (("cursor_param", "next_path", *_SIZE), "next_path"),
    "header_cursor": (("cursor_param", "next_header", *_SIZE), "next_header"),
    "body_link": (("next_path", *_SIZE), "next_path"),
    "header_link": (("next_header", *_SIZE), ""),
}


class _Strict(BaseModel):
    """No guessing of types, no unknown keys, no change after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )


class NoAuth(_Strict):
    """An open interface."""

    kind: Literal["none"] = "none"


class Basic(_Strict):
    """User and password in the Authorization header."""

    kind: Literal["basic"]
    username: Text
    password: Secret


class Bearer(_Strict):
    """A long-lived token."""

    kind: Literal["bearer"]
    token: Secret


class PrivateKey(_Strict):
    """User and a private key (its whole text, OpenSSH or PEM), for SFTP."""

    kind: Literal["private_key"]
    username: Text
    key: Secret
    passphrase: Secret | None = None


class ApiKey(_Strict):
    """A key in a header, or in the query when ``param`` is given."""

    kind: Literal["api_key"]
    key: Secret
    header: Text = "X-API-Key"
    param: Text | None = None


class OAuth2(_Strict):
    """Client credentials: an expiring token, fetched again when it ends.

    ``client_auth`` says where the token server looks for them: in the form, or as HTTP Basic.
    """

    kind: Literal["oauth2_client_credentials"]
    token_url: Text
    client_id: Text
    client_secret: Secret
    scope: str = ""
    client_auth: Literal["form", "basic"] = "form"


class Headers(_Strict):
    """Headers with references in them, for platforms with a scheme of their own."""

    kind: Literal["header"]
    headers: dict[Text, Text]

    @model_validator(mode="after")
    def _holds_references(self) -> "Headers":
        named = [name for name in self.headers if _SECRET_NAME.search(name)]
        held = [name for name, text in self.headers.items() if _SECRET_IN_TEXT.search(text)]
        if not held or not set(named) <= set(held):
            raise ValueError("tiêu đề phải chứa tham chiếu ${IOC_TÊN}, không ghi khóa trực tiếp")
        return self


Auth = Annotated[
    NoAuth | Basic | Bearer | PrivateKey | ApiKey | OAuth2 | Headers, Field(discriminator="kind")
]


class Paging(_Strict):
    """How a source splits a long answer; ``*_path`` are JMESPath into the reply.

    ``page`` counts pages from ``first``, ``offset`` rows from 0. ``cursor`` sends what stood at
    ``next_path`` as ``cursor_param``, ``header_cursor`` what the header ``next_header`` said.
    ``body_link`` follows the address at ``next_path``, ``header_link`` that of the header ``Link``.
    """

    kind: PagingKind = "none"
    rows_path: str = ""
    page_param: Text = "page"
    first: Annotated[int, Field(ge=0)] = 1
    offset_param: Text = "offset"
    size_param: Text | None = None
    size: Annotated[int, Field(ge=1, le=10_000)] = 500
    total_path: Text | None = None
    cursor_param: Text = "cursor"
    next_path: Text | None = None
    next_header: Text | None = None

    @property
    def is_linked(self) -> bool:
        """Whether the next page is an address that the source gives."""
        return self.kind in ("body_link", "header_link")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Paging":
        allowed, needed = _PAGING[self.kind]
        said = self.model_fields_set - {"kind", "rows_path"}
        if needed and needed not in said:
            raise ValueError(f"phân trang kiểu {self.kind} cần {needed}")
        if strange := sorted(said - set(allowed)):
            raise ValueError(f"phân trang kiểu {self.kind} không dùng {', '.join(strange)}")
        if "size" in said and not self.size_param:
            raise ValueError("size cần size_param: tên tham số nói cho máy chủ biết")
        return self


class Source(_Strict):
    """One sector system that we poll, as ``sources.yaml`` declares it.

    ``lag`` is read again behind the cursor at each poll. ``fields`` maps our coded fields to
    expressions on the source's rows; what is not listed is dropped. A source gives records of
    one kind (``record``) or readings of elements (``readings``: element -> expression).
    ``options`` belong to the kind, which checks them. ``sample`` marks synthetic data.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    name: Text
    sector: str = ""
    kind: Text
    url: Text
    owner: Text
    every: Duration
    late_after: Duration | None = None
    stale_after: Duration | None = None
    serves: Serves
    lag: Duration = timedelta(0)
    key: Text | Annotated[tuple[Text, ...], BeforeValidator(_as_tuple)] | None = None
    record: Text | None = None
    readings: dict[Text, Any] | None = None
    fields: dict[Text, str | dict[str, Any]]
    auth: Auth = NoAuth()
    paging: Paging = Paging()
    options: dict[str, Any] = Field(default_factory=dict)
    sample: bool = False
    locale: Literal["vi", "en"] = "vi"
    formats: dict[str, Any] = Field(default_factory=dict)
    reporting_days: Annotated[int, Field(ge=0, le=366)] | None = None

    @property
    def limits(self) -> tuple[timedelta, timedelta]:
        """``late_after`` and ``stale_after``; by default twice and six times ``every``."""
        return self.late_after or 2 * self.every, self.stale_after or 6 * self.every

    @property
    def keys(self) -> tuple[str, ...]:
        """The source's key fields, also when there is only one."""
        return (self.key,) if isinstance(self.key, str) else self.key or ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Source":
        late, stale = self.limits
        problems = []
        if (self.record is None) == (self.readings is None):
            problems.append("phải có đúng một trong hai mục: record, readings")
        if self.record is not None and not self.keys:
            problems.append("nguồn có record phải có key")
        if stale < late:
            problems.append("stale_after phải không ngắn hơn late_after")
        if not self.serves:
            problems.append("serves không được trống")
        known = RECORD_FIELDS if self.record is not None else READING_FIELDS
        needed = ("org_unit", "opened_at") if self.record is not None else ("org_unit", "period")
        problems += [f"fields thiếu {name!r}" for name in needed if name not in self.fields]
        problems += [
            f"fields có mục lạ {name!r}; chỉ được {', '.join(known)}"
            for name in self.fields
            if name not in known
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @classmethod
    def from_yaml(cls, id: str, lined: Any, faults: list[Fault], file: str) -> "Source | None":
        """Check one entry of ``sources.yaml``; faults are collected with their lines."""
        if not isinstance(lined, Lined):
            faults.append(Fault(file, 0, f"nguồn {id!r} phải là các mục tên: giá trị"))
            return None
        try:
            return cls.model_validate({"id": id, **lined})
        except ValidationError as error:
            for problem in error.errors(include_input=False, include_url=False):
                line, place = _locate(lined, problem["loc"])
                message = _message(problem)
                at = f", mục {place}" if place else ""
                faults.append(Fault(file, line, f"nguồn {id!r}{at}: {message}"))
            return None


def _locate(lined: Lined, loc: tuple[int | str, ...]) -> tuple[int, str]:
    """The line of a fault and its path, without the names of pydantic's union branches."""
    here: Any = lined
    line, path = lined.line, []
    for part in loc:
        if isinstance(here, Lined) and part in here:
            line, here = here.lines.get(part, here.line), here[part]
            path.append(str(part))
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
            path.append(f"[{part + 1}]")
        elif isinstance(here, Lined) and part == loc[-1] and isinstance(part, str):
            path.append(part)
    return line, ".".join(path)


def _message(problem: Any) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    match kind:
        case "missing" | "union_tag_not_found":
            return "thiếu" if kind == "missing" else "thiếu kind"
        case "extra_forbidden":
            return "không có mục này"
        case "string_type":
            return "phải là chuỗi (mã số và ngày phải để trong dấu nháy)"
        case "string_too_short":
            return "không được trống"
        case "string_pattern_mismatch":
            if context.get("pattern") == _SECRET:
                return "phải là tham chiếu ${IOC_TÊN}, không ghi bí mật trực tiếp"
            return "chỉ gồm chữ thường không dấu, số và _, bắt đầu bằng chữ"
        case "literal_error":
            return f"phải là {context.get('expected', '').replace(' or ', ' hoặc ')}"
        case "union_tag_invalid":
            return f"phải là {context.get('expected_tags', '')}"
        case "value_error":
            return str(context.get("error", problem["msg"]))
        case "bool_type":
            return "phải là true hoặc false"
        case "int_type":
            return "phải là số nguyên"
        case "greater_than_equal" | "less_than_equal":
            return f"ngoài giới hạn {context.get('ge', context.get('le'))}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "phải là các mục tên: giá trị"
        case "tuple_type":
            return "phải là danh sách"
        case _:
            return "giá trị không hợp lệ"
