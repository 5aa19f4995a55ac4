"""What a walk over a page finds: containers, and the texts and media they hold."""


class Container:
    """A block element: its place in the tree and the words its author named it by."""

    __slots__ = ("hidden", "names", "parent", "tag")

    def __init__(self, tag: str, parent: int, names: frozenset[str], hidden: bool) -> None:
        self.tag, self.parent, self.names, self.hidden = tag, parent, names, hidden


class Text:
    """A run of text between two block boundaries."""

    __slots__ = ("container", "figure", "link_chars", "role", "text")

    def __init__(self, text: str, role: str, container: int, link_chars: int, figure: int) -> None:
        self.text, self.role, self.container = text, role, container
        self.link_chars, self.figure = link_chars, figure


class Media:
    """An `<img>` or an embed where it stands."""

    __slots__ = (
        "alt",
        "candidates",
        "caption",
        "container",
        "decoration",
        "figure",
        "has_twin",
        "height",
        "kind",
        "link",
        "names",
        "title",
        "width",
    )

    def __init__(self, kind: str, addresses: tuple[str, ...], container: int, figure: int) -> None:
        self.kind, self.candidates, self.container, self.figure = kind, addresses, container, figure
        self.alt = self.title = self.caption = self.link = ""
        self.width = self.height = 0
        self.names: frozenset[str] = frozenset()
        self.decoration = ""  # why it is an icon or the like; "" if it is not
        self.has_twin = False  # its <noscript> twin was met, or it stands in <noscript> itself


Leaf = Text | Media
