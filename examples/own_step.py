"""Cookery pages with a list: weft build examples/own_step.py --input site.warc.gz --output out"""

import weft


def has_lists(draft: weft.Draft, at_least: int = 1) -> weft.Draft:
    """Keep pages with so many list items; what is counted and shown of the others is this reason."""
    items = sum(block.role == "list" for block in draft.texts)
    if items < at_least:
        raise weft.Drop("cooking:few_lists", f"{items} < {at_least}")
    return draft


recipe = weft.Recipe("default").after("text_rules", has_lists, at_least=2)
