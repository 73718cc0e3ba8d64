"""What is secret is hidden by what it is called and by what it is, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dask_ctl import resolve_spec
from dask_ctl.spec.secrets import masked, scrubbed, secrets

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----"
SECRET = "hunter22"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": SECRET}, {"password": "***"}),
        ({"DB_PASSWORD": SECRET}, {"DB_PASSWORD": "***"}),
        ({"dbPassword": SECRET}, {"dbPassword": "***"}),
        ({"passphrase": SECRET, "pwd": SECRET}, {"passphrase": "***", "pwd": "***"}),
        ({"cookie": SECRET, "api_token": 12345678}, {"cookie": "***", "api_token": "***"}),
        ({"api-key": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}, None),
        (
            {"credentials": {"user": "x", "more": [SECRET]}},
            {"credentials": {"user": "x", "more": ["***"]}},
        ),
        ({"auth": {"pw": SECRET}}, {"auth": {"pw": "***"}}),
        ({"auth": "kerberos"}, {"auth": "kerberos"}),
        ({"private_key": SECRET}, {"private_key": "***"}),
        ({"url": f"https://user:{SECRET}@host/x"}, {"url": "https://user:***@host/x"}),
        ({"url": "https://host:8080/x?a=b@c"}, {"url": "https://host:8080/x?a=b@c"}),
        (
            {"env_extra": [f"export DB_PASSWORD={SECRET}"]},
            {"env_extra": ["export DB_PASSWORD=***"]},
        ),
        ({"prologue": f"A=1 MY_TOKEN='{SECRET}' run"}, {"prologue": "A=1 MY_TOKEN=*** run"}),
        ({"prologue": "export PASSWORD=$PW"}, {"prologue": "export PASSWORD=$PW"}),
        ({"tls": f"x {PEM}"}, {"tls": "x ***"}),
        ({"headers": f"Bearer {SECRET}"}, {"headers": "Bearer ***"}),
        (
            {"env": [{"name": "TOKEN", "value": SECRET}]},
            {"env": [{"name": "TOKEN", "value": "***"}]},
        ),
        ({"password": "${env:PW}"}, {"password": "${env:PW}"}),
        ({"password": f"${{env:PW:-{SECRET}}}"}, {"password": "${env:PW:-***}"}),
        ({"password": None, "token": ""}, {"password": None, "token": ""}),
        ({"t": (f"export X_TOKEN={SECRET}", 1)}, {"t": ("export X_TOKEN=***", 1)}),
    ],
)
def test_secrets(value: Any, shown: Any) -> None:
    """They are hidden, what stands around them is not, and an error that quotes one is cleaned."""
    hidden = masked(value)
    assert SECRET not in str(hidden)
    assert "MIIabc" not in str(hidden)
    assert shown is None or hidden == shown
    if SECRET in str(value):
        assert list(secrets(value))
        assert SECRET not in scrubbed(f"cannot use {SECRET!r}: {value}", secrets(value))


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer",
        "keyboard",
        "key_filename",
        "key_file",
        "ssh_key_path",
        "monkey",
        "author",
        "authority",
        "key_name",
        "keys",
        "token_url",
        "secret_name",
        "n_workers",
        "compass",
    ],
)
def test_no_secrets(name: str) -> None:
    """Names that only look like it are shown."""
    assert masked({name: "plain"}) == {name: "plain"}


def test_a_spec_is_shown_without_them() -> None:
    """All three ways of showing a spec."""
    kwargs = {
        "auth": {"user": "me", "x": SECRET},
        "url": f"https://u:{SECRET}@h",
        "tokenizer": "fast",
    }
    resolved = resolve_spec({"module": "mod", "class": "One", "kwargs": kwargs})
    shown = [str(resolved), resolved._repr_html_(), json.dumps(resolved.as_dict())]
    assert all(SECRET not in text and "fast" in text for text in shown)
    assert SECRET in json.dumps(resolved.as_dict(show_secrets=True))
