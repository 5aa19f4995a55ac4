"""Draws docs/whole.svg, the first picture of README: from the web to batches, and what is there at each stage.

python docs/make_whole.py
"""

from pathlib import Path

#: What is there, of what it is made up, and the command that leads on from it.
STAGES = [
    ("The web", ["sites, and what they", "say of their use; or", "others' archives"], "weft crawl"),
    ("Archives", ["WARC: pages, images,", "videos, as they were", "answered, once each"], "weft build"),
    ("Samples", ["tars: texts and images", "in reading order, pairs,", "clips; why the rest went"], "weft train"),
    ("Batches", ["tokens, each with the", "image it may look at,", "into your loop or ours"], ""),
]
BESIDE = {"Samples": "weft view, report, query, audit"}
WIDTH, BOX, GAP, HEIGHT = 960, 172, 90, 190

STYLE = """
.box{fill:#f0fdfa;stroke:#0d9488}.name{font-weight:700;font-size:19px;fill:#134e4a}.text{font-size:13px;fill:#334155}
.command{font-family:monospace;font-size:13px;fill:#0f766e}.arrow{stroke:#0d9488;stroke-width:2;fill:none}
.tip{fill:#0d9488}
@media (prefers-color-scheme: dark){.box{fill:#042f2e;stroke:#2dd4bf}.name{fill:#ccfbf1}.text{fill:#cbd5e1}
.command{fill:#5eead4}.arrow{stroke:#2dd4bf}.tip{fill:#2dd4bf}}
""".replace("\n", "")


def main() -> None:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" role="img">',
        "<title>From the web to archives, to samples, to batches</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
        '<path class="tip" d="M0,0 L6,3 L0,6 z"/></marker></defs>',
    ]
    for number, (name, lines, command) in enumerate(STAGES):
        left = (WIDTH - 4 * BOX - 3 * GAP) / 2 + number * (BOX + GAP)
        middle = left + BOX / 2
        parts.append(f'<rect class="box" x="{left}" y="30" width="{BOX}" height="110" rx="8"/>')
        parts.append(f'<text class="name" x="{middle}" y="58" text-anchor="middle">{name}</text>')
        parts += [
            f'<text class="text" x="{middle}" y="{82 + 19 * row}" text-anchor="middle">{line}</text>'
            for row, line in enumerate(lines)
        ]
        if command:
            end = left + BOX + GAP
            parts.append(f'<path class="arrow" d="M{left + BOX + 5},85 H{end - 7}" marker-end="url(#tip)"/>')
            between = left + BOX + GAP / 2
            parts.append(f'<text class="command" x="{between}" y="74" text-anchor="middle">{command}</text>')
        if name in BESIDE:
            parts.append(f'<path class="arrow" d="M{middle},143 V156" marker-end="url(#tip)"/>')
            parts.append(f'<text class="command" x="{middle}" y="178" text-anchor="middle">{BESIDE[name]}</text>')
    parts.append("</svg>\n")
    Path(__file__).with_name("whole.svg").write_text("\n".join(parts), "utf-8")


if __name__ == "__main__":
    main()
