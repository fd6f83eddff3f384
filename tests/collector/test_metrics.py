"""What Prometheus reads: every reason from the start, sums over processes that never fall, and nobody's name."""

import asyncio
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families
from wire_batches import KEY, wire_batch

from collector.db import open_pool
from collector.metrics import CONTENT_TYPE, STALE_S, Clock, Gauges, Histogram, Metrics
from collector.probes import Probes
from collector.settings import Settings
from collector.wire import DropReason

PREFIX = "jalki_collector_"


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def clock(self) -> Clock:
        return Clock(lambda: self.now_s)


def read(text: bytes) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Return the samples by name and labels; a text that Prometheus' own parser refuses fails here."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            name = sample.name.removeprefix(PREFIX)
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(name, {})
            found[name][labels] = sample.value
    return found


def test_every_reason_and_outcome_is_there_from_the_start():
    """A rate over a reason that never occurred is 0, not missing."""
    samples = read(Metrics().render())

    assert {dict(labels)["reason"] for labels in samples["drops_total"]} == {reason.value for reason in DropReason}
    assert set(samples["drops_total"].values()) == {0}
    assert {dict(labels)["outcome"] for labels in samples["answers_total"]} == {
        "stored", "duplicate", "spooled", "dropped"
    }  # fmt: skip
    assert {labels for labels, value in samples["state"].items() if value} == {(("state", "storing"), ("worker", "0"))}


def test_what_is_counted_is_told():
    """Each hook adds to its own family; a drop counts as an answer, too."""
    metrics = Metrics()
    metrics.count_answers("stored", 40)
    metrics.count_answers("duplicate")
    metrics.count_drop(DropReason.TOO_OLD)
    metrics.observe_flush(rows=250, batches=41, seconds=0.004)
    metrics.observe_commit(0.012, 40)
    metrics.observe_commit(7.0)
    metrics.observe_lag(-0.1)
    metrics.watch(lambda: Gauges("spooling", 3, 20, 5, 4_096, 1.5, 2, has_spool=True))

    samples = read(metrics.render())

    assert samples["answers_total"][("outcome", "stored"),] == 40
    assert samples["answers_total"][("outcome", "dropped"),] == 1
    assert samples["drops_total"][("reason", "too_old"),] == 1
    assert samples["flush_rows_sum"][()] == 250
    assert samples["flush_batches_bucket"][("le", "100.0"),] == 1
    assert samples["flush_seconds_bucket"][("le", "0.0025"),] == 0
    assert samples["commit_seconds_count"][()] == 41
    assert samples["commit_seconds_bucket"][("le", "0.025"),] == 40
    assert samples["commit_seconds_bucket"][("le", "+Inf"),] == 41
    assert samples["loop_lag_seconds_sum"][()] == 0
    assert samples["spool_bytes"][("worker", "0"),] == 4_096
    assert samples["spool_age_seconds"][("worker", "0"),] == 1.5
    assert samples["connections"][("worker", "0"),] == 20
    assert samples["state"][("state", "spooling"), ("worker", "0")] == 1
    assert samples["resident_bytes"][("worker", "0"),] > 1_000_000


def test_a_value_on_a_bound_belongs_below_it():
    """Buckets are cumulative and hold what does not exceed their bound."""
    histogram = Histogram((1.0, 2.0), [0, 0, 0])
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.observe(value)

    assert histogram.buckets() == [("1.0", 2), ("2.0", 4), ("+Inf", 5)]


def test_whoever_is_asked_tells_the_sum_of_all(tmp_path):
    """Counts and histograms of the processes are added, gauges stand side by side."""
    hand = Hand()
    first, second = (Metrics(tmp_path, number, hand.clock()) for number in (0, 1))
    for metrics, n in ((first, 3), (second, 4)):
        metrics.count_answers("stored", n)
        metrics.observe_commit(0.001 * n, n)
        metrics.watch(lambda n=n: Gauges(connections=n))
        metrics.write()

    both = [read(metrics.render()) for metrics in (first, second)]

    for samples in both:
        assert samples["answers_total"][("outcome", "stored"),] == 7
        assert samples["commit_seconds_count"][()] == 7
        assert samples["commit_seconds_bucket"][("le", "0.005"),] == 7
        assert samples["commit_seconds_bucket"][("le", "0.001"),] == 0
        assert samples["connections"] == {(("worker", "0"),): 3, (("worker", "1"),): 4}


def test_sums_do_not_fall_when_a_process_ends_or_is_replaced(tmp_path):
    """The counts of one that is gone stay, its gauges go; one with its number goes on counting from there."""
    hand = Hand()
    first, second = (Metrics(tmp_path, number, hand.clock()) for number in (0, 1))
    second.count_answers("stored", 4)
    second.write()

    hand.now_s += STALE_S + 1
    alone = read(first.render())
    third = Metrics(tmp_path, 1, hand.clock())
    third.count_answers("stored", 1)
    third.write()
    again = read(first.render())

    assert alone["answers_total"][("outcome", "stored"),] == 4
    assert list(alone["resident_bytes"]) == [(("worker", "0"),)]
    assert again["answers_total"][("outcome", "stored"),] == 5
    assert list(again["resident_bytes"]) == [(("worker", "0"),), (("worker", "1"),)]


@pytest.mark.parametrize("content", [b"", b"\xff" * 30, b"\x80"], ids=["empty", "garbage", "no fields"])
def test_a_file_that_cannot_be_read_costs_only_its_own_figures(tmp_path, content):
    """Half a file, or one of another version, does not stop the others' figures."""
    (tmp_path / "worker-1.metrics").write_bytes(content)
    metrics = Metrics(tmp_path, 0)
    metrics.count_answers("stored")

    assert read(metrics.render())["answers_total"][("outcome", "stored"),] == 1
    assert Metrics(tmp_path, 1).render()


