"""What a caller has already is not sent again, nor hidden, nor kept for anybody else."""

import gzip
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import brotli
import pytest

from ioc.principal import Principal
from kpi import accounts, query
from layouts.web import compress, etag, filters
from tests import test_downloads
from tests.doors import ADMIN, HERE, doors
from tests.test_downloads import client_of, dossier, poll_of

loaded = test_downloads.loaded
CSVS = {"lineage": "indicator=I02b&from=2025&to=2025", "search": "q=le thuy"}
HOME = "http://127.0.0.1:8050"


@pytest.fixture
def get(loaded: Any, tmp_path: Any) -> Any:
    client = client_of(loaded, tmp_path)
    return lambda address, **more: client.get(address, base_url=HOME, **more)


def again(get: Any, address: str, tag: str) -> Any:
    return get(address, headers={"If-None-Match": tag})


@pytest.mark.parametrize("kind", filters.KINDS)
@pytest.mark.parametrize("question", filters.QUESTIONS)
def test_every_answer_has_a_tag_that_saves_its_bytes(get, question, kind):
    address = f"/api/v1/{question}.{kind}?{CSVS.get(question, 'limit=50')}"
    if question == "lineage":
        address += "&org_unit=area-qb"
    first = get(address)
    tag = first.headers["ETag"]
    assert first.status_code == 200 and tag
    if question in etag.UNCLOCKED:
        held = again(get, address, tag)
        assert (held.status_code, held.data, held.headers["ETag"]) == (304, b"", tag)
        assert held.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert {"Authorization", "Cookie"} <= set(held.vary)
    assert again(get, address, '"another"').status_code == 200


def test_a_tag_holds_until_the_data_move_on_and_no_longer(get, loaded):
    address = "/api/v1/targets.json"
    tag = get(address).headers["ETag"]
    assert again(get, address, tag).status_code == 304
    changed = [dossier(1, "19207", datetime(2025, 4, 1, 9, tzinfo=UTC), online=True)]
    poll_of(loaded, changed, datetime.now(UTC))
    moved = again(get, address, tag)
    assert moved.status_code == 200 and moved.headers["ETag"] != tag
    assert moved.json["version"] == loaded.version()


def test_an_answer_in_which_a_clock_speaks_is_never_told_unchanged_when_it_changed(
    get,
    loaded,
    monkeypatch,
):
    poll_more(loaded, 0)
    address = "/api/v1/standings.json"
    first = get(address)
    later = datetime.now(UTC) + timedelta(hours=5)
    for module in ("kpi.query", "kpi.answer", "layouts.web.api"):
        monkeypatch.setattr(f"{module}.right_now", lambda: later)
    aged = again(get, address, first.headers["ETag"])
    old, new = ([row["freshness"] for row in one.json["rows"]] for one in (first, aged))
    assert aged.status_code == 200 and old != new


@pytest.mark.parametrize("question", sorted(etag.UNCLOCKED))
def test_a_question_whose_tag_is_known_without_asking_does_not_hang_on_the_hour(
    loaded,
    question,
    tmp_path,
):
    """Otherwise a tag would hide that its bytes changed."""
    ask, _ = filters.QUESTIONS[question]
    day = datetime.now(filters.LOCAL).replace(hour=0, minute=5)
    given = dict(part.split("=") for part in CSVS.get(question, "").split("&") if part)
    given |= {"org_unit": "area-qb"} if question == "lineage" else {}
    who, said = Principal.local_admin(), []
    for now in (day, day.replace(hour=23, minute=55)):
        asked = filters.read(question, given, loaded, now)
        rows = ask(loaded, who, **asked.arguments, now=now).stream()
        said.append(list(rows))
    assert said[0] == said[1]


def test_an_export_is_kept_for_ever_by_who_took_it(get, loaded):
    exported = get("/api/v1/standings.csv?download=1")
    address = exported.headers["Content-Location"]
    assert exported.headers["Cache-Control"] == etag.FOR_EVER
    poll_of(loaded, [dossier(2, "19207", datetime(2025, 4, 1, 9, tzinfo=UTC), online=True)],
            datetime.now(UTC))  # fmt: skip
    held = again(get, address, exported.headers["ETag"])
    assert held.status_code == 304 and held.headers["Cache-Control"] == etag.FOR_EVER
    assert get(address).data == exported.data
    assert get("/api/v1/standings.csv").headers["Cache-Control"] == etag.ASK_FIRST


