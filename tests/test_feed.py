"""Feeds: RSS, Atom and CAP 1.2 as servers write them, and feeds that attack or mislead."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from connectors import mapping
from connectors.config import load_sources
from connectors.io import IO
from connectors.kinds import feed
from connectors.poller import poll
from connectors.sandbox import online_information, public_order
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from ioc.config import Lined
from ioc.errors import Broken, NeedsCredentials, Transient
from ioc.model import Batch, Record, Rejection
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL
from ioc.source import Source
from kpi import health
from tests.chaos import Answer, Chaos, Request, serve
from tests.fields import source_of

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ATOM, CAP = "http://www.w3.org/2005/Atom", "urn:oasis:names:tc:emergency:cap:1.2"


def news(url: str, **entries: Any) -> Source:
    given: dict[str, Any] = {
        "id": "news",
        "name": "Nguồn tin thử",
        "kind": "feed",
        "url": url,
        "owner": "STTTT",
        "every": "30s",
        "serves": ["department", "commune"],
        "key": "id",
        "record": "mention",
        "fields": Lined({
            "org_unit": 'categories."don-vi"',
            "opened_at": "published",
            "changed_at": "updated",
        }),
    }
    return source_of(**(given | entries))


def door(source: Source) -> IO:
    return IO(source, now=lambda: NOW, sleep=lambda _: None, env={})


def walk(source: Source, since: str | None = None) -> list[Batch]:
    with door(source) as io:
        return list(feed.poll(source, since, io))


def rows(source: Source, since: str | None = None) -> list[dict[str, Any]]:
    return [dict(row) for batch in walk(source, since) for row in batch.rows]


def entry(number: int, updated: str = "2026-11-20T08:00:00+07:00", more: str = "") -> str:
    return (
        f"<entry><id>urn:{number}</id><title>Ông Nguyễn Văn A bức xúc</title>"
        f"<author><name>Trần Văn B</name></author><published>2026-11-20T07:00:00+07:00</published>"
        f"<updated>{updated}</updated><category scheme='urn:x:don-vi' term='SYT'/>{more}</entry>"
    )


def atom(*entries: str, link: str = "", head: str = "") -> bytes:
    following = f"<link rel='next' href='{link}'/>" if link else ""
    return (
        f"<?xml version='1.0' encoding='utf-8'?>{head}<feed xmlns='{ATOM}'><id>urn:f</id>"
        f"<title>x</title>{following}{''.join(entries)}</feed>"
    ).encode()


def xml(body: bytes, **more: Any) -> Answer:
    return Answer(body=body, type="application/atom+xml", **more)


# -- shapes ----------------------------------------------------------------------------------------


def test_an_atom_entry_is_its_codes_and_times_and_none_of_its_words() -> None:
    with Chaos(serve(xml(atom(entry(1))))) as server:
        found = rows(news(server.url))
    assert found == [{
        "id": "urn:1",
        "published": "2026-11-20T07:00:00+07:00",
        "updated": "2026-11-20T08:00:00+07:00",
        "categories": {"don-vi": "SYT"},
    }]  # fmt: skip


RSS = (
    "<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel><title>x</title>{}"
    "</channel></rss>"
)
ITEM = (
    "<item><title>Bà Nguyễn Thị Mẫu</title><guid isPermaLink='false'>tin-1</guid>"
    "<pubDate>Fri, 20 Nov 2026 08:00:00 +0700</pubDate>"
    "<category domain='don-vi'>SYT</category></item>"
)


@pytest.mark.parametrize(
    ("body", "type"),
    [
        (RSS.format(ITEM).encode(), "application/rss+xml"),
        (b"\xef\xbb\xbf" + RSS.format(ITEM).encode(), "text/xml"),
        (
            ("<?xml version='1.0' encoding='windows-1258'?>" + RSS.format(ITEM))
            .replace("Bà Nguyễn Thị Mẫu", "Đà Nẵng"[:2])
            .encode("cp1258"),
            "application/xml",
        ),
    ],
)
def test_rss_is_read_in_its_own_encoding_and_its_times_become_iso(body, type) -> None:
    with Chaos(serve(Answer(body=body, type=type))) as server:
        (found,) = rows(news(server.url))
    assert found["id"] == "tin-1" and found["categories"] == {"don-vi": "SYT"}
    assert found["updated"] == found["published"] == "2026-11-20T08:00:00+07:00"


LAND = "\u0110\u00e2\u0301t \u0111ai"  # as windows-1258 writes it: the tone is a sign of its own


@pytest.mark.parametrize(
    ("declared", "encoding", "type"),
    [
        ("windows-1258", "cp1258", "application/xml"),
        ("", "cp1258", "application/xml; charset=windows-1258"),
        ("", "utf-8-sig", "application/rss+xml; charset=windows-1258"),
        ("utf-8", "utf-8", "text/xml; charset=iso-8859-1"),
        ("utf-16", "utf-16", "application/xml"),
    ],
)
def test_words_are_read_in_the_encoding_that_the_document_or_else_the_server_says(
    declared, encoding, type
) -> None:
    body = RSS.format(ITEM.replace("SYT", LAND).replace("Bà Nguyễn Thị Mẫu", ""))
    if declared:
        body = f"<?xml version='1.0' encoding='{declared}'?>{body}"
    with Chaos(serve(Answer(body=body.encode(encoding), type=type))) as server:
        source = news(server.url, fields=Lined({
            "org_unit": "id", "opened_at": "published",
            "category": Lined({"path": 'categories."don-vi"', "values": {"Đất đai": "land"}}),
        }))  # fmt: skip
        (batch,) = walk(source)
    (record,) = mapping.compile(source, b"a key of thirty-two bytes for it").map_rows(batch, NOW)
    assert isinstance(record, Record) and record.category == "land"


def test_another_encoding_than_the_declared_one_is_refused_and_never_guessed() -> None:
    body = (
        "<?xml version='1.0' encoding='utf-8'?>" + RSS.format(ITEM.replace("SYT", LAND))
    ).replace("Bà Nguyễn Thị Mẫu", "")
    answer = Answer(body=body.encode("cp1258"), type="text/xml")
    with Chaos(serve(answer)) as server, pytest.raises(Broken, match="XML"):
        walk(news(server.url))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Fri, 20 Nov 2026 08:00:00 +0700", "2026-11-20T01:00:00"),
        ("Fri, 20 Nov 2026 08:00:00 GMT+7", "2026-11-20T01:00:00"),
        ("Fri, 20 Nov 2026 01:00:00 GMT", "2026-11-20T01:00:00"),
        ("Fri, 20 Nov 2026 01:00:00 -0000", "2026-11-20T01:00:00"),
        ("Fri, 20 Nov 2026 08:00:00", "2026-11-20T01:00:00"),
        ("2026-11-20T08:00:00", "2026-11-20T01:00:00"),
        ("2026-11-20T01:00:00.123456Z", "2026-11-20T01:00:00.123456"),
        ("03/12/2026 08:00", None),
        ("Fri, 20 Nov 2026 08:00:00 XYZ", None),
        ("hôm qua", None),
    ],
)
def test_a_time_is_of_the_zone_that_it_or_the_source_says_or_it_is_refused(written, read) -> None:
    body = RSS.format(ITEM.replace("Fri, 20 Nov 2026 08:00:00 +0700", written)).encode()
    with Chaos(serve(Answer(body=body, type="text/xml"))) as server:
        source = news(server.url)
        (batch,) = walk(source)
    (item,) = mapping.compile(source, b"a key of thirty-two bytes for it").map_rows(batch, NOW)
    if read is None:
        assert isinstance(item, Rejection) and "published" in item.reason
        assert json.loads(batch.cursor or "")["seen"] is None
    else:
        assert isinstance(item, Record)
        assert item.opened_at == datetime.fromisoformat(f"{read}+00:00")


def test_a_form_of_time_that_the_source_declares_also_moves_its_watermark() -> None:
    body = RSS.format(ITEM.replace("Fri, 20 Nov 2026 08:00:00 +0700", "03/11/2026 08:00"))
    with Chaos(serve(Answer(body=body.encode(), type="text/xml"))) as server:
        (batch,) = walk(news(server.url, formats=Lined({"instant": "%d/%m/%Y %H:%M"})))
    assert json.loads(batch.cursor or "")["seen"] == "2026-11-03T01:00:00+00:00"


def test_an_entry_without_an_id_is_known_by_its_link() -> None:
    item = ITEM.replace(
        "<guid isPermaLink='false'>tin-1</guid>", "<link>http://bao.example/1</link>"
    )
    with Chaos(serve(Answer(body=RSS.format(item).encode(), type="text/xml"))) as server:
        (found,) = rows(news(server.url))
        assert found["id"] == "http://bao.example/1"
        assert [request.path for request in server.requests] == ["/"]


def test_a_date_of_dublin_core_is_a_time_too() -> None:
    item = ITEM.replace("<pubDate>Fri, 20 Nov 2026 08:00:00 +0700</pubDate>",
                        "<dc:date>2026-11-20T08:00:00+07:00</dc:date>")  # fmt: skip
    with Chaos(serve(Answer(body=RSS.format(item).encode(), type="text/xml"))) as server:
        (found,) = rows(news(server.url))
    assert datetime.fromisoformat(found["updated"]) == datetime(2026, 11, 20, 1, tzinfo=UTC)


ALERT = (
    f"<alert xmlns='{CAP}'><identifier>B</identifier><sender>s</sender>"
    "<sent>2026-11-20T09:00:00+07:00</sent><status>Actual</status><msgType>Update</msgType>"
    "<scope>Public</scope><references>s,A,2026-11-20T08:00:00+07:00 s,AA,2026-11-20T08:30:00+07:00"
    "</references><info><category>Met</category><event>Lũ</event><urgency>Expected</urgency>"
    "<severity>Severe</severity><certainty>Likely</certainty><expires>2026-11-21T09:00:00+07:00"
    "</expires><headline>Ông Nguyễn Văn A</headline><area><areaDesc>nhà bà B</areaDesc>"
    "<polygon>17.0,106.0 17.0,107.0 18.0,107.0 18.0,106.0 17.0,106.0</polygon><geocode>"
    "<valueName>maXa</valueName><value>19207</value></geocode></area></info></alert>"
)


@pytest.mark.parametrize("linked", [False, True])
def test_an_alert_in_an_entry_or_behind_it_is_its_codes_place_and_times(linked) -> None:
    inline = f"<content type='application/cap+xml'>{ALERT}</content>"
    link = "<link rel='enclosure' type='application/cap+xml' href='/alert/1.xml'/>"

    def answer(request: Request) -> Answer:
        if request.path.startswith("/alert/"):
            return Answer(body=ALERT.encode(), type="application/cap+xml")
        return xml(atom(entry(1, more=link if linked else inline)))

    with Chaos(answer) as server:
        (found,) = rows(news(server.url))
    cap = found["cap"]
    assert (cap["identifier"], cap["first"], cap["msgType"]) == ("B", "A", "Update")
    assert (cap["severity"], cap["geocodes"]) == ("Severe", {"maXa": "19207"})
    assert (float(cap["lat"]), float(cap["lon"])) == (17.5, 106.5)
    assert "Nguyễn" not in json.dumps(found, ensure_ascii=False)


def alert(name: str, sent: str, references: str = "", **words: str) -> str:
    """An alert in the content of its entry."""
    said = {"status": "Actual", "msgType": "Update" if references else "Alert"} | words
    named = "".join(f"<c:{tag}>{text}</c:{tag}>" for tag, text in said.items())
    return (
        f"<content type='application/cap+xml'><c:alert xmlns:c='{CAP}'><c:identifier>{name}"
        f"</c:identifier><c:sent>{sent}</c:sent>{named}<c:references>{references}</c:references>"
        "<c:info><c:category>Fire</c:category><c:source>bà Lê Thị Mẫu</c:source></c:info></c:alert>"
        "</content>"
    )


def test_each_message_of_an_incident_has_the_identifier_of_the_first() -> None:
    eight, nine, ten = (f"2026-11-20T{hour:02d}:00:00+07:00" for hour in (8, 9, 10))
    told = [
        entry(3, ten, alert("C", ten, f"s,B,{nine}", msgType="Cancel")),
        entry(2, nine, alert("B", nine, f"s,A2,{nine} s,A,{eight}")),
        entry(1, eight, alert("A", eight)),
    ]
    with Chaos(serve(xml(atom(*told)))) as server:
        found = rows(news(server.url))
        assert {(row["cap"]["first"], row["cap"]["first_sent"]) for row in found} == {("A", eight)}
        assert [row["cap"]["msgType"] for row in found] == ["Alert", "Update", "Cancel"]
        seen = json.dumps({
            "v": 1,
            "seen": "2026-11-20T02:30:00+00:00",
            "etag": None,
            "modified": None,
        })
        (last,) = rows(news(server.url), seen)  # the one between is old, and still in the window
    cap = last["cap"]
    assert (cap["identifier"], cap["first"], cap["first_sent"]) == ("C", "A", eight)


def test_messages_that_refer_to_each_other_end_nowhere_but_end() -> None:
    nine = "2026-11-20T09:00:00+07:00"
    told = [
        entry(2, nine, alert("B", nine, f"s,A,{nine}")),
        entry(1, nine, alert("A", nine, f"s,B,{nine}")),
    ]
    with Chaos(serve(xml(atom(*told)))) as server:
        assert len(rows(news(server.url))) == 2


@pytest.mark.parametrize("words", [{"status": "Exercise"}, {"status": "Test"}, {"msgType": "Ack"}])
def test_an_exercise_a_test_and_a_receipt_are_no_incidents_and_the_run_says_so(words) -> None:
    nine = "2026-11-20T09:00:00+07:00"
    told = [entry(2, nine, alert("B", nine, **words)), entry(1, nine, alert("A", nine))]
    with Chaos(serve(xml(atom(*told)))) as server, door(news(server.url)) as io:
        (batch,) = feed.poll(news(server.url), None, io)
    assert [row["cap"]["identifier"] for row in batch.rows] == ["A"]
    assert "bỏ qua 1 cảnh báo" in io.notes[0]


def test_two_entries_of_one_id_keep_each_its_own_alert() -> None:
    eight, nine = (f"2026-11-20T{hour:02d}:00:00+07:00" for hour in (8, 9))
    told = [entry(1, nine, alert("B", nine, f"s,A,{eight}")), entry(1, eight, alert("A", eight))]
    with Chaos(serve(xml(atom(*told)))) as server:
        found = rows(news(server.url))
    assert [(row["updated"], row["cap"]["identifier"]) for row in found] == [
        (eight, "A"),
        (nine, "B"),
    ]


def test_the_words_of_an_alert_are_not_taken_for_those_of_its_entry() -> None:
    with Chaos(serve(xml(atom(entry(1, more=alert("A", "2026-11-20T08:00:00Z")))))) as server:
        (found,) = rows(news(server.url))
    assert found["categories"] == {"don-vi": "SYT"} and "Mẫu" not in repr(found)


def test_one_alert_that_cannot_be_read_is_refused_and_stops_no_other(
    sqlite_store, tmp_path
) -> None:
    documents = {
        "/1": Answer(status=404),
        "/2": Answer(body=f"{LAUGHS}{ALERT}".encode(), type="application/cap+xml"),
        "/3": Answer(body=ALERT.encode(), type="application/cap+xml"),
    }
    link = "<link rel='enclosure' type='application/cap+xml' href='/{}'/>"
    told = [entry(i, more=link.format(i)) for i in (1, 2, 3)]
    with Chaos(lambda request: documents.get(request.path) or xml(atom(*told))) as server:
        source = news(server.url)
        health.publish_sources(sqlite_store, [source])
        settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
        run = poll(sqlite_store, source, settings, now=NOW)
        assert (run["outcome"], run["new"], run["rejected"]) == ("partial", 1, 2), run
        assert "404" in run["note"] and "DTD" in run["note"]
        documents["/3"] = Answer(status=404)
        with pytest.raises(Broken, match="không đọc được cảnh báo nào"):
            walk(source)


def linked(number: int, updated: str) -> str:
    more = f"<link rel='enclosure' type='application/cap+xml' href='/{number}'/>"
    return entry(number, updated, more)


def test_a_refused_alert_is_tried_again_alone_until_it_is_given_or_a_day_old() -> None:
    times = [f"2026-11-21T{hour:02d}:00:00+07:00" for hour in range(10, 14)]
    told = [linked(i, times[i]) for i in (3, 2, 1, 0)]
    missing, good = {"/0", "/1", "/2"}, Answer(body=ALERT.encode(), type="application/cap+xml")

    def answer(request: Request) -> Answer:
        if request.path in ("", "/"):
            same = request.headers.get("if-none-match") == '"e"'
            return (
                Answer(body=b"", status=304, type="")
                if same
                else xml(atom(*told), headers={"ETag": '"e"'})
            )
        return Answer(status=404) if request.path in missing else good

    with Chaos(answer) as server:
        source = news(server.url)
        batches = walk(source)
        assert [row["id"] for row in batches[0].rows] == ["urn:3"]
        batches = walk(source, batches[-1].cursor)  # three, and all of them refused before
        assert sorted(batch.origin for batch in batches if batch.refused) == [
            "urn:0",
            "urn:1",
            "urn:2",
        ]
        assert [row["id"] for row in batches[0].rows] == ["urn:3"]  # of the watermark's instant
        missing -= {"/0", "/1"}
        batches = walk(source, batches[-1].cursor)
        assert [row["id"] for row in batches[0].rows] == ["urn:0", "urn:1", "urn:3"]
        assert [batch.origin for batch in batches if batch.refused] == ["urn:2"]
        missing.clear()
        (last,) = walk(source, batches[-1].cursor)
        assert [row["id"] for row in last.rows] == ["urn:2", "urn:3"]
        assert walk(source, last.cursor) == []  # unchanged since


def test_an_alert_that_was_refused_for_a_day_is_given_up() -> None:
    told = [entry(2), linked(1, "2026-11-20T07:59:00+07:00")]
    with Chaos(
        lambda request: Answer(status=404) if request.path == "/1" else xml(atom(*told))
    ) as server:
        source = news(server.url)
        _, refused = walk(source)
        assert not any(batch.refused for batch in walk(source, refused.cursor))
        _, late = walk(news(server.url, lag="3d"), refused.cursor)
        assert late.refused


@pytest.mark.parametrize("status", [401, 503])
def test_an_alert_that_is_not_given_now_fails_the_poll_so_that_it_is_not_lost(status) -> None:
    link = "<link type='application/cap+xml' href='/1'/>"
    page, later = xml(atom(entry(1, more=link))), Answer(status=status)
    with (
        Chaos(lambda request: later if request.path == "/1" else page) as server,
        pytest.raises((NeedsCredentials, Transient)),
    ):
        walk(news(server.url, options=Lined({"deadline": 2})))


def test_an_rss_item_may_lead_to_its_alert_where_the_source_says_so() -> None:
    page = RSS.format(ITEM.replace("<guid", "<link>/1.cap</link><guid")).encode()

    def answer(request: Request) -> Answer:
        if request.path == "/1.cap":
            return Answer(body=ALERT.encode(), type="text/xml")
        return Answer(body=page, type="application/rss+xml")

    with Chaos(answer) as server:
        assert "cap" not in rows(news(server.url))[0] and len(server.requests) == 1
        (found,) = rows(news(server.url, options=Lined({"alerts": True})))
    assert found["cap"]["identifier"] == "B"


def test_an_alert_behind_another_host_is_refused() -> None:
    link = "<link type='application/cap+xml' href='http://192.0.2.7/alert.xml'/>"
    with Chaos(serve(xml(atom(entry(1, more=link), entry(2))))) as server:
        kept, refused = walk(news(server.url))
    assert [row["id"] for row in kept.rows] == ["urn:2"]
    assert "ngoài danh sách cho phép" in refused.refused and refused.origin == "urn:1"


# -- watermark, pages ------------------------------------------------------------------------------


def paged(request: Request) -> Answer:
    """Three pages, newest first."""
    number = int(request.query.get("trang", "1"))
    told = [entry(30 - 3 * number - i, f"2026-11-{23 - 3 * number - i:02d}T08:00:00.000001+07:00")
            for i in range(3)]  # fmt: skip
    return xml(atom(*told, link=f"?trang={number + 1}" if number < 3 else ""))


def test_pages_are_the_whole_oldest_first_and_the_watermark_keeps_microseconds() -> None:
    with Chaos(paged) as server:
        (batch,) = walk(news(server.url))
    updated = [row["updated"] for row in batch.rows]
    assert len(updated) == 9 and updated == sorted(updated)
    assert json.loads(batch.cursor)["seen"] == "2026-11-20T01:00:00.000001+00:00"


def test_later_only_the_pages_that_hold_something_new_are_read_with_their_lag() -> None:
    seen = json.dumps({
        "v": 1,
        "seen": "2026-11-20T01:00:00.000001+00:00",
        "etag": None,
        "modified": None,
    })
    with Chaos(paged) as server:
        assert [row["id"] for row in rows(news(server.url), seen)] == ["urn:27"]
        assert len(server.requests) == 1
        late = rows(news(server.url, lag="25h"), seen)
        assert [row["id"] for row in late] == ["urn:26", "urn:27"]


def test_an_unchanged_feed_costs_one_request_without_a_body() -> None:
    def answer(request: Request) -> Answer:
        if request.headers.get("if-none-match") == '"e1"':
            return Answer(body=b"", status=304, type="", headers={"ETag": '"e1"'})
        return xml(atom(entry(1)), headers={"ETag": '"e1"'})

    with Chaos(answer) as server:
        (first,) = walk(news(server.url))
        assert walk(news(server.url), first.cursor) == []
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "since", ["x", "{}", '{"v": 9}', '{"v": 1, "seen": "2999-01-01T00:00:00+00:00"}']
)
def test_a_watermark_of_the_future_or_of_another_form_is_refused(since) -> None:
    with Chaos(paged) as server, pytest.raises(Broken, match="mốc đã lưu"):
        walk(news(server.url), since)


def test_a_time_of_the_future_moves_no_watermark() -> None:
    told = atom(entry(2, "2999-01-01T00:00:00+00:00"), entry(1))
    with Chaos(serve(xml(told))) as server:
        (batch,) = walk(news(server.url))
    assert json.loads(batch.cursor)["seen"] == "2026-11-20T01:00:00+00:00"


def test_an_entry_of_the_very_instant_of_the_watermark_that_comes_later_is_read() -> None:
    with Chaos(serve(xml(atom(entry(1))), xml(atom(entry(2), entry(1))))) as server:
        (first,) = walk(news(server.url))
        assert {row["id"] for row in rows(news(server.url), first.cursor)} == {"urn:1", "urn:2"}


def since_the(day: int) -> str:
    seen = f"2026-11-{day:02d}T01:00:00.000001+00:00"
    return json.dumps({"v": 1, "seen": seen, "etag": None, "modified": None})


def test_an_old_entry_that_stays_on_top_hides_nothing_behind_it() -> None:
    def pinned(request: Request) -> Answer:
        found = paged(request)
        if "trang" not in request.query:
            old = entry(99, "2021-01-01T08:00:00+07:00").encode()
            found.body = found.body.replace(b"<entry>", old + b"<entry>", 1)
        return found

    with Chaos(pinned) as server:
        found = rows(news(server.url), since_the(15))
    assert {row["id"] for row in found} == {f"urn:{i}" for i in range(22, 28)}


def test_entries_that_move_to_the_next_page_while_we_read_are_read_once_more_and_kept() -> None:
    told = [(i, f"2026-11-{i:02d}T08:00:00+07:00") for i in range(12, 3, -1)]

    def answer(request: Request) -> Answer:
        number = int(request.query.get("trang", "1"))
        shown = told[3 * number - 3 : 3 * number]
        told.insert(0, (20 + number, f"2026-11-{18 + number}T08:00:00+07:00"))  # as we look away
        return xml(atom(*(entry(*one) for one in shown), link=f"?trang={number + 1}"))

    with Chaos(answer) as server:
        first = rows(news(server.url))
        later = rows(news(server.url), since_the(12))
    assert {row["id"] for row in first} >= {f"urn:{i}" for i in range(4, 13)}
    assert {"urn:21", "urn:22", "urn:23"} <= {row["id"] for row in later}


def test_an_entry_without_a_time_is_given_at_each_poll_and_moves_no_watermark() -> None:
    with Chaos(serve(xml(atom("<entry><id>urn:0</id></entry>", entry(1))))) as server:
        (first,) = walk(news(server.url))
        (again,) = walk(news(server.url), since_the(21))
    assert [row["id"] for row in first.rows] == ["urn:1", "urn:0"]
    assert [row["id"] for row in again.rows] == ["urn:0"]
    assert json.loads(again.cursor or "")["seen"] == json.loads(since_the(21))["seen"]


def test_the_next_page_is_asked_for_as_it_was_linked() -> None:
    with Chaos(paged) as server:
        options = Lined({"params": Lined({"trang": "1"})})
        assert len(rows(news(server.url, options=options))) == 9
        assert [request.query["trang"] for request in server.requests] == ["1", "2", "3"]


def test_nothing_new_is_no_answer_to_a_first_question() -> None:
    with Chaos(serve(Answer(body=b"", status=304))) as server, pytest.raises(Broken):
        walk(news(server.url))


def test_a_page_that_fails_moves_no_watermark_and_leaves_nothing_half_read() -> None:
    def answer(request: Request) -> Answer:
        return Answer(status=503) if request.query.get("trang") == "3" else paged(request)

    with Chaos(answer) as server, door(news(server.url)) as io, pytest.raises(Transient):
        next(feed.poll(news(server.url), None, io))


@pytest.mark.parametrize("link", ["/", "?trang=1", "http://192.0.2.7/next"])
def test_pages_without_end_or_on_another_host_are_broken(link) -> None:
    with Chaos(serve(xml(atom(entry(1), link=link)))) as server, pytest.raises(Broken):
        walk(news(server.url, options=Lined({"max_pages": 5})))


def test_polled_twice_nothing_changes_and_what_left_the_window_stays(
    sqlite_store, tmp_path
) -> None:
    told = [[entry(1), entry(2)], [entry(1), entry(2)], [entry(3, "2026-11-21T08:00:00+07:00")]]
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    with Chaos(lambda _: xml(atom(*told[0]))) as server:
        source = news(server.url, lag="90d")
        health.publish_sources(sqlite_store, [source])
        runs = []
        for minute in range(3):
            runs.append(poll(sqlite_store, source, settings, now=NOW + timedelta(minutes=minute)))
            told.append(told.pop(0))
    assert [(run["new"], run["changed"], run["gone"]) for run in runs] == [
        (2, 0, 0),
        (0, 0, 0),
        (1, 0, 0),
    ]


# -- what is broken --------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE f [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "head",
    [
        LAUGHS,
        '<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE f SYSTEM "http://127.0.0.1:1/evil.dtd">',
    ],
)
def test_a_feed_that_declares_entities_or_a_dtd_is_refused(head) -> None:
    with Chaos(serve(xml(atom(entry(1), head=head)))) as server, pytest.raises(Broken, match="DTD"):
        walk(news(server.url))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html><body>dang nhap</body></html>", type="text/html"),
        xml(b"<html/>"),
        xml(atom(entry(1))[:-20]),
        xml(b""),
        xml(b"{}"),
        xml(b"<a>" * 20_000 + b"</a>" * 20_000),
        xml(atom(entry(1), "<zz:entry/>")),
    ],
)
def test_what_is_no_whole_feed_is_broken_and_never_half_read(answer) -> None:
    with Chaos(serve(answer)) as server, pytest.raises(Broken):
        walk(news(server.url))


def test_entries_that_the_library_does_not_see_are_not_left_out_in_silence() -> None:
    strange = atom(entry(1), "<entry xmlns='urn:other'><id>urn:2</id></entry>")
    with Chaos(serve(xml(strange))) as server, pytest.raises(Broken, match="2 mục, chỉ đọc được 1"):
        walk(news(server.url))


def test_a_feed_inside_an_entry_is_not_read() -> None:
    nested = "<rss version='2.0'><item><guid>1</guid></item></rss>"
    strange = entry(2, more=f"<link>{nested}</link><content>{nested}</content>")
    with Chaos(serve(xml(atom(strange)))) as server:
        assert [row["id"] for row in rows(news(server.url))] == ["urn:2"]


def test_a_feed_beyond_the_cap_is_broken_while_it_is_read() -> None:
    page = xml(atom(*(entry(i) for i in range(50))))
    with Chaos(serve(page)) as server:
        with pytest.raises(Broken, match="quá lớn"):
            walk(news(server.url, options=Lined({"max_bytes": 5_000})))
        with pytest.raises(Broken, match="hơn 20 mục"):
            walk(news(server.url, options=Lined({"max_rows": 20})))


@pytest.mark.parametrize(
    ("status", "kind"), [(401, NeedsCredentials), (404, Broken), (503, Transient)]
)
def test_refusals_are_told_apart(status, kind) -> None:
    with Chaos(serve(Answer(status=status))) as server, pytest.raises(kind):
        walk(news(server.url, options=Lined({"deadline": 2})))


# -- the sample ------------------------------------------------------------------------------------

UNITS = OrgUnits.load()
PLANTED = ("Nguyễn", "Trần Văn", "Lê Thị Mẫu", "0912345678", "nguyenthimau", "bức xúc")


@pytest.mark.parametrize(
    ("name", "module"),
    [("public_order", public_order), ("online_information", online_information)],
)
def test_the_store_holds_each_case_of_the_sample_as_it_stands_and_no_word_of_it(
    name, module, sqlite_store, tmp_path
) -> None:
    clock = [datetime(2026, 11, 22, 9, 0, tzinfo=LOCAL)]
    place = Place(Province(UNITS, 450, 0.2), lambda: clock[0], tmp_path / "x", 0)
    client = TestClient(module.make(place)._app)

    def served(request: Request) -> Answer:
        asked = {k: v for k, v in request.headers.items() if k == "if-none-match"}
        reply = client.get(request.path, params=request.query, headers=asked)
        kind = reply.headers.get("content-type", "")
        tag = {"ETag": reply.headers["etag"]}
        return Answer(body=reply.content, type=kind, status=reply.status_code, headers=tag)

    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    with Chaos(served) as server:
        source = next(one for one in load_sources() if one.id == name)
        source = source.model_copy(update={"url": server.url})
        health.publish_sources(sqlite_store, [source])
        strange = 0 if module is public_order else unknown(place)
        for _ in range(3):
            run = poll(sqlite_store, source, settings, now=clock[0])
            assert (run["outcome"] in ("ok", "empty"), run["rejected"]) == (True, strange), run
            assert "chưa khai" not in run["note"]
            strange = 0  # they are told once
            truth = expected(module, place, clock[0])
            with sqlite_store.read() as connection:
                stored = connection.execute(
                    sa.text("SELECT COUNT(*), COUNT(closed_at) FROM record")
                ).one()
            assert tuple(stored) == truth
            clock[0] += timedelta(hours=30)
        assert truth[0] > 700 and 0 < truth[1] <= truth[0]
    kept = b"".join(p.read_bytes() for p in Path(tmp_path).rglob("*") if p.is_file())
    assert not [word for word in PLANTED if word.encode() in kept]


def expected(module: Any, place: Place, now: datetime) -> tuple[int, int]:
    """How many cases the system has, and how many of them are over."""
    if module is public_order:
        cases = public_order.Desk(place).incidents()
        return len(cases), sum(one.over <= now for one in cases)
    told = online_information.Monitor(place).mentions()
    told = [one for one in told if one.unit != online_information.STRANGE]
    return len(told), sum(bool(one.answered and one.answered <= now) for one in told)


def unknown(place: Place) -> int:
    """How many mentions name no org unit that there is: a few on purpose."""
    told = online_information.Monitor(place).mentions()
    found = sum(one.unit == online_information.STRANGE for one in told)
    assert 1 <= found < len(told) / 100
    return found


def test_the_exercises_of_the_sample_are_told_and_never_counted(tmp_path) -> None:
    clock = datetime(2026, 11, 22, 9, 0, tzinfo=LOCAL)
    place = Place(Province(UNITS, 450, 0.2), lambda: clock, tmp_path, 0)
    body = "".join(text for _, text in public_order.Desk(place).told())
    assert body.count("<status>Exercise</status>") == 20
    with Chaos(serve(xml(atom(body)))) as server:
        told = rows(news(server.url))
    assert len(told) == len(public_order.Desk(place).incidents())
    assert not [row for row in told if public_order.EXERCISE in row["id"]]
