"""Pictures that belong to what is kept: galleries beside the text, pictures of items."""

import pytest

from pipeline.page.leaves import Media
from pipeline.page.metadata import Metadata
from pipeline.page.pictures import keep_pictures_with_words
from pipeline.page.verdicts import Verdict
from tests.pipeline.makers import URL, extract, outline, paragraphs, prose, texts, walk

STATED = '<meta property="og:image" content="https://site.example/shop/boot-front.jpg">'
PRODUCT = '<script type="application/ld+json">{"@type": "Product", "name": "Boot"}</script>'
VIEWS = ("front", "side", "back", "sole")


def names(draft):
    return [image.url.rpartition("/")[2] for image in draft.images]


def gallery(*views, button="Zoom"):
    slides = "".join(
        f"<li><a href=/big><img src=/shop/boot-{view}.jpg></a><button>{button}</button></li>" for view in views
    )
    return f"<div class=gallery><div><ul>{slides}</ul></div><span>1 / 4</span></div>"


def shop(pictures, head=STATED + PRODUCT):
    others = "".join(f"<li><h3><a href=/o{n}>Other {n}</a></h3><img src=/shop/other-{n}.jpg></li>" for n in range(4))
    text = f"<div class=text><h1>Boot</h1>{paragraphs(4)}</div>"
    return extract(f"<div class=top>{pictures}</div>{text}<div class=related><ul>{others}</ul></div>", head)


def test_the_gallery_of_a_product_is_kept_with_the_picture_that_the_page_states():
    assert names(shop(gallery(*VIEWS))) == [f"boot-{view}.jpg" for view in VIEWS]


@pytest.mark.parametrize(
    "head",
    [
        '<script type="application/ld+json">{"@type": "Product", "image": ["/shop/boot-front.jpg"]}</script>',
        '<link rel="image_src" href="/shop/boot-front.jpg">',
        '<meta itemprop="image" content="/shop/boot-front.jpg"><meta property="og:type" content="product">',
    ],
)
def test_however_it_states_its_picture(head):
    assert len(names(shop(gallery(*VIEWS), head))) == 4


def test_microdata_on_the_picture_itself_states_it():
    marked = gallery(*VIEWS).replace("<img ", '<img itemprop="image" ', 1)
    assert len(names(shop(marked, PRODUCT))) == 4


def test_hidden_slides_of_a_gallery_are_pictures_too():
    assert (
        len(
            names(
                shop(
                    gallery(*VIEWS)
                    .replace("<li>", "<li style='display:none'>")
                    .replace("<li style='display:none'>", "<li>", 1)
                )
            )
        )
        == 4
    )


def test_beside_the_picture_of_an_article_others_are_of_others():
    assert names(shop(gallery(*VIEWS), STATED + '<meta property="og:type" content="article">')) == ["boot-front.jpg"]


def test_what_stands_beside_a_stated_picture_with_words_of_its_own_is_no_gallery():
    cards = gallery(*VIEWS).replace("</a>", "</a><h3>Another boot that is also for sale here</h3>")
    assert names(shop(cards)) == ["boot-front.jpg"]


def test_a_wall_of_pictures_is_not_the_gallery_of_one_of_them():
    assert names(shop(gallery("front", *(f"n{n}" for n in range(60))))) == ["boot-front.jpg"]


def listing(head="", depth=0):
    items = "".join(
        f"<div class=item>{'<div class=box>' * depth}<a href=/i{n} class=thumb><img src=/item-{n}.jpg></a>"
        f"<div class=caption><div>Lamp with a shade of linen, number {n}</div><div>Maker: Brand</div>"
        f"<div>Price: ${n}9.00</div></div>{'</div>' * depth}</div>"
        for n in range(12)
    )
    after = f"<div class=about>{paragraphs(2, sentences=3)}</div>"
    return names(extract(f"<main><h1>All lamps</h1><div class=items>{items}</div>{after}</main>", head))


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_items_of_a_list_whose_words_are_kept_keep_their_pictures(depth):
    """Shops nest the words of a card in a box, and that in a column."""
    assert listing(depth=depth) == [f"item-{n}.jpg" for n in range(12)]


def test_before_an_article_pictures_that_lead_away_are_of_others():
    assert listing('<meta property="og:type" content="article">') == []


def test_a_gallery_whose_buttons_stand_in_a_form_is_a_gallery():
    slides = "".join(f"<li><button><img src=/shop/boot-{view}.jpg></button></li>" for view in VIEWS)
    assert len(names(shop(f"<form><ul>{slides}</ul><button>Next</button></form>"))) == 4
    assert len(names(shop(f"<form><ul>{slides}</ul><input name=size></form>"))) == 1


