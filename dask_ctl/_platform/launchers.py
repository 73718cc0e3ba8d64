"""What starts one command as several ranks: ``srun``, ``mpirun``."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def how_to_start(launcher: str) -> str:
    """Tell how to start by a launcher what runs here; where it is not here, what else to do.

    Examples
    --------
    >>> how_to_start("no-such-launcher")
    'there is no no-such-launcher here; go where there is one, or choose another spec'
    """
    if shutil.which(launcher) is None:
        return f"there is no {launcher} here; go where there is one, or choose another spec"
    program = Path(sys.argv[0])
    if program.stem == "dask":
        words = ["dask", *sys.argv[1:]]
    else:
        words = ["python", str(program) if program.is_file() else "script.py"]
    return f"start it with: {launcher} -n 4 {shlex.join(words)}"
