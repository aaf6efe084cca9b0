"""A file is whole, opens right, carries its mark and can be asked for again byte for byte."""

import csv
import io
import json
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import flask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app as program
from connectors.config import load_sources
from ioc.errors import IocError
from ioc.inert import original
from ioc.model import Counts, Record
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL
from ioc.settings import Settings
from kpi import answer, health, intake
from kpi.store import open_store
from layouts.web import api, cache, dialect, downloads, etag, exports, files, filters
from layouts.web.problems import Problem

HERE = "http://127.0.0.1:8050"
EXPORTS = ("standings", "values")
CSVS = {
    "standings": "org_unit=area-qb,area-450",
    "values": "indicator=I02b,I02a&level=commune&from=2025-01&to=2025-08",
    "targets": "",
    "tasks": "",
    "projects": "",
    "rollout": "",
    "indicators": "",
    "org-units": "on=2025-06-30",
    "sources": "",
    "runs": "source=public_services",
    "rejections": "",
    "search": "q=le thuy",
    "lineage": "indicator=I02b&from=2025&to=2025",
    "records": "org_unit=area-qb&from=2025-03&to=2025-03-10",
}


def portal() -> Any:
    env = {"IOC_PUBLIC_SERVICES_CLIENT_SECRET": "x" * 32}
    return next(source for source in load_sources(env=env) if source.id == "public_services")


def poll_of(store: Any, records: list[Record], now: datetime) -> None:
    """One completed poll that brings these records."""
    source = portal()
    health.publish_sources(store, [source])
    run = health.begin_run(store, source.id, now)
    counts = intake.accept(store, source, records, run=run, now=now)
    health.end_run(store, run, outcome="ok", note="", counts=counts or Counts(), calls=1, bytes=9,
                   response_hash="ab", now=now, completed=True, covered_until=now)  # fmt: skip


def dossier(number: int, unit: str, on: datetime, *, online: bool) -> Record:
    return Record(
        key=f"H{unit}-{number}",
        kind="dossier",
        org_unit=unit,
        opened_at=on,
        due_at=on + timedelta(days=5),
        closed_at=on + timedelta(days=2),
        changed_at=on + timedelta(days=2),
        state="resolved",
        category="1.004082",
        channel="full" if online else "direct",
        result="electronic" if online else "paper",
    )


@pytest.fixture
def loaded(sqlite_store: Any) -> Any:
    """A store that knows a few communes' dossiers, and one row that it could not take."""
    first = datetime(2025, 3, 3, 9, tzinfo=LOCAL)
    units = [unit.code for unit in sqlite_store.orgunits.population("commune", first.date())][:3]
    records = [
        dossier(i, unit, first + timedelta(days=i), online=i % 3 > 0)
        for unit in units
        for i in range(20)
    ]
    records.append(dossier(1, "99999", first, online=True))
    poll_of(sqlite_store, records, datetime.now(UTC) - timedelta(days=1))
    return sqlite_store


def client_of(store: Any, tmp_path: Any) -> Any:
    chosen = Settings(data=tmp_path, database_url=store.url)
    return program.create_app(chosen, store).server.test_client()


@pytest.fixture
def get(loaded: Any, tmp_path: Any) -> Any:
    client = client_of(loaded, tmp_path)
    return lambda address, **options: client.get(address, base_url=HERE, **options)


