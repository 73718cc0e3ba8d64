"""Whether a cloud would know the user, found out before it is called.

Without a token Coiled starts a login, and without credentials Amazon's classes ask machines that
are not there. A script shall say at once what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dask_ctl.backends.signature import inherits
from dask_ctl.exceptions import BackendError

_VENDOR: Final = Path("/sys/class/dmi/id/sys_vendor")


def require(target: Any, kwargs: Mapping[str, Any]) -> None:
    """Look, without the network, for the credentials that a class needs.

    Parameters
    ----------
    target : object
        What a spec names; all but the classes of Coiled and Amazon need nothing.
    kwargs : mapping
        What it is to be called with.

    Raises
    ------
    BackendError
        If there are none.
    """
    if inherits(target, "coiled.v2.cluster", "Cluster"):
        _require_coiled_token(kwargs)
    elif inherits(target, "dask_cloudprovider.aws.ec2", "EC2Cluster") or inherits(
        target, "dask_cloudprovider.aws.ecs", "ECSCluster"
    ):
        _require_amazon_credentials(kwargs)


def _require_coiled_token(kwargs: Mapping[str, Any]) -> None:
    import dask.config

    if kwargs.get("cloud") is None and not dask.config.get("coiled.token", None):
        raise BackendError(
            "no token of Coiled is configured",
            remedy="run 'coiled login' once, or set DASK_COILED__TOKEN",
        )


def _require_amazon_credentials(kwargs: Mapping[str, Any]) -> None:
    if kwargs.get("aws_access_key_id") or _amazon_gives_them():
        return
    from botocore.session import get_session

    providers = get_session().get_component("credential_provider")
    providers.remove("iam-role")  # asks the network, and has an answer only on EC2
    if providers.load_credentials() is None:
        raise BackendError(
            "no credentials of Amazon are configured",
            remedy="run 'aws configure' once, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY",
        )


def _amazon_gives_them() -> bool:
    """Whether a machine or container may get them from where it runs."""
    if any(name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in os.environ):
        return True
    try:
        return "amazon" in _VENDOR.read_text(encoding="utf-8").lower()
    except OSError:
        return False
