"""Pages of ``values`` follow one another without reading what stood before, and lose no row."""

import pytest
import sqlalchemy as sa

from ioc.period import Period
from ioc.principal import Principal
from kpi import query, series
from tests import test_downloads

get, loaded = test_downloads.get, test_downloads.loaded
MONTHS = "from=2025-01&to=2025-03&level=commune"
SHORT = "indicator=I02b,I02a,I01"


@pytest.fixture
def statements(loaded):
    """How many statements were sent to the store since the list was cleared."""
    sent: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        sent.append(statement)

    sa.event.listen(loaded.reader, "before_cursor_execute", note)
    yield sent
    sa.event.remove(loaded.reader, "before_cursor_execute", note)


def paged(get, limit: int) -> list[dict]:
    rows, address = [], f"/api/v1/values.json?{MONTHS}&limit={limit}"
    while address:
        page = get(address).json
        rows += page["rows"]
        address = page["next"]
        assert page["count"] == get(f"/api/v1/values.json?{MONTHS}&limit=1").json["count"]
    return rows


def test_the_last_page_costs_no_more_statements_than_the_first(get, statements):
    count = get(f"/api/v1/values.json?{MONTHS}&limit=1").json["count"]
    limit = count // 10
    costs = []
    for page in range(10):
        statements.clear()
        found = get(f"/api/v1/values.json?{MONTHS}&limit={limit}&after={page * limit}").json
        assert len(found["rows"]) == limit and found["count"] == count
        costs.append(len(statements))
    assert costs[-1] <= 1.5 * max(costs[:2]), costs


def test_pages_together_are_all_rows(get):
    whole = get(f"/api/v1/values.json?{MONTHS}").json
    assert whole["next"] is None or len(whole["rows"]) == 10_000
    rows = whole["rows"]
    while whole["next"]:
        whole = get(whole["next"]).json
        rows += whole["rows"]
    assert len(rows) == whole["count"]
    assert paged(get, 3_571) == rows


def test_whatever_is_left_out_the_rest_is_the_same(loaded, monkeypatch):
    monkeypatch.setattr(series, "AT_ONCE", 7)
    asked = {
        "indicators": ["I02b", "I02a"],
        "first": Period.parse("2025-01"),
        "last": Period.parse("2025-03"),
        "level": "commune",
    }
    answer = query.values(loaded, Principal.local_admin(), **asked)
    whole = list(answer.stream())
    each = len(whole) // 2
    for skip in (0, 1, 2, 3, 20, 21, 22, each - 1, each, each + 1, 2 * each - 1, 2 * each, 9_999):
        assert list(answer.stream(skip)) == whole[skip:], skip


def test_after_the_last_row_there_is_none_and_the_count_stands(get):
    found = get(f"/api/v1/values.json?{MONTHS}&{SHORT}&after=999999").json
    assert found["rows"] == [] and found["next"] is None
    assert found["count"] == len(get(f"/api/v1/values.json?{MONTHS}&{SHORT}").json["rows"]) > 0
