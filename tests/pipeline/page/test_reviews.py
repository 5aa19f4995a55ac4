"""What customers wrote of a product, and what else stands on the page of each product of a shop."""

import pytest

from tests.pipeline.makers import extract, paragraphs, prose, texts

PRODUCT = '<script type="application/ld+json">{"@type": "Product", "name": "Boot"}</script>'
TITLE = "<h1>Boot</h1>"
BODY = [prose(number) for number in range(8)]


def written(count=4):
    """Some reviews, in parts that only the part around them names."""
    return "".join(f"<div><b>Ann {n}</b><p>{prose(20 + n, 2)}</p></div>" for n in range(count))


def said(below, head=PRODUCT, **fields):
    body = f"<main><div class=css-8a>{TITLE}{paragraphs(8)}</div>{below}</main>"
    return [text for text in texts(extract(body, head, **fields)) if text not in ("Boot", "# Boot")]


@pytest.mark.parametrize("named", ["id=reviews", "class=review-list", "class=site-review-box", "id=bewertungen"])
def test_what_customers_wrote_is_no_part_of_a_product(named):
    assert said(f"<div {named}>{written()}</div>") == BODY


def test_a_single_short_one_is_none_either():
    assert said(f"<div class=reviews><span>1 review</span><b>Ann</b><p>{prose(20, 1)}</p></div>") == BODY


@pytest.mark.parametrize("heading", ["Customer Reviews", "5 Reviews", "Ratings & Reviews", "Avis clients", "レビュー"])
def test_their_heading_names_them_where_no_class_does(heading):
    assert said(f"<div class=css-1x9><h2>{heading}</h2>{written()}</div>") == BODY


@pytest.mark.parametrize(
    ("path", "is_kept"),
    [("products/boot", False), ("collections/boots", True), ("forums/topic/871/products/boot", True)],
)
def test_the_address_of_a_product_tells_one_where_the_page_says_nothing(path, is_kept):
    found = said(f"<div class=reviews>{written()}</div>", "", url=f"https://site.example/{path}")
    assert (prose(20, 2) in found) is is_kept


@pytest.mark.parametrize("kind", ["Course", "Service"])
def test_on_other_pages_they_may_be_what_it_is_about(kind):
    head = PRODUCT.replace("Product", kind) + '<meta property="og:type" content="product">'
    assert prose(20, 2) in said(f"<div class=reviews>{written()}</div>", head)


@pytest.mark.parametrize("kind", ["SoftwareApplication", "VideoGame", "Book", "Hotel"])
def test_apps_books_and_hotels_are_reviewed_as_goods_are(kind):
    assert said(f"<div class=reviews>{written()}</div>", PRODUCT.replace("Product", kind)) == BODY


def test_a_page_that_is_mostly_reviews_keeps_them():
    assert prose(20, 2) in said(f"<div class=reviews>{''.join(map(paragraphs, [40], [50]))}{written(20)}</div>")


def test_a_part_that_holds_the_product_with_its_reviews_stays():
    body = f"<main><div class=product-with-reviews>{TITLE}{paragraphs(8)}</div>{paragraphs(8, 40)}</main>"
    assert prose(3) in texts(extract(body, PRODUCT))


@pytest.mark.parametrize("heading", ["Shipping & returns", "Versand und Rückgabe", "Livraison et retours", "Доставка"])
def test_how_a_shop_sends_its_goods_stands_on_the_page_of_each(heading):
    below = f"<details><summary><h3>{heading}</h3></summary><div>{paragraphs(1, 60)}</div></details>"
    assert said(below) == BODY
    assert prose(60) in said(below, "")


@pytest.mark.parametrize("heading", ["Need help?", "Feedback", "Noch Fragen?", "Medios de pago", "お問い合わせ"])
def test_so_do_the_ways_to_ask_and_to_pay(heading):
    below = f"<section><h2>{heading}</h2>{paragraphs(1, 60)}</section>"
    assert said(below) == BODY
    assert prose(60) in said(below, "")


def test_a_section_of_that_name_ends_where_the_next_begins():
    below = f"<div><h3>Delivery</h3><p>{prose(60)}</p><h3>Materials</h3><p>{prose(61)}</p></div>"
    assert prose(61) in said(below)


@pytest.mark.parametrize("heading", ["You may also like", "Ähnliche Produkte", "Vous aimerez aussi", "関連商品"])
def test_other_products_are_told_by_their_heading(heading):
    others = "".join(f"<li><a href=/o{n}>Other {n}</a><p>{prose(30 + n)}</p></li>" for n in range(4))
    assert said(f"<div class=css-1x9><h2>{heading}</h2><ul>{others}</ul></div>") == BODY


