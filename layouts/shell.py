"""What is around every page: header, sample mark, clock, live store, lost-connection band."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import dash
from dash import Input, Output, dcc, html
from flask import g

from ioc.errors import Forbidden
from kpi import query
from layouts import PAGES, Page, access, finder, past, printed, state, text
from layouts.components import Piece

PRODUCT = "Trung tâm điều hành thông minh"
TERRITORY = "Địa bàn tỉnh Quảng Bình (cũ)"
SAMPLE = "DỮ LIỆU MẪU"
ADMINISTER = ("operator", "admin")


def install(app: dash.Dash) -> None:
    """Give this app its layout, its pages and their callbacks."""
    app.layout = layout
    for page in PAGES:
        module = import_module(page.module)
        varies = "<" in page.path
        dash.register_page(
            page.module + (":one" if varies else ""),
            path=None if varies else page.path,
            path_template=page.path if varies else None,
            name=page.title,
            title=f"{page.title} · {PRODUCT}",
            layout=admitted(page, module.layout),
        )
    dash.register_page(
        "layouts.not_found_404",
        path="/khong-co-trang",
        name="Không có trang này",
        title=f"Không có trang này · {PRODUCT}",
        layout=not_found,
    )
    for parts, options, function in state.CALLBACKS:
        app.callback(*parts, past.SEARCH, **options)(past.aware(function, parts))


def admitted(page: Page, layout: Callable[..., Piece]) -> Callable[..., Piece]:
    """A page for those whose role may see it, and for the others a page that says so.

    It is of the instant that its address names (``as_of``), or says why it cannot be.
    """

    def admit(**given: Any) -> Piece:
        try:
            access.check(state.who(), "pages", page.path)
            state.home()
            drawn = layout(**past.take(page, given))
            return past.carry(drawn) if state.as_of() else drawn
        except Forbidden as error:
            return outside(str(error))
        except state.NoPast as error:
            state.hold(None)
            return desk_page(html.Div(past.refused(str(error)), className="blank"))

    return admit


def outside(why: str) -> Piece:
    """A page that this account may not see, or not of this org unit."""
    g.outside = True  # the web takes the refusal down
    return desk_page(
        html.Div(
            [
                html.H1("Ngoài phạm vi"),
                html.P(f"{text.sentence(why)}", className="lede"),
                dcc.Link("Về trang đầu", href="/", className="button"),
            ],
            className="blank",
        )
    )


def scope() -> str:
    """Whose figures a page shows that is opened without an org unit: the reader's own."""
    home = state.home()
    return TERRITORY if home == query.ROOT else state.desk().orgunits[home].name


def territory() -> str:
    """Which part of the territory the reader sees: all of it, or their own."""
    home = query.home(state.desk().store, state.who())
    if home == query.ROOT:
        return TERRITORY
    return f"Phạm vi: {state.desk().orgunits[home].name}" if home else "Ngoài phạm vi"


def layout() -> Piece:
    """What stays while pages come and go."""
    return html.Div(
        [
            dcc.Store(id="live", data=state.pulse()),
            html.Div(
                [
                    html.Strong("MẤT KẾT NỐI"),
                    " từ ",
                    html.Span("--:--", id="lost-since"),
                    html.Span(" — số trên màn hình là số cũ", className="lost-note"),
                ],
                id="lost-band",
                role="alert",
            ),
            dash.page_container,
        ],
        id="app",
    )