def parsed(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("question", CSVS)
def test_an_exported_file_has_the_rows_of_the_answer(get, question):
    """A seal gives an instant, and with it filters that a question must take."""
    plain = parsed(get(f"/api/v1/{question}.csv?{CSVS[question]}").data)
    exported = get(f"/api/v1/{question}.csv?{CSVS[question]}&download=1")
    assert exported.status_code == 200
    assert len(parsed(exported.data.removeprefix(downloads.BOM))) == len(plain)


@pytest.mark.parametrize("question", CSVS)
def test_csv_and_json_say_the_same_in_the_same_columns(get, question):
    rows = parsed(get(f"/api/v1/{question}.csv?{CSVS[question]}").data)
    document = get(f"/api/v1/{question}.json?{CSVS[question]}&limit=9999").json
    assert document["count"] == len(rows) == len(document["rows"]) > 0
    columns = list(rows[0])
    assert columns[-3:] == ["as_of", "version", "sample_data"]
    moving = {"run", "polled_at"}
    for row, named in zip(rows, document["rows"], strict=True):
        assert list(named) == columns[:-3]
        for name in set(named) - moving:
            assert row[name] == dialect.cell(named[name]), name


def test_a_download_begins_with_a_bom_and_has_a_name_and_a_plain_answer_neither(get):
    plain = get("/api/v1/tasks.csv")
    assert not plain.data.startswith(downloads.BOM) and "Content-Disposition" not in plain.headers
    file = get("/api/v1/tasks.csv?download=1")
    assert file.data == downloads.BOM + plain.data
    assert "tasks_DU-LIEU-MAU.csv" in file.headers["Content-Disposition"]
    assert not file.data[3:].startswith(b"sep=")
    assert "Văn phòng Ủy ban nhân dân tỉnh" in file.data.decode("utf-8-sig")
    assert file.data.count(b"\r\n") == file.data.count(b"\n")


def test_what_is_unknown_is_an_empty_cell_with_its_reason_and_never_zero(get):
    rows = parsed(get("/api/v1/values.csv?indicator=I01,I02b&from=2025-03&to=2025-03").data)
    unknown, known = rows
    assert unknown["value"] == unknown["numerator"] == "" and unknown["reason"] == "no_source"
    assert known["denominator"] == "60" and float(known["value"]) == pytest.approx(65)


def test_every_row_and_every_document_of_sample_data_says_so(get):
    for row in parsed(get("/api/v1/standings.csv").data):
        assert row["sample_data"] == "DỮ LIỆU MẪU"
    assert get("/api/v1/standings.json").json["sample_data"] == "DỮ LIỆU MẪU"
    assert get("/api/v1/standings.csv?manifest=1").json["sample_data"] == "DỮ LIỆU MẪU"


@pytest.mark.parametrize("question", (*EXPORTS, "records", *api.TIMELESS))
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_side_car_describes_the_very_bytes_of_its_file_whatever_comes_later(
    get, loaded, question, kind
):
    exported = get(f"/api/v1/{question}.{kind}?{CSVS[question]}&download=1")
    address = exported.headers["Content-Location"]
    assert ("as_of=" in address) == ("as_of" in filters.QUESTIONS[question][1])
    assert address.endswith("download=1") or "download=1&" in address
    before = get(f"{address}&manifest=1").json
    changed = [dossier(1, "19207", datetime(2025, 4, 1, 9, tzinfo=LOCAL), online=True)]
    poll_of(loaded, changed, datetime.now(UTC))
    again = get(address)
    after = get(f"{address}&manifest=1").json
    for file, told in ((exported, before), (again, after)):
        assert sha256(file.data).hexdigest() == told["sha256"]
        assert len(file.data) == told["bytes"]
    assert exported.data == again.data
    if kind == "csv":
        assert before["rows"] == len(parsed(exported.data))
        assert before["columns"] == list(parsed(exported.data)[0])
    if kind == "csv" and question in EXPORTS:
        ids = {row["definition"] for row in parsed(exported.data)} - {""}
        assert set(before["definitions"]) == ids
    assert before["exporter"] and before["described_at"].endswith("+07:00")


def test_the_file_alone_says_how_to_ask_for_it_again(get):
    exported = get("/api/v1/values.csv?indicator=I02b&from=2025-03&to=2025-04&download=1").data
    row = parsed(exported)[0]
    again = get(
        "/api/v1/values.csv",
        query_string={
            "indicator": "I02b",
            "from": "2025-03",
            "to": "2025-04",
            "download": "1",
            "as_of": row["as_of"],
        },
    )
    assert again.data == exported


def test_only_an_export_seals_an_instant(get, loaded):
    def seals() -> int:
        with loaded.read() as connection:
            return connection.exec_driver_sql("SELECT COUNT(*) FROM seal").scalar()

    get("/api/v1/standings.csv")
    get("/api/v1/standings.json")
    assert seals() == 0
    get("/api/v1/standings.csv?download=1")
    assert seals() == 1
    get("/api/v1/standings.csv?download=1&as_of=2026-01-01T00:00:00%2B07:00")
    assert seals() == 1


def test_an_export_as_of_today_is_pinned_to_its_instant(get):
    today = datetime.now(LOCAL).date().isoformat()
    exported = get(f"/api/v1/standings.csv?download=1&as_of={today}")
    address = exported.headers["Content-Location"]
    assert f"as_of={today}T" in address
    assert get(address).data == exported.data


def test_more_rows_than_the_cap_are_refused_and_never_cut_short(get, monkeypatch):
    monkeypatch.setattr(files, "WHOLE", 10)
    for kind in ("csv", "json"):
        answer = get(f"/api/v1/targets.{kind}?download=1")
        assert answer.status_code == get(f"/api/v1/records.{kind}?download=1").status_code == 413
        assert "20 dòng" in answer.json["detail"] and b"Tr\xc3\xaan 80%" not in answer.data
        limited = get(f"/api/v1/targets.{kind}?download=1&limit=5")
        assert limited.status_code == 413 and "20 dòng" in limited.json["detail"]
    monkeypatch.setattr(filters, "WHOLE", 10)
    assert get("/api/v1/targets.csv?limit=11").json["parameter"] == "limit"
    assert get("/api/v1/targets.csv?download=1&manifest=1").status_code == 413


@pytest.mark.parametrize("question", ["runs", "rejections"])
def test_what_polls_left_is_refused_beyond_the_cap_before_a_byte_is_sent(
    get, loaded, monkeypatch, question
):
    for number in range(2, 4):
        wrong = dossier(number, "99999", datetime(2025, 4, 1, 9, tzinfo=LOCAL), online=True)
        poll_of(loaded, [wrong], datetime.now(UTC))
    monkeypatch.setattr(files, "WHOLE", 2)
    monkeypatch.setattr(filters, "WHOLE", 2)
    for address in ("csv", "csv?download=1", "csv?limit=1", "json?download=1"):
        refused = get(f"/api/v1/{question}.{address}")
        assert refused.status_code == 413, address
        assert "3 dòng, quá 2 dòng" in refused.json["detail"]
    with pytest.raises(IocError, match="quá 2 dòng"):
        list(exports.stream(loaded, question, {}))


def test_rows_are_not_read_to_the_end_only_to_be_counted(get, monkeypatch):
    read: list[tuple] = []
    whole = answer.Answer.stream

    def stream(self: Any) -> Any:
        for row in whole(self):
            read.append(row)
            yield row

    monkeypatch.setattr(answer.Answer, "stream", stream)
    page = get("/api/v1/targets.json?limit=3").json
    assert page["count"] == 20 and "&after=3" in page["next"]
    assert len(read) == 3


@pytest.mark.parametrize(
    "asked",
    [
        "values.csv?indicator=I02b&org_unit=area-qb,area-450",
        "values.json?indicator=I02b&grain=ytd&level=commune",
        "values.csv?indicator=I02b&grain=day&to=2025-03",
        "standings.csv?level=district",
    ],
)
def test_the_address_of_an_export_is_complete_whatever_the_calendar_says(get, monkeypatch, asked):
    exported = get(f"/api/v1/{asked}&download=1")
    address = exported.headers["Content-Location"]
    assert "on=" in address and ("from=" in address) == ("to=" in address) == ("values" in asked)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=62)

    monkeypatch.setattr(api, "datetime", Later)
    assert get(address).data == exported.data
    at = parse_qs(urlsplit(address).query)["as_of"][0]
    assert get(f"/api/v1/{asked}&download=1&as_of={quote(at)}").data == exported.data


