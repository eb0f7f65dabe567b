"""Our histogram is read as prometheus_client's own is."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from runtime.histogram import LoopHistogram

BOUNDS = (0.001, 0.5, 1, 30)
AMOUNTS = st.lists(st.floats(0, 100) | st.sampled_from(BOUNDS))


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Name and bucket of every sample of a scrape, without the time of birth that only theirs has."""
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(AMOUNTS)
def test_a_scrape_shows_what_prometheus_clients_histogram_would(amounts: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    series = LoopHistogram("taken_seconds", "How long.", bounds=BOUNDS, registry=ours).series()
    reference = Histogram("taken_seconds", "How long.", buckets=BOUNDS, registry=theirs)
    for amount in amounts:
        series.observe(amount)
        reference.observe(amount)
    assert samples(ours) == samples(theirs)


def test_each_set_of_label_values_has_a_series_of_its_own() -> None:
    registry = CollectorRegistry()
    histogram = LoopHistogram("t", "T.", labels=("route",), bounds=(1,), registry=registry)
    histogram.series("/a").observe(0.5)
    histogram.series("/a").observe(2)
    histogram.series("/b").observe(1)
    found = {
        key: registry.get_sample_value("t_bucket", {"route": key, "le": "1.0"})
        for key in ["/a", "/b"]
    }
    assert found == {"/a": 1, "/b": 1}
    assert registry.get_sample_value("t_count", {"route": "/a"}) == 2
