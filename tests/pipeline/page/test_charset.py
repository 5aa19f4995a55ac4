import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.page.charset import decode_html, utf8_html

RUSSIAN = "<p>Привет! Это простой русский текст о погоде, о реке и о старом мосте за городом.</p>"
CHINESE = "<p>今天天气很好，我们去公园散步，看到了很多花。河边的老桥已经修好了，孩子们在那里玩。</p>"
JAPANESE = "<p>日本語の文章です。今日は天気がいいですね。川のそばの古い橋を渡って、町まで歩きました。</p>"
KOREAN = (
    "<p>한국어 문장입니다. 오늘은 날씨가 아주 좋습니다. 강가의 오래된 다리를 건너서 마을까지 걸어갔습니다.</p>"
    "<p>아이들은 그곳에서 놀고 있었고, 우리는 저녁까지 이야기를 나누었습니다. 내일은 비가 온다고 합니다.</p>"
)


def declaring(charset: str, body: str) -> str:
    return f'<html><head><meta charset="{charset}"></head><body>{body}</body></html>'


# --- byte order marks


@pytest.mark.parametrize(
    ("mark", "codec"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_a_byte_order_mark_decides_and_is_not_text(mark, codec):
    assert decode_html(mark + RUSSIAN.encode(codec), "windows-1251") == RUSSIAN


def test_damage_after_a_byte_order_mark_becomes_replacement_characters():
    assert decode_html(codecs.BOM_UTF8 + b"<p>a\xff b") == "<p>a\ufffd b"


# --- what is declared


def test_the_header_decides_over_the_markup():
    html = declaring("iso-8859-5", RUSSIAN)
    assert decode_html(html.encode("cp1251"), "windows-1251") == html


@pytest.mark.parametrize(
    "markup",
    ['<meta charset="koi8-r">', "<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>"],
)
def test_the_markup_decides_where_the_header_is_silent(markup):
    html = markup + RUSSIAN
    assert decode_html(html.encode("koi8-r")) == html


def test_a_header_charset_that_does_not_fit_the_bytes_yields_to_the_markup():
    html = declaring("windows-1251", RUSSIAN)
    assert decode_html(html.encode("cp1251"), "utf-8") == html


@pytest.mark.parametrize("label", ["no-such-charset", "", "   ", "utf-8;q=1", "\x00"])
def test_an_unknown_label_says_nothing(label):
    html = declaring("windows-1251", RUSSIAN)
    assert decode_html(html.encode("cp1251"), label) == html


@pytest.mark.parametrize("label", ["UTF-8", '"utf-8"', " 'utf8' "])
def test_labels_are_read_without_case_and_quotes(label):
    assert decode_html("<p>é".encode(), label) == "<p>é"


@pytest.mark.parametrize("label", ["iso-8859-1", "latin1", "us-ascii", "windows-1252"])
def test_latin_1_means_windows_1252_as_in_browsers(label):
    assert decode_html(b"<p>\x93caf\xe9\x94 \x80 5", label) == "<p>“café” € 5"


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("gb2312", "gbk", "<p>朱镕基说今天天气很好"),  # 镕 is in GBK alone
        ("gb2312", "gb18030", "<p>野𠮷家"),  # four bytes, in GB18030 alone
        ("shift_jis", "cp932", "<p>①番目の髙橋さんの日本語"),  # ① and 髙 are in CP932 alone
        ("euc-kr", "cp949", "<p>똠방각하는 한국어 문장입니다"),  # 똠 is in CP949 alone
        ("ks_c_5601-1987", "cp949", "<p>똠방각하는 한국어 문장입니다"),
    ],
)
def test_labels_stand_for_the_larger_sets_that_are_used_under_them(label, codec, text):
    assert decode_html(text.encode(codec), label) == text
    html = declaring(label, text)
    assert decode_html(html.encode(codec)) == html


def test_iso_2022_jp_is_read_although_its_bytes_are_ascii():
    assert decode_html(JAPANESE.encode("iso2022_jp"), "iso-2022-jp") == JAPANESE
    html = declaring("iso-2022-jp", JAPANESE)
    assert decode_html(html.encode("iso2022_jp")) == html