def test_a_download_keeps_its_headers_when_it_comes_from_the_cache(get):
    first, second = (get("/api/v1/tasks.json?download=1") for _ in range(2))
    assert first.data == second.data
    for name in ("Content-Disposition", "Content-Location", "Link"):
        assert second.headers[name] == first.headers[name]


def test_an_answer_of_unknown_length_breaks_off_visibly_at_the_cap(get, monkeypatch):
    monkeypatch.setattr(files, "WHOLE", 10)
    for kind in ("csv", "xlsx"):
        refused = get(f"/api/v1/standings.{kind}")
        assert refused.status_code == 413 and "Hơn 10 dòng" in refused.json["detail"]
    monkeypatch.setattr(answer, "BLOCK", 3)  # so that some rows leave before it is known
    monkeypatch.setattr(etag, "HELD", 10)
    with pytest.raises(Problem):
        assert get("/api/v1/standings.csv").data
    assert get("/api/v1/standings.xlsx").status_code == 413


@pytest.mark.parametrize("question", ["targets", "records"])
def test_pages_of_json_follow_one_another_to_the_end(get, question):
    whole = get(f"/api/v1/{question}.json").json
    assert whole["next"] is None
    rows, address = [], f"/api/v1/{question}.json?limit=4"
    while address:
        page = get(address).json
        assert page["count"] == whole["count"]
        rows += page["rows"]
        address = page["next"]
    assert rows == whole["rows"]


