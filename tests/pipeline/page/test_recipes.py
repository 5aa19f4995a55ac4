"""Ingredients and steps, which stand beside the prose."""

import json

import pytest

from pipeline.page.recipes import listed
from tests.pipeline.makers import extract, outline, paragraphs, prose, texts

INGREDIENTS = ["200 g flour", "3 large eggs", "a pinch of salt", "250 ml of milk", "butter for the pan"]
STEPS = ["Stir the flour and the eggs.", "Add the milk, wait.", "Bake each side for a minute."]
LISTED = {"@type": "Recipe", "recipeIngredient": INGREDIENTS}
LINKS = "".join(f"<li><a href=/r/{n}>Dish of the week number {n}</a></li>" for n in range(12))
AROUND = f"<div class=c2><ul>{LINKS}</ul></div>"


def head(thing, extra=""):
    return f'<title>Pancakes</title><script type="application/ld+json">{json.dumps(thing)}</script>{extra}'


def items(lines, item="<li>{}</li>"):
    return "".join(map(item.format, lines))


def page(beside, thing=LISTED, extra=""):
    body = f"<div class=c0><h1>Pancakes</h1>{paragraphs(6, 1)}</div><div class=c1>{beside}</div>{AROUND}"
    return texts(extract(body, head(thing, extra)))


SIDE = f"<div class=sidebar><h3>You need</h3><ul>{items(INGREDIENTS)}</ul></div>"


@pytest.mark.parametrize(
    "thing",
    [
        LISTED,
        {"@graph": [LISTED]},
        {"@type": "WebPage", "mainEntity": LISTED},
        {"@type": "Recipe", "ingredients": INGREDIENTS},
        {"@type": "HowTo", "step": [{"@type": "HowToStep", "text": line} for line in INGREDIENTS]},
        {"@type": "Recipe", "recipeInstructions": [{"@type": "HowToSection", "itemListElement": [
            {"@type": "HowToStep", "name": line} for line in INGREDIENTS]}]},
        {"@type": "Recipe", "recipeInstructions": "<ol>" + items(INGREDIENTS) + "</ol>"},
    ],
)  # fmt: skip
def test_what_a_page_lists_is_kept_with_its_heading(thing):
    said = page(SIDE, thing)
    assert [line for line in said if line in ("You need", *INGREDIENTS)] == ["You need", *INGREDIENTS]
    assert "Dish of the week number 3" not in said


def test_what_it_does_not_list_stays_out():
    assert not set(INGREDIENTS) & set(page(SIDE, {"@type": "Recipe"}))
    assert not set(INGREDIENTS) & set(page(SIDE.replace("<ul>", f"<ul>{LINKS}")))


def test_amounts_in_columns_of_their_own_come_along():
    rows = "".join(f"<div><div>{n} g</div><div>{line}</div></div>" for n, line in enumerate(INGREDIENTS))
    assert "4 g" in page(f"<div class=sidebar>{rows}</div>")


def test_a_second_copy_stays_out():
    said = page(SIDE + SIDE.replace("You need", "For your list"))
    assert [said.count(line) for line in INGREDIENTS] == [1] * len(INGREDIENTS)
    assert "For your list" not in said


def test_what_is_hidden_stays_out():
    assert not set(INGREDIENTS) & set(page(f"<div style='display:none'>{SIDE}</div>"))


@pytest.mark.parametrize(
    ("named", "is_kept"),
    [
        ("<ul class=recipe__ingredients>{}</ul>", True),
        ("<ul class=recipe__things>{}</ul>", False),
        ("<div itemprop=recipeIngredient>{}</div>", True),
    ],
)
def test_parts_named_ingredients_are_such(named, is_kept):
    said = page(f"<div class=sidebar>{named.format(items(INGREDIENTS))}</div>", {"@type": "WebPage"})
    assert ("200 g flour" in said) is is_kept


def test_labels_stay_out_of_them():
    said = page(SIDE.replace("<ul>", "<p>Advertisement</p><ul>"))
    assert "200 g flour" in said
    assert "Advertisement" not in said


def test_the_title_of_the_page_stays_out_of_them():
    body = f"<div><div class=c0><h1>Pancakes</h1>{paragraphs(6, 1)}</div><div class=c1>{SIDE}</div></div>{AROUND}"
    long = {"@type": "Recipe", "recipeIngredient": [*INGREDIENTS, *map(prose, range(1, 7))]}
    said = texts(extract(body, head(long)))
    assert "200 g flour" in said
    assert "Pancakes" not in said


def test_links_by_ingredients_are_none():
    links = items(f"<a href=/by/{line[:3]}>{line}</a>" for line in INGREDIENTS)
    assert "200 g flour" not in page(f"<div class=sidebar><ul class=ingredients>{links}</ul></div>", {})


TICKED = "<li class=ingredient><label><input type=checkbox><span>{}</span></label></li>"


@pytest.mark.parametrize(
    ("thing", "marked", "is_kept"),
    [(LISTED, "", True), ({}, "", False), ({}, "<meta itemprop=recipeIngredient content=flour>", True)],
)
def test_ingredients_to_be_ticked_are_no_options(thing, marked, is_kept):
    ticked = f"{marked}<ul>{items(INGREDIENTS, TICKED)}</ul>"
    body = f"<main><h1>Pancakes</h1>{paragraphs(3, 1)}{ticked}{paragraphs(3, 4)}</main>"
    assert (set(INGREDIENTS) <= set(texts(extract(body, head(thing))))) is is_kept


def test_other_options_of_a_recipe_are_chosen():
    option = "<li><label><input type=checkbox><span>For {} people</span></label></li>"
    body = f"<main><h1>Pancakes</h1>{paragraphs(3, 1)}<ul>{items('2468', option)}</ul>{paragraphs(3, 4)}</main>"
    assert "For 4 people" not in texts(extract(body, head(LISTED)))


@pytest.mark.parametrize(("mark", "is_kept"), [("<meta itemprop=recipeIngredient content=flour>", True), ("", False)])
def test_a_form_around_ingredients_is_read(mark, is_kept):
    form = f"<form>{mark}{items(INGREDIENTS, '<p>{}</p>')}<input type=checkbox name=all></form>"
    body = f"<main><h1>Pancakes</h1>{paragraphs(3, 1)}{form}{paragraphs(3, 4)}</main>"
    assert ("200 g flour" in texts(extract(body))) is is_kept


def test_entities_and_markup_in_json_ld_are_read():
    assert listed([{"recipeIngredient": ["2 colheres de a&ccedil;&uacute;car"], "step": "<p>Mexa.</p>"}]) == (
        "2colheresdeaçúcar|mexa"
    )


@pytest.mark.parametrize("said", [None, 3, {}, [], [[]], {"text": 3}, [None, {"text": None}]])
def test_other_data_list_nothing(said):
    assert not listed([{"recipeIngredient": said}])


def test_pictures_of_steps_stay_with_them():
    steps = "".join(f"<li><img src=/s{n}.jpg width=400 height=300><p>{line}</p></li>" for n, line in enumerate(STEPS))
    thing = {"@type": "Recipe", "recipeInstructions": STEPS}
    body = f"<div class=c0><h1>Pancakes</h1>{paragraphs(6, 1)}</div><div class=c1><ol>{steps}</ol></div>{AROUND}"
    assert [name for name in outline(extract(body, head(thing))) if name.endswith(".jpg")] == [
        "s0.jpg",
        "s1.jpg",
        "s2.jpg",
    ]
