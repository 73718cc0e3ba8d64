"""What is secret, by what it is called and by what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

MASK: Final = "***"

# Words of a name, apart: 'tokenizer', 'keyboard' and 'author' are other words.
_WORDS: Final = re.compile(
    r"(^|_)(pwd|pw|pass|secrets?|tokens?|credentials?|auth|authorization|cookies?|apikey|passcode"
    r"|jwt|bearer|pat|sas|(?:db|ftp|my|pg|smtp|ssh|user)pass|(?:access|api|auth|bearer|refresh|session)tokens?"
    r"|[a-z]*(passwords?|passwd|passphrase)\d?)(_|$)"
)
_KEYS: Final = (
    "api",
    "(?<!tls_)client(?!_?keys)",  # of distributed a file, of asyncssh files
    "private",
    "access",
    "secret",
    "shared",
    "account",
    "encryption",
    "signing",
    "license",
    "master",
    "hmac",
    "storage",
    "session",
    "openai",
    "anthropic",
    "wandb",
)
_KEY: Final = re.compile(rf"(^|_)({'|'.join(_KEYS)})_?keys?(_|$)")
# What tells where a secret is, how long it lasts, of what kind it is, or how many there are.
_ABOUT: Final = re.compile(
    r"_(file|filename|path|dir|directory|name|id|type|kind|url|uri|timeout|ttl|env|class|method"
    r"|stdin|sock|socket|through|count|limit|expiry|required|enabled|header|per_[a-z]+)$"
    r"|^(n|num|max|min|total)_([a-z]+_)?tokens$|(^|_)pull_secrets?$"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WITHIN: Final = r"[^\n;|&]{0,200}?"  # a command, after its name
_QUOTED: Final = r"\"[^\"]*\"|'[^']*'"
# Commands that take one by a short option; with that at the end, its value is a part of it.
_OPTIONS: Final = (
    (r"(?:mysql|mariadb)[\w-]{0,20}\b", "-p"),
    (r"7z[ar]?\b", "-p"),
    (r"sshpass\b", r"-p\s{0,9}"),
    (r"login|mongo\w{0,9}", r"-p[\s=]{0,9}"),
    (r"redis-cli\b", r"-a\s{1,9}"),
    (r"ldap\w{1,9}\b", r"-w\s{1,9}"),
    (r"unzip\b|zip\b", r"-P\s{1,9}"),
    (r"openssl\b", r"-k\s{1,9}"),
    (r"smbclient\b", r"-U\s{0,9}[^\s%]{1,99}%"),
    (r"ssh-keygen\b", r"-[NP]\s{1,9}"),
)
_READERS: Final = (  # of what is piped into them
    r"kinit|(?:ch)?passwd|sudo\s{1,9}-S|--password-stdin|--with-token|--passphrase-fd"
)
# A text's secrets, by what is before them; a name there must look secret. Repetitions are bounded
# where a text could have many places to begin at.
_PATTERNS: Final = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        # A password may hold a '/' that should have been written as %2F; a port is none.
        (
            r"(?P<before>\b[a-zA-Z][\w+.-]{0,30}://[^\s/:@]{0,99}:)"
            r"(?P<secret>[^\s/\"]{1,999}|(?!\d{1,5}/)[^\s\"]{1,999}?)(?=@)"
        ),
        # A token in the place of a user: long, and with digits.
        r"(?P<before>\bhttps?://)(?P<secret>(?=[\w.-]{0,99}\d)[\w.-]{16,999})(?=@)",
        r"(?P<before>\$\{(?:env|text):(?P<name>\w+):-)(?P<secret>(?!\$\{)[^}]+)",
        (
            r"(?P<before>(?:^|(?<=[\s;&?#,(\"']))(?:--?)?(?P<name>[A-Za-z_][\w-]*)\s*=\s*)"
            rf"(?P<secret>{_QUOTED}|\$\([^)]*\)|`[^`]*`|(?:\\.|(?!,[A-Za-z_][\w-]*=)[^\s;&\\])+)"
        ),
        rf"(?P<before>(?:(?<!\S)--?|\bset(?:env)?\s+)(?P<name>[A-Za-z_][\w.-]*)\s+)(?P<secret>{_QUOTED}|(?!<<<)[^\s-]\S*)",
        rf"(?P<before>[\"'](?P<name>[\w.-]+)[\"']\]?\s*[:=]\s*)(?P<secret>{_QUOTED})",
        r"(?P<before>^[ \t]*(?P<name>[A-Za-z_][\w-]*)[ \t]*:[ \t]+)(?P<secret>\S+)(?=[ \t]*$)",
        (
            r"(?P<before>\b(?i:(?:proxy-)?authorization|cookie|x-[\w-]{0,60}(?:key|token))\s{0,9}:\s{0,9}(?:[a-zA-Z]{1,30}\s{1,9})?)"
            r"(?P<secret>[^\s\"'][^\n\"']*)"
        ),
        r"(?P<before>\b(?i:bearer|basic)\s{1,9})(?P<secret>(?=\S*[\dA-Z=])[\w.~+/=-]{8,})",
        r"(?P<before>[?&](?i:[\w-]{0,30}signature|sig)=)(?P<secret>[^\s&\"']+)",
        # Of curl, and of its .netrc.
        r"(?P<before>(?<!\S)(?:-H|--header)[\s=]{0,9}[\"']?(?P<name>[\w-]{1,99})\s{0,9}:\s{0,9})(?P<secret>[^\s\"']+)",
        r"(?P<before>(?<!\S)(?:-u|--user|--proxy-user|--(?:src-|dest-)?creds)[\s=]{0,9}[^\s:/]{1,99}:)(?P<secret>\S+)",
        # Commands that take one by a short option, or name what comes next.
        *(
            rf"(?P<before>\b(?:{commands}){_WITHIN}\s{option})(?P<secret>{_QUOTED}|[^\s-]\S*)"
            for commands, option in _OPTIONS
        ),
        rf"(?P<before>\s-(?:pass|passin|passout)\s{{1,9}}pass:)(?P<secret>{_QUOTED}|\S+)",
        r"(?P<before>\blogin\s{1,9}\S{1,99}\s{1,9}password\s{1,9})(?P<secret>\S+)",
        rf"(?P<before>\b(?:vault|wandb)\s{{1,9}}login\s{{1,9}}(?:--\S{{1,99}}\s{{1,9}}){{0,3}})(?P<secret>{_QUOTED}|[^\s-]\S*)",
        r"(?P<before>\bmc\s{1,9}alias\s{1,9}set(?:\s{1,9}\S{1,999}){3}\s{1,9})(?P<secret>\S+)",
        # What is piped into one that reads it.
        (
            rf"(?P<before>\b(?:echo|printf)\s{{1,9}}(?:-n\s{{1,9}})?(?:[\w.-]{{1,99}}:)?)(?P<secret>{_QUOTED}|[^\s|]\S*)"
            rf"(?=\s{{0,9}}\|[^\n]{{0,200}}\s(?:{_READERS})(?![\w-]))"
        ),
        rf"(?P<before>(?<![\w-])(?:{_READERS})(?![\w-]){_WITHIN}<<<\s{{0,9}})(?P<secret>{_QUOTED}|\S+)",
        r"(?P<before>//hooks\.slack\.com/services/)(?P<secret>[\w/]+)",
        # Tokens that say of whom they are: GitHub's, GitLab's, Slack's, Hugging Face's, npm's,
        # PyPI's, Docker's, Google's, OpenAI's and Anthropic's, a JSON web token.
        (
            r"(?P<before>\b)(?P<secret>(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hf_|npm_|pypi-"
            r"|dckr_pat_|AIza|sk-(?:proj|ant|svcacct)-|sk-(?=[A-Za-z0-9]{32})|eyJ[\w-]{1,300}\.eyJ)[\w.-]{16,})"
        ),
    )
)
_PEM: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_PLACEHOLDER: Final = re.compile(
    r"\$\{(?:env:\w+|text:\w+|import:[\w.:]+)\}|\$\w+|\$\{\w+\}|\$\(.*\)|`.*`"
)
_DEFAULT: Final = re.compile(r"(\$\{(?:env|text):\w+:-).*\}", re.DOTALL)
_VARIABLE: Final = re.compile(r"\$\{(?:env|text):(\w+)")
_METHODS: Final = ("basic", "bearer", "digest", "jupyterhub", "kerberos")  # auth: kerberos
_IDENTITY: Final = frozenset({"user", "username", "login", "email"})  # beside a secret, not one
_SHORTEST: Final = 4  # a secret of fewer characters would be found in ordinary words


def looks_secret(key: object) -> bool:
    """Whether a key's name says that its value is a secret.

    Examples
    --------
    >>> [looks_secret(key) for key in ("db_password", "AWS_SECRET_ACCESS_KEY", "apiKey", "auth")]
    [True, True, True, True]
    >>> [looks_secret(key) for key in ("tokenizer", "keyboard", "key_filename", "author")]
    [False, False, False, False]
    """
    if not isinstance(key, str) or key == "PWD":  # in which a shell has the current directory
        return False
    name = _CAMEL.sub("_", key).lower().replace("-", "_").replace(".", "_").replace(" ", "_")
    if _ABOUT.search(name):
        return False
    return bool(_KEY.search(name) or _WORDS.search(name))


def masked(value: Any, key: object = None) -> Any:
    """The value with everything that is secret replaced; variables stay as written.

    Parameters
    ----------
    value : object
        A plain value.
    key : object, optional
        What it is called. Everything below a secret name is secret.
    """
    if isinstance(value, Mapping):
        return {name: masked(part, called) for name, called, part in _named(value, key)}
    if isinstance(value, (list, tuple)):
        parts = [masked(part, called) for called, part in _listed(value, key)]
        return parts if isinstance(value, list) else tuple(parts)
    if looks_secret(key):
        return _masked_whole(value)
    return _masked_parts(value) if isinstance(value, str) else value


def secrets(value: Any, key: object = None) -> Iterator[str]:
    """The texts in a value that `masked` hides, to be taken out of what others say of it."""
    if isinstance(value, Mapping):
        for _, called, part in _named(value, key):
            yield from secrets(part, called)
    elif isinstance(value, (list, tuple)):
        for called, part in _listed(value, key):
            yield from secrets(part, called)
    elif looks_secret(key) and (hidden := _masked_whole(value)) != value:
        shown = str(hidden).partition(MASK)[0]  # of a placeholder, all but its default
        yield str(value)[len(shown) :].removesuffix("}" if shown else "")
    elif isinstance(value, str) and not looks_secret(key):
        yield from (match[0] for match in _PEM.finditer(value))
        found = (match for pattern in _PATTERNS for match in pattern.finditer(value))
        for match in found:
            if _hides(match):
                yield match["secret"].strip("\"'")
            elif inside := _within(match):
                yield from secrets(inside)


def variables(value: Any) -> list[str]:
    """The names of the variables in the placeholders of a value."""
    return _VARIABLE.findall(str(value))


def of_variables(value: Any, env: Mapping[str, str]) -> Iterator[str]:
    """What the variables hold that a value names, and whose names look secret."""
    return (env[name] for name in variables(value) if looks_secret(name) and name in env)


def scrubbed(text: str, known: Iterator[str] | list[str]) -> str:
    """A text, such as that of a backend's error, without the secrets that are known.

    Examples
    --------
    >>> scrubbed("cannot log in with hunter22", ["hunter22"])
    'cannot log in with ***'
    """
    for secret in sorted(set(known), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK).replace(repr(secret)[1:-1], MASK)
    return _masked_parts(text)


def _named(value: Mapping[Any, Any], above: object) -> Iterator[tuple[Any, object, Any]]:
    """Each part of a mapping, with what it is called: by its key, or by what is above it."""
    for name, part in value.items():
        called = above if looks_secret(above) and name not in _IDENTITY else name
        if name == "value" and looks_secret(value.get("name")):
            called = value["name"]  # as Kubernetes writes variables: {name: TOKEN, value: x}
        yield name, called, part


def _listed(value: Sequence[Any], above: object) -> Iterator[tuple[object, Any]]:
    """Each part of a list, with what it is called: an option before it names it, too."""
    before: object = None
    for part in value:
        option = isinstance(before, str) and before.startswith("-") and looks_secret(before)
        yield (before if option and not str(part).startswith("-") else above), part
        before = part


def _masked_whole(value: Any) -> Any:
    if value is None or isinstance(value, bool) or value in ("", *_METHODS):
        return value
    if isinstance(value, str):
        if _PLACEHOLDER.fullmatch(value):
            return value
        if default := _DEFAULT.fullmatch(value):
            return f"{default[1]}{MASK}}}"
    return MASK


def _masked_parts(text: str) -> str:
    text = _PEM.sub(MASK, text)
    for pattern in _PATTERNS:
        text = pattern.sub(_masked_match, text)
    return text


def _masked_match(match: re.Match[str]) -> str:
    if _hides(match):
        return f"{match['before']}{MASK}"
    inside = _within(match)
    return match[0].replace(inside, _masked_parts(inside)) if inside else match[0]


def _within(match: re.Match[str]) -> str:
    """What stands in the quotes of something that is no secret itself, such as all of a command."""
    text = match["secret"]
    return text[1:-1] if len(text) > 1 and text[0] in "\"'" and text[0] == text[-1] else ""


def _hides(match: re.Match[str]) -> bool:
    """Whether what was found is a secret: by the name it is given, and not a variable's name."""
    name = match.groupdict().get("name")
    secret = match["secret"].strip("\"'")
    return (name is None or looks_secret(name)) and not _PLACEHOLDER.fullmatch(secret)


def written(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Of keyword arguments those of some names that may be written down: no secrets."""
    return {
        name: given[name]
        for name in names
        if given.get(name) is not None and not looks_secret(name)
    }
