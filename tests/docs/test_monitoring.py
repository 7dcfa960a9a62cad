from support.pages import read_table, spans
from yadokari_operator.metrics import Metrics


def test_the_metrics_are_those_of_the_page() -> None:
    documented = [name for names, *_ in read_table("monitoring.md", "Metrics").rows for name in spans(names)]
    families = Metrics().registry.collect()
    there = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert {*documented} == there