def test_a_tag_of_a_settled_instant_is_known_without_asking(get, monkeypatch):
    at = (datetime.now(UTC) - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    address = f"/api/v1/values.csv?indicator=I02b&from=2025-03&to=2025-03&as_of={at}"
    tag = get(address).headers["ETag"]

    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setitem(filters.QUESTIONS, "values", (asked, filters.QUESTIONS["values"][1]))
    asked.__name__ = "values"
    assert again(get, address, tag).status_code == 304


def test_restricted_figures_are_kept_by_nobody(loaded, tmp_path):
    door = doors(tmp_path, loaded)
    known = loaded.catalogue.indicators
    restricted = next(name for name, one in known.items() if one.access == "restricted")
    client = door.inside("lan", role="analyst").client
    for name, kept in ((restricted, "no-store"), ("I02b", etag.ASK_FIRST)):
        answer = client.get(f"/api/v1/values.json?indicator={name}&from=2026", base_url=HERE)
        assert answer.headers["Cache-Control"] == kept


def test_two_accounts_share_no_tag(loaded, tmp_path):
    door = doors(tmp_path, loaded)
    tags = []
    for name, units in (("lan", None), ("hoa", ["area-450"])):
        client = door.inside(name, role="analyst", org_units=units).client
        answer = client.get("/api/v1/targets.json", base_url=HERE)
        tags.append(answer.headers["ETag"])
        assert {"cookie", "authorization", "accept-encoding"} <= {v.lower() for v in answer.vary}
    held = client.get("/api/v1/targets.json", base_url=HERE, headers={"If-None-Match": tags[0]})
    assert tags[0] != tags[1] and held.status_code == 200


def test_a_key_that_is_out_of_its_quota_is_told_when_to_come_back_in_both_languages(
    loaded,
    tmp_path,
):
    door = doors(tmp_path, loaded)
    key = accounts.create_key(loaded, ADMIN, door.person("may", "analyst"), label="thử", days=9)
    door.server.extensions["ioc.limits"].api.most = 1
    client = door.server.test_client()
    head = {"Authorization": f"Bearer {key}"}
    assert client.get("/api/v1/targets.json", base_url=HERE, headers=head).status_code == 200
    over = client.get("/api/v1/targets.json", base_url=HERE, headers=head)
    assert over.status_code == 429 and 0 < int(over.headers["Retry-After"]) <= 60
    told = over.json
    assert told["type"] == "/api#quota" and told["retry_after"] == int(over.headers["Retry-After"])
    assert "hãy thử lại" in told["detail"] and "Retry-After" in told["detail_en"]


@pytest.mark.parametrize("way", ["br", "gzip"])
@pytest.mark.parametrize("held", [2 << 20, 2_000])
def test_files_are_compressed_whether_they_are_held_or_streamed(get, monkeypatch, way, held):
    monkeypatch.setattr(etag, "HELD", held)
    address = "/api/v1/standings.csv?level=commune"
    plain = get(address)
    packed = get(address, headers={"Accept-Encoding": way})
    assert packed.headers["Content-Encoding"] == way
    body = {"br": brotli.decompress, "gzip": gzip.decompress}[way](packed.data)
    assert body == plain.data and len(packed.data) < len(body) / 4
    assert [v.lower() for v in packed.vary].count("accept-encoding") == 1
    assert ("ETag" in packed.headers) == (held > 2_000)


def test_a_long_file_goes_out_while_it_is_read(get, monkeypatch, loaded):
    """Held back are a few rows to learn a tag, never the file."""
    monkeypatch.setattr(etag, "HELD", 10_000)
    read = []
    ask, takes = filters.QUESTIONS["standings"]

    def counted(*given: Any, **more: Any) -> Any:
        answer = ask(*given, **more)
        rows = answer.rows
        answer.rows = lambda snapshot: (read.append(1) or row for row in rows(snapshot))
        return answer

    counted.__name__ = "standings"
    monkeypatch.setitem(filters.QUESTIONS, "standings", (counted, takes))
    for way in ("", "gzip"):
        read.clear()
        answer = get("/api/v1/standings.csv?level=commune&limit=5000", buffered=False,
                     headers={"Accept-Encoding": way})  # fmt: skip
        next(iter(answer.response))
        begun = len(read)
        answer.close()
        whole = query.standings(loaded, Principal.local_admin(), level="commune").count()
        assert 0 < begun < whole, (begun, whole)


def test_a_file_whose_tag_is_known_goes_out_at_once(get, monkeypatch):
    """Nothing is held to learn a hash: an export has its tag before its bytes."""
    monkeypatch.setattr(etag, "HELD", 1 << 30)
    monkeypatch.setattr(etag, "SHORT", 10_000)
    exported = get("/api/v1/standings.csv?level=commune&download=1", buffered=False)
    assert exported.is_streamed and len(exported.headers["ETag"]) > 30
    begun = next(iter(exported.response))
    address, tag = exported.headers["Content-Location"], exported.headers["ETag"]
    exported.close()
    whole = get(address)
    assert whole.headers["ETag"] == tag and whole.data.startswith(begun)
    assert again(get, address, tag).status_code == 304
    short = get(f"{address}&limit=3")
    assert int(short.headers["Content-Length"]) == len(short.data)
    assert "Content-Length" not in whole.headers


def test_a_tag_that_is_known_is_not_given_where_the_store_moved_on_meanwhile(get, monkeypatch):
    monkeypatch.setattr(etag, "SHORT", 100)
    stamps = iter("ab")
    monkeypatch.setattr(etag.query, "stamp", lambda *_: next(stamps))
    moved = get("/api/v1/org-units.csv", buffered=False)
    assert moved.is_streamed and "ETag" not in moved.headers
    moved.close()


@pytest.mark.parametrize("way", ["br", "gzip"])
def test_the_beginning_of_a_file_that_is_compressed_leaves_before_the_rest_is_read(way):
    parts = iter([b"target,value\r\n", b"T02b,81\r\n"])
    packed = iter(compress.Packed(parts, way))
    assert next(packed)
    assert next(parts) == b"T02b,81\r\n"


# --- pages of one state ---------------------------------------------------------------------------
def pages(get: Any, address: str, between: Any = lambda: None) -> tuple[list[Any], Any]:
    rows: list[Any] = []
    while address:
        answer = get(address)
        if answer.status_code != 200:
            return rows, answer
        rows += answer.json["rows"]
        address = answer.json["next"]
        between()
    return rows, answer


PAGED = {
    "records": "limit=7",
    "values": "indicator=I02b&level=commune&from=2025-03&to=2025-03&limit=20",
    "runs": "limit=1",
    "rejections": "limit=1",
    "standings": "limit=5",
    "targets": "limit=4",
    "org-units": "limit=100",
}


def poll_more(store: Any, number: int) -> None:
    rows = [dossier(900 + number, code, datetime(2025, 3, 9, 9, tzinfo=UTC), online=True)
            for code in ("19207", "88888")]  # fmt: skip
    poll_of(store, rows, datetime.now(UTC))


@pytest.mark.parametrize("question", PAGED)
def test_pages_one_after_another_are_the_whole_answer(get, loaded, question):
    poll_more(loaded, 0)
    poll_more(loaded, 1)
    address = f"/api/v1/{question}.json?{PAGED[question]}"
    whole = get(re.sub(r"limit=\d+", "limit=9999", address)).json
    paged, last = pages(get, address)
    assert last.status_code == 200 and len(paged) == whole["count"] > int(address.split("=")[-1])
    assert paged == whole["rows"]


@pytest.mark.parametrize("question", sorted(PAGED.keys() - etag.FILED))
def test_while_data_arrive_the_next_page_is_of_the_same_state_or_says_that_it_is_not(
    get,
    loaded,
    question,
):
    poll_more(loaded, 0)
    poll_more(loaded, 1)
    numbers = iter(range(2, 99))
    moving = lambda: poll_more(loaded, next(numbers))  # noqa: E731
    _, refused = pages(get, f"/api/v1/{question}.json?{PAGED[question]}", moving)
    assert refused.status_code == 409 and refused.json["type"] == "/api#moved-on"
    assert "đã đổi" in refused.json["detail"] and "moved on" in refused.json["title_en"]
    start = refused.json["again"]
    paged, last = pages(get, start, moving)
    assert last.status_code == 200
    assert paged == pages(get, start)[0]


def test_files_that_say_the_same_do_not_move_with_the_data(get, loaded):
    numbers = iter(range(99))
    _, last = pages(get, "/api/v1/org-units.json?limit=100",
                    lambda: poll_more(loaded, next(numbers)))  # fmt: skip
    assert last.status_code == 200


def test_the_next_page_of_today_is_of_the_instant_of_the_first(get, loaded):
    today = datetime.now(filters.LOCAL).date().isoformat()
    first = get(f"/api/v1/records.json?limit=5&as_of={today}").json
    assert today + "T" in first["next"]