def test_utf_16_announced_by_the_header_needs_no_byte_order_mark():
    html = "<html><body><p>hello there</p></body></html>"
    assert decode_html(html.encode("utf-16-le"), "utf-16le") == html
    assert decode_html(RUSSIAN.encode("utf-16-be"), "utf-16be") == RUSSIAN


@pytest.mark.parametrize("padding", ["", " "])
def test_utf_16_claimed_by_the_markup_means_utf_8_because_the_claim_was_readable(padding):
    html = '<meta charset="utf-16"><p>café' + padding
    assert decode_html(html.encode()) == html


def test_utf_16_without_a_mark_is_told_by_the_zeros_in_its_markup():
    page = f"<!doctype html><html><p>{RUSSIAN}"
    for codec in ("utf-16-le", "utf-16-be"):
        assert decode_html(page.encode(codec)) == page
        assert utf8_html("<html><p>hello".encode(codec)) == b"<html><p>hello"
    assert decode_html(b"<p>a\0\0b" * 20) == "<p>a\0\0b" * 20


@pytest.mark.parametrize(
    "before",
    [
        "<!-- <meta charset=windows-1252> -->",
        "<script>var x='<meta charset=iso-8859-2>'</script>",
        "<title>charset=iso-8859-2</title>",
        "<meta name=description content='about charset=iso-8859-2 tables'>",
        "<a title='<meta charset=iso-8859-2>'></a>",
        "<?xml version='1.0' encoding='iso-8859-1'?>",
    ],
)
def test_only_a_meta_says_its_charset_and_before_xml_does(before):
    page = f"{before}<meta charset=windows-1251><p>{RUSSIAN}"
    assert decode_html(page.encode("cp1251")) == page


@pytest.mark.parametrize(
    "declaration",
    [
        "<?xml version='1.0' encoding='windows-1251'?>",
        "<META CONTENT='text/html;charset=\"windows-1251\"' HTTP-EQUIV=Content-Type>",
        "<meta name=content-type content='text/html; charset=windows-1251'>",
    ],
)
def test_the_older_ways_to_declare_a_charset_are_read(declaration):
    assert decode_html(f"{declaration}<p>{RUSSIAN}".encode("cp1251")).endswith(RUSSIAN)


@pytest.mark.parametrize("label", ["punycode", "idna", "utf-7", "unicode_escape", "raw_unicode_escape"])
def test_codecs_that_only_python_has_are_no_charsets_of_pages(label):
    page = b"<meta charset=%s>+ADw-p+AD4- \\u0041 caf\xe9" % label.encode()
    assert decode_html(page) == decode_html(page, label) == page.decode("cp1252")


def test_tables_of_characters_that_browsers_do_not_know_are_read():
    assert decode_html("<meta charset=cp437><p>Ω≈ café".encode("cp437")).endswith("<p>Ω≈ café")


# --- UTF-8 whatever is said


@pytest.mark.parametrize("claim", ["iso-8859-1", "windows-1251", "gbk", "shift_jis"])
def test_utf_8_is_recognised_under_a_wrong_name(claim):
    html = declaring(claim, RUSSIAN)
    assert decode_html(html.encode(), claim) == html


def test_a_few_characters_that_chance_to_be_utf_8_do_not_overrule_the_header_and_many_do():
    pair = "模".encode("gbk")
    assert pair.decode("utf-8") == "ģ"  # valid UTF-8 by chance
    assert decode_html(b"<p>" + pair * 5, "gbk") == "<p>模模模模模"
    assert decode_html(b"<p>" + pair * 6, "gbk") == "<p>ģģģģģģ"


def test_a_few_utf_8_characters_are_believed_where_nothing_is_declared():
    assert decode_html("<p>café".encode()) == "<p>café"


# --- guesses


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1251", RUSSIAN),
        ("koi8-r", RUSSIAN),
        ("gbk", CHINESE),
        ("big5", "<p>今天天氣很好，我們去公園散步，看到了很多花。河邊的老橋已經修好了，孩子們在那裡玩。</p>"),
        ("shift_jis", JAPANESE),
        ("euc_jp", JAPANESE),
        ("cp949", KOREAN),
        ("iso2022_jp", JAPANESE),
    ],
    ids=["cp1251", "koi8-r", "gbk", "big5", "shift_jis", "euc_jp", "cp949", "iso2022_jp"],
)
def test_an_undeclared_charset_is_told_from_the_bytes(codec, text):
    assert decode_html(text.encode(codec)) == text


