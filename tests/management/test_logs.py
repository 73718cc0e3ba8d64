"""What the parts of a cluster have logged, whoever started it."""

from __future__ import annotations

import logging

from distributed import Client, LocalCluster

from dask_ctl.lifecycle import get_logs


def _say(dask_scheduler: object) -> None:
    for text in ("first", "second\nof two lines", "third"):
        logging.getLogger("distributed.scheduler").warning(text)


def test_the_oldest_first() -> None:
    """An entry of several lines stays whole; `tail` counts lines of each part."""
    options = {"n_workers": 1, "processes": False, "protocol": "tcp", "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        client.run_on_scheduler(_say)
        address = cluster.scheduler_address
        text = "".join(get_logs(address))
        assert text.index("first") < text.index("second\nof two lines\n") < text.index("third")
        last = "".join(get_logs(address, tail=1))
    assert [line for line in last.splitlines() if "==" in line][:2] == [
        "== Cluster",
        "== Scheduler",
    ]
    assert "third" in last
    assert "of two lines" not in last
