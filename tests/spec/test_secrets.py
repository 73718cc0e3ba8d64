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
        ({"WANDB_KEY": SECRET, "AZURE_STORAGE_KEY": SECRET, "ACCESSTOKEN": SECRET}, None),
        (
            {"MASTER_KEY": SECRET, "HMAC_KEY": SECRET, "OPENAI_KEY": SECRET, "authtoken": SECRET},
            None,
        ),
        ({"client_keys": ["~/.ssh/id"]}, {"client_keys": ["~/.ssh/id"]}),
        (
            {"line": f"export CONN='Server=x;Password={SECRET};'"},
            {"line": "export CONN='Server=x;Password=***;'"},
        ),
        (
            {"line": f'export C="AccountName=a;AccountKey={SECRET}"'},
            {"line": 'export C="AccountName=a;AccountKey=***"'},
        ),
        ({"line": f"gh auth login --with-token <<< {SECRET}"}, None),
        ({"line": f"imapsync --password1 {SECRET}"}, {"line": "imapsync --password1 ***"}),
        ({"line": f"echo me:{SECRET} | chpasswd"}, {"line": "echo me:*** | chpasswd"}),
        ({"line": f"skopeo copy --src-creds me:{SECRET} a b"}, None),
        ({"u": "https://0123456789abcdef0123@sentry.io/1"}, {"u": "https://***@sentry.io/1"}),
        ({"u": "https://someone@example.org/x"}, {"u": "https://someone@example.org/x"}),
        ({"auth": "kerberos"}, {"auth": "kerberos"}),
        ({"private_key": SECRET}, {"private_key": "***"}),
        ({"url": f"https://user:{SECRET}@host/x"}, {"url": "https://user:***@host/x"}),
        (
            {"url": "docker://host:5000/image@sha256:0a"},
            {"url": "docker://host:5000/image@sha256:0a"},
        ),
        ({"url": "https://host:8080/x?a=b@c"}, {"url": "https://host:8080/x?a=b@c"}),
        (
            {"env_extra": [f"export DB_PASSWORD={SECRET}"]},
            {"env_extra": ["export DB_PASSWORD=***"]},
        ),
        ({"prologue": f"A=1 MY_TOKEN='{SECRET}' run"}, {"prologue": "A=1 MY_TOKEN=*** run"}),
        ({"prologue": "export PASSWORD=$PW"}, {"prologue": "export PASSWORD=$PW"}),
        ({"tls": f"x {PEM}"}, {"tls": "x ***"}),
        ({"headers": f"Bearer {SECRET}"}, {"headers": "Bearer ***"}),
        ({"h": f"authorization: token {SECRET}"}, {"h": "authorization: token ***"}),
        ({"h": [f"X-Api-Key: {SECRET}"]}, {"h": ["X-Api-Key: ***"]}),
        ({"db_pass": SECRET, "jwt": SECRET, "passwords": {"a": SECRET}}, None),
        ({"args": ["--password", SECRET, "-v"]}, {"args": ["--password", "***", "-v"]}),
        ({"args": [f"--password={SECRET}"]}, {"args": ["--password=***"]}),
        ({"line": f"run --api-key {SECRET} -v"}, {"line": "run --api-key *** -v"}),
        ({"line": f"setenv PASSWORD {SECRET}"}, {"line": "setenv PASSWORD ***"}),
        ({"line": f"sh -c 'TOKEN={SECRET} run'"}, None),
        ({"line": f"{{'password': '{SECRET}'}}"}, {"line": "{'password': ***}"}),
        ({"text": f"user: me\n  password: {SECRET}\n"}, {"text": "user: me\n  password: ***\n"}),
        ({"dsn": f"host=h password={SECRET} dbname=d"}, {"dsn": "host=h password=*** dbname=d"}),
        (
            {"dsn": f"AccountName=a;AccountKey={SECRET};x=y"},
            {"dsn": "AccountName=a;AccountKey=***;x=y"},
        ),
        ({"url": f"https://h/x?a=b&token={SECRET}"}, {"url": "https://h/x?a=b&token=***"}),
        ({"x": f"${{env:DB_PASSWORD:-{SECRET}}}"}, {"x": "${env:DB_PASSWORD:-***}"}),
        (
            {"env": [{"name": "TOKEN", "value": SECRET}]},
            {"env": [{"name": "TOKEN", "value": "***"}]},
        ),
        ({"line": f"curl -u me:{SECRET} h"}, {"line": "curl -u me:*** h"}),
        ({"line": f"mysql -u me -p{SECRET} db"}, {"line": "mysql -u me -p*** db"}),
        (
            {"line": f"cd x && mysqldump -p'{SECRET}' db > x"},
            {"line": "cd x && mysqldump -p*** db > x"},
        ),
        ({"line": f"sshpass -p {SECRET} ssh h"}, {"line": "sshpass -p *** ssh h"}),
        ({"line": f"unzip -P {SECRET} a.zip"}, {"line": "unzip -P *** a.zip"}),
        ({"line": f"7z x -p{SECRET} a.7z"}, {"line": "7z x -p*** a.7z"}),
        ({"line": f"openssl enc -d -k {SECRET} -in a"}, {"line": "openssl enc -d -k *** -in a"}),
        ({"line": f"smbclient -U me%{SECRET} //h/s"}, {"line": "smbclient -U me%*** //h/s"}),
        (
            {"line": f"mount -o rw,username=me,password={SECRET} //h/s /m"},
            {"line": "mount -o rw,username=me,password=*** //h/s /m"},
        ),
        ({"line": f"echo {SECRET} | kinit me"}, {"line": "echo *** | kinit me"}),
        ({"line": f"kinit me <<< {SECRET}"}, {"line": "kinit me <<< ***"}),
        (
            {"line": f"curl --header=PRIVATE-TOKEN:{SECRET} https://h"},
            {"line": "curl --header=PRIVATE-TOKEN:*** https://h"},
        ),
        (f"https://h/#access_token={SECRET}&x=1", "https://h/#access_token=***&x=1"),
        (f"https://h/x?sv=1&sig={SECRET}", "https://h/x?sv=1&sig=***"),
        ({"line": f"docker login -u me -p {SECRET} h"}, {"line": "docker login -u me -p *** h"}),
        ({"line": f"redis-cli -h h -a {SECRET} ping"}, {"line": "redis-cli -h h -a *** ping"}),
        (
            {"line": f"aws configure set aws_secret_access_key {SECRET}"},
            {"line": "aws configure set aws_secret_access_key ***"},
        ),
        ({"line": f"vault login {SECRET}"}, {"line": "vault login ***"}),
        ({"line": f"wandb login --relogin {SECRET}"}, {"line": "wandb login --relogin ***"}),
        (
            {"line": f"ssh-keygen -t rsa -N {SECRET} -f k"},
            {"line": "ssh-keygen -t rsa -N *** -f k"},
        ),
        (
            {"line": f"mc alias set s3 https://h id {SECRET}"},
            {"line": "mc alias set s3 https://h id ***"},
        ),
        (
            {"line": f"echo {SECRET} | docker login -u u --password-stdin h"},
            {"line": "echo *** | docker login -u u --password-stdin h"},
        ),
        ({"line": f"echo -n '{SECRET}' | sudo -S true"}, {"line": "echo -n *** | sudo -S true"}),
        ({"line": f"ldapsearch -x -D me -w {SECRET}"}, {"line": "ldapsearch -x -D me -w ***"}),
        ({"line": f"openssl rsa -passin pass:{SECRET}"}, {"line": "openssl rsa -passin pass:***"}),
        ({"netrc": f"machine h login me password {SECRET}"}, None),
        ({"SSHPASS": SECRET, "compass": "north"}, {"SSHPASS": "***", "compass": "north"}),
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


