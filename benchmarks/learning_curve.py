"""The learning curve of runs on generated shapes, as an SVG without any library."""

from collections.abc import Sequence
from statistics import mean

_WIDE, _HIGH, _LEFT, _TOP = 760, 250, 50, 30
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f")
_ACCURACY = {"pairs": "held_out/pairs/accuracy", "clips": "held_out/clips/accuracy"}
_SETS = ("pages", "pairs", "clips")
_LOSSES = {name: f"held_out/{name}/loss" for name in _SETS}
_WRONG = {f"{name}, other pictures": f"held_out/{name}/shuffled" for name in _SETS}

Rows = Sequence[dict[str, float]]
#: Of one line: the step, and what the runs have there.
Points = list[tuple[float, list[float]]]


def curve(runs: Sequence[Rows]) -> str:
    """Accuracy of captions and losses over the steps: the mean of the runs, and from the least to the most a band."""
    last = max(row["step"] for rows in runs for row in rows) or 1
    charts = (("held-out captions word for word", _ACCURACY), ("held-out loss", _LOSSES | _WRONG))
    parts: list[str] = []
    for number, (title, names) in enumerate(charts):
        lines = {label: _points(runs, name) for label, name in names.items()}
        seen = [value for points in lines.values() for step, values in points if step > 0 for value in values]
        most = 1.0 if number == 0 else max(seen, default=1.0)
        y0 = _TOP + number * (_HIGH + 60)
        parts += _frame(title, most, y0)
        for place, (label, points) in enumerate(lines.items()):
            colour = _COLOURS[place % 3 if number else place + 1]
            inside = [(step / last, values) for step, values in points if max(values) <= most]
            parts += _line(label, colour, inside, most, y0, place)
        parts.append(f'<text x="{_LEFT + _WIDE}" y="{y0 + _HIGH + 18}" text-anchor="end">step {last:,.0f}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {2 * (_HIGH + 60) + 20}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _points(runs: Sequence[Rows], name: str) -> Points:
    found: dict[float, list[float]] = {}
    for rows in runs:
        for row in rows:
            if row.get(name) is not None:
                found.setdefault(row["step"], []).append(row[name])
    return sorted(found.items())


def _frame(title: str, most: float, y0: int) -> list[str]:
    parts = [f'<text x="{_LEFT}" y="{y0 - 10}" font-weight="bold">{title}</text>']
    for part in range(5):
        y = y0 + _HIGH - _HIGH * part / 4
        parts.append(f'<line x1="{_LEFT}" x2="{_LEFT + _WIDE}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{most * part / 4:.2f}</text>')
    return parts


def _line(label: str, colour: str, points: Points, most: float, y0: int, place: int) -> list[str]:
    def at(x: float, value: float) -> str:
        return f"{_LEFT + _WIDE * x:.1f},{y0 + _HIGH * (1 - value / most):.1f}"

    dashes = ' stroke-dasharray="5 4"' if "other" in label else ""
    parts = [f'<text x="{_LEFT + _WIDE + 10}" y="{y0 + 14 + 18 * place}" fill="{colour}">{label}</text>']
    if any(len(values) > 1 for _, values in points):
        there = " ".join(at(x, max(values)) for x, values in points)
        back = " ".join(at(x, min(values)) for x, values in reversed(points))
        parts.append(f'<polygon points="{there} {back}" fill="{colour}" fill-opacity="0.18"/>')
    path = " ".join(at(x, mean(values)) for x, values in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
    return parts
