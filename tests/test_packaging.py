"""What is shipped: exactly these files, and they work where nothing else is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from rattler_build import Stage0Recipe

from tests.conftest import own_words

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SDIST = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]
NAME = f"dask_ctl-{PROJECT['version']}"
SCRIPT = ROOT / "docs" / "examples" / "myscript.py"

MODULES = {str(path.relative_to(ROOT)) for path in (ROOT / "dask_ctl").rglob("*.py")}
SPECS = {str(path.relative_to(ROOT)) for path in (ROOT / "dask_ctl").rglob("*.yaml")}
PACKAGE = MODULES | SPECS | {"dask_ctl/py.typed"}

# pip reads its settings and its cache from the machine: they are not what is tested.
MACHINE = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def pip(python: Path, *args: str | Path) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *args]
    run = subprocess.run(command, env=MACHINE, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@dataclass(frozen=True)
class Built:
    sdist: Path
    wheel: Path
    wheel_of_sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folders = [tmp_path_factory.mktemp(name) for name in ("dist", "dist-of-sdist")]
    for folder, kind in zip(folders, (["--wheel"], []), strict=True):
        command = [sys.executable, "-m", "build", "--no-isolation", *kind, "--outdir", folder, ROOT]
        run = subprocess.run(command, env=MACHINE, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    wheel, wheel_of_sdist = (folder / f"{NAME}-py3-none-any.whl" for folder in folders)
    return Built(folders[1] / f"{NAME}.tar.gz", wheel, wheel_of_sdist)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel, and what the wheel asks for."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    pip(python, "install", built.wheel)
    return python


@pytest.fixture
def without_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)


def files_of(path: Path) -> set[str]:
    """The files at `path` that are part of the project: none that was made from them."""
    made = {"__pycache__", "_build", "api", ".hypothesis"}
    files = path.rglob("*") if path.is_dir() else (path,)
    relative = (file.relative_to(ROOT) for file in files if file.is_file())
    return {file.as_posix() for file in relative if not made.intersection(file.parts)}


def run(python: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *args], capture_output=True, text=True, check=False)


def defaults(python: Path) -> Path:
    """Where the defaults were found, once they are seen to be in dask's configuration."""
    code = (
        "import dask, dask_ctl.spec.defaults as c\n"
        "assert dask.config.get('ctl.cluster-kwargs') == {}\n"
        "print(c.defaults_path())"
    )
    found = run(python, "-c", code)
    assert (found.returncode, found.stderr) == (0, "")
    return Path(found.stdout.strip())


def test_the_wheel_holds_exactly_the_package_its_defaults_and_metadata(built: Built) -> None:
    info = f"{NAME}.dist-info"
    metadata = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}
    if {"entry-points", "scripts", "gui-scripts"} & PROJECT.keys():
        metadata.add(f"{info}/entry_points.txt")
    expected = PACKAGE | {"dask_ctl/dask_ctl.yaml"} | metadata
    for wheel in (built.wheel, built.wheel_of_sdist):
        with zipfile.ZipFile(wheel) as archive:
            assert set(archive.namelist()) == expected


def test_the_sdist_holds_exactly_what_it_is_built_tested_and_documented_from(built: Built) -> None:
    named = (entry.strip("/") for entry in SDIST["include"])
    expected = {file for entry in named for file in files_of(ROOT / entry)}
    assert expected > PACKAGE
    expected |= {"pyproject.toml", ".gitignore", "PKG-INFO"}  # that hatchling adds itself
    with tarfile.open(built.sdist) as archive:
        assert set(archive.getnames()) == {f"{NAME}/{name}" for name in expected}


def test_both_wheels_are_the_same(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as one, zipfile.ZipFile(built.wheel_of_sdist) as other:
        for name in one.namelist():
            assert one.read(name) == other.read(name), name


def test_the_page_of_pypi_shows_the_pictures_and_links_of_this_release(built: Built) -> None:
    """It has no files beside it, so all are addresses: of files that are in this release."""
    with zipfile.ZipFile(built.wheel) as archive:
        page = archive.read(f"{NAME}.dist-info/METADATA").decode()
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", page)
    of_picture = "https://raw.githubusercontent.com/dask-contrib/dask-ctl/"
    of_page = f"{PROJECT['urls']['Source']}/blob/"
    for picture, link in links:
        path = link.removeprefix(of_picture if picture else of_page)
        version, _, file = path.partition("/")
        assert (version, (ROOT / file).is_file()) == (PROJECT["version"], True), link
    assert len(links) == len(re.findall(r"\]\(", (ROOT / "README.md").read_text()))
    assert len([picture for picture, _ in links if picture]) == 2


@pytest.mark.usefixtures("without_path")
def test_the_script_runs_from_the_wheel_in_an_empty_folder(installed: Path, isolated: Path) -> None:
    assert list(isolated.iterdir()) == []
    script = shutil.copy(SCRIPT, isolated.parent)
    done = run(installed, script)
    assert done.stdout == "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]\n"
    assert own_words(done.stderr) == ""
    assert done.returncode == 0
    assert list(isolated.iterdir()) == []


@pytest.mark.usefixtures("without_path")
def test_the_defaults_are_found_however_it_is_installed(installed: Path, built: Built) -> None:
    in_package = Path("dask_ctl", "dask_ctl.yaml")
    site = installed.parents[1]
    try:
        for wheel in (built.wheel, built.wheel_of_sdist):
            pip(installed, "install", "--no-deps", "--force-reinstall", wheel)
            found = defaults(installed)
            assert found.is_relative_to(site)
            assert found.parts[-2:] == in_package.parts
        pip(installed, "install", "--no-deps", "--editable", ROOT)
        assert defaults(installed) == ROOT / "dask_ctl.yaml"
    finally:
        pip(installed, "install", "--no-deps", "--force-reinstall", built.wheel)


def test_the_defaults_are_found_with_a_bare_path(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert defaults(installed) == ROOT / "dask_ctl.yaml"


# -- the recipe of conda-forge


def conda_requirements(requirements: list[str]) -> dict[str, str]:
    """The names of conda-forge, with their versions as the recipe writes them."""
    names = {"dask": "dask-core"}
    parsed = map(Requirement, requirements)
    return {names.get(each.name, each.name): str(each.specifier) for each in parsed}


def test_the_recipe_asks_for_what_the_project_asks_for() -> None:
    (variant,) = Stage0Recipe.from_file(ROOT / "conda" / "recipe.yaml").render()
    recipe = variant.recipe.to_dict()
    assert recipe["package"] == {"name": PROJECT["name"], "version": PROJECT["version"]}
    needed = {
        kind: dict(entry.split(" ", 1) for entry in listed if " " in entry)
        for kind, listed in recipe["requirements"].items()
    }
    floor = PROJECT["requires-python"]
    expected = conda_requirements(PROJECT["dependencies"])
    assert needed["run"] == {"python": floor, **expected}
    building = conda_requirements(PYPROJECT["build-system"]["requires"])
    assert needed["host"] == {"python": f"{floor.strip('>=')}.*", **building}
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["summary"] == PROJECT["description"]
    assert recipe["about"]["repository"].rstrip("/") == PROJECT["urls"]["Source"]
