import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.captions import CaptionRules, caption_tokens, choose_caption, clean_caption, is_fluent, judge_caption
from pipeline.text.language import LanguageRules
from schemas.drops import Drop
from schemas.pairs import Caption


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Image of a red barn", "a red barn"),
        ("A photo of a red barn", "a red barn"),
        ("photo: a red barn", "a red barn"),
        ("A red barn 1024x768", "A red barn"),
        ("A red barn (640 × 480 px)", "A red barn"),
        ("A red barn.jpg", "A red"),
        ("IMG_2041.JPG", ""),
        ("DSC00231", ""),
        ("image-12", ""),
        ("20210312_133759", ""),
        ("red-barn-at-dusk", "red barn at dusk"),
        ("<b>A red barn</b> &amp;amp; a field", "A red barn & a field"),
        ("[caption id='3']A red barn[/caption]", "A red barn"),
        ("A red barn https://example.org/barn", "A red barn"),
        ("Click to enlarge", ""),
        ("Logo", ""),
        ("...", ""),
        ("Temperatures at 3 < 5 degrees", "Temperatures at 3 < 5 degrees"),
        ("Lancaster 683 over York", "Lancaster 683 over York"),
        ("赤い納屋", "赤い納屋"),
    ],
)
def test_a_caption_is_cleaned(text: str, cleaned: str) -> None:
    assert clean_caption(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "Write to <EMAIL>",
        "<PHONE> or <IP>, <IBAN> and <CARD>: all of Ann's",
        "Home > <EMAIL>",
        "if a<b and c>d",
        "Generic List<String>",
        "Map<String, Object>",
        "Oil on canvas, 24 x 36 inches",
        "Poster, 500 x 700 mm",
        "A box of 100 x 200 x 300",
        "Anna [left] and Ben [right]",
        "They was [sic] here",
        "Spider-Man",
        "Jean-Luc",
        "Coca-Cola",
        "T-shirt",
        "F-16",
        "COVID-19",
        "The Picture of Dorian Gray",
        "Image of the Day: M31",
        "A photo for sale",
        "C#",
        "«Mona Lisa» by da Vinci",
        "« La Joconde » de Vinci",
        "-5 °C at night",
    ],
)
def test_what_is_said_stays(text: str) -> None:
    assert clean_caption(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ('A <span class="x">red</span> barn<br/> and <a href="/f">a field</a>', "A red barn and a field"),
        ("A <EM>red</EM> barn<o:p></o:p>", "A red barn"),
        ('[gallery ids="1,2"]A red barn[/gallery]', "A red barn"),
        ("A red barn (barn.jpg)", "A red barn"),
        ("A red barn (seen from https://example.org/barn)", "A red barn (seen from)"),
        ('"A red barn" "barn.jpg"', '"A red barn"'),
        ("A red\u200b b\u00adarn\ufeff", "A red barn"),
        ("the photo of a red barn", "a red barn"),
        ("» A red barn »", "A red barn"),
        ("Red_Barn", "Red Barn"),
        ("Red-Barn-At-Dusk", "Red Barn At Dusk"),
        ("<EMAIL>", ""),
        ("# A red barn >", "A red barn"),
    ],
)
def test_what_says_nothing_goes_and_no_more(text: str, cleaned: str) -> None:
    assert clean_caption(text) == cleaned


@given(st.text(max_size=200))
def test_what_is_clean_stays_so(text: str) -> None:
    once = clean_caption(text)
    assert once == " ".join(once.split())
    assert clean_caption(clean_caption(once)) == clean_caption(once)


@given(st.text(alphabet="<[a-](&;#x1 ", max_size=5000))
def test_hostile_captions_take_no_time(text: str) -> None:
    clean_caption(text * 20)


@pytest.mark.parametrize(
    ("text", "fluent"),
    [
        ("A red barn stands at the edge of a field", True),
        ("RED BARN FOR SALE NOW IN THE FIELD", False),
        ("barn, field, red, sky, farm, sunset", False),
        ("Red barn | Farm | Field | Photos", False),
        ("12 34 56 78 of the 90", False),
        ("barn", False),
        ("buy buy buy buy the the the", False),
        ("Ein roter Stall steht am Rand eines Felds, größer als früher", True),
        ("Una granja roja al borde del campo en verano", True),
        ("Un fienile rosso si trova ai margini del campo", True),
        ("田野边上有一座红色的谷仓，旁边是一棵大树", True),
        ("谷仓、田野、红色、天空、农场、日落", False),
        ("面白い猫", True),
        ("「今日は猫がいます」", True),
        ("खेत के किनारे एक लाल खलिहान खड़ा है", True),
        ("โรงนาสีแดงตั้งอยู่ริมทุ่งนา", True),
        ("granja, campo, rojo, cielo, sol", False),
        ("barn field red sky farm sunset café", False),
        ("a barn at the edge of the field by the café", True),
    ],
)
def test_fluency(text: str, fluent: bool) -> None:
    assert is_fluent(text) is fluent


CAPTIONS = (
    Caption("Red barn", "alt"),
    Caption("barn.jpg", "title"),
    Caption("A red barn stands at the edge of a field", "figcaption"),
    Caption("BARN | RED | FARM | FIELD | SKY | SUNSET | AND MORE OF IT", "schema_org"),
)


def test_the_first_source_that_says_something_is_chosen() -> None:
    assert choose_caption(CAPTIONS, CaptionRules(sources=("title", "alt"))) == Caption("Red barn", "alt")


def test_the_longest_fluent_one_is_chosen_before_longer_ones_that_are_not() -> None:
    rules = CaptionRules(sources=("alt", "figcaption", "schema_org"), choose="longest")
    assert choose_caption(CAPTIONS, rules).source == "figcaption"


def test_without_a_text_there_is_no_pair() -> None:
    with pytest.raises(Drop, match="no_caption"):
        choose_caption(CAPTIONS, CaptionRules(sources=("title",)))
    with pytest.raises(Drop, match="no_caption"):
        choose_caption((), CaptionRules())


@pytest.mark.parametrize(
    ("rules", "text", "reason"),
    [
        (CaptionRules(min_words=3), "Red - barn", "few_words"),
        (CaptionRules(max_words=2), "A red barn", "many_words"),
        (CaptionRules(min_characters=6), "barns", "few_characters"),
        (CaptionRules(fluent=True), "Barn", "not_fluent"),
        (CaptionRules(language=LanguageRules(keep=("en",))), "Ein roter Stall steht am Rande des Feldes", "language"),
    ],
)
def test_each_rule_drops_what_it_is_for(rules: CaptionRules, text: str, reason: str) -> None:
    with pytest.raises(Drop) as drop:
        judge_caption(text, rules)
    assert drop.value.reason == reason


def test_the_bounds_are_inclusive() -> None:
    judge_caption("one two three", CaptionRules(min_words=3, max_words=3, min_characters=13))


def test_tokens_are_words_and_neighbouring_pairs() -> None:
    assert list(caption_tokens("A Red barn.")) == ["a", "red", "barn", "a red", "red barn"]
