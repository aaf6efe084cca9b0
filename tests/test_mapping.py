"""From a row to a coded record: exact times and numbers, nothing inferred, nobody's name."""

import math
import unicodedata
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import mapping, privacy, values
from connectors.values import Bad
from ioc.errors import Broken, ConfigError
from ioc.model import Batch, Record, Rejection
from ioc.period import LOCAL, Period
from tests.fields import dossier, rest_source

KEY = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
INSTANTS = st.datetimes(
    datetime.fromisoformat("1990-01-02"),
    datetime.fromisoformat("2062-01-01"),
    timezones=st.just(UTC),
)


def mapped(*rows: Any, **entries: Any) -> list[Any]:
    source = rest_source("http://127.0.0.1:9", **entries)
    return list(mapping.compile(source, KEY).map_rows(Batch(rows, origin="/p"), NOW))


# -- 35, fault 30, 31: times ---------------------------------------------------------------------


@given(at=INSTANTS)
def test_every_declared_way_to_write_an_instant_gives_that_instant(at: datetime) -> None:
    local = at.astimezone(LOCAL)
    iso = values.instant(None)
    assert iso(at.isoformat()) == iso(at.isoformat().replace("+00:00", "Z")) == at
    assert iso(local.isoformat()) == iso(local.replace(tzinfo=None).isoformat()) == at
    second = at.replace(microsecond=0)
    seconds = int(second.timestamp())
    assert values.instant("epoch_s")(seconds) == second
    assert values.instant("epoch_ms")(seconds * 1000 + 7) == second + timedelta(milliseconds=7)
    text = f"{local:%d/%m/%Y %H:%M:%S}"
    assert values.instant("%d/%m/%Y %H:%M:%S")(text) == second


@given(at=INSTANTS)
def test_an_instant_is_of_the_declared_zone_when_it_names_none(at: datetime) -> None:
    zone = values.zone_of("America/New_York")
    naive = at.astimezone(zone)
    if naive.fold:  # an hour that comes twice cannot be told apart
        return
    assert values.instant(None, zone)(naive.replace(tzinfo=None).isoformat()) == at


def test_the_evening_of_30_june_in_utc_is_july_here() -> None:
    at = values.instant(None)("2025-06-30T17:30:00Z")
    assert Period.of("month", at).text == "2025-07"
    assert values.instant(None)("2025-06-30T23:59:59") < at


def test_excel_serials_count_only_where_they_are_declared() -> None:
    expected = datetime(2024, 6, 29, 17, tzinfo=UTC)
    assert values.instant("excel")(45473) == values.instant("excel")(45473.0) == expected
    assert values.instant("excel1904")(45473 - 1462) == expected
    assert values.instant(None)(date(2024, 6, 30)) == expected
    for bare in (45473, 45473.0, "45473", True):
        with pytest.raises(Bad):
            values.instant(None)(bare)


@pytest.mark.parametrize(
    "text", ["12/31/2024", "31/02/2024", "2024-06-30", "1/2", "hôm nay", "０１/02/2024x"]
)
def test_dates_are_read_by_the_declared_pattern_only(text: str) -> None:
    with pytest.raises(Bad):
        values.instant("%d/%m/%Y")(text)


# -- 34, fault 32: numbers -----------------------------------------------------------------------


@given(value=st.integers(0, 10**12), decimals=st.integers(0, 99))
def test_a_number_as_vietnamese_write_it_is_read_exactly(value: int, decimals: int) -> None:
    text = f"{value:,}".replace(",", ".") + f",{decimals:02d}"
    assert values.number("vi")(text) == float(f"{value}.{decimals:02d}")
    assert values.number("vi")(str(value)) == value


@pytest.mark.parametrize(
    "raw", ["1.23", "1,234.5", "1.2345", "N/A", "--", "1e5", "12 345", "٣", "nan", "inf"]
)
def test_what_is_no_number_in_the_declared_locale_is_refused(raw: str) -> None:
    with pytest.raises(Bad):
        values.number("vi")(raw)


@given(
    raw=st.one_of(
        st.booleans(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.integers()),
        st.sampled_from([math.nan, math.inf, -math.inf, -1, -0.5, 10**400]),
        st.binary(),
    )
)
def test_other_types_and_not_finite_or_negative_counts_are_refused(raw: Any) -> None:
    with pytest.raises(Bad):
        values.number("vi")(raw)


# -- 33, 36: texts -------------------------------------------------------------------------------


@given(
    form=st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]),
    noise=st.sampled_from(["", "\u200b", "\ufeff", " "]),
)
def test_one_word_has_one_form_whatever_was_sent(form: Any, noise: str) -> None:
    sent = noise + unicodedata.normalize(form, "toàn trình") + noise
    [record] = mapped(dossier(kenh=sent))
    assert record.channel == "full"


