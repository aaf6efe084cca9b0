"""The sources: how old their figures are, how their last polls went, what was not taken."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from dash import ALL, Input, Output, State, dcc, html

from kpi import query
from layouts import components, runcard, shell, text, theme, upload
from layouts.components import Piece
from layouts.lines import Row
from layouts.slots import Pieces, changed, keys, marks, memory, slot
from layouts.state import as_of, ask, callback, desk, link, now

RUNS = 30
SHOWN = 12  # rejections on a card; the file has all
BAD = ("broken", "needs_credentials")
COUNTED = ("read", "new", "changed", "rejected", "calls", "bytes")
FAILED = (*BAD, "retry", "timeout", "partial", "held")


def layout(source: str = "", run: str = "", **_: Any) -> Piece:
    """All sources, or one with its runs and rejections; ``run`` is one of them in full."""
    one = str(source)
    found = board(one)
    if one and not found:
        return shell.not_found()
    shown = pieces(found, whole=bool(one))
    cards = [card(each.row, shown, whole=bool(one)) for each in found]
    nothing = html.P("Chưa có nguồn nào được cấu hình.", className="absent")
    return shell.desk_page(
        dcc.Store(id="sources-one", data=one),
        memory("sources", shown),
        html.Div([html.H1("Nguồn dữ liệu"), html.P(_lede(), className="lede")]),
        runcard.card(one, run) if one else None,
        html.Div(cards or nothing, id="sources-board", className="stack" if one else "source-list"),
        active="/sources",
        crumbs=_crumbs(found[0].row) if one else None,
    )


@callback(
    Output({"slot": "sources", "key": ALL}, "children"),
    Output("sources-seen", "data"),
    Input("live", "data"),
    State({"slot": "sources", "key": ALL}, "id"),
    State("sources-one", "data"),
    State("sources-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, ids: Any, one: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = pieces(board(str(one or "")), whole=bool(one))
    new = marks(shown)
    return changed(shown, new, keys(ids), seen), new


def _crumbs(row: Row) -> list[Piece]:
    return shell.crumb(("Nguồn dữ liệu", "/sources"), (row["name"], ""))


def _lede() -> str:
    return (
        "Mỗi nguồn được đọc tự động theo lịch. Một nguồn hỏng không làm dừng nguồn khác; số cũ"
        " được giữ và ghi rõ tuổi."
    )


class Known(NamedTuple):
    """What is known of one source."""

    row: Row
    runs: list[Row]
    rejected: list[Row]
    paused: Row


def board(one: str = "") -> list[Known]:
    """Every source, in the order of their ids, with its last runs and rejections."""
    found = ask(query.sources).to_dict("records")
    runs = ask(query.runs, limit=RUNS).to_dict("records")
    rejected = ask(query.rejections, limit=500).to_dict("records")
    paused = _pauses([row["source"] for row in found if row["paused"]])
    return [
        Known(
            row,
            [run for run in runs if run["source"] == row["source"]],
            [item for item in rejected if item["source"] == row["source"]],
            paused.get(row["source"], {}),
        )
        for row in found
        if one in ("", row["source"])
    ]


def _pauses(names: list[str]) -> dict[str, Row]:
    """The order that paused each of these sources."""
    if not names or as_of():  # the orders of today do not say what was ordered then
        return {}
    orders = ask(query.asked, sources=names).to_dict("records")
    done = [row for row in orders if row["kind"] == "pause" and row["state"] == "done"]
    return {row["source"]: row for row in reversed(done)}


def pieces(found: list[Known], *, whole: bool) -> dict[str, Piece]:
    """All that follows the data, by slot."""
    shown: dict[str, Piece] = {}
    for row, every, rejected, paused in found:
        runs = [run for run in every if not run["given_by"]]  # what it was read by, on schedule
        last = next((run for run in runs if text.known(run["ended_at"])), {})
        name = row["source"]
        shown |= {
            f"{name}:state": _state(row),
            f"{name}:fault": _paused(paused) or _fault(last),
            f"{name}:blocks": blocks(runs),
            f"{name}:facts": components.facts(_facts(row, last), class_name="source-facts"),
            f"{name}:reasons": _reasons(row, rejected),
            f"{name}:rejected": _items(row, rejected, whole=whole),
            f"{name}:history": _history(every),
        }
    return shown


def card(row: Row, shown: Pieces, *, whole: bool) -> Piece:
    """One source: state, limits, last runs as blocks, what was not taken and why."""
    name = row["source"]

    def place(part: str, tag: Any = html.Div) -> Piece:
        return slot("sources", f"{name}:{part}", shown, tag)

    return html.Section(
        [
            html.Header(
                [
                    html.H2(dcc.Link(row["name"], href=f"/sources/{name}")),
                    slot("sources", f"{name}:state", shown, html.Span, className="source-state"),
                ],
                className="source-title",
            ),
            place("fault"),
            place("blocks"),
            place("facts"),
            _by_hand(row) if whole and row["kind"] == "sheet" and not as_of() else None,
            html.Div(
                [
                    place("reasons"),
                    place("rejected"),
                ],
                className="refused",
            ),
            _more("Lịch sử chạy và lỗi", place("history"), whole=whole),
        ],
        className="card",
        id=f"source-{name}",
        **{"data-source": name},
    )


def _by_hand(row: Row) -> Piece:
    """A template to fill in, and where it is dropped."""
    form = query.form(desk().store, row["source"])
    return html.Div(
        [
            html.H3("Nhập tay"),
            upload.download(row["source"], form) if form else None,
            dcc.Link("Nạp tệp đã điền", href=link("/upload", source=row["source"])),
        ],
        className="refused by-hand",
    )


def _more(title: str, *inside: Piece, whole: bool) -> Piece:
    """Closed among others, open where the page is about one source."""
    if whole:
        return html.Div([html.H3(title), *inside], className="refused")
    return components.more(title, *inside)


def _paused(order: Row) -> Piece:
    """Who paused a source, when and why."""
    if not order:
        return None
    words = f"{order['who']} tạm dừng lúc {text.minute(order['at'], now())}: {order['note']}"
    return html.P(words, className="note-bad")


def _fault(last: Row) -> Piece:
    """Why the last poll failed, in words."""
    if last.get("outcome") not in FAILED or not last.get("note"):
        return None
    return html.P(f"{theme.outcome(last['outcome']).word}: {last['note']}", className="note-bad")


def _state(row: Row) -> Piece:
    if row["needs_credentials"]:
        mark, words = theme.outcome("needs_credentials"), "Thiếu quyền truy cập"
    elif row["paused"]:
        mark, words = theme.outcome("held"), "Đang tạm dừng"
    else:
        return components.freshness(row["freshness"] or "")
    return html.Span([components.shape(mark), " ", words])


def _facts(row: Row, last: Row) -> list[tuple[str, Piece]]:
    at = now()
    due = row["next_run_at"]
    upcoming = (
        "tạm dừng"
        if row["paused"] or row["needs_credentials"]
        else text.NONE
        if not text.known(due)
        else "ngay bây giờ"
        if due <= at
        else f"{due.astimezone(text.LOCAL):%H:%M:%S}"
    )
    levels = [text.LEVELS_SHORT.get(name, name) for name in _listed(row["serves"])]
    return [
        ("Lần chạy gần nhất", _when(last.get("started_at"))),
        ("Lần tốt gần nhất", _when(row["last_good_at"])),
        ("Lần tới", upcoming),
        ("Đọc mỗi", text.exact_duration(row["every"])),
        (
            "Giới hạn tuổi",
            f"trễ sau {text.exact_duration(row['late_after'])}, "
            f"số cũ sau {text.exact_duration(row['stale_after'])}",
        ),
        ("Lần này", _counts(last) if last else ""),
        (
            "Đang lưu",
            f"{text.number(row['records'])} dòng" if text.known(row.get("records")) else "",
        ),
        ("Phục vụ", ", ".join(levels)),
        ("Chủ quản", _owner(row["owner"])),
        ("Cách đọc", text.KINDS.get(row["kind"], row["kind"])),
        ("Loại số", "số mẫu" if row["sample"] else "số thật"),
    ]


def _when(instant: Any) -> str:
    if not text.known(instant):
        return text.NONE
    return f"{text.minute(instant, now())} ({text.age(instant, now())})"


def _listed(serves: Any) -> list[str]:
    if isinstance(serves, (list, tuple)):
        return list(serves)
    return [name.strip() for name in str(serves).replace(";", ",").split(",") if name.strip()]


def _owner(code: str) -> str:
    unit = desk().orgunits.owner(code, text.local(now()).date()) if code else None
    return unit.name if unit else code


def _counts(run: Row) -> str:
    names = (
        ("read", "đọc"),
        ("new", "mới"),
        ("changed", "sửa"),
        ("rejected", "loại"),
        ("gone", "mất"),
    )
    words = [f"{word} {text.number(run[key])}" for key, word in names if run.get(key)]
    nothing = "không có gì mới" if run["outcome"] in ("ok", "empty") else "chưa đọc được"
    return ", ".join(words) or nothing


def blocks(runs: list[Row]) -> Piece:
    """The last runs, oldest first, each a block with its shape; empty places while it is young."""
    newest = list(reversed(runs[:RUNS]))
    places = [html.Span(className="run is-none") for _ in range(RUNS - len(newest))]
    return html.Div([
        html.Div(
            [*places, *map(_block, newest)],
            className="runs",
            role="list",
            **{"aria-label": f"{RUNS} lần chạy gần nhất, cũ nhất trước"},
        ),
        html.Div(
            [
                html.Span(text.minute(newest[0]["started_at"], now()) if newest else ""),
                html.Span(f"{len(newest)} lần chạy gần nhất"),
                html.Span(text.minute(newest[-1]["started_at"], now()) if newest else ""),
            ],
            className="runs-scale",
        ),
    ])


def _block(run: Row) -> Piece:
    name = run["outcome"] or ""
    mark = theme.outcome(name)
    kind = " is-bad" if name in BAD else " is-warn" if name in FAILED else ""
    words = text.join([
        text.minute(run["started_at"], now()),
        mark.word,
        run["note"] or "",
        _counts(run),
    ])
    return html.Span(
        components.shape(mark, f"hue-run-{name or 'running'}"),
        className=f"run{kind}",
        title=words,
        role="listitem",
        **{"aria-label": words, "data-outcome": name},
    )


def _reasons(row: Row, rejected: list[Row]) -> Piece:
    """How many items of data quality there are, by rule and reason."""
    total = row.get("rejected")
    number = int(total) if text.known(total) else len(rejected)
    if not number and not text.known(total):
        words = "Dòng bị loại hay nghi ngờ chỉ cho người xem được toàn địa bàn."
        return html.P(words, className="under")
    if not number:
        return html.P("Không dòng nào bị loại hay nghi ngờ.", className="under")
    part = (
        f", {text.number(len(rejected))} dòng mới nhất theo lý do" if number > len(rejected) else ""
    )
    return html.Div([
        html.H3(f"{text.number(number)} dòng bị loại hoặc nghi ngờ{part}"),
        *(_rule(rule, items) for rule, items in _by_rule(rejected)),
    ])


def _by_rule(rejected: list[Row]) -> list[tuple[str, list[Row]]]:
    """Items by the words of their rule: that of the newest item first, newest first in each."""
    found: dict[str, list[Row]] = {}
    for item in rejected:
        found.setdefault(query.RULES.get(item["rule"], "Lý do khác"), []).append(item)
    return list(found.items())


def _rule(rule: str, items: list[Row]) -> Piece:
    reasons = Counter(item["reason"] for item in items).most_common()
    return html.Section(
        [
            html.H4([rule, html.Span(text.number(len(items)), className="rule-count")]),
            html.Ul(
                [html.Li([html.B(text.number(n)), html.Span(reason)]) for reason, n in reasons],
                className="reasons",
            ),
        ],
        className="rule",
    )


def _items(row: Row, rejected: list[Row], *, whole: bool) -> Piece:
    """The items themselves; where there is none, no empty table and no empty file is offered."""
    if not rejected:
        return None
    if whole:
        tables = [
            html.Section([html.H4(rule), _rejected(items)], className="rule")
            for rule, items in _by_rule(rejected)
        ]
    else:
        tables = [_rejected(rejected[:SHOWN])]
    files = components.downloads("/api/v1/rejections", link, row["rejected"], source=row["source"])
    return _more("Từng dòng, mới nhất trước", *tables, files, whole=whole)


def _rejected(shown: list[Row]) -> Piece:
    return components.table(
        ["Lúc", "Vị trí trong nguồn", "Lý do", "Các trường đã đọc"],
        [
            (
                f"{item['at'].astimezone(text.LOCAL):%H:%M:%S %d/%m/%Y}",
                html.Code(item["position"] or text.NONE, className="place"),
                item["reason"],
                html.Span(_fields(item["fields"]), className="place"),
            )
            for item in shown
        ],
    )


def _fields(written: Any) -> str:
    """The coded fields of a refused row, named and written as officials do."""
    try:
        found = json.loads(written or "{}")
    except ValueError:
        return str(written)
    return "; ".join(f"{_named(key)}: {_said(key, value)}" for key, value in found.items())


def _named(field: str) -> str:
    elements = desk().store.catalogue.elements
    return text.FIELDS.get(field) or (elements[field].name if field in elements else field)


def _said(field: str, value: Any) -> str:
    """What a field of ours holds; what the source itself wrote stays as it wrote it."""
    if field == "element":
        return _named(str(value))
    if field == "org_unit" and value in desk().orgunits:
        return desk().orgunits[value].name
    if field == "period":
        return text.period(value)
    try:
        if field == "value":
            return text.plain(value)
        if field.endswith("_at") and "T" in str(value):
            return text.minute(datetime.fromisoformat(str(value)))
    except ValueError:
        pass
    return str(value)


def _history(runs: list[Row]) -> Piece:
    return components.table(
        [
            "Bắt đầu",
            "Kết quả",
            *((name, "num") for name in ("Đọc", "Mới", "Sửa", "Loại", "Lượt gọi", "Byte", "Giây")),
            "Ghi chú",
        ],
        [
            (
                f"{run['started_at'].astimezone(text.LOCAL):%H:%M:%S %d/%m/%Y}",
                _outcome(run),
                *(text.number(run[name]) for name in COUNTED),
                _seconds(run),
                run["note"] or "",
            )
            for run in runs
        ],
    )


def _outcome(run: Row) -> Piece:
    mark = theme.outcome(run["outcome"] or "")
    shape = components.shape(mark, f"hue-run-{run['outcome'] or 'running'}")
    return html.Span([shape, html.Span(mark.word, className="word")], className="status")


def _seconds(run: Row) -> str:
    if not text.known(run["ended_at"]):
        return text.NONE
    return text.number((run["ended_at"] - run["started_at"]).total_seconds(), 1)
