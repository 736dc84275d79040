"""The report as one self-contained page: no script, nothing loaded, readable on a phone and on paper."""

from __future__ import annotations

from datetime import datetime
from html import escape

from gallery.errors import ConfigurationError
from gallery.history.output import words
from gallery.history.questions import Report
from gallery.history.source import Table
from gallery.models import OUTCOMES

# Nothing but what stands in the page itself; its styles are inline.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
:root { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff }
body { max-width: 72rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem; margin: 0 }
h2 { font-size: 1.1rem; margin: 0 0 .5rem }
p { margin: 0 0 1rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .75rem; margin: 1rem 0 }
dl div { border: 1px solid #d0d7de; border-radius: 8px; padding: .5rem .75rem }
dt { font-size: .85rem; color: #57606a }
dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem }
section { min-width: 0; break-inside: avoid }
section.wide { grid-column: 1 / -1 }
svg { display: block; width: 100%; height: auto }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #d0d7de; white-space: nowrap }
th { font-weight: 600 }
.number { text-align: right }
@page { margin: 15mm }
@media print {
  :root { font-size: 11px }
  body { max-width: none; padding: 0 }
  main { grid-template-columns: 1fr 1fr }
  .scroll { overflow: visible }
  td, th { white-space: normal }
  tr { break-inside: avoid }
  section.wide { break-inside: auto }
}
"""


def render_page(report: Report, now: datetime) -> str:
    """The page, in HTML; whatever comes from outside is escaped. Raises `ConfigurationError` without matplotlib."""
    try:
        from gallery.history import plots  # noqa: PLC0415 - matplotlib is an extra, and slow to import
    except ModuleNotFoundError as error:
        raise ConfigurationError("the page needs matplotlib: pip install 'gallery-ingest[report]'") from error

    figures = [
        ("Throughput", "Images a second, by the UTC day on which runs began.", plots.throughput(report.days)),
        ("Outcomes", "Images by what became of them, day by day.", plots.outcomes(report.days)),
        ("Stages", "Seconds for an image: half took at most the dashed line, 95 of 100 the full one.",
         plots.stages(report.stages)),
        ("Reasons", "What was rejected or failed, and why; each attempt counts.", plots.reasons(report.reasons)),
        ("Slowest galleries", "Seconds that their runs took, all attempts together.",
         plots.galleries(report.galleries)),
    ]  # fmt: skip
    body = [f"<section><h2>{title}</h2><p>{about}</p>{figure}</section>" for title, about, figure in figures]
    body += [
        _table("Day by day", report.days, ("day", "runs", "images", *OUTCOMES, "images_per_second", "bytes_in")),
        _table("Reasons", report.reasons, report.reasons.columns),
        _table("Galleries that took longest", report.galleries, report.galleries.columns),
    ]
    title = f"Gallery ingest: {report.filters.gallery or 'all galleries'}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(_period(report))} · made {now:%Y-%m-%d %H:%M} UTC</p>\n"
        f"{_figures(report)}\n<main>\n{''.join(body)}\n</main>\n</body>\n</html>\n"
    )


def _period(report: Report) -> str:
    since, until = report.filters.since, report.filters.until
    begin = f"from {since:%Y-%m-%d} " if since else "from the beginning "
    return begin + (f"to {until:%Y-%m-%d}" if until else "until now")


def _figures(report: Report) -> str:
    days = report.days.records()
    total = {name: sum(day[name] or 0 for day in days) for name in report.days.columns if name != "day"}
    tried = total["images"] + total["failed"]
    busy = total["busy_seconds"]
    shown = {
        "Runs": f"{total['runs']:,}",
        "Images": f"{total['images']:,}",
        "Images a second": f"{total['images'] / busy:,.1f}" if busy else "none",
        "Rejected": f"{100 * total['rejected'] / tried:.2f} %" if tried else "none",
        "Failed": f"{100 * total['failed'] / tried:.2f} %" if tried else "none",
        "Downloaded": words("bytes", total["bytes_in"]),
    }
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items()) + "</dl>"


def _table(title: str, table: Table, columns: tuple[str, ...]) -> str:
    if not table.rows:
        return ""
    shown = table.only(columns)
    numbers = [any(isinstance(row[place], int | float) for row in shown.rows) for place in range(len(columns))]
    kinds = [' class="number"' if number else "" for number in numbers]
    head = "".join(
        f"<th{kind}>{escape(name.replace('_', ' '))}</th>" for name, kind in zip(columns, kinds, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{escape(words(name, value))}</td>"
            for name, kind, value in zip(columns, kinds, row, strict=True)
        )
        + "</tr>"
        for row in shown.rows
    )
    scrolled = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    return f'<section class="wide"><h2>{title}</h2>{scrolled}</section>'
