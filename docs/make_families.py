"""Writes the tables of docs/model-exchange.md that say what weft makes of each family, by trying.

python -m docs.make_families
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.model.network.families import ENCODERS, LANGUAGE, encoder_row, language_row
from tests.model.tokenizer_kinds import KINDS, tokenizer_row

PAGE = Path(__file__).with_name("model-exchange.md")
END = "<!-- end -->\n"


@dataclass(frozen=True)
class Table:
    """Its head, the names of its rows, and what makes a row of a name."""

    head: tuple[str, ...]
    names: Sequence[str]
    row: Callable[[str], tuple[str, ...]]

    def text(self) -> str:
        lines = [self.head, ("---",) * len(self.head), *map(self.row, self.names)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES = {
    "language models": Table(
        ("family", "class of transformers", "rows packed", "on a GPU kept apart by", "generates", "exported, equal"),
        tuple(LANGUAGE),
        language_row,
    ),
    "encoders": Table(
        ("encoder", "class of transformers", "features of 4 x 4 patches", "left out", "mean", "equal to transformers'"),
        tuple(ENCODERS),
        encoder_row,
    ),
    "tokenizers": Table(
        ("tokenizer", "as in", "its own call begins with BOS", "weft's rows do", "ids and texts equal"),
        tuple(KINDS),
        tokenizer_row,
    ),
}


def main() -> None:
    torch.set_num_threads(1)
    text = PAGE.read_text("utf-8")
    for title, table in TABLES.items():
        begin = f"<!-- {title}, made by docs/make_families.py -->\n"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{table.text()}{END}{rest.partition(END)[2]}"
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