@given(text=st.text(min_size=1))
def test_text_without_a_table_is_a_code_or_refused(text: str) -> None:
    try:
        found = values.coded(None)(text)
    except Bad:
        return
    assert found is None or (
        found.replace("Đ", "D").replace("đ", "d").isascii() and " " not in found
    )


PEOPLE = st.one_of(
    st.from_regex(r"0[0-9]{11}", fullmatch=True),
    st.from_regex(r"(0|\+84)[35789][0-9]{8}", fullmatch=True),
    st.from_regex(r"0[35789][0-9]{2}[ .-][0-9]{3}[ .-][0-9]{3}", fullmatch=True),
    st.from_regex(r"[a-z]{3,9}\.[a-z]{2,5}@[a-z]{3,9}\.gov\.vn", fullmatch=True),
    st.sampled_from(["Nguyễn Văn A", "Trần Thị Bình", "TRẦN THỊ BÌNH", "12 Lý Thường Kiệt"]),
)
FIELDS = ["ma", "coQuan", "tiepNhan", "tra", "capNhat", "thuTuc", "kenh", "hoTen", "moi"]


@given(person=PEOPLE)
def test_a_planted_person_is_in_nothing_that_comes_out(person: str) -> None:
    for item in mapped(*(dossier(**{where: person}) for where in FIELDS)):
        assert person not in repr(item)


def test_the_key_is_a_hash_of_the_deployment_and_of_the_source() -> None:
    [first], [again] = mapped(dossier(7)), mapped(dossier("7"))
    [other] = mapped(dossier(7), id="nguon_khac")
    source = rest_source("http://127.0.0.1:9")
    [elsewhere] = mapping.compile(source, KEY[::-1]).map_rows(Batch([dossier(7)]), NOW)
    assert first.key == again.key
    assert len({first.key, other.key, elsewhere.key}) == 3
    assert len(first.key) == 32


def test_parts_of_a_composite_key_never_run_together() -> None:
    found = [
        mapped(dossier(thuTuc=b, ma=a), key=["ma", "thuTuc"])[0]
        for a, b in [("1", "23"), ("12", "3")]
    ]
    assert found[0].key != found[1].key


# -- 3, 29, 33: rows -----------------------------------------------------------------------------


def test_what_lies_more_than_five_minutes_ahead_is_rejected_but_a_deadline_may() -> None:
    late = NOW + timedelta(minutes=6)
    soon = NOW + timedelta(minutes=4)
    for field in ("tiepNhan", "capNhat"):
        [item] = mapped(dossier(**{field: late.isoformat()}))
        assert isinstance(item, Rejection) and "tương lai" in item.reason
        [item] = mapped(dossier(**{field: soon.isoformat()}))
        assert isinstance(item, Record)
    fields = {"org_unit": "coQuan", "opened_at": "tiepNhan", "due_at": "hen"}
    [item] = mapped(dossier(hen="2030-01-01"), fields=fields)
    assert isinstance(item, Record)


def test_a_required_field_that_no_row_has_is_a_change_of_form() -> None:
    rows = [dossier(i) for i in range(5)]
    for row in rows:
        del row["coQuan"]
    with pytest.raises(Broken, match="coQuan"):
        mapped(*rows)
    rows[0]["coQuan"] = "VPUB"
    found = mapped(*rows)
    assert [type(item) for item in found] == [Record, *[Rejection] * 4]


def test_a_rejection_keeps_its_place_its_coded_fields_and_a_hash() -> None:
    rows = [dossier(1), dossier(2, kenh="lạ"), dossier(2, kenh="lạ")]
    _, bad, same = mapped(*rows)
    assert bad.position == "/p#2" and bad.hash == same.hash and len(bad.hash) == 32
    assert bad.fields["org_unit"] == "VPUB" and bad.fields["channel"] == "(đã che)"
    assert set(bad.fields) <= {
        "org_unit",
        "opened_at",
        "closed_at",
        "changed_at",
        "category",
        "channel",
    }


@given(
    row=st.dictionaries(
        st.sampled_from(FIELDS),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=4,
        ),
    )
)
def test_no_row_whatever_it_holds_raises_or_vanishes(row: dict[str, Any]) -> None:
    [item] = mapped(row)
    assert isinstance(item, Record | Rejection)


# -- the key -------------------------------------------------------------------------------------


def test_the_deployments_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    key = privacy.secret_key(settings)
    assert privacy.secret_key(settings) == key and len(key) >= 32
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_that_is_too_short_or_missing_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "key"
    for path in (short, tmp_path / "none"):
        short.write_bytes(b"short")
        with pytest.raises(ConfigError):
            privacy.secret_key(SimpleNamespace(data=tmp_path, secret_key_file=path))
