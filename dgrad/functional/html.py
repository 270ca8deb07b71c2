"""A gradient report as one HTML page: no script, no font, no picture, nothing from elsewhere."""

from __future__ import annotations

import html
import platform
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dgrad.functional.report import Check, Report

__all__ = ["page"]

COLUMNS = (
    "subject",
    "with respect to",
    "order",
    "verdict",
    "method",
    "derivatives",
    "largest error",
    "note",
)
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; margin: 1.2rem auto;
  max-width: 76rem; padding: 0 .8rem; overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0 0 .6rem; }
h2 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
.banner { padding: .6rem .8rem; border-radius: .4rem; font-weight: 600; }
.good { background: #dff3e3; color: #14532d; }
.bad { background: #fbe0e0; color: #7f1d1d; }
.open { background: #fdf1d0; color: #6b4a00; }
.none { background: #eee; color: #444; }
.tag { padding: .05rem .45rem; border-radius: .6rem; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .7rem 0; }
dt { color: #666; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; color: #666; font-weight: 600; }
th, td { padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #e4e4e4; vertical-align: top; }
.number { font-variant-numeric: tabular-nums; }
@media (max-width: 46rem) {
  thead { display: none; }
  tr { display: block; padding: .5rem 0; border-bottom: 2px solid #ccc; }
  td { display: block; border: 0; padding: .1rem 0; }
  td::before { content: attr(data-label) ": "; color: #666; }
  td:empty { display: none; }
}
"""


def page(report: Report) -> str:
    """The whole page: the outcome, how it was found, what is wrong or open, then every check."""
    failed, total = len(report.wrong), len(report.checks)
    if failed:
        outcome = f"{failed} of {total} checks failed"
    else:
        outcome = f"All {total} checks passed" if total else "Nothing was checked"
    title = f"Gradient check: {outcome}"
    told = [c for c in report.checks if not c.passed] + [
        c for c in report.checks if c.passed and c.worst
    ]
    style = "bad" if failed else "good" if total else "none"
    body = [
        "<h1>Gradient check</h1>",
        f'<p class="banner {style}">{_text(outcome)}</p>',
        _definitions(report),
        *(_details(check) for check in told),
        "<h2>All checks</h2>" if total else "",
        _table(COLUMNS, [_cells(check) for check in report.checks]) if total else "",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, body))
        + "\n</body></html>\n"
    )


def _text(value: object) -> str:
    """value as text of a page: escaped, control characters shown as what they are."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))
    return html.escape(shown.encode("utf-8", "backslashreplace").decode())


def _definitions(report: Report) -> str:
    """Counts, settings and versions."""
    from dgrad import __version__

    pairs = {
        "verdicts": ", ".join(f"{n} {verdict}" for verdict, n in report.counts().items()),
        "seed": report.seed,
        "settings": ", ".join(f"{name} {value}" for name, value in report.settings.items()),
        "versions": f"dgrad {__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()} ({platform.machine()})",
    }
    shown = (f"<dt>{name}</dt><dd>{_text(v)}</dd>" for name, v in pairs.items() if v != "")
    return f"<dl>{''.join(shown)}</dl>"


def _style(check: Check) -> str:
    if not check.passed:
        return "bad"
    if check.verdict == "ok":
        return "good"
    return "none" if check.verdict.startswith("skipped") else "open"


def _verdict(check: Check) -> str:
    return f'<span class="tag {_style(check)}">{_text(check.verdict)}</span>'


def _cells(check: Check) -> list[str]:
    compared = check.compared
    return [
        _text(f"{check.kind} {check.subject}"),
        _text(check.input),
        str(check.order),
        _verdict(check),
        _text(", ".join(check.methods)),
        f'<span class="number">{compared:,}</span>' if compared else "",
        f'<span class="number">{check.max_error:.1e}</span>' if compared else "",
        _text(check.note),
    ]


def _details(check: Check) -> str:
    """The entries that explain a verdict."""
    head = _text(f"{check.kind} {check.subject}, input {check.input or '-'}, order {check.order}")
    note = f"<p>{_text(check.note)}</p>" if check.note else ""
    rows = [
        [
            _text("random direction" if entry.index is None else entry.index),
            _text(entry.output),
            *(
                f'<span class="number">{value:.10g}</span>'
                for value in (entry.analytic, entry.numeric, entry.left, entry.right)
            ),
            f'<span class="number">{entry.error:.1e}</span>',
        ]
        for entry in check.worst
    ]
    columns = ("index", "of", "analytic", "numeric", "left slope", "right slope", "error")
    return f"<h2>{head} {_verdict(check)}</h2>{note}" + (_table(columns, rows) if rows else "")


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    """Cells are HTML already. On a narrow screen each row becomes a card, its cells labelled."""
    head = "".join(f"<th>{name}</th>" for name in columns)
    lines = [
        "<tr>"
        + "".join(
            f'<td data-label="{name}">{cell}</td>' for name, cell in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    ]
    body = "\n".join(lines)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
