"""What people order of a source: the poller heeds it, once, and says what came of it."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.poller import poll, poll_given
from ioc.config import Lined
from ioc.errors import Forbidden, UnknownOrgUnit
from ioc.principal import Principal
from kpi import acts, audit, health, orders, query, replay, requests
from kpi.smallness import HIDDEN
from kpi.store import KpiStore
from tests.chaos import Answer, Chaos, serve
from tests.fields import DOSSIER, dossier, rest_source
from tests.test_schedule import Scheduled, source_at
from tests.worlds import DOSSIERS, STAFF, rows, share
from tests.worlds import dossier as case

pytest_plugins = ["tests.worlds"]
ADMIN = Principal.local_admin()
WHY = "Kiểm tra theo công văn"
GOOD = Answer({"data": [dossier()]})


@pytest.fixture
def settings(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(data=tmp_path, secret_key_file=None, lease=2)


def order(store: KpiStore, kind: str, source: str = "mot", who: Principal = ADMIN) -> int:
    return orders.order(store, who, kind, source=source, reason=WHY)


def asked(store: KpiStore) -> list[dict[str, Any]]:
    """The orders, newest first."""
    return query.asked(store, ADMIN).records()


def state(store: KpiStore) -> str:
    return asked(store)[0]["state"]


# --- the schedule --------------------------------------------------------------------------------


def test_a_paused_source_is_polled_no_more_until_it_is_resumed(store, settings):
    with Chaos(serve(GOOD)) as server:
        sources = [source_at(server, "mot"), source_at(server, "hai")]
        with Scheduled(store, sources, settings) as scheduled:
            scheduled.wait(lambda c: c["mot"] >= 1)
            order(store, "pause")
            scheduled.wait(lambda _: state(store) == "done")
            assert query.sources(store, ADMIN).records()[1]["paused"] == 1
            before = scheduled.wait(lambda _: True)
            after = scheduled.wait(lambda c: c["hai"] >= before["hai"] + 3)
            assert after["mot"] <= before["mot"] + 1, "one poll may have been under way"
            order(store, "resume")
            resumed = scheduled.wait(lambda c: c["mot"] >= after["mot"] + 2)
    assert resumed["mot"] >= after["mot"] + 2
    done = asked(store)
    assert [(row["kind"], row["state"]) for row in done] == [("resume", "done"), ("pause", "done")]
    assert done[1]["note"] == WHY and done[1]["who"] == ADMIN.name


def test_a_pause_outlives_the_process_that_heeded_it(sqlite_store, settings):
    with Chaos(serve(GOOD)) as server:
        sources = [source_at(server, "mot"), source_at(server, "hai")]
        with Scheduled(sqlite_store, sources, settings) as first:
            first.wait(lambda c: c["mot"] >= 1)
            order(sqlite_store, "pause")
            first.wait(lambda _: state(sqlite_store) == "done")
        with Scheduled(sqlite_store, sources, settings) as second:
            counted = second.wait(lambda c: c["hai"] >= 3)
    assert counted["mot"] == 0 and counted["hai"] >= 3


def test_a_poll_that_was_asked_for_comes_out_of_turn_and_is_told(store, settings):
    with (
        Chaos(serve(GOOD)) as server,
        Scheduled(store, [source_at(server, "mot", every="1h")], settings) as scheduled,
    ):
        scheduled.wait(lambda c: c["mot"] >= 1)
        order(store, "repoll")
        counted = scheduled.wait(lambda c: c["mot"] >= 2)
        scheduled.wait(lambda _: state(store) == "done")
    assert counted["mot"] == 2
    (row,) = asked(store)
    assert (row["state"], row["outcome"], row["read"]) == ("done", "ok", 1)
    assert "đọc ngay theo yêu cầu" in row["note"]
    assert health.newest_slots(store).keys() == {"mot"}, "and takes no slot away"


def test_a_poll_that_was_asked_for_and_failed_is_refused_with_its_reason(sqlite_store, settings):
    with Chaos(serve(Answer(body=b"<html>", type="text/html"))) as server:
        source = source_at(server, "mot", every="1h")
        with Scheduled(sqlite_store, [source], settings) as scheduled:
            scheduled.wait(lambda c: c["mot"] >= 1)
            order(sqlite_store, "repoll")
            scheduled.wait(lambda _: state(sqlite_store) == "refused")
    (row,) = asked(sqlite_store)
    assert (row["state"], row["outcome"]) == ("refused", "broken") and row["note"]


def test_what_waited_while_nobody_polled_is_heeded_by_the_next_who_does(sqlite_store, settings):
    with Chaos(serve(GOOD)) as server:
        sources = [source_at(server, "mot"), source_at(server, "hai")]
        health.publish_sources(sqlite_store, sources)
        order(sqlite_store, "pause")
        assert state(sqlite_store) == "waiting"
        with Scheduled(sqlite_store, sources, settings) as scheduled:
            scheduled.wait(lambda c: c["hai"] >= 3)
    assert state(sqlite_store) == "done"


# --- the act -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "source", "reason", "words"),
    [
        ("pause", "khong-co", WHY, "Không có nguồn"),
        ("erase", STAFF.id, WHY, "Không có lệnh"),
        ("pause", STAFF.id, "  ", "Lý do"),
        ("pause", STAFF.id, "Gọi 0912 345 678 để hỏi", "điện thoại"),
        ("resume", STAFF.id, WHY, "không tạm dừng"),
    ],
)
def test_what_may_not_be_ordered_is_refused_with_its_reason(
    sqlite_world, kind, source, reason, words
):
    with pytest.raises(acts.Refused, match=words):
        orders.order(sqlite_world.store, ADMIN, kind, source=source, reason=reason)
    assert rows(sqlite_world.store, "request") == []


def test_who_only_reads_orders_nothing(sqlite_world):
    for role in ("screen", "viewer", "head", "analyst"):
        with pytest.raises(Forbidden):
            order(sqlite_world.store, "pause", STAFF.id, Principal("xem", role))
    order(sqlite_world.store, "pause", STAFF.id, Principal("trực", "operator"))


def test_an_order_stands_in_the_audit_with_its_reason_and_a_refused_one_does_not(world):
    before = audit.verify(world.store).count
    order(world.store, "pause", STAFF.id)
    with pytest.raises(acts.Refused):
        order(world.store, "pause", STAFF.id)
    assert audit.verify(world.store).count == before + 1
    entry = audit.entries(world.store, ADMIN, kind="request")[0]
    assert (entry.who, entry.what) == (ADMIN.name, STAFF.id)
    assert entry.detail == {"order": "pause", "reason": WHY}
    assert audit.verify(world.store).broken is None


def test_the_same_order_waits_once(sqlite_world):
    order(sqlite_world.store, "replay", STAFF.id)
    with pytest.raises(acts.Refused, match="đang chờ"):
        order(sqlite_world.store, "replay", STAFF.id)


def test_a_paused_source_is_neither_paused_nor_polled_again(sqlite_world):
    store = sqlite_world.store
    number = order(store, "pause", STAFF.id)
    assert requests.heed(store, number, sqlite_world.now) == "pause"
    for kind in ("pause", "repoll"):
        with pytest.raises(acts.Refused, match="tạm dừng"):
            order(store, kind, STAFF.id)


def test_an_order_is_no_file(sqlite_world, tmp_path):
    order(sqlite_world.store, "pause", STAFF.id)
    assert query.uploads(sqlite_world.store, ADMIN).records() == []
    assert query.uploads(sqlite_world.store, ADMIN).count() == 0
    assert requests.due(sqlite_world.store, [STAFF.id], sqlite_world.now) == []
    with sqlite_world.store.read() as connection:
        assert requests.waiting(connection) == 0


# --- replay --------------------------------------------------------------------------------------


def replayed(world: Any, source: Any, settings: Any) -> dict[str, Any]:
    """The run of one replay, by the poller."""
    orders.order(world.store, ADMIN, "replay", source=source.id, reason=WHY, now=world.now)
    ((number, _),) = requests.due(world.store, [source.id], world.now)
    return poll(world.store, source, settings, request=number, now=world.now)


def test_a_figure_that_was_refused_is_taken_once_its_rule_allows_it(world, settings, monkeypatch):
    world.live()
    figures = share("staff_with_computer staff_professional", "SNV25", "2026-10", 90, 100)
    element = world.store.catalogue.elements["staff_professional"]
    narrow = world.store.catalogue.elements | {element.id: narrowed(element)}
    monkeypatch.setattr(world.store.rules, "_elements", narrow)
    assert world.poll(STAFF, figures, rejected=None).rejected == 2, "and its other half with it"
    monkeypatch.setattr(world.store.rules, "_elements", world.store.catalogue.elements)
    read_by = rows(world.store, "rejection")[-1][2]
    world.forward(minutes=5)
    ended = replayed(world, STAFF, settings)
    assert (ended["outcome"], ended["new"], ended["rejected"]) == ("ok", 2, 0)
    world.forward(minutes=5)
    value = world.value("I12a", "2026-10")
    assert (value["numerator"], value["denominator"]) == (90, 100)
    assert not value["by_hand"] >= 0, "the source said it, nobody gave it by hand"
    assert {row[7] for row in rows(world.store, "observation")} == {read_by}
    (order_,) = query.asked(world.store, ADMIN).records()
    assert (order_["state"], order_["new"]) == ("done", 2)
    assert ADMIN.name in order_["note"]
    again = replayed(world, STAFF, settings)
    assert again["new"] == again["changed"] == 0 and "nguồn đã nói lại" in again["note"]


def narrowed(element: Any) -> Any:
    """The element, of which no figure over 50 may be."""
    return replace(element, range=(0, 50))


def test_a_record_that_was_refused_keeps_all_it_said(world, settings, monkeypatch):
    world.live()
    said = case("k1", "SNV25", "2026-10-02 08:00", "2026-10-03 08:00")
    resolve = world.store.rules._orgunits
    monkeypatch.setattr(world.store.rules, "_orgunits", Nobody())
    assert world.poll(DOSSIERS, [said], rejected=None).rejected == 1
    monkeypatch.setattr(world.store.rules, "_orgunits", resolve)
    world.forward(minutes=5)
    assert replayed(world, DOSSIERS, settings)["new"] == 1
    fresh = case("k2", "SNV25", "2026-10-02 08:00", "2026-10-03 08:00")
    world.poll(DOSSIERS, [fresh])
    kept = {row[1]: row[2:20] for row in rows(world.store, "record")}
    assert len({json.dumps(row) for row in kept.values()}) == 1, "as if never refused"


class Nobody:
    """A list of org units in which nobody is."""

    def resolve(self, code: str, _day: Any) -> Any:
        raise UnknownOrgUnit(code)


def test_what_the_source_said_since_is_not_overwritten(world, settings, monkeypatch):
    world.live()
    old = share("staff_with_computer staff_professional", "SNV25", "2026-10", 90, 100)
    element = world.store.catalogue.elements["staff_professional"]
    narrow = world.store.catalogue.elements | {element.id: narrowed(element)}
    monkeypatch.setattr(world.store.rules, "_elements", narrow)
    world.poll(STAFF, old, rejected=None)
    monkeypatch.setattr(world.store.rules, "_elements", world.store.catalogue.elements)
    world.forward(minutes=5)
    world.poll(STAFF, share("staff_with_computer staff_professional", "SNV25", "2026-10", 95, 99))
    world.forward(minutes=5)
    ended = replayed(world, STAFF, settings)
    assert ended["new"] == ended["changed"] == 0
    assert "nguồn đã nói lại sau đó" in ended["note"]
    world.forward(minutes=5)
    assert world.value("I12a", "2026-10")["denominator"] == 99


def test_a_code_that_the_mapping_learns_makes_a_refused_row_readable(store, settings):
    odd = dossier("A2", kenh="K03")
    answer = Answer({"data": [dossier(), odd]})
    with Chaos(serve(answer)) as server:
        source = rest_source(server.url, id="mot")
        health.publish_sources(store, [source])
        assert poll(store, source, settings)["rejected"] == 1
        learned = DOSSIER | {
            "channel": {
                "path": "kenh",
                "values": {"toàn trình": "full", "trực tiếp": "direct", "K03": "direct"},
            }
        }
        source = rest_source(server.url, id="mot", fields=Lined(learned))
        calls = len(server.requests)
        order(store, "replay")
        (ended,) = poll_given(store, [source], settings)
        assert len(server.requests) == calls, "the source itself is not asked"
    assert (ended["outcome"], ended["new"], ended["rejected"]) == ("ok", 1, 0)
    with store.read() as connection:
        found = connection.execute(
            sa.text("SELECT channel, run FROM record ORDER BY channel")
        ).all()
    assert [row.channel for row in found] == ["direct", "full"]
    assert len({row.run for row in found}) == 1, "both belong to the run that read them"


def test_what_stays_refused_is_told_and_not_refused_twice(store, settings):
    answer = Answer({"data": [dossier(), dossier("A2", coQuan="KHONG-CO")]})
    with Chaos(serve(answer)) as server:
        source = rest_source(server.url, id="mot")
        health.publish_sources(store, [source])
        poll(store, source, settings)
        before = rows(store, "rejection")
        watermark = rows(store, "watermark")
        order(store, "replay")
        (ended,) = poll_given(store, [source], settings)
    assert (ended["outcome"], ended["read"], ended["rejected"]) == ("ok", 1, 1)
    assert rows(store, "rejection") == before and rows(store, "watermark") == watermark
    assert state(store) == "refused"


def test_a_replay_with_nothing_to_read_says_so(sqlite_world, settings):
    sqlite_world.live()
    ended = replayed(sqlite_world, STAFF, settings)
    assert ended["outcome"] == "empty" and "không có dòng bị loại" in ended["note"]


def test_what_is_masked_is_not_guessed(sqlite_store):
    said = {"element": "staff_professional", "org_unit": "SYT", "period": "2026-10", "value": "5"}
    assert len(replay.items_of(sqlite_store, replay.Refused(1, "#1", "range", said))) == 1
    masked = replay.Refused(1, "#1", "range", said | {"value": HIDDEN})
    assert not masked.readable and not replay.items_of(sqlite_store, masked)