def test_a_declared_charset_with_a_little_damage_still_gives_its_text():
    data = CHINESE.encode("gbk").replace("公园".encode("gbk"), "公".encode("gbk") + b"\xff\xff")
    text = decode_html(data, "gbk")
    assert "今天天气很好" in text
    assert "孩子们在那里玩" in text


# --- damage


BAD = st.sampled_from([b"\xff", b"\x92", b"\xe9", b"\xc3", b"\xf5", b"\xed\xa0\x80"])
SENTENCE = "<p>Der Müller in Zürich trinkt Café.</p>"


@given(st.lists(st.tuples(st.integers(0, 40), BAD), min_size=1, max_size=5), st.sampled_from(["header", "markup", ""]))
def test_bad_bytes_cost_themselves_in_utf_8(damage, declared_by):
    pieces = [SENTENCE.encode()] * 41
    for place, bad in damage:
        pieces[place] += bad
    html = (b"<meta charset=utf-8>" if declared_by == "markup" else b"") + b"".join(pieces)
    text = decode_html(html, "utf-8" if declared_by == "header" else "")
    assert text.count(SENTENCE) == 41


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("windows-1251", "cp1251", RUSSIAN),
        ("gbk", "gbk", CHINESE),
        ("shift_jis", "cp932", JAPANESE),
        ("euc-jp", "euc_jp", JAPANESE),
        ("euc-kr", "cp949", KOREAN),
    ],
)
def test_bad_bytes_cost_no_more_than_their_line_in_other_charsets(label, codec, text, declared):
    lines = [text.encode(codec)] * 9
    lines[4] = lines[4].replace(b"</p>", b"\x98\xff</p>")
    assert decode_html(b"".join(lines), label if declared else "").count(text) == 8


def test_one_bad_byte_in_a_page_of_ascii_is_what_browsers_make_of_it():
    assert decode_html(b"<p>caf\xe9 and cafe", "utf-8") == "<p>caf\ufffd and cafe"
    assert decode_html(b"<p>caf\xe9 and cafe") == "<p>café and cafe"


def test_a_declaration_that_the_bytes_belie_is_not_believed():
    html = declaring("utf-8", RUSSIAN)
    assert decode_html(html.encode("cp1251"), "utf-8") == html
    html = declaring("utf-8", CHINESE * 20)
    assert decode_html(html.encode("gbk")) == html
    quotes = declaring("utf-8", "<p>“One”, “two”, “three”: it’s English with quotes of windows-1252.</p>")
    assert decode_html(quotes.encode("cp1252")) == quotes


def test_characters_of_hong_kong_are_in_big5():
    assert decode_html("<p>佢哋喺香港嘅屋企食飯".encode("big5hkscs"), "big5") == "<p>佢哋喺香港嘅屋企食飯"


# --- anything at all


def test_nul_bytes_do_not_disturb():
    assert decode_html(b"<p>a\x00b</p>").replace("\x00", "") == "<p>ab</p>"
    assert "Привет" in decode_html(b"\x00" + RUSSIAN.encode("cp1251"), "windows-1251")


def test_an_empty_page_is_an_empty_text():
    assert decode_html(b"") == ""
    assert decode_html(b"", "gbk") == ""


LABELS = st.sampled_from(
    "utf-8 utf-16 utf-16be gbk big5 shift_jis iso-2022-jp iso-2022-kr hz-gb-2312 euc-kr x-user-defined macintosh "
    "windows-874 replacement nonsense".split()
)


@given(st.binary(max_size=300), st.one_of(LABELS, st.text(max_size=12)))
def test_random_bytes_under_any_label_give_text_without_lone_surrogates(data, label):
    decode_html(data, label).encode("utf-8")


@given(st.binary(max_size=120), LABELS)
def test_random_bytes_after_any_declaration_in_the_markup_give_text(data, label):
    decode_html(b"<meta charset=" + label.encode() + b">" + data).encode("utf-8")
    decode_html(b"\x1b$B" + data, label).encode("utf-8")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_what_was_written_in_utf_8_and_says_so_is_read_back(text):
    if not text.startswith("\ufeff") and "\x1b$" not in text:
        assert decode_html(text.encode(), "utf-8") == text
