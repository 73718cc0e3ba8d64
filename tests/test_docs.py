"""The examples of the documentation do what the documentation says."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from dask_ctl import check_spec, delete_cluster, resolve_spec
from dask_ctl.cli import cluster
from dask_ctl.exceptions import DaskCtlWarning
from dask_ctl.hosts import store as records
from dask_ctl.lifecycle import spec_templates
from tests.backends import figures
from tests.conftest import own_words, unavailable

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS / "examples"
SPECS = sorted(EXAMPLES.glob("*.yaml"))
DOUBLED = "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]\n"

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def beside(isolated: Path) -> Path:
    """The current directory, with all the scripts."""
    for script in EXAMPLES.glob("*.py"):
        shutil.copy(script, isolated)
    return isolated


def user_config() -> Path:
    folder = Path(os.environ["HOME"], ".config", "dask")
    folder.mkdir(parents=True)
    return folder


def prints(python: Python, script: str, expected: str, **env: str) -> None:
    done = python(script, env=env)
    assert (done.stdout, done.returncode) == (expected, 0), done.stderr


def test_the_script_alone_runs_on_a_local_cluster(python: Python) -> None:
    prints(python, "myscript.py", DOUBLED)


def test_the_script_runs_on_the_file_beside_it(python: Python, beside: Path) -> None:
    shutil.copy(EXAMPLES / "dask-cluster.yaml", beside)
    prints(python, "myscript.py", DOUBLED)


def test_the_origins_are_those_shown(python: Python, beside: Path) -> None:
    shutil.copy(EXAMPLES / "dask-cluster.yaml", beside)
    prints(python, "origins.py", (EXAMPLES / "origins.txt").read_text())


def test_a_variable_chooses_another_file_and_another_changes_an_argument(
    python: Python, beside: Path
) -> None:
    for name in ("dask-cluster.yaml", "hpc.yaml"):
        shutil.copy(EXAMPLES / name, beside)
    env = {"DASK_CTL__CLUSTER_SPEC": "hpc.yaml", "DASK_CTL__CLUSTER_KWARGS__CORES": "4"}
    shown = " ".join(python("origins.py", env=env).stdout.split())
    assert "class: SLURMCluster # file: hpc.yaml:3" in shown
    assert "cores: 4 # environment: DASK_CTL__CLUSTER_KWARGS__CORES" in shown
    assert "memory: 32GB # file: hpc.yaml:6" in shown


def test_a_spec_in_the_users_folder_is_found_by_name(
    python: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(os.environ["HOME"], ".config", "dask-ctl")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent))
    folder.mkdir(parents=True)
    shutil.copy(EXAMPLES / "hpc.yaml", folder)
    shown = " ".join(python("origins.py", env={"DASK_CTL__CLUSTER_SPEC": "hpc"}).stdout.split())
    assert f"scale: 20 # file: {folder / 'hpc.yaml'}:11" in shown


def test_the_users_configuration_names_specs_and_chooses_one(python: Python) -> None:
    shutil.copy(EXAMPLES / "ctl.yaml", user_config())
    prints(python, "myscript.py", DOUBLED)
    for env, workers in ({}, 1), ({"DASK_CTL__CLUSTER_SPEC": "large"}, 4):
        code = "import dask_ctl; print(dask_ctl.resolve_spec().spec.kwargs['n_workers'])"
        assert python("-c", code, env=env).stdout == f"{workers}\n"


def test_code_chooses_before_the_configuration(python: Python) -> None:
    shutil.copy(EXAMPLES / "ctl.yaml", user_config())
    prints(python, "set_in_code.py", "4 workers\n")


def test_the_asynchronous_script_runs(python: Python, beside: Path) -> None:
    shutil.copy(EXAMPLES / "dask-cluster.yaml", beside)
    prints(python, "asynchronous.py", "6\n")


def test_the_application_computes_where_its_option_or_its_own_key_says(
    python: Python, beside: Path
) -> None:
    shutil.copy(EXAMPLES / "dask-cluster.yaml", beside / "two.yaml")
    shutil.copy(EXAMPLES / "application" / "app.py", beside)
    named = python("app.py", "--cluster", "two.yaml")
    assert named.stdout == "3 on 2\n", named.stderr
    shutil.copy(EXAMPLES / "application" / "myapp.yaml", user_config())
    prints(python, "app.py", "3 on 3\n")
    assert "'nowhere' does not exist" in python("app.py", "--cluster", "nowhere").stderr


def test_the_specs_of_a_site_are_the_default_and_found_by_name(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = isolated.parent / "etc" / "xdg" / "dask-ctl"
    folder.mkdir(parents=True)
    for name in ("dask-cluster.yaml", "login.yaml"):
        shutil.copy(EXAMPLES / "site" / name, folder)
    assert resolve_spec().spec.class_ == "SLURMCluster"
    assert resolve_spec("login").spec.class_ == "LocalCluster"
    shutil.copy(EXAMPLES / "dask-cluster.yaml", isolated)
    assert resolve_spec().origins["class"].where == "dask-cluster.yaml:3"


def test_a_bare_time_is_a_number_as_the_example_says(beside: Path) -> None:
    text = (EXAMPLES / "hpc.yaml").read_text()
    (beside / "quoted.yaml").write_text(text)
    (beside / "bare.yaml").write_text(text.replace('"', ""))
    assert resolve_spec("quoted.yaml").spec.kwargs["walltime"] == "12:00:00"
    with pytest.warns(DaskCtlWarning, match=r"bare\.yaml:7: kwargs\.walltime"):
        assert resolve_spec("bare.yaml").spec.kwargs["walltime"] == 43200


def test_an_application_takes_its_own_option_then_its_own_key(python: Python, beside: Path) -> None:
    application = EXAMPLES / "application"
    app = shutil.copy(application / "app.py", beside)
    shutil.copy(application / "myapp.yaml", user_config())
    assert python(app).stdout.startswith("3 on ")
    shutil.copy(EXAMPLES / "dask-cluster.yaml", beside / "mine.yaml")
    assert python(app, "--cluster", "mine.yaml").stdout.startswith("3 on ")
    named = python(app, "--cluster", "nowhere")
    assert named.returncode != 0
    assert "nowhere" in named.stderr


@pytest.mark.parametrize("path", [p for p in SPECS if p.name != "ctl.yaml"], ids=lambda p: p.name)
def test_every_spec_is_valid(path: Path) -> None:
    assert resolve_spec(path).origins["class"].line == 3


def test_the_page_of_notebooks_has_the_cells_of_its_notebook() -> None:
    notebook = json.loads((EXAMPLES / "notebook" / "notebook.ipynb").read_text())
    page = (DOCS / "howto" / "notebook.md").read_text()
    shown = re.findall(r"^```python\n(.*?)\n```", page, re.MULTILINE | re.DOTALL)
    assert shown[: len(notebook["cells"])] == ["".join(c["source"]) for c in notebook["cells"]]


def specs_on_pages() -> dict[str, dict[str, Any]]:
    """Every full spec in a file or a block of YAML or JSON, in the docs and the templates."""
    templates = DOCS.parent / "dask_ctl"
    texts = {
        str(path.relative_to(DOCS.parent)): path.read_text()
        for path in (*DOCS.rglob("*.yaml"), *templates.rglob("*.yaml"))
    }
    for page in (*DOCS.rglob("*.md"), DOCS.parent / "README.md"):
        blocks = re.findall(r"```(?:yaml|json)\n(.*?)```", page.read_text(), re.DOTALL)
        texts |= {f"{page.relative_to(DOCS.parent)}-{n}": text for n, text in enumerate(blocks)}
    return {
        f"{place}-{n}": spec
        for place, text in texts.items()
        for n, spec in enumerate(specs_in(yaml.safe_load(text)))
    }


def specs_in(tree: object) -> Iterator[dict[str, Any]]:
    """The full specs in a tree; what JupyterLab is told to call is none."""
    if isinstance(tree, dict) and {"module", "class"} <= tree.keys():
        if tree["module"] != "dask_ctl":
            yield tree
    elif isinstance(tree, dict | list):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from specs_in(part)


@pytest.mark.parametrize("place", specs_on_pages())
def test_every_spec_on_a_page_fits_the_real_packages(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong with it, where its backend is installed; variables are set as it says."""
    for folder in (EXAMPLES / "own", DOCS / "development" / "acme"):
        monkeypatch.syspath_prepend(str(folder))
    for name in ("SLURM_ACCOUNT", "DASK_SCHEDULER_ADDRESS"):
        monkeypatch.setenv(name, "tcp://127.0.0.1:8786")
    spec = {key: part for key, part in specs_on_pages()[place].items() if key != "when"}
    for name in re.findall(r"certificates/\S+\.pem", yaml.safe_dump(spec)):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    found = [each for each in check_spec(spec) if each.severity != "note"]
    if found and re.search("is not installed|No module named", found[0].summary):
        unavailable(found[0].summary, str(found[0].remedy))
    assert found == []


