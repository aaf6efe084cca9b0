"""SOAP reports: a request for each month, faults of either side, and XML that attacks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from connectors.config import load_sources
from connectors.io import IO
from connectors.kinds import soap
from connectors.poller import poll
from connectors.sandbox import reporting_office
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from ioc.config import Lined
from ioc.errors import Broken, NeedsCredentials, Transient
from ioc.model import Batch
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, Period
from ioc.source import Source
from kpi import health
from tests.chaos import Answer, Chaos, Request, serve
from tests.fields import source_of

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
UNITS = OrgUnits.load()
SPACE = "http://schemas.xmlsoap.org/soap/envelope/"


def envelope(content: str, head: str = "") -> bytes:
    return f'{head}<s:Envelope xmlns:s="{SPACE}"><s:Body>{content}</s:Body></s:Envelope>'.encode()


def xml(body: bytes, **more: Any) -> Answer:
    return Answer(body=body, type="text/xml", **more)


def options(**changed: Any) -> Lined:
    given = {
        "from": "2026-09",
        "template": "<q>$nam/$thang/$ky</q>",
        "rows": "//don",
        "columns": {"ma": "@ma", "ky": "ky", "so": "number(so)"},
    }
    return Lined(given | changed)


def service(url: str, **entries: Any) -> Source:
    given: dict[str, Any] = {
        "id": "reporting",
        "name": "Báo cáo thử",
        "kind": "soap",
        "url": url,
        "owner": "VPUB",
        "every": "30s",
        "serves": ["department"],
        "options": options(),
        "fields": Lined({"org_unit": "ma", "period": "ky"}),
        "readings": Lined({"report_indicators_total": "so"}),
    }
    return source_of(**(given | entries))


def walk(source: Source, since: str | None = None, now: datetime = NOW) -> list[Batch]:
    with IO(source, now=lambda: now, sleep=lambda _: None, env={}) as io:
        return list(soap.poll(source, since, io))


def of_month(request: Request) -> Answer:
    """One row for the month that is asked for."""
    year, month, _ = request.body.decode().removeprefix("<q>").split("/", 2)
    return xml(envelope(f'<don ma="SYT"><ky>{year}-{month}</ky><so>{month}</so></don>'))


# -- months ----------------------------------------------------------------------------------------


def test_every_month_is_asked_for_once_and_each_may_be_resumed_from() -> None:
    with Chaos(of_month) as server:
        batches = walk(service(server.url))
    assert [batch.cursor for batch in batches] == ["2026-09", "2026-10", "2026-11"]
    assert [row["so"] for batch in batches for row in batch.rows] == [9.0, 10.0, 11.0]
    assert server.requests[0].body == b"<q>2026/09/2026-09</q>"
    assert all(request.method == "POST" for request in server.requests)


def test_the_last_months_are_read_again_because_reports_are_corrected() -> None:
    with Chaos(of_month) as server:
        source = service(server.url, options=options(again=1, **{"from": "2026-01"}))
        assert [batch.cursor for batch in walk(source, "2026-11")] == ["2026-10", "2026-11"]
        january = datetime(2027, 1, 3, tzinfo=UTC)
        assert walk(source, "2026-11", january)[0].cursor == "2026-10"


@pytest.mark.parametrize("since", ["2999-01", "abc", ""])
def test_a_watermark_of_the_future_or_of_another_form_is_refused(since) -> None:
    with Chaos(of_month) as server, pytest.raises(Broken, match="mốc đã lưu"):
        walk(service(server.url), since)


def test_a_failure_at_the_third_month_keeps_the_two_before(sqlite_store, tmp_path) -> None:
    def fails(request: Request) -> Answer:
        return Answer(status=503) if b"2026-11" in request.body else of_month(request)

    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    with Chaos(fails) as server:
        source = service(server.url, options=options(deadline=2))
        health.publish_sources(sqlite_store, [source])
        run = poll(sqlite_store, source, settings, now=NOW)
    assert (run["outcome"], run["new"]) == ("partial", 2)
    assert health.watermark(sqlite_store, "reporting") == "2026-10"


def test_polled_twice_nothing_changes(sqlite_store, tmp_path) -> None:
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    with Chaos(of_month) as server:
        source = service(server.url)
        health.publish_sources(sqlite_store, [source])
        first = poll(sqlite_store, source, settings, now=NOW)
        again = poll(sqlite_store, source, settings, now=NOW + timedelta(minutes=1))
    assert (first["outcome"], first["new"]) == ("ok", 3)
    assert (again["new"], again["changed"], again["rejected"]) == (0, 0, 0)


# -- faults ----------------------------------------------------------------------------------------


def fault(code: str) -> bytes:
    said = "<faultstring>mật khẩu của Nguyễn Văn A sai</faultstring>"
    return envelope(f"<s:Fault><faultcode>{code}</faultcode>{said}</s:Fault>")


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("s:Client", Broken),
        ("s:Client.Authentication", Broken),
        ("s:VersionMismatch", Broken),
        ("s:Server", Transient),
        ("s:Server.Busy", Transient),
    ],
)
def test_a_fault_of_ours_is_broken_and_one_of_the_server_is_tried_later(status, code, kind) -> None:
    with Chaos(serve(xml(fault(code), status=status))) as server, pytest.raises(kind) as said:
        walk(service(server.url))
    assert type(said.value) is kind and "Nguyễn" not in str(said.value)


def test_a_fault_of_soap_1_2_is_read_by_its_code_too() -> None:
    body = (
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code>'
        b"<e:Value>e:Sender</e:Value></e:Code></e:Fault></e:Body></e:Envelope>"
    )
    answer = Answer(body=body, type="application/soap+xml")
    with Chaos(serve(answer)) as server, pytest.raises(Broken, match="Sender"):
        walk(service(server.url, options=options(version="1.2")))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html><body>dang nhap</body></html>", type="text/html"),
        xml(b"<khac/>"),
        xml(b"<s:Envelope"),
        xml(b""),
        xml(envelope("<don/>").replace(b"schemas.xmlsoap", b"khac")),
    ],
)
def test_what_is_no_soap_is_broken(answer) -> None:
    with Chaos(serve(answer)) as server, pytest.raises(Broken):
        walk(service(server.url))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>Service Unavailable</html>", type="text/html", status=500),
        xml(b"<khac/>", status=500),
        xml(b"", status=500),
    ],
)
def test_an_error_of_the_server_that_is_no_soap_is_tried_later(answer) -> None:
    with Chaos(serve(answer)) as server, pytest.raises(Transient, match="500"):
        walk(service(server.url))


def test_an_element_of_the_reply_that_is_named_fault_is_no_fault() -> None:
    told = '<Fault>1</Fault><don ma="SYT"><ky>2026-11</ky><so>5</so></don>'
    with Chaos(serve(xml(envelope(f"<kq>{told}</kq>")))) as server:
        assert len(walk(service(server.url))[0].rows) == 1


def test_a_column_that_finds_several_values_is_broken_and_none_is_taken() -> None:
    twice = '<don ma="SYT"><ky>2026-11</ky><ky>2026-10</ky><so>5</so></don>'
    with Chaos(serve(xml(envelope(twice)))) as server, pytest.raises(Broken, match="ky chỉ ra 2"):
        walk(service(server.url))


def test_a_column_may_be_a_truth_and_rows_that_are_none_are_broken() -> None:
    columns = {"ma": "@ma", "co": "so > 1", "khong": "so > 99"}
    reply = xml(envelope('<don ma="SYT"><so>5</so></don>'))
    with Chaos(serve(reply)) as server:
        found = walk(service(server.url, options=options(columns=columns)))[0].rows[0]
        assert (found["co"], found["khong"]) == (True, False)
        with pytest.raises(Broken, match="rows"):
            walk(service(server.url, options=options(rows="count(//don)")))


def test_a_service_that_has_no_row_any_more_covers_nothing_and_says_so() -> None:
    silent = serve(xml(envelope("<kq/>")))
    with Chaos(silent) as server, IO(service(server.url), now=lambda: NOW, env={}) as io:
        assert [b.rows for b in soap.poll(service(server.url), "2026-11", io)] == [[], [], []]
        assert io.waiting and "không trả dòng nào" in " ".join(io.notes)
    with Chaos(of_month) as server, IO(service(server.url), now=lambda: NOW, env={}) as io:
        list(soap.poll(service(server.url), "2026-11", io))
        assert not io.waiting


def test_a_login_that_stands_in_the_request_is_escaped_and_told_to_nobody() -> None:
    word = "mat<khau>&rat-dai"
    auth = Lined({"kind": "basic", "username": "doc", "password": "${IOC_TU}"})
    given = options(template="<q><u>$tai_khoan</u><p>$mat_khau</p></q>")
    source = service("http://127.0.0.1:1", options=given)
    assert "auth: basic" in " ".join(message for _, message in soap.faults(source))
    with Chaos(serve(xml(envelope("<kq/>")))) as server:
        source = service(server.url, options=given, auth=auth)
        assert list(soap.faults(source)) == []
        with IO(source, now=lambda: NOW, env={"IOC_TU": word}) as io:
            list(soap.poll(source, None, io))
            assert word not in io.redact(f"sai {word}")
        asked = server.requests[0].body
    assert asked == b"<q><u>doc</u><p>mat&lt;khau&gt;&amp;rat-dai</p></q>"


def test_soap_1_2_says_its_action_in_the_content_type() -> None:
    with Chaos(serve(Answer(body=b"", type="text/xml"))) as server:
        for version in ("1.1", "1.2"):
            with pytest.raises(Broken):
                walk(service(server.url, options=options(version=version, action="urn:a")))
        old, new = (request.headers for request in server.requests)
    assert (old["soapaction"], "action" in old["content-type"]) == ('"urn:a"', False)
    assert new["content-type"].endswith('; action="urn:a"') and "soapaction" not in new


def test_refused_credentials_are_said_at_once() -> None:
    with Chaos(serve(Answer(status=401))) as server:
        with pytest.raises(NeedsCredentials):
            walk(service(server.url))
        assert len(server.requests) == 1


# -- XML that attacks ------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "head",
    [
        LAUGHS,
        '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE s SYSTEM "http://127.0.0.1:1/evil.dtd">',
        '<!DOCTYPE s [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p"> %p;]>',
    ],
)
@pytest.mark.parametrize("word", ["&b;", "&x;", "5"])
def test_a_document_that_declares_entities_or_a_dtd_is_refused(head, word) -> None:
    body = envelope(f'<don ma="SYT"><ky>2026-11</ky><so>{word}</so></don>', head)
    with Chaos(serve(xml(body))) as server, pytest.raises(Broken):
        walk(service(server.url))


def test_nesting_without_end_is_refused() -> None:
    deep = "<a>" * 100_000 + "</a>" * 100_000
    with Chaos(serve(xml(envelope(deep)))) as server, pytest.raises(Broken):
        walk(service(server.url))


def test_words_of_a_request_are_only_our_own_and_a_wrong_declaration_is_found_at_once() -> None:
    wrong = service("http://127.0.0.1:1", options=options(template="$bi_mat", rows="//[", again=-1))
    found = " ".join(message for _, message in soap.faults(wrong))
    assert "$bi_mat" in found and "XPath" in found and "again" in found
    assert list(soap.faults(service("http://127.0.0.1:1"))) == []


# -- the sample's reporting system -----------------------------------------------------------------


def test_the_store_holds_what_the_office_reports_and_the_target_is_met(
    sqlite_store, tmp_path, monkeypatch
) -> None:
    now = datetime(2026, 11, 22, 9, 0, tzinfo=LOCAL)
    place = Place(Province(UNITS, 450, 0.01), lambda: now, tmp_path / "x", 0)
    client = TestClient(reporting_office.Service(place).app())

    def served(request: Request) -> Answer:
        reply = client.post(
            request.path, content=request.body, headers={"content-type": "text/xml"}
        )
        return Answer(body=reply.content, type="text/xml", status=reply.status_code)

    with Chaos(served) as server:
        source = next(one for one in load_sources() if one.id == "reporting")
        source = source.model_copy(update={"url": server.url})
        health.publish_sources(sqlite_store, [source])
        settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
        run = poll(sqlite_store, source, settings, now=now)
    assert (run["outcome"], run["rejected"]) == ("ok", 0), run
    office, december = reporting_office.Office(place), Period.parse("2025-12")
    rows = office.month(2025, 12)
    with sqlite_store.read() as connection:
        stored = dict(connection.exec_driver_sql(
            "SELECT element, value FROM rollup WHERE org_unit = 'area-qb' AND period ="
            f" {december.key} AND superseded_at > 250000000000000000"
        ).all())  # fmt: skip
    connected = sum(row["ChiTieuGiaoDien"] + row["ChiTieuTep"] for row in rows)
    assert stored == {
        "report_regimes_issued": sum(row["CheDoBanHanh"] for row in rows),
        "report_regimes_online": sum(row["CheDoTrenHeThong"] for row in rows),
        "report_indicators_total": sum(row["ChiTieuTong"] for row in rows),
        "report_indicators_connected": connected,
    }
    for part, whole in (
        ("regimes_online", "regimes_issued"),
        ("indicators_connected", "indicators_total"),
    ):
        assert stored[f"report_{part}"] / stored[f"report_{whole}"] > 0.8
    assert all(
        r["ChiTieuNhapTay"] + r["ChiTieuGiaoDien"] + r["ChiTieuTep"] == r["ChiTieuTong"]
        for r in rows
    )
    kept = b"".join(p.read_bytes() for p in Path(tmp_path).rglob("*") if p.is_file())
    assert "Trần Thị Lập".encode() not in kept


def test_a_request_that_the_office_does_not_understand_is_a_fault_with_status_200(tmp_path) -> None:
    place = Place(Province(UNITS, 450, 0.01), lambda: NOW, tmp_path, 0)
    client = TestClient(reporting_office.Service(place).app())
    reply = client.post("/baocao.asmx", content=b"<x/>")
    assert reply.status_code == 200 and "s:Client" in reply.text


def test_a_source_without_its_columns_is_refused_with_its_line() -> None:
    bare = service("http://127.0.0.1:1", options=Lined({"from": "2026-01"}))
    assert {"phải có template", "phải có rows", "phải có columns"} <= {
        m for _, m in soap.faults(bare)
    }
