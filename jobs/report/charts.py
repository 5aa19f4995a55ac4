"""Plots as SVG that takes its colours from the page, so that one drawing is right by day, by night and on paper."""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

#: What matplotlib draws with -> the variable of the page that stands in its place.
_COLOURS = {"#010101": "var(--ink)", "#020202": "var(--soft)", "#030303": "var(--line)", "#040404": "var(--accent)"}
_INK, _SOFT, _LINE, _ACCENT = _COLOURS
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and is set in the page's font
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "text.color": _INK,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def bars(name: str, labels: Sequence[str], counts: Sequence[int], unit: str) -> str:
    """An SVG of upright bars; `name` tells its parts from those of other plots of the page."""
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(5.4, 2.1), layout="constrained")
        canvas, axes = FigureCanvasSVG(figure), figure.add_subplot()
        axes.bar(range(len(counts)), counts, width=0.82, color=_ACCENT)
        _label(axes, labels, unit)
        drawn = io.StringIO()
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        canvas.print_svg(  # type: ignore[no-untyped-call]
            drawn, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return _of_page(drawn.getvalue())


def _label(axes: Axes, labels: Sequence[str], unit: str) -> None:
    step = max(1, -(-len(labels) // 9))
    axes.set_xticks(range(0, len(labels), step), labels[::step])
    axes.set_xlabel(unit)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)


def histogram(name: str, bins: Sequence[tuple[float, float, int]], unit: str) -> str:
    """The same of bins given by their edges; a label is the lower edge."""
    return bars(name, [f"{low:,g}" for low, _, _ in bins], [count for _, _, count in bins], unit)


def _of_page(svg: str) -> str:
    svg = svg[svg.index("<svg") :]
    before, _, described = svg.partition("<metadata>")
    svg = before + described.partition("</metadata>")[2]
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'<g id="[\w.]+"', "<g", svg)  # the same in each plot, and nothing refers to them
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--ui)", svg)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, variable)
    return svg
