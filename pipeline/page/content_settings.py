"""How the main content of a page is found."""

from schemas.settings import Settings


class ContentSettings(Settings, frozen=True):
    """How the content region is found. Weights are in characters."""

    chrome_share: float = 0.4
    """A part named like chrome is content all the same with more than this share of the page's text outside links."""
    comment_share: float = 0.75
    """The same for a part named as comments or other stories, which are often longer than the article, and for any such
    part beside what the page calls its article. In a forum comments are content."""
    author_share: float = 0.25
    """A box about the author is chrome up to this share of the page: on their own page it is the content."""
    review_share: float = 0.75
    """On a page about a product, what customers wrote of it is chrome up to this share of the page."""
    weak_chrome_characters: float = 200.0
    """A part with a name that content bears too, such as author or share, is chrome up to this weight of prose."""
    descend_share: float = 0.7
    """The region narrows to a child that holds at least this share of its parent's weight."""
    max_loose_share: float = 0.1
    """It does not when paragraphs that stand beside that child hold more than this share."""
    article_share: float = 0.7
    """The region widens to the `<article>` around it when it holds at least this share of the article's weight."""
    neighbour_share: float = 0.2
    """A neighbour of the region joins it when it weighs this share of it and its text is mostly not links."""
    teaser_share: float = 0.25
    """A part of linked headings with little text each is left out up to this share of the region's weight."""
    max_link_share: float = 0.6
    """A list or short block is left out when more than this share of its characters stands in links."""
    min_texts: int = 12
    """A page of fewer texts is judged by the rules alone."""
    min_gain: float = 0.02
    """The evidence decides instead of the rules where the F1 to be expected is higher by more than this."""
    article_gain: float = 0.05
    """The same on articles, for which the rules were made: pages that say they are, or have one long `<article>`."""
    min_weak_image_px: int = 200
    """An image in a weakly named part stays when it declares this width, or stands in a figure."""
