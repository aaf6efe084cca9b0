"""JSON over HTTP: the union of all pages, an end in every case, a cursor that is safe."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.io import IO
from connectors.kinds import rest
from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import Broken, Transient
from ioc.model import Batch
from ioc.source import Source
from kpi import health
from kpi.store import KpiStore
from tests.chaos import Answer, Chaos, Request, serve
from tests.fields import dossier, rest_source

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ALL = [dossier(f"A{i}", capNhat=f"2024-03-05T08:00:{i:02d}.{i:06d}+07:00") for i in range(25)]
CURSOR = Lined({"kind": "cursor", "rows_path": "data", "cursor_param": "sau", "next_path": "tiep"})
PAGE = Lined({"kind": "page", "rows_path": "data", "size_param": "co", "size": 10})


def walk(source: Source, since: str | None = None) -> list[Batch]:
    with IO(source, now=lambda: NOW, sleep=lambda _: None, env={}) as io:
        return list(rest.poll(source, since, io))


def keys(batches: list[Batch]) -> list[str]:
    return [row["ma"] for batch in batches for row in batch.rows]


def journal(request: Request, size: int = 10) -> Answer:
    """A change journal: the cursor is a row number, the end says it again."""
    start = int(request.query.get("sau", 0))
    rows = ALL[start : start + size]
    return Answer({"data": rows, "tiep": str(start + len(rows)), "con": start + size < len(ALL)})


def numbered(request: Request, total: Any = 25, size: int = 10) -> Answer:
    start = (int(request.query.get("page", 1)) - 1) * size
    return Answer({"data": ALL[start : start + size], "tong": total})


# -- 16: the union of all pages is the whole -----------------------------------------------------


def test_a_journal_gives_everything_and_each_page_may_be_resumed_from() -> None:
    with Chaos(journal) as server:
        source = rest_source(server.url, paging=CURSOR)
        batches = walk(source)
        assert keys(batches) == [row["ma"] for row in ALL]
        assert [batch.cursor for batch in batches] == ["10", "20", "25"]
        assert [batch.position(0) for batch in batches] == ["/#1", "/#11", "/#21"]
        for batch in batches[:2]:
            done = int(batch.cursor or 0)
            assert keys(walk(source, batch.cursor)) == [row["ma"] for row in ALL[done:]]
        server.requests.clear()
        assert walk(source, "25") == []
        assert len(server.requests) == 1


def test_a_flag_for_more_saves_the_last_empty_page() -> None:
    with Chaos(journal) as server:
        source = rest_source(server.url, paging=CURSOR, options=Lined({"more_path": "con"}))
        assert len(keys(walk(source))) == 25
        assert len(server.requests) == 3


@pytest.mark.parametrize("total", [25, "25", None])
def test_numbered_pages_give_everything_whether_the_total_is_a_number_a_text_or_missing(
    total: Any,
) -> None:
    with Chaos(lambda request: numbered(request, total)) as server:
        paging = Lined({**PAGE, "total_path": "tong"})
        assert len(set(keys(walk(rest_source(server.url, paging=paging))))) == 25
        assert len(server.requests) == (3 if total else 4)


def test_a_server_that_caps_its_pages_below_what_was_asked_loses_nothing() -> None:
    with Chaos(lambda request: numbered(request, None, size=7)) as server:
        assert len(keys(walk(rest_source(server.url, paging=PAGE)))) == 25


def test_offsets_give_everything() -> None:
    def answer(request: Request) -> Answer:
        start = int(request.query["tu"])
        return Answer({"data": ALL[start : start + 8]})

    with Chaos(answer) as server:
        paging = Lined({"kind": "offset", "rows_path": "data", "offset_param": "tu"})
        assert keys(walk(rest_source(server.url, paging=paging))) == [row["ma"] for row in ALL]
        assert [request.query["tu"] for request in server.requests] == ["0", "8", "16", "24", "25"]


def linked(place: Callable[[str], dict[str, Any]]) -> Callable[[Request], Answer]:
    """Pages that point to the next by a link which ``place`` puts into the answer."""

    def answer(request: Request) -> Answer:
        start = int(request.query.get("tu", 0))
        spec = place(f"?tu={start + 10}") if start + 10 < len(ALL) else place("")
        return Answer({"data": ALL[start : start + 10], **spec.get("body", {})}, **spec["more"])

    return answer


BODY_LINK = {"kind": "body_link", "rows_path": "data", "next_path": "lien.sau"}
HEADER_LINK = {"kind": "header_link", "rows_path": "data"}


def in_header(pattern: str) -> Callable[[str], dict[str, Any]]:
    """A Link header after a pattern; without a next link there is only the first."""
    return lambda link: {
        "more": {"headers": {"Link": pattern.replace("NEXT", link) if link else "</x>; rel=first"}}
    }


LINKS: list[tuple[dict[str, Any], Callable[[str], dict[str, Any]]]] = [
    (BODY_LINK, lambda link: {"body": {"lien": {"sau": link or None}}, "more": {}}),
    (HEADER_LINK, in_header('<NEXT>; rel="next"')),
    (HEADER_LINK, in_header("</x>; rel=first, <NEXT>; rel=next, </y>; rel=last")),
    (
        HEADER_LINK,
        in_header('</x>; rel="first"; title="a, b; rel=next", <NEXT>;REL="prefetch Next"'),
    ),
]


@pytest.mark.parametrize(("paging", "place"), LINKS)
def test_links_in_the_body_or_the_header_are_resolved_and_followed(paging: Any, place: Any) -> None:
    with Chaos(linked(place)) as server:
        source = rest_source(server.url, paging=Lined(paging))
        batches = walk(source)
        assert keys(batches) == [row["ma"] for row in ALL]
        assert batches[0].cursor == "/?tu=10"
        assert keys(walk(source, "/?tu=10")) == [row["ma"] for row in ALL[10:]]


def test_a_cursor_in_a_header_is_followed() -> None:
    def answer(request: Request) -> Answer:
        start = int(request.query.get("cursor", 0))
        headers = {"X-Next": str(start + 10)} if start < 20 else {}
        return Answer({"data": ALL[start : start + 10]}, headers=headers)

    with Chaos(answer) as server:
        paging = {"kind": "header_cursor", "rows_path": "data", "next_header": "X-Next"}
        assert keys(walk(rest_source(server.url, paging=Lined(paging)))) == [r["ma"] for r in ALL]


@pytest.mark.parametrize(
    ("paging", "fault"),
    [
        ({"kind": "body_link"}, "body_link cần next_path"),
        ({"kind": "header_cursor"}, "header_cursor cần next_header"),
        ({"kind": "page", "next_path": "a"}, "page không dùng next_path"),
        ({"kind": "offset", "first": 0}, "offset không dùng first"),
        ({"kind": "header_link", "total_path": "n"}, "header_link không dùng total_path"),
        ({"cursor_param": "sau"}, "none không dùng cursor_param"),
        ({"kind": "page", "size": 10}, "size cần size_param"),
        ({"kind": "links"}, "phải là"),
    ],
)
def test_a_paging_that_cannot_work_is_refused_before_the_first_poll(
    paging: dict[str, Any], fault: str
) -> None:
    with pytest.raises(AssertionError, match=fault):
        rest_source("http://127.0.0.1:1", paging=Lined(paging))


@pytest.mark.parametrize(("paging", "since"), [(BODY_LINK, "25"), (dict(CURSOR), "/?tu=10")])
def test_a_watermark_of_another_paging_is_refused_not_guessed(paging: Any, since: str) -> None:
    with Chaos(serve(Answer({"data": ALL}))) as server, pytest.raises(Broken, match="mốc đã lưu"):
        walk(rest_source(server.url, paging=Lined(paging)), since)
    assert server.requests == []


# -- 17, 20: it ends, and never elsewhere --------------------------------------------------------


def test_a_next_link_to_a_host_that_only_redirects_may_lead_to_is_refused_too() -> None:
    with Chaos(serve(Answer({"data": ALL}))) as other:
        answer = Answer({"data": ALL, "lien": {"sau": f"{other.url}/?x=1"}})
        options = Lined({"hosts": [other.url]})
        with Chaos(serve(answer)) as server, pytest.raises(Broken, match="máy khác"):
            walk(rest_source(server.url, paging=Lined(BODY_LINK), options=options))
        assert other.requests == []


@pytest.mark.parametrize("link", ["http://ke-gian.example/?x=1", "//ke-gian.example/?x=1"])
@pytest.mark.parametrize("paging", [BODY_LINK, HEADER_LINK])
def test_a_next_link_to_another_host_is_refused_and_its_page_is_not_resumed_from(
    paging: Any, link: str
) -> None:
    answer = Answer({"data": ALL, "lien": {"sau": link}}, headers={"Link": f"<{link}>; rel=next"})
    with Chaos(serve(answer)) as server, pytest.raises(Broken, match="ke-gian"):
        walk(rest_source(server.url, paging=Lined(paging)))
    assert len(server.requests) == 1


def test_a_repeated_cursor_ends_the_walk() -> None:
    turns = serve(*(Answer({"data": ALL[:2], "tiep": f"c{i % 3}"}) for i in range(9)))
    with Chaos(turns) as server, pytest.raises(Broken, match="đã dùng"):
        walk(rest_source(server.url, paging=CURSOR))
    assert len(server.requests) == 4


@pytest.mark.parametrize("paging", [dict(CURSOR), BODY_LINK, HEADER_LINK])
def test_endless_new_cursors_and_links_meet_the_page_cap(paging: Any) -> None:
    counter = iter(range(10**6))

    def answer(_: Request) -> Answer:
        n = next(counter)
        headers = {"Link": f"<?n={n}>; rel=next"}
        return Answer({"data": ALL, "tiep": n, "lien": {"sau": f"?n={n}"}}, headers=headers)

    with Chaos(answer) as server:
        options = Lined({"max_pages": 12})
        with pytest.raises(Broken, match="12 trang"):
            walk(rest_source(server.url, paging=Lined(paging), options=options))
    assert len(server.requests) == 12


@pytest.mark.parametrize("paging", [BODY_LINK, HEADER_LINK])
def test_a_next_link_to_the_page_itself_ends_the_walk(paging: Any) -> None:
    answer = Answer({"data": ALL, "lien": {"sau": "?n=1"}}, headers={"Link": "<?n=1>; rel=next"})
    with Chaos(serve(answer)) as server, pytest.raises(Broken, match="đã dùng"):
        walk(rest_source(server.url, paging=Lined(paging)))
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", ["page", "offset"])
def test_a_server_that_ignores_the_page_number_is_noticed(kind: str) -> None:
    with (
        Chaos(serve(Answer({"data": ALL}))) as server,
        pytest.raises(Broken, match="cùng một trang"),
    ):
        walk(rest_source(server.url, paging=Lined(PAGE | {"kind": kind})))
    assert len(server.requests) == 2


@pytest.mark.parametrize("total", [-1, "nhiều", 2.5, [], True])
def test_a_total_that_is_no_number_is_broken(total: Any) -> None:
    paging = Lined({**PAGE, "total_path": "tong"})
    with Chaos(lambda r: numbered(r, total)) as server, pytest.raises(Broken, match="tổng số"):
        walk(rest_source(server.url, paging=paging))


@pytest.mark.parametrize("cursor", [{"a": 1}, ["x"], True, 1.5])
def test_a_cursor_that_is_no_text_is_broken(cursor: Any) -> None:
    answer = Answer({"data": ALL, "tiep": cursor})
    with Chaos(serve(answer)) as server, pytest.raises(Broken, match="con trỏ"):
        walk(rest_source(server.url, paging=CURSOR))


@pytest.mark.parametrize(
    "data", [{"loi": "sai"}, {"data": None}, {"data": {"a": 1}}, [], "x", 5, None]
)
def test_an_answer_without_rows_is_broken_not_empty(data: Any) -> None:
    with Chaos(serve(Answer(data))) as server, pytest.raises(Broken, match="danh sách dòng"):
        walk(rest_source(server.url, paging=CURSOR))


def test_a_page_with_too_many_rows_is_broken() -> None:
    options = Lined({"max_rows": 20})
    with Chaos(serve(Answer({"data": ALL}))) as server, pytest.raises(Broken, match="25 dòng"):
        walk(rest_source(server.url, options=options))


# -- fault 16: rows moved between pages ----------------------------------------------------------


def test_rows_that_moved_between_pages_make_the_walk_incomplete_and_move_no_watermark() -> None:
    def moving(request: Request) -> Answer:
        number = int(request.query["page"])
        rows = ALL if number == 1 else [ALL[-1], *ALL[:-1]]  # one moved to the front meanwhile
        return Answer({"data": rows[(number - 1) * 10 : number * 10], "tong": 25})

    paging = Lined({**PAGE, "total_path": "tong"})
    options = Lined({"since_param": "tu", "since_field": "capNhat"})
    with Chaos(moving) as server:
        source = rest_source(server.url, paging=paging, options=options)
        got: list[Batch] = []
        with IO(source, now=lambda: NOW, env={}) as io, pytest.raises(Transient, match="25 dòng"):
            got.extend(rest.poll(source, None, io))
        with IO(source, now=lambda: NOW, env={}) as io:
            poll = rest.poll(source, None, io)
            got = [next(poll) for _ in range(3)]
        assert [batch.cursor for batch in got] == [None, None, None]


def test_a_walk_that_is_not_whole_covers_nothing_and_the_next_one_catches_up(
    sqlite_store: KpiStore, tmp_path: Path
) -> None:
    turns = [[*ALL[:10]], [*ALL[9:19]], [*ALL[19:24]], [*ALL[:10]], [*ALL[10:20]], [*ALL[20:]]]
    paging = Lined({**PAGE, "total_path": "tong"})
    options = Lined({"since_param": "tu", "since_field": "capNhat"})
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    with Chaos(serve(*(Answer({"data": rows, "tong": 25}) for rows in turns))) as server:
        source = rest_source(server.url, paging=paging, options=options)
        health.publish_sources(sqlite_store, [source])
        torn, whole = (poll(sqlite_store, source, settings, now=NOW) for _ in range(2))
        assert [request.query.get("tu") for request in server.requests] == [None] * 6
    assert (torn["outcome"], whole["outcome"]) == ("partial", "ok")
    assert "25 dòng" in torn["note"] and whole["new"] == 25 - torn["new"] > 0
    with sqlite_store.read() as connection:
        covered = connection.exec_driver_sql("SELECT covered_until FROM poll_run ORDER BY run")
        assert [at is None for at in covered.scalars()] == [True, False]


# -- 8-12, 15: the change time -------------------------------------------------------------------

CHANGES = Lined({"since_param": "tu", "since_field": "capNhat"})


def test_the_watermark_is_the_newest_change_as_the_source_wrote_it_whatever_the_order() -> None:
    rows = [ALL[3], ALL[24], ALL[7]]
    with Chaos(serve(Answer({"data": rows}))) as server:
        batches = walk(rest_source(server.url, options=CHANGES))
    assert batches[-1].cursor == "2024-03-05T08:00:24.000024+07:00"


def test_the_watermark_never_moves_backwards_and_equal_rows_are_asked_for_again() -> None:
    since = ALL[20]["capNhat"]
    with Chaos(serve(Answer({"data": [ALL[3], ALL[20]]}))) as server:
        batches = walk(rest_source(server.url, options=CHANGES), since)
        assert server.requests[0].query["tu"] == since
    assert keys(batches) == ["A3", "A20"]
    assert all(batch.cursor in (None, since) for batch in batches)


def test_lag_reads_again_behind_the_watermark() -> None:
    with Chaos(serve(Answer({"data": []}))) as server:
        walk(rest_source(server.url, options=CHANGES, lag="1h"), "2024-03-05T08:00:00+07:00")
        assert server.requests[0].query["tu"] == "2024-03-05T00:00:00+00:00"


def test_a_change_time_far_ahead_does_not_carry_the_watermark_away() -> None:
    rows = [ALL[3], dossier("X", capNhat="2999-01-01T00:00:00+07:00")]
    with Chaos(serve(Answer({"data": rows}))) as server:
        batches = walk(rest_source(server.url, options=CHANGES))
    assert batches[-1].cursor == ALL[3]["capNhat"]


def test_a_row_without_a_change_time_is_given_and_moves_no_watermark() -> None:
    entries = [ALL[3], dossier("X", capNhat=None), dossier("Y", capNhat="rác"), 5]
    with Chaos(serve(Answer({"data": entries}))) as server:
        batches = walk(rest_source(server.url, options=CHANGES))
    assert [len(batch.rows) for batch in batches] == [4, 0]
    assert batches[-1].cursor == ALL[3]["capNhat"]


@pytest.mark.parametrize("since", ["2999-01-01T00:00:00+07:00", "rác", "", "{}"])
def test_a_watermark_in_the_far_future_or_corrupt_is_reported_and_reads_nothing(since: str) -> None:
    with Chaos(serve(Answer({"data": ALL}))) as server, pytest.raises(Broken, match="mốc đã lưu"):
        walk(rest_source(server.url, options=CHANGES), since)
    assert server.requests == []


def test_a_whole_answer_is_one_batch_that_says_so() -> None:
    paging = Lined({**PAGE, "total_path": "tong"})
    with Chaos(numbered) as server:
        [batch] = walk(rest_source(server.url, paging=paging, options=Lined({"whole": True})))
    assert batch.whole and len(batch.rows) == 25