@pytest.mark.parametrize(("link", "is_kept"), [("", True), ("/elsewhere", False)])
def test_a_picture_in_a_column_beside_the_text_stays(link, is_kept):
    image = "<img src=/p/kettle.jpg width=600 height=700>"
    column = f"<div class=col><div>{f'<a href={link}>{image}</a>' if link else image}</div></div>"
    text = f"<div class=col><div><h1>A kettle</h1>{paragraphs(4)}</div></div>"
    other = (
        f"<div class=row><div class=col><img src=/p/shop.jpg width=600 height=400></div><div>{prose(90, 1)}</div></div>"
    )
    found = outline(extract(f"<section><div class=row>{column}{text}</div></section><section>{other}</section>"))
    assert ("kettle.jpg" in found) is is_kept
    assert "shop.jpg" not in found


def test_an_item_of_which_most_words_are_kept_keeps_its_picture():
    """Its title is one text, and so is each of two buttons."""
    card = (
        "<article><a href=/p{0}><img src=/post-{0}.jpg></a><div class=text>"
        "<h2>A title of one of the posts, number {0}</h2><p>Read more</p><p>Share</p></div></article>"
    )
    posts = "".join(map(card.format, range(12)))
    found = names(extract(f"<main><h1>Rail</h1>{paragraphs(1)}{posts}</main>"))
    assert found == [f"post-{n}.jpg" for n in range(12)]


@pytest.mark.parametrize(("kind", "count"), [("SoftwareApplication", 3), ("Product", 3), ("Course", 0)])
def test_views_of_a_thing_whose_stated_picture_is_its_sign_are_kept(kind, count):
    head = f'<script type="application/ld+json">{{"@type": "{kind}", "image": "/sign.png"}}</script>'
    shots = "".join(f"<div class=a1><div><img src=/shot{n}.png></div></div>" for n in range(3))
    links = shots.replace("<img", "<a href=/other><img").replace("shot", "other").replace("png>", "png></a>")
    top = f"<div><img src=/sign.png><h1>Tidebook</h1></div><div><div>{links}</div></div><div><div>{shots}</div></div>"
    draft = extract(
        f"<div>{top}</div><div><div>{paragraphs(8)}</div></div><div>{shots.replace('shot', 'late')}</div>", head
    )
    assert [name for name in names(draft) if name != "sign.png"] == [f"shot{n}.png" for n in range(count)]


def test_a_button_on_the_picture_of_a_card_says_nothing_of_it() -> None:
    """As PrestaShop has it, in the thumbnail: left out with the card, whose words are kept again by what they say."""
    card = "<li><div><img src=/{0}.jpg><p>{1}</p></div><h2><a href=/{0}>Spade of the forge {0}</a></h2></li>"
    for button, is_kept in (("Quick view", True), ("Forged by hand", False)):
        walked = walk(f"<ul>{''.join(card.format(n, button) for n in range(4))}</ul>")
        verdicts = [Verdict("teasers") if getattr(leaf, "role", "") != "heading" else None for leaf in walked.leaves]
        keep_pictures_with_words(walked, verdicts, Metadata(base=URL))
        pictures = [verdicts[at] is None for at, leaf in enumerate(walked.leaves) if isinstance(leaf, Media)]
        assert pictures == [is_kept] * 4


def test_the_buttons_of_a_card_say_nothing_of_its_picture() -> None:
    """They are left out of every card, and may be longer than its words."""
    buttons = "<p>Add to cart</p><p>Add to wish list</p><p>Quick view</p><p>Compare</p>"
    card = "<li><a href=/k{0}><img src=/k{0}.jpg width=300 height=300></a><p>Oak stool {0}</p>{1}</li>"
    cards = "".join(card.format(n, buttons) for n in range(6))
    found = outline(extract(f"<main><h1>Stools</h1>{paragraphs(3)}<ul>{cards}</ul></main>"))
    assert [name for name in found if name.endswith(".jpg")] == [f"k{n}.jpg" for n in range(6)]


@pytest.mark.parametrize("above", ["", "<p>By Ann Lee</p>"])
def test_a_figure_between_the_title_and_the_text_stays_with_its_caption(above):
    """Its caption is too short to be text by itself, and stands nearest to it."""
    lead = "<figure><img src=/lead.jpg width=800 height=500><figcaption>Fog on the bridge</figcaption></figure>"
    menu = "<div class=mainmenu><a href=/1>News</a><a href=/2>Sport</a></div>"
    draft = extract(f"{menu}<div><h1>Flood</h1>{above}{lead}<div>{paragraphs(5)}</div></div>", "<title>Flood</title>")
    assert names(draft) == ["lead.jpg"]
    assert "Fog on the bridge" in texts(draft)
