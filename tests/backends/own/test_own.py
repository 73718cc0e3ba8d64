"""A function and a class of the user's own project, in a module beside the script."""

from __future__ import annotations

import shutil
from typing import ClassVar

import pytest

from tests.backends.claims import Scalable
from tests.backends.scripts import ASYNCHRONOUS, EXAMPLES, SCRIPT, Scripts


@pytest.fixture
def own(scripts: Scripts) -> Scripts:
    """Have scripts, spec and package in one folder, of which nothing is installed."""
    shutil.copytree(EXAMPLES / "own", scripts.cwd, dirs_exist_ok=True)
    for script in (SCRIPT, ASYNCHRONOUS):
        shutil.copy(script, scripts.cwd)
    return scripts


class Beside(Scalable):
    """What is imported from where the script is."""

    in_the_terminal = True
    script, asynchronous = SCRIPT.name, ASYNCHRONOUS.name


class TestFunction(Beside):
    """A function gets ``asynchronous`` where it is to be awaited."""

    small: ClassVar[dict[str, int]] = {"SHARE": 0}

    @pytest.fixture
    def backend(self, own: Scripts) -> Scripts:
        """Use the example spec."""
        return own


class TestClass(Beside):
    """A class that derives from a backend's class serves like that."""

    test_first_result = None  # the example names the function

    @pytest.fixture
    def backend(self, own: Scripts) -> Scripts:
        """Use the example spec with the class."""
        spec = own.cwd / "dask-cluster.yaml"
        spec.write_text(spec.read_text().replace("workstation", "Site").replace("share: 0.5", "{}"))
        return own


def test_a_module_that_is_not_there(own: Scripts) -> None:
    """A module that cannot be found ends the script with one line that says where it was named."""
    shutil.rmtree(own.cwd / "mysite")
    run = own.python(SCRIPT.name)
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert "dask-cluster.yaml:3: module: there is no module 'mysite'" in last
