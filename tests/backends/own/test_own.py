"""A function and a class of the user's own project, in a module beside the script."""

from __future__ import annotations

import shutil

import pytest

from tests.backends.scripts import ANSWER, ASYNCHRONOUS, EXAMPLES, SCRIPT, Scripts


@pytest.fixture
def own(scripts: Scripts) -> Scripts:
    """Have scripts, spec and package in one folder, of which nothing is installed."""
    shutil.copytree(EXAMPLES / "own", scripts.cwd, dirs_exist_ok=True)
    for script in (SCRIPT, ASYNCHRONOUS):
        shutil.copy(script, scripts.cwd)
    return scripts


def test_a_function(own: Scripts) -> None:
    """The function is imported from where the script is, and makes its cluster."""
    run = own.python("myscript.py")
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


def test_a_function_asynchronously(own: Scripts) -> None:
    """The function gets ``asynchronous``, and its cluster is awaited."""
    run = own.python("asynchronous.py")
    assert (run.stdout, run.stderr, run.returncode) == ("6\n", "", 0)


def test_a_class(own: Scripts) -> None:
    """A class that derives from a backend's class serves like that."""
    spec = own.cwd / "dask-cluster.yaml"
    spec.write_text(spec.read_text().replace("workstation", "Site").replace("share: 0.5", "{}"))
    run = own.python("myscript.py")
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


def test_a_module_that_is_not_there(own: Scripts) -> None:
    """A module that cannot be found ends the script with one line that says where it was named."""
    shutil.rmtree(own.cwd / "mysite")
    run = own.python("myscript.py")
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert "dask-cluster.yaml:3: module: there is no module 'mysite'" in last
