"""One record: what it says now, every version that we saw of it, and what counts it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from dash import Input, Output, State, dcc, html

from ioc.period import Period
from kpi import query
from kpi.query import CaseFile, Version
from layouts import components, records, shell, text, theme
from layouts.components import Piece
from layouts.slots import changed, marks, memory
from layouts.state import as_of, asker, callback, desk, link, now, present

PARTS = ("body",)
CODED = ("kind", "state", "category", "channel", "result")
SHOWN = (*CODED, "org_unit", "org_unit_done", "place", "opened_at", "due_at", "closed_at")
FIELDS = text.FIELDS | {
    "kind": "loại",
    "org_unit": "đơn vị tiếp nhận",
    "org_unit_done": "đơn vị trả kết quả",
    "category": "thủ tục, lĩnh vực",
}


def layout(source: str = "", key: str = "", **_: Any) -> Piece:
    """The page of one record; its key stands quoted in the address."""
    given = {"source": str(source), "key": unquote(str(key))}
    shown = pieces(given)
    return shell.desk_page(
        dcc.Store(id="record-asked", data=given),
        memory("record", shown),
        html.Div(shown["body"], id="record-body", className="stack"),
        crumbs=shell.crumb(
            ("Chỉ tiêu", "/"),
            ("Hồ sơ, phản ánh", link("/records", source=given["source"])),
            ("Bản ghi", ""),
        ),
    )


@callback(
    Output("record-body", "children"),
    Output("record-seen", "data"),
    Input("live", "data"),
    State("record-asked", "data"),
    State("record-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, asked: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = pieces(asked if isinstance(asked, dict) else {})
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


def pieces(given: dict[str, Any]) -> dict[str, Any]:
    """All that follows the data."""
    names = (str(given.get(name) or "") for name in ("source", "key"))
    known = {"as_of": as_of(), "now": present()}
    found = query.case_file(desk().store, asker("case_file"), *names, **known)
    return {"body": _unknown() if found is None else body(found)}


def _unknown() -> Piece:
    return components.absent(
        "Không có bản ghi này",
        "Nguồn chưa bao giờ gửi bản ghi có mã này, hoặc bản ghi nằm ngoài phạm vi được xem.",
        "Xem danh sách bản ghi",
        "/records",
    )


def body(found: CaseFile) -> list[Piece]:
    """Title, state, counts, versions."""
    return [
        _title(found),
        _gone(found),
        html.Div([_now(found), _counted(found)], className="columns"),
        _versions(found),
    ]


def _title(found: CaseFile) -> Piece:
    said = found.versions[0].said
    return html.Div([
        html.H1(text.code("kind", said["kind"])),
        html.P(
            [
                "Mã trong kho ",
                html.Code(found.key, className="record-key"),
                " · nguồn ",
                dcc.Link(records.source_name(found.source), href=f"/sources/{found.source}"),
            ],
            className="lede",
        ),
        html.P(
            "Mã hồ sơ gốc được thay bằng mã băm có khóa: không ai đọc ngược ra được."
            if said["kind"] == "dossier"
            else "Mã này là mã của hệ thống nguồn; họ tên, điện thoại và địa chỉ không được lưu.",
            className="under",
        ),
    ])


def _gone(found: CaseFile) -> Piece:
    if not found.gone:
        return None
    return html.Section(
        [
            html.Strong(f"Không còn ở nguồn từ {text.minute(found.gone)}."),
            " Bản ghi không được tính vào số liệu từ lúc đó; các phiên bản đã thấy vẫn được giữ.",
        ],
        className="card record-gone",
    )


def _now(found: CaseFile) -> Piece:
    said = dict(found.versions[0].said)
    if found.gone:
        stands: Piece = "không còn ở nguồn"
    else:
        stands = records.standing(said, now())
    where = ""
    if text.known(said["lat"]) and text.known(said["lon"]):
        where = f"{text.number(said['lat'], 5)}; {text.number(said['lon'], 5)}"
    facts = [(FIELDS[name].capitalize(), _said(name, said[name])) for name in SHOWN[1:]]
    return components.card(
        "Khi thấy lần cuối" if found.gone else "Lúc đó" if as_of() else "Hiện nay",
        components.facts([
            *((name, value) for name, value in facts if value != text.NONE),
            ("So với hạn", stands if stands != text.NONE else ""),
            ("Vị trí", where),
            ("Nguồn đổi lúc", text.minute(said["changed_at"]) if said["changed_at"] else ""),
        ]),
    )


def _said(field: str, value: Any) -> Piece:
    if not text.known(value):
        return text.NONE
    if field in ("org_unit", "org_unit_done", "place"):
        return records.unit(value)
    return text.minute(value) if field.endswith("_at") else text.code(field, value)


def _counted(found: CaseFile) -> Piece:
    """The indicators whose own conditions hold for this record, with the way to each."""
    catalogue = desk().store.catalogue
    rows = []
    for counted in found.counted:
        end = Period.of("month", counted.day).end
        for key, known in catalogue.indicators.items():
            indicator = known.at(end)
            sides = [
                word
                for word, side in (
                    ("tử số", indicator.numerator),
                    ("mẫu số", indicator.denominator),
                )
                if side == counted.element
            ]
            if sides and indicator.source:
                href = link(f"/indicator/{key}", org_unit=counted.org_unit)
                month = f"{counted.day:%Y-%m}"
                tree = link("/lineage", indicator=key, org_unit=counted.org_unit, to=month)
                rows.append((
                    dcc.Link(indicator.short, href=href),
                    ", ".join(sides),
                    records.unit(counted.org_unit),
                    dcc.Link(text.period(month), href=tree),
                ))
    told = components.table(["Chỉ số", "Tính vào", "Tại", "Kỳ"], rows) if rows else None
    return components.card(
        "Được tính vào",
        told or html.P("Không chỉ số nào đang đếm bản ghi này.", className="under"),
    )


# ── versions ───────────────────────────────────────────────────────────────────────────────


def _versions(found: CaseFile) -> Piece:
    older = [*found.versions[1:], None]
    return components.card(
        f"{text.number(len(found.versions))} phiên bản đã thấy",
        html.Ol(
            [
                _version(found, version, before)
                for version, before in zip(found.versions, older, strict=True)
            ],
            className="record-versions",
        ),
        note=html.Span("Mới nhất trước; mỗi phiên bản giữ mã băm nội dung khi nhận."),
    )


def _version(found: CaseFile, version: Version, before: Version | None) -> Piece:
    until = (
        f"đến {text.minute(version.until)}"
        if version.until
        else "đến lúc đó"
        if as_of()
        else "đến nay"
    )
    fits = version.matches
    mark = theme.status("met" if fits else "missed")
    return html.Li([
        html.Header([
            html.H3(f"Phiên bản {version.number}"),
            html.Span(f"biết từ {text.known_from(version.known_at)} {until}", className="under"),
        ]),
        html.Ul([html.Li(one) for one in changes(version, before)]),
        html.P(
            [
                html.Span(
                    [
                        components.shape(mark, f"hue-{'met' if fits else 'missed'}"),
                        html.Span("khớp" if fits else "không khớp"),
                    ],
                    className="status",
                    **{"data-matches": str(fits).lower()},
                ),
                " mã băm nội dung ",
                html.Code(version.hash, className="record-hash"),
            ],
            className="record-proof",
        ),
        _evidence(found.source, version),
    ])


def changes(version: Version, before: Version | None) -> list[Piece]:
    """What a version says that the one before it did not."""
    if before is None:
        return ["Lần đầu thấy bản ghi này."]
    told: list[Piece] = []
    for name in (*SHOWN, "quantity", "lat", "lon"):
        old, new = before.said[name], version.said[name]
        if old != new and (text.known(old) or text.known(new)):
            told.append([
                f"{FIELDS[name].capitalize()}: ",
                _said(name, old),
                " → ",
                _said(name, new),
            ])
    return told or ["Không trường nào khác; nguồn gửi lại sau khi đã gỡ."]


def _evidence(source: str, version: Version) -> Piece:
    """The poll that brought a version: when, how it ended, how much was read, its hash."""
    run = version.run
    if not run:
        return html.P("Không còn lượt đọc của phiên bản này.", className="under")
    words = text.join([
        text.minute(run["started_at"]),
        theme.outcome(run["outcome"] or "").word,
        f"{text.number(run['calls'])} lượt gọi" if text.known(run["calls"]) else "",
        f"{text.number(run['bytes'])} byte" if text.known(run["bytes"]) else "",
        run["address"],
    ])
    return html.P(
        [
            dcc.Link(f"Lượt đọc {run['run']}", href=f"/sources/{source}"),
            f": {words}",
            *([" · mã băm trả lời ", html.Code(run["response_hash"], className="record-hash")]
              if run["response_hash"] else []),
        ],
        className="under",
    )  # fmt: skip
