"""The page for people: what a stand-in holds, on one screen, without anything from elsewhere.

A page is a title, a row of numbers and some tables; everything is escaped here, so that whoever
fills it need not think of it. It reloads itself every few seconds and works without scripts.
"""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandbox.answers import Answer

RELOAD_SECONDS: Final = 5

_STYLE: Final = """
:root {
  color-scheme: light dark;
  --line: #d5d9e0; --soft: #667085; --ground: #f7f8fa; --card: #fff; --ink: #101828;
}
@media (prefers-color-scheme: dark) {
  :root { --line: #2c3440; --soft: #98a2b3; --ground: #0f141b; --card: #171e28; --ink: #eef1f5; }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif;
}
main { max-width: 1100px; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0 1.5rem; color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .75rem; }
dl div, .table { background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
dl div { padding: .75rem 1rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td {
  text-align: left; padding: .4rem .75rem; border-top: 1px solid var(--line);
  white-space: nowrap; font-variant-numeric: tabular-nums;
}
thead th { border-top: 0; color: var(--soft); font-weight: 500; }
.none { padding: .75rem; color: var(--soft); }
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of values; anything can be a value."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    when_empty: str


def render_page(
    title: str, subtitle: str, numbers: Iterable[tuple[str, Any]], tables: Iterable[Table]
) -> Answer:
    """The page as an answer."""
    figures = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in numbers
    )
    content = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="refresh" content="{RELOAD_SECONDS}">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{_text(title)}</h1><p>{_text(subtitle)}</p><dl>{figures}</dl>"
        f"{''.join(map(_table, tables))}</main></body></html>"
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Answer(200, content.encode(), "text/html; charset=utf-8", headers)


def _table(table: Table) -> str:
    if not table.rows:
        body = f'<div class="none">{_text(table.when_empty)}</div>'
    else:
        head = "".join(f'<th scope="col">{_text(column)}</th>' for column in table.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_text(value)}</td>" for value in row) + "</tr>"
            for row in table.rows
        )
        body = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<section><h2>{_text(table.title)}</h2><div class="table">{body}</div></section>'


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return html.escape(str(value))
