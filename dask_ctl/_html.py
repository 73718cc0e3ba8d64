"""What a notebook shows of an answer; its colours are the notebook's own, light or dark."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

# Notebooks align tables to the right, and not all keep cells apart.
_LEFT = 'style="text-align: left; padding-right: 1em"'


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under headings; a cell keeps its spaces."""

    def row(kind: str, cells: Sequence[str]) -> str:
        return "".join(f"<{kind} {_LEFT}>{cell}</{kind}>" for cell in cells)

    shown = "".join(
        f"<tr>{row('td', [f'<pre>{html.escape(cell)}</pre>' for cell in cells])}</tr>"
        for cells in rows
    )
    return f"<table><tr>{row('th', [*map(html.escape, headings)])}</tr>{shown}</table>"


class Text(str):
    """Text that a notebook shows line by line."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self)}</pre>"
