"""Dialogs: what opens above a page, such as its terms, settings for cookies, a form. It is none of its content.

So is what has the attribute `popover`: browsers do not show it until a button opens it.
"""

from pipeline.page.markup import Markup

_SIGNS = (' role="dialog"', ' role="alertdialog"', ' aria-modal="true"', ' popover="')
_BESIDE = 200  # characters outside links: a page that says less beside its dialogs is read with them


def leave_out_dialogs(markup: Markup, unlinked: list[int]) -> set[int]:
    """The numbers of the tags at which dialogs begin, none if the page says little beside them.

    Of `unlinked`, so many characters outside links before each tag, those inside become 0: however much a dialog says,
    no share of the page is its own.
    """
    places = {*markup.places("dialog"), *markup.bearing(*_SIGNS)}
    if not places:
        return set()
    found, without, end = set[int](), unlinked.copy(), -1
    for at in sorted(places):
        if at > end:
            end = min(markup.end_of(at), len(without) - 1)
            without[at + 1 : end + 1] = [0] * (end - at)
            found.add(at)
    if sum(without) < _BESIDE:
        return set()
    unlinked[:] = without
    return found
