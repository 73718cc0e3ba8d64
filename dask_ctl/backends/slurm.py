"""What Slurm says of a spec before anything is submitted."""

from __future__ import annotations

import getpass
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from dask_ctl.backends.batch import run
from dask_ctl.exceptions import BackendError, Problem

_QOS: Final = r"(?:^|\s)(?:--qos[=\s]\s*|-q\s*)(\S+)"


def doubts(kwargs: Mapping[str, Any], timeout: float = 2.0) -> list[Problem]:
    """Warn of a partition, an account or a QOS that Slurm does not know for this user.

    Where Slurm's commands are missing, slow or without accounting, nothing is said: only
    ``sbatch`` decides.

    Parameters
    ----------
    kwargs : mapping
        The keyword arguments of a ``SLURMCluster``.
    timeout : float
        How long all of it may take, in seconds.
    """
    deadline = time.monotonic() + timeout

    def lines(*command: str) -> list[str]:
        try:
            done = run([*command], deadline - time.monotonic())
        except BackendError:
            return []
        return [] if done.returncode else done.stdout.splitlines()

    # Of another kind they are no names, which is said elsewhere; an account may be a number.
    partition, account = (
        value if type(value := kwargs.get(name)) in (str, int) else None
        for name in ("queue", "account")
    )
    directives = kwargs.get("job_extra_directives")
    # Each is the rest of a line "#SBATCH …".
    lines_of_script = map(str, directives) if isinstance(directives, list | tuple) else ()
    found = [re.search(_QOS, line) for line in lines_of_script]
    qos = next((match[1] for match in found if match), None)
    partitions, accounts, qualities = set[str](), set[str](), set[str]()
    if partition:
        partitions.update(lines("sinfo", "--noheader", "--format=%R"))
    if account or qos:
        # sacctmgr(1): a line for each association of the user, "account|qos,qos".
        columns = ("--noheader", "--parsable2", "show", "associations", "format=Account,QOS")
        for line in lines("sacctmgr", *columns, "where", f"user={getpass.getuser()}"):
            name, _, names = line.partition("|")
            accounts.add(name)
            qualities.update(filter(None, names.split(",")))
    return [
        Problem(
            f"Slurm knows no {what} {name!r} for you",
            f"it knows {', '.join(sorted(known))}",
            key=f"kwargs.{key}",
            severity="warning",
        )
        for key, what, value, known in (
            ("queue", "partition", partition, partitions),
            ("account", "account", account, accounts),
            ("job_extra_directives", "QOS", qos, qualities),
        )
        if value and known
        for name in str(value).split(",")
        # Slurm keeps the names of accounts and QOS in lower case.
        if name not in known and (what == "partition" or name.lower() not in known)
    ]