def test_every_example_is_on_a_page() -> None:
    pages = "".join(page.read_text() for page in DOCS.rglob("*.md"))
    pattern = r"\{(?:literalinclude\}|download\}`.*<) ?(?:\.\./)?examples/([^\s>]+)"
    included = set(re.findall(pattern, pages))
    files = [path for path in EXAMPLES.rglob("*.*") if path.is_file() and path.suffix != ".pyc"]
    assert included == {str(path.relative_to(EXAMPLES)) for path in files}


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.rglob("*/dask-cluster.yaml")), ids=lambda path: path.parent.name
)
def test_every_backends_spec_is_valid(path: Path) -> None:
    assert "class" in resolve_spec(path).origins


# -- the page of figures


def test_the_page_of_figures_lists_every_backend() -> None:
    """Each documented spec, page and folder of tests has its line; if not: make figures."""
    rows = figures.rows()
    text = "".join(page.read_text() for page in figures.BACKENDS.glob("*.md"))
    specs = set(re.findall(r"(?:examples|templates)/([\w-]+)(?:/dask-cluster)?\.yaml", text))
    links = dict(re.fullmatch(r"\[(\S+)\]\((\S+)\)", row.spec).groups() for row in rows)
    assert set(links) == specs
    assert len(rows) == len(specs)
    pages = {page.name for page in figures.BACKENDS.glob("*.md")} - {"index.md", "figures.md"}
    assert set(links.values()) == pages
    folders = {path.parent.name for path in Path(__file__).parent.glob("backends/*/test_*.py")}
    assert {row.tests.strip("`") for row in rows} == folders


