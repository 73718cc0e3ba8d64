"""What a spec may name: clusters of installed packages, and what dask's configuration trusts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import dask
import pytest

from dask_ctl import check_spec, create_cluster
from dask_ctl.exceptions import InvalidSpecError
from tests.backends.scripts import Scripts, ok
from tests.conftest import require_package

SITE = """
    from distributed import LocalCluster

    class SiteCluster:
        def __new__(cls, *args, **kwargs):
            return LocalCluster(*args, **kwargs, processes=False, dashboard_address=":0")

    class Maker:
        def __call__(self, **kwargs):
            return SiteCluster(**kwargs)

    make_cluster = Maker()

    def cluster(name, **overrides):
        made = SiteCluster(n_workers=overrides["cluster.n_workers"])
        made.site_name = name
        return made

    def large(**kwargs):
        return SiteCluster(**kwargs)

    def delete_cluster(**kwargs):
        raise AssertionError("called")

    def new_cluster(**kwargs):
        return "no cluster"

    from subprocess import run as open_cluster
"""


def install(folder: Path, name: str, requires: str | None) -> None:
    """Install a distribution of one module as pip would leave it."""
    (folder / f"{name}.py").write_text(dedent(SITE))
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
    (about / "RECORD").write_text(f"{name}.py,,\n{name}-1.0.dist-info/METADATA,,\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Packages: one of a site, which needs dask; one that needs it for an extra; and a stranger."""
    folder = tmp_path / "site"
    folder.mkdir()
    install(folder, "acme_site", "Dask_Jobqueue (>=0.8)")
    install(folder, "acme_extra", 'dask>=2024; extra == "dask"')
    install(folder, "acme_other", "requests")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("acme_site", "acme_extra", "acme_other"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("SiteCluster", {"n_workers": 1}),
        ("make_cluster", {"n_workers": 1}),
        ("cluster", {"name": "here", "cluster.n_workers": 1}),
    ],
)
def test_a_factory_of_a_package_that_needs_dask(name: str, kwargs: dict[str, Any]) -> None:
    """Its result is what it made; a name that is no identifier arrives as it is written."""
    spec = {"module": "acme_site", "class": name, "kwargs": kwargs}
    assert [problem for problem in check_spec(spec) if problem.severity != "note"] == []
    with create_cluster(spec) as cluster:
        assert type(cluster).__name__ == "LocalCluster"
        assert len(cluster.workers) == 1


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    "spec",
    [
        ("acme_site", "large"),  # not named as one
        ("acme_site", "delete_cluster"),
        ("acme_site", "open_cluster"),  # of the standard library
        ("acme_extra", "SiteCluster"),
        ("acme_other", "cluster"),
        ("subprocess", "run"),
        ("os", "system"),
        ("distributed", "Client"),
        ("coiled", "delete_cluster"),
        ("dask_ctl", "create_cluster"),
        ("dask_ctl", "delete_cluster"),
    ],
    ids=".".join,
)
def test_anything_else_is_not_called(spec: tuple[str, str]) -> None:
    if spec[0] == "coiled":
        require_package("coiled", "dask-ctl[coiled]")
    (problem,) = check_spec({"module": spec[0], "class": spec[1]})
    assert problem.severity == "error"
    assert "is not a cluster class, nor a function" in str(problem)


@pytest.mark.usefixtures("site")
def test_what_is_made_must_be_a_cluster() -> None:
    with pytest.raises(InvalidSpecError, match="returned str, which is not a cluster"):
        create_cluster({"module": "acme_site", "class": "new_cluster"})


@pytest.mark.usefixtures("site")
def test_configuration_says_what_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name as the spec has it; a spec itself cannot say so."""
    spec = {"module": "acme_other", "class": "large", "kwargs": {"n_workers": 0}}
    with dask.config.set({"ctl.trusted": ["acme_other.large"]}):
        create_cluster(spec).close()
    monkeypatch.setenv("DASK_CTL__TRUSTED", "acme_other.large")
    dask.config.refresh()
    create_cluster(spec).close()
    monkeypatch.setenv("DASK_CTL__TRUSTED", "['acme_site.large']")
    dask.config.refresh()
    assert len(check_spec(spec)) == 1
    for more in ({"trusted": ["acme_site.large"]}, {"config": {"ctl.trusted": ["a.b"]}}):
        assert check_spec({**spec, **more})[0].severity == "error"


def test_a_script_and_the_command_line_find_it(
    site: Path, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "DASK_CTL__CLUSTER_SPEC",
        "{'module': 'acme_site', 'class': 'SiteCluster', 'kwargs': {'n_workers': 1}}",
    )
    script = scripts.cwd / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from dask_ctl import create_cluster\nfrom distributed import Client\n"
        "print(Client(create_cluster()).submit(sum, [1, 2]).result())\n"
    )
    assert ok(scripts.python(script)) == "3\n"
