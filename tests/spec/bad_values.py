"""Specs with wrong values, or that name what there is not, and the one line that says so."""

from __future__ import annotations

from tests.spec.bad_documents import GOOD, BadSpec

OWN = (
    "name one, such as dask.distributed.LocalCluster; a function of your own says so by a "
    "parameter 'asynchronous' or its return annotation, and dask's configuration of what you trust "
    "by 'ctl.trusted'"
)


def needs_hosts(hosts: list[str], asynchronous: bool = False) -> None:
    """Stand for a function that makes clusters, with a required argument."""
    raise AssertionError(f"called with {hosts} and {asynchronous}")


def target(module: str, name: str, line: int, message: str, code: int = 4) -> BadSpec:
    """A spec whose module or class is wrong."""
    text = f"version: 1\nmodule: {module}\nclass: {name}\n"
    return BadSpec(f"{module}.{name}", text, f"FILE:{line}: {message}", "made", code)


def no_cluster(module: str, name: str) -> BadSpec:
    """A spec that names something that must not be called."""
    problem = f"{module}.{name} is not a cluster class, nor a function that returns a cluster"
    return target(module, name, 3, f"class: {problem}; {OWN}")


BAD_VALUES = [
    # -- the values
    *(
        BadSpec(
            f"version {value}",
            GOOD.replace("version: 1", f"version: {value}"),
            f"FILE:1: version: unknown version {shown}; known: 1",
        )
        for value, shown in [("2", "2"), ('"1"', "'1'"), ("true", "True"), ("1.0", "1.0")]
    ),
    BadSpec(
        "version null",
        GOOD.replace("version: 1", "version:"),
        "FILE:1: version: unknown version None; known: 1",
    ),
    BadSpec(
        "module list",
        "version: 1\nmodule: [dask]\nclass: LocalCluster\n",
        "FILE:2: module: must be a string, not a list; change the value",
    ),
    BadSpec(
        "module null",
        "version: 1\nmodule:\nclass: LocalCluster\n",
        "FILE:2: module: must be a string, not null; change the value",
    ),
    BadSpec(
        "module path",
        "version: 1\nmodule: ./clusters.py\nclass: LocalCluster\n",
        "FILE:2: module: './clusters.py' is not a name; write one like dask.distributed",
    ),
    BadSpec(
        "module by its package's name",
        "version: 1\nmodule: dask-jobqueue\nclass: SLURMCluster\n",
        "FILE:2: module: 'dask-jobqueue' is not a name; write it as it is imported: dask_jobqueue",
    ),
    BadSpec(
        "class with dots",
        "version: 1\nmodule: dask\nclass: distributed.LocalCluster\n",
        "FILE:3: class: 'distributed.LocalCluster' is more than one name; write 'class: "
        "LocalCluster', and as 'module' what that is imported from",
    ),
    BadSpec(
        "class called",
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster()\n",
        "FILE:3: class: 'LocalCluster()' is not a name; write one like LocalCluster",
    ),
    BadSpec(
        "class number",
        "version: 1\nmodule: dask.distributed\nclass: 3\n",
        "FILE:3: class: must be a string, not a number; change the value",
    ),
    BadSpec(
        "args mapping",
        GOOD + "args: {a: 1}\n",
        "FILE:4: args: must be a list, not a mapping; change the value",
    ),
    BadSpec(
        "args string",
        GOOD + "args: text\n",
        "FILE:4: args: must be a list, not a string; change the value",
    ),
    BadSpec(
        "kwargs list",
        GOOD + "kwargs:\n- n_workers: 1\n",
        "FILE:4: kwargs: must be a mapping, not a list; change the value",
    ),
    BadSpec(
        "kwargs string",
        GOOD + "kwargs: n_workers=1\n",
        "FILE:4: kwargs: must be a mapping, not a string; change the value",
    ),
    BadSpec(
        "argument with a number as name",
        GOOD + "kwargs: {1: 2}\n",
        "FILE:4: kwargs.1: a name must be a string, not a number; change the value",
    ),
    BadSpec(
        "argument without a name",
        GOOD + "kwargs:\n  '': 2\n",
        "FILE:5: kwargs.: a name must be a string, not empty; change the value",
    ),
    BadSpec(
        "argument in two spellings",
        GOOD + "kwargs:\n  n-workers: 1\n  n_workers: 2\n",
        "FILE:6: kwargs.n_workers: the same as 'n_workers', given beside it; keep one",
    ),
    BadSpec(
        "asynchronous",
        GOOD + "kwargs:\n  asynchronous: true\n",
        "FILE:5: kwargs.asynchronous: belongs to the call, not to the spec; remove it, and call "
        "create_cluster(asynchronous=True) where it is wanted",
    ),
    BadSpec(
        "scale string",
        GOOD + "scale: many\n",
        "FILE:4: scale: must be a whole number of workers, not a string; change the value",
    ),
    BadSpec(
        "scale boolean",
        GOOD + "scale: true\n",
        "FILE:4: scale: must be a whole number of workers, not a boolean; change the value",
    ),
    BadSpec(
        "scale negative",
        GOOD + "scale: -1\n",
        "FILE:4: scale: must be a whole number of workers, not -1; change the value",
    ),
    BadSpec(
        "scale fraction",
        GOOD + "scale: 1.5\n",
        "FILE:4: scale: must be a whole number of workers, not a fraction; change the value",
    ),
    BadSpec(
        "adapt number",
        GOOD + "adapt: 4\n",
        "FILE:4: adapt: must be a mapping, not a number; change the value",
    ),
    BadSpec(
        "scale and adapt",
        GOOD + "scale: 2\nadapt: {maximum: 4}\n",
        "FILE:5: adapt: 'scale' and 'adapt' together; keep one of them",
    ),
    # -- what it names
    BadSpec(
        "misspelt argument",
        GOOD + "kwargs:\n  n_worker: 1\n",
        "FILE:5: kwargs.n_worker: LocalCluster takes no such argument; did you mean 'n_workers'?",
        "made",
    ),
    BadSpec(
        "argument given twice",
        GOOD + "args: [mine]\nkwargs:\n  name: other\n",
        "FILE:4: args: LocalCluster gets name here and in 'kwargs'; remove one of the two",
        "made",
    ),
    BadSpec(
        "missing argument",
        "version: 1\nmodule: tests.spec.bad_values\nclass: needs_hosts\n",
        "FILE:3: kwargs: needs_hosts needs hosts; add it under 'kwargs'",
        "made",
    ),
    BadSpec(
        "unknown option of adapt",
        GOOD + "adapt:\n  minimm: 1\n",
        "FILE:5: adapt.minimm: 'adapt' takes no such option; did you mean 'minimum'?",
        "made",
    ),
    BadSpec(
        "scale of a fixed cluster",
        "version: 1\nmodule: dask.distributed\nclass: SSHCluster\nargs: [[a, b]]\nscale: 3\n",
        "FILE:5: scale: dask.distributed.SSHCluster cannot scale: its clusters have a fixed size; "
        "remove 'scale' from the spec",
        "made",
    ),
    target(
        "nonexistent_package",
        "X",
        2,
        "module: there is no module 'nonexistent_package'; check the name, and that it can be "
        "imported from here",
        5,
    ),
    target(
        "dask.distribted",
        "LocalCluster",
        2,
        "module: there is no module 'dask.distribted'; write 'module: dask.distributed' and "
        "'class: LocalCluster'",
        5,
    ),
    *(
        target(
            package, "Any", 2, f"module: module '{package}' is not installed; pip install {name}", 5
        )
        for package, name in [("dask_yarn", "dask-yarn"), ("dask_cuda", "dask-cuda")]
    ),
    target(
        "dask.distributed",
        "LocalCluter",
        3,
        "class: module 'dask.distributed' has no 'LocalCluter'; did you mean 'LocalCluster'?",
    ),
    no_cluster("subprocess", "run"),
    no_cluster("os", "system"),
    no_cluster("types", "SimpleNamespace"),
    no_cluster("distributed", "Client"),
    no_cluster("distributed", "Scheduler"),
    no_cluster("builtins", "exec"),
    no_cluster("distributed", "deploy"),
    no_cluster("dask_ctl", "create_cluster"),
    BadSpec(
        "argument with a space",
        GOOD + "kwargs:\n  n workers: 2\n",
        "FILE:5: kwargs.n workers: LocalCluster takes no such argument; did you mean 'n_workers'?",
        "made",
    ),
    BadSpec(
        "number without end",
        GOOD + f"kwargs:\n  n: 0x{'f' * 5000}\n",
        "FILE:5: kwargs.n: a number of more than 1024 bits; write it as text",
    ),
    BadSpec(
        "variable within a variable, not closed",
        GOOD + "kwargs:\n  name: ${env:A:-${env:B}\n",
        "FILE:5: kwargs.name: '${env:A:-${env:B}' is not a variable; write ${env:NAME} or "
        "${env:NAME:-default}",
        "made",
    ),
    BadSpec(
        "variable as a name",
        GOOD + "kwargs:\n  env: {'${env:HOME}': 1}\n",
        "FILE:5: kwargs.env.${env:HOME}: is a key, and placeholders are replaced in values only; "
        "write the name out",
        "made",
    ),
    BadSpec(
        "variable that is no number",
        GOOD + "scale: ${env:NOT_SET_ANYWHERE:-many}\n",
        "FILE:4: scale: must be a whole number of workers, not a string; change the value",
        "made",
    ),
    BadSpec(
        "unset variable",
        GOOD + "kwargs:\n  host: ${env:NOT_SET_ANYWHERE}\n",
        "FILE:5: kwargs.host: the environment variable NOT_SET_ANYWHERE is not set; set it, or "
        "write ${env:NOT_SET_ANYWHERE:-default}",
        "made",
    ),
    BadSpec(
        "unset variable in a list",
        GOOD + "args:\n- x\n- [a, 'b ${env:NOT_SET_ANYWHERE}']\n",
        "FILE:6: args.1.1: the environment variable NOT_SET_ANYWHERE is not set; set it, or "
        "write ${env:NOT_SET_ANYWHERE:-default}",
        "made",
    ),
    BadSpec(
        "malformed variable",
        GOOD + "kwargs:\n  host: ${env:}\n",
        "FILE:5: kwargs.host: '${env:}' is not a variable; write ${env:NAME} or "
        "${env:NAME:-default}",
        "made",
    ),
    BadSpec(
        "import inside a string",
        GOOD + "kwargs:\n  host: 'x ${import:os:sep}'\n",
        "FILE:5: kwargs.host: '${import:os:sep}' is not the name of an object; write "
        "${import:package.module:Name}, and nothing around it",
        "made",
    ),
    BadSpec(
        "import of nothing",
        GOOD + "kwargs:\n  worker_class: ${import:distributed:Wrker}\n",
        "FILE:5: kwargs.worker_class: ${import:distributed:Wrker} cannot be imported: module "
        "'distributed' has no attribute 'Wrker'; check the names, and install the package",
        "made",
        5,
    ),
]
