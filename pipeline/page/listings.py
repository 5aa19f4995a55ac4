"""Code that a site lays out as a table with a row, or an element of a cell, for each line: it is one text.

It becomes a `<pre>` before a page is read: on GitHub and in its gists, and by the highlighters Crayon and
SyntaxHighlighter.
"""

from selectolax.lexbor import LexborHTMLParser

_SIGNS = ("blob-code", "crayon-line", "syntaxhighlighter")
_AROUND = 1_000  # characters before the first table that may name what it is in
#: Around the whole, and of each line; and what no listing holds: its text would be read once for each that it is in.
_LISTINGS = (
    (
        "table.highlight, table.js-file-line-container",
        "td.blob-code",
        "table.highlight table, table.js-file-line-container table",
    ),
    (
        "table.crayon-table",
        "div.crayon-line",
        "table.crayon-table table, div.crayon-line div.crayon-line",
    ),
    (
        "div.syntaxhighlighter > table",
        "td.code div.line",
        "div.syntaxhighlighter > table table, div.line div.line",
    ),
)


def has_lines(tags: list[str | None], html: str) -> bool:
    """Whether a page may have such tables."""
    if "table" not in tags:
        return False
    first = max(0, html.find("<table") - _AROUND)
    return any(html.find(sign, first) >= 0 for sign in _SIGNS)


def join_lines(tree: LexborHTMLParser) -> None:
    """Tables of lines of code in a parsed page become `<pre>`s, in the language that the element around them names."""
    for whole, line, nested in _LISTINGS:
        for table in () if tree.css_first(nested) is not None else tree.css(whole):
            lines = [node.text().strip("\r\n").rstrip() for node in table.css(line)]
            if lines:
                pre = tree.create_node("pre")
                pre.insert_child("\n".join(lines).replace("\u00a0", " "))
                named = (table.parent.attributes.get("class") or "").split() if table.parent is not None else []
                pre.attrs["class"] = f"brush: {named[-1]}" if "syntaxhighlighter" in named else "code"
                table.replace_with(pre)