@pytest.mark.parametrize(
    ("heading", "are_others"),
    [
        ("Nearby similar homes", True),
        ("Explore our related products", True),
        ("Related articles that may interest you", True),
        ("Other similar items near you", True),
        ("Related programs", False),
        ("Similar to what the old masters did", False),
        ("Explore our products", False),
    ],
)
def test_what_stands_around_and_behind_such_words_changes_nothing(heading, are_others):
    others = "".join(f"<li><a href=/o{n}>Other {n}</a><p>{prose(30 + n)}</p></li>" for n in range(4))
    found = said(f"<div class=css-1x9><h2>{heading}</h2><ul>{others}</ul></div>")
    assert (prose(31) not in found) is are_others


@pytest.mark.parametrize(
    "line", ["<div class=x9><strong>Related Products</strong></div>", "<p class=h5>Produits similaires</p>"]
)
def test_a_line_that_is_a_heading_to_the_eye_tells_them_too(line):
    others = "".join(f"<li><a href=/o{n}>Other {n}</a><p>{prose(30 + n)}</p></li>" for n in range(4))
    assert said(f"<div class=css-1x9>{line}<ul>{others}</ul></div>") == BODY


@pytest.mark.parametrize("named", ["product-rating", "wishlist-box", "qty-field", "pickup-info", "badges"])
def test_the_small_parts_of_a_buy_box_are_no_words_of_the_product(named):
    box = f"<div class=x1>{TITLE}<div class={named}>Rated 4.67 out of 5 by 3 of us</div>{paragraphs(8)}</div>"
    found = texts(extract(f"<main>{box}</main>", PRODUCT))
    assert [text for text in found if text != "Boot"] == BODY


def test_the_address_of_a_picture_is_no_text_and_nor_is_what_it_is_called():
    fields = "<dt>cat_thumb:</dt><dd>https://site.example/a/5001.jpg?c=1</dd><dt>Weight:</dt><dd>640 g</dd>"
    found = said(f"<dl>{fields}</dl><p>{prose(70)}</p>")
    assert found[-3:] == ["Weight:", "640 g", prose(70)]
    assert found[:-3] == BODY


@pytest.mark.parametrize(
    ("heading", "item"),
    [("Customer Reviews for the Boot", "<p>{}</p>"), ("Alternatives", "<div><a href=/o>Other</a> {}</div>")],
)
def test_a_heading_may_say_of_which_product_and_other_goods_are_told_beside_one_only(heading, item):
    others = "".join(item.format(prose(30 + n)) for n in range(4))
    below = f"<div class=css-1x9><h2>{heading}</h2>{others}</div>"
    assert said(below) == BODY
    assert prose(31) in " ".join(said(below, ""))


@pytest.mark.parametrize("opener", ["href=#t2", "href=# aria-controls=t2", "href=# data-bs-target=#t2"])
def test_a_part_is_headed_by_the_tab_that_opens_it(opener):
    tabs = f"<ul><li><a href=#t1>Materials</a><li><a {opener}>Shipping &amp; Returns</a></ul>"
    below = f"{tabs}<div id=t1><p>{prose(61)}</p></div><div id=t2><p>{prose(60)}</p></div>"
    assert prose(61) in said(below)
    assert prose(60) not in said(below)
    assert prose(60) in said(below, "")


@pytest.mark.parametrize(
    "written",
    [
        "<div class=a1><div class=h1>{}</div><div class=b1>{}</div><div class=h1>{}</div><div class=b1>{}</div></div>",
        "<dl><dt>{}</dt><dd>{}</dd><dt>{}</dt><dd>{}</dd></dl>",
        "<div class=a1><h3>{}</h3><div>{}</div><h3>{}</h3><div>{}</div></div>",
    ],
)
def test_titles_may_stand_beside_what_they_open(written):
    found = said(written.format("Materials", prose(61), "Versand &amp; Zahlung", prose(60)))
    assert found[-2:] == ["Materials", prose(61)] or found[-2:] == ["### Materials", prose(61)]
    assert not {prose(60), "Versand & Zahlung"} & set(found)


@pytest.mark.parametrize(
    "label", ["In stock", "Auf Lager", "Was this review helpful?", "Choisir une taille", "売り切れ"]
)
def test_what_every_product_of_a_shop_says_is_a_label(label):
    assert said(f"<div class=x1><p>{label}</p><p>{prose(60)}</p></div>") == [*BODY, prose(60)]