# --- formulas ------------------------------------------------------------------------------------
STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "'", "''", "＝", "＋", "=cmd|' /C calc'!A0", ""]


@settings(max_examples=1_000)
@given(st.sampled_from(STARTS), st.text(st.characters(exclude_categories=("Cs",)), max_size=12))
def test_no_text_becomes_a_formula_and_every_text_comes_back_as_it_was(start, rest):
    text = start + rest
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([dialect.cell(text), "x"])
    read = next(csv.reader(io.StringIO(buffer.getvalue(), newline="")))[0]
    assert not read.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))
    assert original(read) == text


def test_a_unit_named_as_a_formula_is_exported_inert_and_comes_back_unchanged(
    sqlite_url, catalogue, orgunits, tmp_path
):
    names = ['=HYPERLINK("http://evil.example";"Đồng Hới")', "'+1", "\u202eiớH gnồĐ", 'Lệ, "Thủy"']
    units = list(orgunits.values())
    communes = [i for i, unit in enumerate(units) if unit.level == "commune"][: len(names)]
    for i, name in zip(communes, names, strict=True):
        units[i] = replace(units[i], name=name)
    store = open_store(sqlite_url, catalogue, OrgUnits(units))
    client = client_of(store, tmp_path)
    uids = ",".join(units[i].uid for i in communes)
    rows = parsed(client.get(f"/api/v1/org-units.csv?org_unit={uids}", base_url=HERE).data)
    store.close()
    cells = [row["name"] for row in rows]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert sorted(map(original, cells)) == sorted(names)


def test_negative_numbers_stay_numbers():
    assert [dialect.cell(x) for x in (-5.0, -0.25, 1e-7, 12.0, float("nan"), None)] == [
        "-5", "-0.25", "1e-07", "12", "", "",
    ]  # fmt: skip


# --- addresses -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("standings.json?org_unit=nowhere", "org_unit"),
        ("standings.json?target=T99", "target"),
        ("standings.json?indicator=I02b&level=ward", "level"),
        ("standings.json?on=30/06/2025", "on"),
        ("standings.json?as_of=yesterday", "as_of"),
        ("standings.json?as_of=2025-06-30T17:00:00", "as_of"),
        ("standings.json?as_of=2999-01-01", "as_of"),
        ("standings.json?oder_unit=area-qb", "oder_unit"),
        ("standings.json?level=commune&level=district", "level"),
        ("values.json?grain=week", "grain"),
        ("values.json?from=2025-13", "from"),
        ("values.json?from=2025-06&to=2025-01", "from"),
        ("values.json?limit=0", "limit"),
        ("values.json?after=-1", "after"),
        ("values.csv?download=yes", "download"),
        ("records.json?kind=Hồ sơ", "kind"),
        ("records.json?state=a b", "state"),
        ("records.json?overdue=yes", "overdue"),
        ("records.json?from=2025-06&to=2025-01", "from"),
        ("records.json?level=commune", "level"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_named_and_refused(get, address, parameter):
    answer = get(f"/api/v1/{address}")
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert answer.json["parameter"] == parameter
    assert answer.json["type"] in ("/api#bad-filter", "/api#unknown-filter")


@pytest.mark.parametrize(
    "asked", ["records?kind=dosier", "records?after=x", "lineage?step=poll&indicator=I02b"]
)
def test_a_kind_or_a_place_that_is_none_is_refused_in_words(get, asked):
    question, asked = asked.split("?")
    answer = get(f"/api/v1/{question}.json?{asked}")
    asked = asked.split("&")[0]
    assert answer.status_code == 400 and answer.mimetype == "application/problem+json"
    assert asked.split("=")[1] in answer.json["detail"]


@pytest.mark.parametrize("address", ["/api/v1/", "/api/v1/secrets.json", "/api/v2/x",
                                     "/api/v1/standings.xml", "/api/v1/standings"])  # fmt: skip
def test_an_unknown_data_address_is_not_found_rather_than_a_page(get, address):
    answer = get(address)
    assert answer.status_code == 404 and answer.mimetype == "application/problem+json"


def test_an_instant_may_be_written_with_its_plus_sign_as_it_is(get):
    escaped = get("/api/v1/standings.json?as_of=2026-01-01T00:00:00%2B07:00").json
    assert get("/api/v1/standings.json?as_of=2026-01-01T00:00:00+07:00").json == escaped
    assert escaped["as_of"] == "2026-01-01T00:00:00+07:00"


def test_a_bare_date_is_its_last_instant_in_vietnam(get):
    document = get("/api/v1/standings.json?as_of=2025-06-30").json
    assert document["as_of"] == "2025-07-01T00:00:00+07:00"


NAMES = st.sampled_from([
    "org_unit", "indicator", "target", "level", "grain", "from", "to", "on", "as_of", "limit",
    "after", "download", "manifest", "source", "frame", "x",
])  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([
        "area-qb", "I02b", "T02a", "commune", "month", "2025", "2025-06", "2025-Q9", "1", "0", "-1",
        "9" * 40, "2025-06-30", "9999-12-31", "0001-01-01", "2025-06-30T25:00:00Z", "NaN", "\x00",
        "2025-01-01T00:00:00+07:00", "' OR 1=1 --", "../../etc/passwd", "=1+1", "%s%n", ",,,", "Đ",
    ]),
)  # fmt: skip


