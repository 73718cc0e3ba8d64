"""A notebook that shows its cluster, executed by a real kernel."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.backends.scripts import EXAMPLES, Scripts

NEEDS = ("ipykernel", "ipywidgets", "nbclient")


@pytest.mark.usefixtures("jupyter")
def test_shows_the_clusters_widget(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The widget of the cluster's own class is in the executed notebook, and it computes."""
    shutil.copy(EXAMPLES / "dask-cluster.yaml", scripts.cwd)
    notebook = scripts.cwd / shutil.copy(EXAMPLES / "notebook" / "notebook.ipynb", scripts.cwd)
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__DASHBOARD_ADDRESS", ":0")
    execute = Path(sys.executable).with_name("jupyter-execute")
    run = scripts.run(execute, "--inplace", notebook)
    assert run.returncode == 0, run.stderr
    executed = json.loads(notebook.read_text())
    notebook.unlink()
    (shown,) = executed["cells"][1]["outputs"]
    page = "".join(shown["data"]["text/html"])
    assert re.search(r"LocalCluster.*<strong>Workers:</strong> 2\b", page, re.DOTALL)
    view = shown["data"]["application/vnd.jupyter.widget-view+json"]
    (widgets,) = executed["metadata"]["widgets"].values()
    model = widgets["state"][view["model_id"]]
    assert model["model_name"] == "TabModel"
    (result,) = executed["cells"][2]["outputs"]
    assert result["data"] == {"text/plain": ["6"]}