def test_secrets_with_what_belongs_to_them() -> None:
    """They are hidden whole."""
    assert masked(f"redis://:p@{SECRET}@h:1/0") == "redis://:***@h:1/0"
    assert masked(f"https://me:a/{SECRET}@h:1/x@y") == "https://me:***@h:1/x@y"
    for kind in ("ghp_", "hf_", "sk-proj-"):
        assert masked(f"a {kind}{SECRET}0123456789") == "a ***"
    slack = "https://hooks.slack.com/services/"
    assert masked(f"{slack}T0/B0/{SECRET}") == f"{slack}***"


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
        "max_tokens",
        "tokens_per_second",
        "secretary",
        "pass_through",
        "image_pull_secrets",
        "tls_client_key",
        "password_required",
        "SSH_AUTH_SOCK",
        "signature",
    ],
)
def test_no_secrets(name: str) -> None:
    """Names that only look like it are shown."""
    assert masked({name: "plain"}) == {name: "plain"}


@pytest.mark.parametrize(
    "text",
    [
        "ssh://me@host:22",
        "git@host:a/b",
        "--max-tokens 5",
        "--tokenizer fast",
        "--password-file /x",
        "docker login --password-stdin host",
        "docker run -p 8080:80 image",
        "mkdir -p /scratch/me; mysql -p db",
        "ssh -p 22 host",
        "mysql --port 3306 -h host; mkdir -p /x",
        "export PASSWORD=$(cat ~/.pw)",
        "kwargs.password: One takes no such argument",
        "Basic authentication fails",
        "curl -H 'Accept: application/json' https://h",
        "zip -r a.zip -P16 x; 7z x a.7z -p",
        "echo y | passwd-checker; cat x | sort -k 2",
        "https://h/x?signed=1&page=2",
        "${env:DB_PASSWORD:-${env:OTHER}}",
    ],
)
def test_no_secret_texts(text: str) -> None:
    """Texts that only speak of one, too."""
    assert masked({"x": text}) == {"x": text}
    assert scrubbed(text, []) == text


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