def test_a_thousand_hostile_addresses_never_break_the_server(get):
    seen: dict[int, int] = {}

    @settings(max_examples=1_000, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from([*CSVS, "nothing"]), st.sampled_from(["json", "csv"]),
           st.lists(st.tuples(NAMES, TEXTS), max_size=3))  # fmt: skip
    def ask(question, kind, pairs):
        answer = get(f"/api/v1/{question}.{kind}", query_string=pairs)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (question, kind, pairs, answer.text)
        assert "Traceback" not in answer.text

    ask()
    assert seen[400] > 100 and seen[200] > 20


def test_the_command_writes_the_same_bytes_as_the_address(get, loaded):
    at = "2026-01-01T00:00:00+07:00"
    given_filters = {"indicator": "I02b", "as_of": at}
    written = b"".join(exports.stream(loaded, "values", given_filters))
    assert written == get("/api/v1/values.csv", query_string=given_filters).data


def test_the_same_answer_is_kept_as_bytes_until_the_data_moves(get, loaded):
    first = get("/api/v1/org-units.json?on=2025-06-30").data
    assert get("/api/v1/org-units.json?on=2025-06-30").data == first
    poll_of(loaded, [], datetime.now(UTC))
    assert (
        json.loads(first)["version"] < get("/api/v1/org-units.json?on=2025-06-30").json["version"]
    )


def test_a_planted_value_in_the_cache_is_a_miss_and_runs_nothing():
    kept = cache.JsonSerializer()
    planted = pickle.dumps({"a": 1})
    assert kept.loads(planted) is None
    assert kept.loads(kept.dumps({"a": [1, None, "Đồng Hới"]})) == {"a": [1, None, "Đồng Hới"]}


def test_a_cache_in_redis_without_its_client_is_refused_in_words():
    if find_spec("redis"):
        pytest.skip("the client is installed")
    with pytest.raises(IocError, match="IOC_CACHE_URL"):
        cache.install(flask.Flask("x"), "redis://127.0.0.1:1/0")


@pytest.mark.parametrize(
    "text", ["1990-01-01", "0001-01-01", "1989-06-30", "9999-12-31", "1999-12-31T00:00:00%2B07:00"]
)
def test_an_instant_out_of_range_is_refused_with_one_range(get, text):
    said = get(f"/api/v1/standings.json?as_of={text}").json["detail"]
    assert said == "as_of: phải từ năm 2000 đến bây giờ."


def test_a_day_that_is_none_is_refused_with_every_form_that_a_period_takes(get):
    said = get("/api/v1/values.json?from=2025-02-30").json["detail"]
    assert said.endswith("(2025, 2025-Q2, 2025-06, 2025-06-30).")


def test_large_numbers_of_a_refusal_have_their_points(get):
    assert "5.016.022 dòng, quá 1.000.000 dòng" in files._too_many(5_016_022).detail
    assert "9.999.999" in get("/api/v1/values.json?limit=9999999").json["detail"]
