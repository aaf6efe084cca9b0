"""Figures by hand: a template for a source of sheets, a place to drop it, and what became of it."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.form import MOST_BYTES, SUFFIXES
from ioc.period import Period
from kpi import query
from layouts import components, runcard, shell, text, theme
from layouts.components import Piece
from layouts.lines import Row
from layouts.slots import changed, marks, memory
from layouts.state import ask, callback, desk, link, now, today, writable

SHOWN = 20
PERIODS = {"month": 13, "quarter": 5, "year": 3}
CLOSED = "Chỉ người vận hành và quản trị được nộp tệp."
LEDE = (
    "Cho nguồn gửi bảng tính. Số nhập tay qua cùng những bước kiểm tra như mọi số khác và mang dấu"
    " “nhập tay” cho đến khi hệ thống của nguồn báo chính số đó."
)


def layout(source: str = "", **_: Any) -> Piece:
    """One source of sheets, chosen in the address; without one, the first."""
    known = ask(query.sources).to_dict("records")
    sheets = [row for row in known if row["kind"] == "sheet"]
    if source and source not in {row["source"] for row in sheets}:
        return shell.not_found()
    chosen = next((row for row in sheets if row["source"] == source), sheets[0] if sheets else None)
    if chosen is None:
        nothing = html.P("Chưa có nguồn nào gửi bảng tính.", className="absent")
        return shell.desk_page(_title(), nothing, active="/upload")
    shown = {"list": files(chosen["source"])}
    return shell.desk_page(
        dcc.Store(id="upload-source", data=chosen["source"]),
        memory("upload", shown),
        _title(),
        _choice(sheets, chosen),
        html.Div([_template(chosen), _drop(chosen)], className="columns upload-steps"),
        components.card("Những tệp đã nạp", html.Div(shown["list"], id="upload-list")),
        active="/upload",
    )


@callback(
    Output("upload-list", "children"),
    Output("upload-seen", "data"),
    Input("live", "data"),
    State("upload-source", "data"),
    State("upload-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, source: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = {"list": files(str(source or ""))}
    new = marks(shown)
    return (*changed(shown, new, ["list"], seen), new)


def _title() -> Piece:
    return html.Div([html.H1("Nhập tay"), html.P(LEDE, className="lede upload-lede")])


def _choice(sheets: list[Row], chosen: Row) -> Piece:
    if len(sheets) < 2:
        return html.P(dcc.Link(chosen["name"], href=f"/sources/{chosen['source']}"))
    options = [
        (row["name"], link("/upload", source=row["source"]), row is chosen) for row in sheets
    ]
    return html.Div(components.choice(options, label="Nguồn"), className="upload-choice")


# ── the template ───────────────────────────────────────────────────────────────────────────


def _template(row: Row) -> Piece:
    form = query.form(desk().store, row["source"])
    if not form:
        words = "Nguồn này đọc kỳ báo cáo trong tên tệp theo cách riêng, nên không có mẫu chung."
        return components.card("1. Tải mẫu", html.P(words, className="under"))
    return components.card(
        "1. Tải mẫu",
        download(row["source"], form),
        html.P(
            "Mẫu có các cột sau; trang “Hướng dẫn” trong tệp có danh sách mã.", className="says"
        ),
        html.Ul(
            [html.Li(column["heading"]) for column in form["columns"]], className="upload-columns"
        ),
    )


def download(source: str, form: Row) -> Piece:
    """Which period, and a button: a plain form whose answer is the workbook."""
    last = Period.of(form["grain"], today()).previous()
    periods = [last.previous(n) for n in range(PERIODS.get(form["grain"], 3))]
    options = [html.Option(text.period(one.text), value=one.text) for one in periods]
    return html.Form(
        [
            html.Label("Kỳ báo cáo", htmlFor=f"period-{source}"),
            html.Select(options, id=f"period-{source}", name="period"),
            html.Button("Tải mẫu .xlsx", className="button"),
        ],
        action=f"/upload/template/{source}.xlsx",
        method="get",
        className="upload-form",
    )


# ── the file ───────────────────────────────────────────────────────────────────────────────


def _drop(row: Row) -> Piece:
    """Where files are dropped; assets/upload.js sends them."""
    if not writable():
        return components.card("2. Nạp tệp đã điền", html.P(CLOSED, className="absent"))
    limit = f"{' hoặc '.join(SUFFIXES)}, tối đa {MOST_BYTES >> 20} MB"
    return components.card(
        "2. Nạp tệp đã điền",
        html.Div(
            [
                html.P("Kéo tệp vào đây", className="upload-drag"),
                html.Button("Chọn tệp", id="upload-pick", type="button", className="button"),
                html.P(limit, className="under"),
            ],
            id="upload-drop",
            className="upload-drop",
            **{
                "data-source": row["source"],
                "data-most": str(MOST_BYTES),
                "data-suffixes": ",".join(SUFFIXES),
            },
        ),
        html.P("", id="upload-said", className="upload-said", role="status"),
        html.P(
            "Tên người, số định danh và điện thoại không bao giờ được lưu: chỉ những cột đã khai"
            " được đọc, tệp được xóa ngay sau khi đọc.",
            className="under",
        ),
    )


def files(source: str) -> Piece:
    """The last files, newest first, each with its state and why rows were not taken."""
    found = ask(query.uploads, sources=[source], limit=SHOWN).to_dict("records")
    if not found:
        return html.P("Chưa có tệp nào.", className="under")
    return html.Ul([_file(row) for row in found], className="upload-files")


def _file(row: Row) -> Piece:
    partly = row["state"] == "done" and row["rejected"]
    word, outcome = theme.REQUEST["in part" if partly else row["state"]]
    state = html.Span(
        [
            components.shape(theme.outcome(outcome), f"hue-run-{outcome or 'running'}"),
            html.Span(word, className="word"),
        ],
        className="status",
    )
    ended = row["state"] in ("done", "refused")
    run = f"{row['run']:.0f}" if text.known(row["run"]) else ""
    to_run = link(f"/sources/{row['source']}", run=run)
    given = text.join([
        f"{row['who']}, {text.minute(row['at'], now())}",
        f"{text.number(max(1, row['size'] / 1024))} KB",
        f"SHA-256 {row['hash'][:12]}",
    ])
    return html.Li(
        [
            html.Div([html.Strong(row["file"]), state], className="upload-head"),
            html.Span(given, className="under"),
            html.Span(text.sentence(runcard.counts(row)), className="says") if ended else None,
            html.P(row["note"], className="note-bad") if row["state"] == "refused" else None,
            components.more("Vì sao có dòng không nhận", runcard.refused(row["source"], int(run)))
            if run and ended and row["rejected"]
            else None,
            dcc.Link(f"lần chạy số {run}", href=to_run, className="cases-link") if run else None,
        ],
        **{"data-state": row["state"], "data-request": f"{row['request']:.0f}"},
    )