def desk_page(
    *children: Piece, active: str = "", crumbs: list[Piece] | None = None, asked: str = ""
) -> Piece:
    """A page at a desk: header with navigation, the page, footer with the data's version."""
    menu = [
        dcc.Link(
            page.menu,
            href=page.path,
            className="on" if page.path == active else "",
        )
        for page in PAGES
        if page.menu and access.may(state.who().role, "pages", page.path)
    ]
    return html.Div(
        [
            html.A("Đến nội dung chính", href="#main", className="skip"),
            html.Header(
                [
                    dcc.Link(
                        [
                            html.Span(PRODUCT, className="brand-name"),
                            html.Span(territory(), className="brand-place"),
                        ],
                        href="/",
                        className="brand",
                    ),
                    html.Nav(menu, **{"aria-label": "Trang"}),
                    finder.box(asked),
                    sample_mark(),
                    own_account(),
                    theme_button(),
                    clock(),
                ],
                className="masthead",
            ),
            past.band(),
            printed.line(),
            html.Nav(crumbs, className="crumbs", **{"aria-label": "Đường dẫn"}) if crumbs else None,
            html.Main(children, id="main"),
            html.Footer([
                html.Span(f"{PRODUCT} — {territory()}"),
                html.Span(version_text(), id="footer-version"),
                html.Span("Giờ Việt Nam (UTC+7)"),
                past.entry(),
                _for_programs(),
                dcc.Link("Quản trị", href="/admin") if state.who().role in ADMINISTER else None,
                open_notice(),
            ]),
        ],
        className="desk",
    )


def _for_programs() -> Piece | None:
    """The way to the data addresses, for whoever may see how they are asked."""
    if not access.may(state.who().role, "pages", "/api"):
        return None
    return dcc.Link("Dữ liệu cho chương trình (API)", href="/api")


def sample_mark() -> Piece:
    """Says that figures are a sample; the server decides, no reader can switch it off."""
    return html.Div(
        SAMPLE,
        id="sample-mark",
        hidden=not state.sample(),
        className="sample-mark",
        title="Số liệu tổng hợp để trình diễn, không phải số thật",
    )


def open_notice() -> Piece | None:
    """Says that nobody signs in here, and therefore nobody else may come."""
    if state.desk().settings.auth != "open":
        return None
    return html.Span("Chế độ mở: không đăng nhập, chỉ dùng trên máy này", className="open-notice")


def own_account() -> Piece | None:
    """The way to one's own account, and with it out of here."""
    if state.desk().settings.auth != "accounts":
        return None
    return html.A(state.who().name, href="/account", className="own-account", title="Tài khoản")


def theme_button() -> Piece:
    """Turns light to dark and back; assets/theme.js listens and remembers."""
    return html.Button(
        html.Span(className="theme-shape", **{"aria-hidden": "true"}),
        type="button",
        className="theme-button",
        title="Nền sáng hoặc tối",
        **{"aria-label": "Đổi nền sáng hoặc tối"},
    )


def clock() -> Piece:
    """The page's clock; assets/clock.js moves it, so a frozen screen shows."""
    here = text.local(state.present())
    return html.Div(
        [
            html.Span(f"{here:%H:%M:%S}", className="clock-time"),
            html.Span(f"{here:%d/%m/%Y}", className="clock-date"),
        ],
        className="clock",
        role="timer",
        **{"aria-label": "Giờ của trang"},
    )


def version_text() -> str:
    """Which state of the data the page was drawn from, and when."""
    if state.as_of() is not None:
        return f"Số liệu như đã biết {past.told()}"
    at = f"{text.local(state.now()):%H:%M:%S}"
    return f"Phiên bản dữ liệu {text.number(state.desk().store.version())} · trang cập nhật {at}"


def not_found(**_: Any) -> Piece:
    """An address that leads nowhere."""
    return desk_page(
        html.Div(
            [
                html.H1("Không có trang này"),
                html.P("Địa chỉ có thể đã gõ sai hoặc trang đã chuyển đi."),
                dcc.Link("Về danh sách chỉ tiêu", href="/", className="button"),
            ],
            className="blank",
        )
    )


def crumb(*steps: tuple[str, str]) -> list[Piece]:
    """Links from the whole to the part; the last step is where we are."""
    pieces: list[Piece] = []
    for name, href in steps:
        pieces += [dcc.Link(name, href=href) if href else html.Span(name), html.Span("›")]
    return pieces[:-1]


@state.callback(Output("sample-mark", "hidden"), Input("live", "data"), prevent_initial_call=True)
def draw_mark(_live: Any) -> bool:
    """The mark follows the sources that are loaded."""
    return not state.sample()


@state.callback(
    Output("footer-version", "children"), Input("live", "data"), prevent_initial_call=True
)
def draw_version(_live: Any) -> str:
    """The version follows the data."""
    return version_text()