async def test_a_process_writes_its_figures_by_itself(tmp_path):
    """While `keep` runs, lag is measured and the file written anew; a folder that is not there stops neither."""
    metrics, asked = Metrics(tmp_path / "run", 0), asyncio.Event()

    def look() -> Gauges:
        asked.set()
        return Gauges()

    metrics.watch(look)
    task = asyncio.create_task(metrics.keep())
    async with asyncio.timeout(10):
        await asked.wait()
        (tmp_path / "run").mkdir()
        asked.clear()
        await asked.wait()

    assert (tmp_path / "run" / "worker-0.metrics").exists()
    assert sum(metrics.counts.loop_lag_seconds.counts) > 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_collector_counts_what_it_refuses(collector):
    """Each refusal over HTTP stands under its reason, and the metrics come as Prometheus expects them."""
    await collector.post(b"no batch")
    await collector.post(wire_batch(), Content_Type="text/html")
    for _ in range(2):
        await collector.post(wire_batch(v=2))
    await collector.client.post("/v1/events?e=br", data=b"which the application judges, not the fast lane")

    answer = await collector.client.get("/metrics")
    samples = read(await answer.read())

    assert answer.headers["Content-Type"] == CONTENT_TYPE
    assert answer.headers["Cache-Control"] == "no-store"
    assert {labels[0][1]: value for labels, value in samples["drops_total"].items() if value} == {
        "malformed": 1, "unsupported_type": 1, "unsupported_version": 2, "unsupported_encoding": 1
    }  # fmt: skip


async def test_the_metrics_name_nobody(collector):
    """No key, origin, path, address or user agent of those who sent is among the labels."""
    await collector.post(wire_batch(), Origin="https://shop.example", User_Agent="Unusual-Agent/7")
    await collector.client.get("/some/page?mail=ann")

    text = (await (await collector.client.get("/metrics")).read()).decode()

    for secret in (KEY, "shop.example", "Unusual-Agent", "127.0.0.1", "mail", "Sample"):
        assert secret not in text
    assert set(re.findall(r"(\w+)=\"", text)) == {"version", "outcome", "reason", "le", "worker", "state"}


async def test_the_metrics_are_not_given_through_a_proxy(collector):
    """Whoever comes from elsewhere is told what would open them."""
    answer = await collector.client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})

    assert answer.status == 403
    assert "JALKI_METRICS_TOKEN" in (await answer.json())["hint"]


async def test_a_token_opens_the_metrics_and_nothing_else_does(start_collector):
    """With a token set, being on the machine is not enough."""
    collector = await start_collector(metrics_token="open-sesame")

    without = await collector.client.get("/metrics")
    with_token = await collector.client.get("/metrics", headers={"Authorization": "Bearer open-sesame"})

    assert (without.status, without.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert with_token.status == 200


@pytest.mark.parametrize(
    ("is_reached", "gauges", "status", "said"),
    [
        (True, Gauges("storing"), 200, "ok"),
        (True, Gauges("spooling", has_spool=True), 200, "spooling"),
        (False, Gauges("storing", has_spool=True), 200, "spooling"),
        (False, Gauges("storing"), 503, "unavailable"),
        (True, Gauges("refusing", has_spool=True), 503, "refusing"),
        (False, Gauges("refusing", has_spool=True), 503, "refusing"),
    ],
)
async def test_readiness_says_what_would_become_of_a_batch(collectors_url, is_reached, gauges, status, said):
    """Stored, spooled or refused; health does not depend on it."""
    pool = await open_pool(collectors_url)
    if not is_reached:
        await pool.close()
    metrics = Metrics()
    metrics.watch(lambda: gauges)
    probes = Probes(Settings(), pool, metrics)
    app = web.Application()
    app.router.add_get("/readyz", probes.tell_readiness)
    app.router.add_get("/healthz", probes.tell_health)

    async with TestClient(TestServer(app)) as client:
        ready, health = await client.get("/readyz"), await client.get("/healthz")
        body = await ready.json()
    await pool.close()

    assert (ready.status, body["status"]) == (status, said)
    assert bool(body.get("hint")) == (said != "ok")
    assert health.status == 200


def test_the_dashboard_file_shows_what_there_is():
    """Every series that a panel of grafana.json asks for is told; every family but a few plain ones is shown."""
    board = json.loads(files("collector").joinpath("grafana.json").read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    told = set(read(Metrics().render()))

    named = {name for expr in asked for name in re.findall(rf"{PREFIX}(\w+)", expr)}

    assert named - told == set()
    families = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in told}
    shown = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in named}
    assert families == shown


def test_the_dashboard_file_can_be_imported():
    """It asks for a Prometheus when it is imported; panels have ids of their own and do not overlap."""
    board = json.loads(files("collector").joinpath("grafana.json").read_text("utf-8"))
    panels = board["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert board["__inputs"][0]["pluginId"] == "prometheus"
    assert {panel["datasource"]["uid"] for panel in panels} == {"${DS_PROMETHEUS}"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert board["id"] is None
    assert board["schemaVersion"] >= 36


def test_the_readme_lists_every_metric_with_its_meaning():
    """The table is what /metrics tells, row by row."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    table = readme.partition("\n| Metric |")[2].partition("\n\n")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines()[2:]]

    expected = []
    for family in text_string_to_metric_families(Metrics().render().decode()):
        name = f"`{family.name}{'_total' if family.type == 'counter' else ''}`"
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        told = ", ".join(f"`{label}`" for label in labels) or "–"
        expected.append((name, family.type, told, family.documentation))

    assert rows == expected