@pytest.mark.parametrize("row", figures.rows(), ids=lambda row: row.spec)
def test_no_figure_breaks_what_the_page_claims(row: figures.Row) -> None:
    """`create_cluster` takes no longer than the page says, and leaves no more than the class."""
    if row.how == figures.CONTRACT:
        assert dataclasses.astuple(row)[4:] == ("",) * 6
        return
    assert row.how == figures.REAL
    created, called, ratio = map(float, (row.created, row.called, row.ratio))
    low, high = map(float, row.interval.split(" to "))
    assert ratio == pytest.approx(created / called, abs=0.03)  # of rounded seconds
    assert low <= ratio + 0.01
    assert ratio - 0.01 <= high
    assert low <= 1.02 or created <= called + 0.005
    assert float(row.loading) > 0
    assert row.left == figures.NOTHING or row.left.endswith(" as by the class")


# -- what the pages say that commands print

TRANSCRIPT = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def as_shown(text: str, isolated: Path) -> str:
    """What a command printed, as somebody would see it on a machine of their own."""
    root, home = isolated.parent, os.environ["HOME"]
    places = {str(isolated): "/home/ada/project", home: "/home/ada", f"{root}/etc": "/etc"}
    for place, shown in {**places, sys.prefix: "/opt/dask"}.items():
        text = text.replace(place, shown)
    text = re.sub(r"(tcp://127\.0\.0\.1):\d{5}", r"\1:40001", text)
    return re.sub(r"\b\d+s( +recorded)", r"2s\1", text)


