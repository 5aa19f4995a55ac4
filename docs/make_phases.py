"""Draws docs/phases.svg: the phases of a build, what each is cut by, and what goes from one to the next.

python docs/make_phases.py
"""

from pathlib import Path

#: Phase, what one task of it is, what it does, and what it drops.
PHASES = [
    ("extract", "an archive", "pages become drafts; images are indexed", "page rules, evaluation texts"),
    ("urls", "a bucket of addresses", "newest capture of each page; where wanted images lie", "duplicate_url"),
    ("texts", "a bucket of texts", "newest page of each text; bands of its signature", "duplicate_text"),
    ("bands, stars", "a bucket of bands, of pages", "who shares a band; who is connected", ""),
    ("groups, similar", "a bucket of pages, of groups", "newest page of each group", "near_duplicate"),
    ("counts", "a slice of domains", "keys of paragraphs, images and sets of images", ""),
    ("frequent", "a bucket of keys", "exact counts; newest page of each set", "same_images"),
    (
        "assemble",
        "a slice of domains",
        "images read, judged, resized, hashed",
        "boilerplate, frequent_image, ...",
    ),
    ("contents", "a bucket of hashes", "exact counts of bytes and looks", ""),
    ("publish", "a slice of domains", "scores; samples; shards", "frequent_content, nsfw, unrelated"),
]
WIDTH, ROW, TOP = 960, 58, 70
COLORS = {"an archive": "#dbeafe", "a slice of domains": "#dcfce7"}


def main() -> None:
    height = TOP + ROW * len(PHASES) + 70
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
        '<path d="M0,0 L6,3 L0,6 z" fill="#64748b"/></marker></defs>',
        _text(40, 36, "archives *.warc.gz", bold=True),
        _text(330, 36, "one task", dim=True),
        _text(690, 36, "what is dropped", dim=True),
        _arrow(120, 44, TOP - 4),
    ]
    for number, (name, task, does, drops) in enumerate(PHASES):
        y = TOP + ROW * number
        color = COLORS.get(task, "#fef3c7")
        parts += [
            f'<rect x="40" y="{y}" width="600" height="{ROW - 18}" rx="6" fill="{color}" stroke="#94a3b8"/>',
            _text(54, y + 25, name, bold=True),
            _text(190, y + 17, f"{task}", dim=True, size=12),
            _text(190, y + 33, does, size=13),
            _text(690, y + 25, drops, size=13),
        ]
        if drops:
            parts.append(f'<path d="M642,{y + 20} H682" stroke="#64748b" marker-end="url(#tip)"/>')
        parts.append(_arrow(120, y + ROW - 17, y + ROW - 3))
    bottom = TOP + ROW * len(PHASES)
    parts += [
        _text(40, bottom + 18, "shards, commit marks, dataset.json last", bold=True),
        _text(40, bottom + 44, "Blue: by archive. Yellow: by the hash of a key. Green: by domain.", dim=True),
        _text(530, bottom + 44, "Arrows are parquet files, grouped by the task that reads them.", dim=True, size=13),
        "</svg>",
    ]
    Path(__file__).with_name("phases.svg").write_text("\n".join(parts) + "\n")


def _text(x: int, y: int, text: str, bold: bool = False, dim: bool = False, size: int = 14) -> str:
    weight = ' font-weight="bold"' if bold else ""
    color = "#64748b" if dim else "#0f172a"
    return f'<text x="{x}" y="{y}" fill="{color}" font-size="{size}"{weight}>{text}</text>'


def _arrow(x: int, top: int, bottom: int) -> str:
    return f'<path d="M{x},{top} V{bottom}" stroke="#64748b" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    main()
