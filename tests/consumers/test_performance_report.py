"""The report of `distributed` on work that a created cluster did."""

from __future__ import annotations

import pytest

from tests.backends.scripts import EXAMPLES, Scripts

NEEDS = ("bokeh",)


def test_writes_the_report(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is written, and it is about the work that was done."""
    scripts.use_example("local")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__DASHBOARD_ADDRESS", ":0")
    run = scripts.python(EXAMPLES / "performance-report" / "report.py")
    assert (run.stdout, run.stderr, run.returncode) == ("90\n", "", 0)
    report = scripts.cwd / "report.html"
    page = report.read_text()
    assert "<title>Dask Performance Report</title>" in page
    for fact in ("number of tasks: 10", "Workers: 2", "def double(x)"):
        assert fact in page
    report.unlink()