def replayed(page: Path, isolated: Path) -> str:
    """The page with what its commands print now; they are run one after the other."""
    blocks = TRANSCRIPT.findall(page.read_text())
    commands = [re.findall(r"^\$ (.*)", block, re.MULTILINE) for block in blocks]
    assert commands
    mark = "--- end of a command ---"
    # `$?` is that of the command before, not that of the mark.
    lines = [command.replace("$?", "$code") for block in commands for command in block]
    script = "".join(f"{line}\ncode=$?; echo '{mark}'\n" for line in lines)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(DOCS.parent)},
        cwd=isolated,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = iter(as_shown(own_words(done.stdout), isolated).split(f"{mark}\n"))
    shown = iter(
        "".join(f"$ {command}\n{next(printed)}" for command in block) for block in commands
    )
    return TRANSCRIPT.sub(lambda _: f"```console\n{next(shown)}```", page.read_text())


@pytest.mark.timeout(900)  # every command is a process of its own
def test_the_commands_print_what_the_page_shows(beside: Path) -> None:
    for name in ("dask-cluster.yaml", "hpc.yaml"):
        shutil.copy(EXAMPLES / name, beside)
    page = DOCS / "commands.md"
    assert replayed(page, beside) == page.read_text()


@pytest.mark.timeout(900)
def test_managing_clusters_prints_what_the_page_shows(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(EXAMPLES / "managed" / "dask-cluster.yaml", beside)
    # Whatever else runs on this machine is not on the page; nor is who has the default port.
    monkeypatch.setenv(
        "DASK_CTL__DISABLE_DISCOVERY", "['schedulers', 'helmcluster', 'kubecluster']"
    )
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__DASHBOARD_ADDRESS", ":0")
    page = DOCS / "managing.md"
    try:
        assert replayed(page, beside) == page.read_text()
    finally:
        for name in records.names():  # of a page that does not delete what it creates
            delete_cluster(name)


def test_the_commands_print_what_the_readme_shows(beside: Path) -> None:
    readme = DOCS.parent / "README.md"
    spec = re.search(r"^```yaml\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    assert spec
    (beside / "dask-cluster.yaml").write_text(spec[1])
    assert replayed(readme, beside) == readme.read_text()


def test_the_pictures_show_what_is_printed(python: Python, tmp_path: Path) -> None:
    """If not: make pictures."""
    (folder := tmp_path / "pictures").mkdir()
    done = python(DOCS / "pictures.py", folder)
    assert done.returncode == 0, done.stderr

    def text(path: Path) -> list[str]:  # the rest depends on the version of rich
        return re.findall(r">([^<]+)</text>", path.read_text())

    for path in folder.iterdir():
        assert text(path) == text(DOCS / "_static" / path.name)
    assert len(list(folder.iterdir())) == 2


def commands(command: click.Command, name: str = "") -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield name
        return
    for each, found in command.commands.items():
        if not found.hidden:
            yield from commands(found, each)


def test_the_table_names_every_command() -> None:
    page = (DOCS / "commands.md").read_text()
    table = "".join(re.findall(r"^\|.*`.*$", page, re.MULTILINE))
    named = re.findall(r"[a-z]+", " ".join(re.findall(r"`(.*?)`", table)))
    assert set(commands(cluster)) <= set(named)


def test_the_page_names_all_backends() -> None:
    page = (DOCS / "commands.md").read_text()
    listed = re.search(r"The backends are (.*?)\. ", page, re.DOTALL)
    assert listed
    assert re.findall(r"`(.*?)`", listed[1]) == spec_templates()
