"""Which images of a page are taken: each asset once, by its best address, and those that the page states as its own."""

import pytest

from schemas.documents import TextBlock, VideoRef
from tests.pipeline.makers import extract, outline, paragraphs, prose, texts


def images(draft):
    return [image.url for image in draft.images]


def shown(body, head=""):
    return images(extract(f"<article>{paragraphs(2)}{body}{paragraphs(2, 2)}</article>", head))


# --- figures


def test_whom_a_figure_quotes_is_read_without_the_portrait():
    said = "<blockquote><p>We closed the books on one afternoon.</p></blockquote>"
    whom = "<figcaption><img src=/judith.jpg width=40 height=40><b>Judith Ek, Nordhavn</b></figcaption>"
    draft = extract(f"<article>{paragraphs(2)}<figure>{said}{whom}</figure>{paragraphs(2, 2)}</article>")
    assert (images(draft), "Judith Ek, Nordhavn" in texts(draft)) == ([], True)


@pytest.mark.parametrize(("count", "suffix", "kept"), [(4, "svg", 0), (3, "svg", 3), (4, "png", 4)])
def test_drawings_in_a_row_without_words_are_marks_of_customers(count, suffix, kept):
    names = ["bloom", "pantry", "quay", "fisher"][:count]
    row = "".join(f"<li><img src=/{name}.{suffix} alt={name}></li>" for name in names)
    assert len(shown(f"<p>Trusted by many.</p><ul>{row}</ul>")) == kept


# --- one asset is one image


def test_mobile_and_desktop_variants_of_a_figure_are_one_image():
    body = """<figure><img class=mobile src="https://x.example/c/1440x1440/DSC00889.jpg">
        <img class=desktop src="https://x.example/c/1440x960/DSC00889.jpg">
        <figcaption>Image: V. Pavic</figcaption></figure>"""
    draft = extract(paragraphs(2) + body + paragraphs(2, 2))
    assert images(draft) == ["https://x.example/c/1440x1440/DSC00889.jpg"]
    assert draft.images[0].caption == "Image: V. Pavic"


def test_variants_whose_names_only_look_alike_are_one_image_where_no_word_parts_them():
    pair = "<img src=/hero-mobile.jpg><img src=/hero-desktop.jpg>"
    assert shown(pair) == ["https://site.example/hero-mobile.jpg"]
    assert len(shown(pair.replace("><", f">{prose(7)}<"))) == 2


def test_a_blurred_preview_and_its_noscript_twin_are_one_image_the_best_address_first():
    body = """<figure><div><img src="https://miro.example/max/60/1*a.png?q=20" width=1894 height=970></div>
        <img width=1894 height=970><noscript><img src="https://miro.example/max/1400/1*a.png"></noscript></figure>"""
    draft = extract(paragraphs(2) + body + paragraphs(2, 2))
    assert [image.candidates for image in draft.images] == [
        ("https://miro.example/max/1400/1*a.png", "https://miro.example/max/60/1*a.png?q=20")
    ]
    assert {row.reason for row in draft.dropped} == {"repeated_image"}


@pytest.mark.parametrize(("small", "large"), [("/thumbs/a.jpg", "/large/a.jpg"), ("/p/a-lqip.jpg", "/p/a.jpg")])
def test_of_two_copies_the_one_that_says_to_be_small_comes_last(small, large):
    draft = extract(f"{paragraphs(2)}<div><img src={small}><img src={large}></div>{paragraphs(2, 2)}")
    assert [[url.removeprefix("https://site.example") for url in image.candidates] for image in draft.images] == [
        [large, small]
    ]


@pytest.mark.parametrize(
    ("one", "another", "are"),
    [
        ("/g/cat.jpg", "/g/cat.png", 2),
        ("/g/cat.jpg?v=1", "/g/cat.GIF", 2),
        ("/g/cat.jpg", "/g/cat.jpeg", 1),
        ("/g/cat.jpg", "/g/cat.webp", 1),
        ("/g/cat.png", "/g/cat.avif", 1),
        ("/g/cat.jpg", "/g/cat.jpg.webp", 1),
        ("/g/town-plan.svg", "/g/town-plan.png", 1),
        ("/g/cat.png", "/g/cat-300x200.jpg", 1),
        ("/_next/image?url=%2Fg%2Fcat.png&w=64", "/_next/image?url=%2Fg%2Fcat.jpg&w=64", 2),
    ],
)
def test_two_files_of_one_name_are_two_images_unless_one_may_be_made_of_the_other(one, another, are):
    assert len(shown(f"<img src='{one}'>{prose(3)}<img src='{another}'>")) == are
    assert len(shown(f"<img src='{one}'><img src='{another}'>")) == are
    in_one = f"<picture><source srcset='{one}'><img src='{another}'></picture>"
    assert len(shown(in_one)) == 1
    assert len(shown(f"<img src='{one}' alt='Our cat'>{prose(3)}<img src='{another}' alt='Our cat'>")) == 1


def test_sizes_of_two_files_of_one_name_are_sizes_of_their_own():
    body = "".join(f"<img src='/g/{name}'><p>{prose(3)}</p>" for name in ("cat.jpg", "cat.png", "cat-300x200.png"))
    draft = extract(paragraphs(2) + body + paragraphs(2, 2))
    assert [[url.rpartition("/")[2] for url in image.candidates] for image in draft.images] == [
        ["cat.jpg"],
        ["cat.png", "cat-300x200.png"],
    ]


def test_a_gallery_whose_images_each_stand_in_noscript_too_keeps_them_apart():
    body = "".join(
        f"<img class=slide src=/g/view-{n}.jpg><noscript><img src=/g/view-{n}.jpg></noscript>" for n in "abc"
    )
    assert [url[-10:] for url in shown(body)] == ["view-a.jpg", "view-b.jpg", "view-c.jpg"]


def test_a_noscript_image_of_another_asset_is_an_image_of_its_own():
    assert len(shown("<img src=/g/one.jpg><noscript><img src=/g/two.jpg></noscript>")) == 2


def test_thumbnails_of_a_gallery_are_no_second_copies():
    body = "<img src=/g/cat-1200x900.jpg><ul><li><img src=/g/cat-120x90.jpg><li><img src=/g/dog-120x90.jpg></ul>"
    assert [url.rpartition("/")[2] for url in shown(body)] == ["cat-1200x900.jpg", "dog-120x90.jpg"]


def test_a_width_that_a_script_would_write_is_filled_in():
    img = '<img src="//cdn.shop.example/a_300x.jpg" '
    img += 'data-src="//cdn.shop.example/a_{width}x.jpg" data-widths="[180,720,2048]">'
    draft = extract(paragraphs(3) + img)
    assert draft.images[0].candidates == ("https://cdn.shop.example/a_720x.jpg", "https://cdn.shop.example/a_300x.jpg")


@pytest.mark.parametrize(
    "img",
    [
        '<noscript><img src="https://count.example/p?c1=2&c2=15"></noscript>',
        '<img src="https://count.example/b?page=7" style="display: none">',
        '<img src=https://count.example/b.gif style="height:0px;width:0px;overflow:hidden" alt="">',
        '<img src=https://count.example/b.gif width=0 height=0 alt="">',
        "<img src=/send_btn.png>",
    ],
)
def test_what_nobody_is_to_see_is_no_picture(img):
    assert shown(img) == []


@pytest.mark.parametrize(
    "img",
    [
        '<noscript><img src="https://pictures.example/p?id=2&w=800" alt="A bridge"></noscript>',
        '<noscript><img src="https://pictures.example/p.jpg?w=800"></noscript>',
        '<noscript><img src="https://pictures.example/p?id=2" width=640></noscript>',
        '<img src="https://pictures.example/p?id=2">',
        '<img src=/a.jpg style="width:0;height:0;min-width:100%;max-width:100%">',
        "<img src=/a.jpg width=640 height=0>",
        '<img src=/a.jpg width=0 height=0 srcset="/b.jpg 800w" style="width:100%;height:auto">',
    ],
)
def test_what_is_lazy_or_asked_of_a_server_of_pictures_is_one(img):
    assert len(shown(img)) == 1


@pytest.mark.parametrize("src", ["{{ image.src }}", "/a-{format}.jpg", "${photo}"])
def test_what_a_script_would_write_and_nobody_can_guess_is_no_address(src):
    assert shown(f'<img src="{src}">') == []


@pytest.mark.parametrize(
    "src",
    [
        "/img/blank-3f9a1c2b.png",
        "/blank.3fk29x.svg",
        "/no-image.jpg",
        "/img/placeholder.jpg",
        "/no_photo_available.png",
    ],
)
def test_placeholders_go_with_the_hash_that_a_build_gave_them(src):
    assert shown(f"<img src={src}>") == []


@pytest.mark.parametrize("value", ["false", "true", "null"])
def test_a_lazy_attribute_that_is_a_switch_is_no_address(value):
    assert shown(f"<img src=/a.jpg data-src={value}>") == ["https://site.example/a.jpg"]


# --- stated images

HEAD = '<meta property="og:image" content="https://site.example/img/ferry-1200x630.jpg">'


@pytest.mark.parametrize(
    "page",
    [
        "<aside><img src=/img/ferry-300x200.jpg></aside><main>{}</main>",
        "<main>{}</main><aside><img src=/img/ferry-300x200.jpg></aside>",
        "<div class=gallery-nav><img src=/img/ferry.jpg></div><main>{}</main>",
        "<main>{}<p><a href=/next><img src=/img/ferry.webp></a></p></main>",
        '<section style="background-image:url(/img/ferry.jpg)"><h1>The ferry</h1></section><main>{}</main>',
        "<main><header class=hero-bg data-bg=/img/ferry-640x480.jpg><h1>A</h1></header>{}</main>",
    ],
)
def test_an_image_that_the_page_states_is_kept_wherever_it_is_shown(page):
    draft = extract(page.format(paragraphs(4)), HEAD)
    assert [url.partition("/img/")[2][:5] for url in images(draft)] == ["ferry"]


def test_behind_words_only_the_image_that_is_stated_is_one():
    body = '<section style="background-image:url(/img/sea.jpg)"><h1>The ferry</h1></section>'
    assert images(extract(f"{body}<main>{paragraphs(4)}</main>", HEAD)) == []
    shown = body.replace("sea", "ferry") + "<aside><img src=/img/ferry-300x200.jpg></aside>"
    assert images(extract(f"{shown}<main>{paragraphs(4)}</main>", HEAD)) == [
        "https://site.example/img/ferry-300x200.jpg"
    ]


def test_where_a_stated_image_is_shown_as_one_no_background_is_looked_for():
    head = HEAD + '<meta property="og:image" content="https://site.example/img/sea.jpg">'
    body = '<section style="background-image:url(/img/sea.jpg)"><h1>The ferry</h1></section>'
    body += "<aside><img src=/img/ferry.jpg></aside>"
    assert images(extract(f"{body}<main>{paragraphs(4)}</main>", head)) == ["https://site.example/img/ferry.jpg"]


def test_a_stated_image_below_the_text_stays_below_it():
    draft = extract(f"<main>{paragraphs(3)}</main><aside><img src=/img/ferry.jpg></aside>", HEAD)
    assert outline(draft)[-1] == "ferry.jpg"
    assert draft.images[0].source == "body"


def test_of_a_stated_image_the_best_of_all_its_addresses_comes_first():
    small, large = "<img src=/img/ferry-80x60.jpg>", "<img src=/img/ferry-640x480.jpg>"
    body = f"<aside>{small}</aside><main>{paragraphs(3)}</main><footer>{large}</footer>"
    assert images(extract(body, HEAD)) == ["https://site.example/img/ferry-640x480.jpg"]


@pytest.mark.parametrize("kind", ["Person", "Organization", "WebSite", "DiscussionForumPosting"])
def test_the_portrait_or_logo_of_who_made_the_page_is_not_its_image(kind):
    head = f'<script type="application/ld+json">{{"@type": "{kind}", "image": "/img/ferry.jpg"}}</script>'
    assert images(extract(f"<aside><img src=/img/ferry.jpg></aside><main>{paragraphs(3)}</main>", head)) == []


# --- links


@pytest.mark.parametrize(
    "href",
    [
        *("/wiki/File:New_Zealand.svg", "/wiki/Datei:Karte.tif", "/full.png", "/?attachment_id=7"),
        *(
            "/attachment/download/2215",
            "/attachments/flag-png.42/",
            "/index.php?action=dlattach;topic=7.0;attach=8;image",
        ),
        "/download/file.php?id=7&amp;mode=view",
    ],
)
def test_the_page_about_a_picture_is_no_way_off(href):
    picture = f'<a href="{href}"><img src=/p.png width=560 height=400></a>'
    body = f"<div class=thumb>{picture}<div><a href=/x>A pyramid</a></div></div>"
    assert shown(body) == ["https://site.example/p.png"]


# --- icons


@pytest.mark.parametrize(
    "img",
    [
        "<img src=/ui/arrow-right.svg>",
        "<img src=/files/Personal_Sound.svg width=200 height=200 alt=icon>",
        "<img src=/up/footer-linkedin-2.svg alt='LinkedIn logo'>",
        "<img src=/flags/de.svg alt=de>",
    ],
)
def test_a_drawing_whose_name_or_alt_text_is_that_of_a_sign_is_an_icon(img):
    assert shown(f"<div>{img}</div>") == []
    assert shown(f"<figure>{img}<figcaption>How it is done</figcaption></figure>") != [] or "flags" in img


@pytest.mark.parametrize(
    "img",
    [
        "<img src=/blog/architecture.svg>",
        "<img src=/x/Flag_of_New_Zealand.svg width=200 height=100>",
        "<img src=/x/search-index.svg width=640 height=400>",
        "<img src=/x/flow.svg alt='How an icon finds its way into the cache of a browser'>",
        "<img src=/x/arrow.png alt='The icon of a saint'>",
    ],
)
def test_other_drawings_are_pictures(img):
    assert len(shown(f"<div>{img}</div>")) == 1


@pytest.mark.parametrize(
    "src",
    [
        "/ng-assets/icons-svg/rating-full.svg?v=1",
        "/img/avatars/4711.png",
        "/data/avatars/m/2/2207.jpg?1650104411",
        "/static/image/smiley/default/smile.gif",
        "/bbs/static/image/common/digest_1.gif",
    ],
)
def test_icons_are_known_by_their_folder(src):
    draft = extract(f"{paragraphs(3)}<p>Rated <img src={src} alt=x> by all.</p>")
    assert images(draft) == []
    assert "Rated by all." in texts(draft)


@pytest.mark.parametrize(
    "img",
    [
        "<img src=/up/google-pixel-7.jpg width=800 height=600>",
        "<img src=/up/call-to-action-button.png srcset='/up/b-300.png 300w, /up/b-1024.png 1024w'>",
        "<img src=/up/beacon-hill.jpg alt='The houses on the hill in the evening'>",
        "<img src=/scouts/badges/merit.jpg>",
        "<img src=/up/png.png width=300 height=200>",
        "<img src=/up/star-of-the-sea.png>",
        "<img src=https://www.ad.example/ads/cat.jpg>",
        "<img src=/up/star.jpg>",
        "<img src=/up/star.png width=640 height=480>",
        "<figure><img src=/up/zip.png><figcaption>How it is packed</figcaption></figure>",
        "<img src=/scouts/badges/merit.png width=300 height=300>",
        "<figure><img src=/scouts/badges/merit><figcaption>What they earn</figcaption></figure>",
        "<figure><img src=/up/rank-tracker.png><figcaption>What it shows</figcaption></figure>",
    ],
)
def test_a_picture_may_show_what_its_file_is_called_by(img):
    assert len(shown(f"<div>{img}</div>")) == 1


@pytest.mark.parametrize(
    "img",
    [
        "<img src=/up/site-logo.png>",
        "<img src=/up/site-logo.png width=300 height=80 alt='The name of the paper in black letters'>",
        "<img src=/up/buy-button.png alt=Buy>",
        "<img src=/up/shield.png class=icon width=400 height=400>",
        "<img src=/up/icon_tile.png alt='Security shield with a check mark - Icon'>",
        "<img src=/up/avatar.jpg srcset='/up/avatar.jpg 96w, /up/avatar-2.jpg 192w'>",
        "<img src=/images/buttons/viewpost.gif>",
        "<img src=/reactions/like.png>",
        "<img src=/flags/tiny/49.png>",
        "<img src=/up/facebook.png alt='Share on Facebook'>",
        "<img src=/up/ico-preparation.png>",
        "<img src=/images/attachtypes/zip.png>",
        "<img src='https://img.shields.io/github/v/release/ann/tidewatch?style=flat-square'>",
        "<img src=https://goreportcard.example/badge/github.example/ann/tidewatch>",
        "<img src=https://pkg.example/badges/tidewatch.svg>",
        f"<img src=https://camo.example/2b5ea0/{b'https://img.shields.io/pypi/v/tidewatch'.hex()}>",
        "<img src='/_next/image?url=%2Fup%2Fsite-logo.png&amp;w=256&amp;q=75'>",
        "<img src=/images/footer/wolfram.gif>",
        "<img src=/fileserver/01M/avatar/small/01G.webp>",
        "<img src=/hc/theming_assets/01HZKZ3J>",
        "<img src='/forum/image.php?s=1b0b&amp;u=240&amp;dateline=1211170010'>",
        "<img src=/misc/paperclip.png>",
        "<img src=/images/print.gif>",
        "<img src=/cgi-bin/counter?df=page.dat>",
        "<img src=http://counter.site.example/c?page alt=visitors>",
        "<img src=/count.cgi>",
        "<img src=/images/rss.png>",
        "<img src=/icones/smile.gif alt=':)'>",
        "<img src=https://tpc.googlesyndication.com/simgad/13320018711924560917>",
        "<img src=https://ads.site.example/up/cat.jpg alt='A cat on the roof of a house'>",
    ],
)
def test_small_files_called_by_what_they_are_for_are_decoration(img):
    assert shown(f"<div>{img}</div>") == []


@pytest.mark.parametrize("img", ["src=home.png", "src=home.gif width=300 height=200", "src=print-of-1911.gif"])
def test_a_screenshot_or_a_print_may_be_called_as_signs_are(img):
    assert len(shown(f"<div><img {img}></div>")) == 1


# --- what is embedded


@pytest.mark.parametrize(
    "attributes",
    [
        "src=https://static.facebook.example/connect/xd_arbiter/r/ZTj.js?version=41",
        "src=https://a.example/player width=1 height=1",
        "src=https://a.example/player width=468 height=60",
        "src=https://ad.site.example/player",
        "src=https://a.example/player style='display:none'",
        "src=https://www.facebook.example/plugins/like.php?href=x",
    ],
)
def test_a_frame_that_shows_nothing_is_no_video(attributes):
    draft = extract(f"{paragraphs(2)}<iframe {attributes}></iframe>{paragraphs(2, 2)}")
    assert all(isinstance(block, TextBlock) for block in draft.blocks)


@pytest.mark.parametrize(
    "player",
    [
        "<div class=video-js><video class=vjs-tech src=/film.mp4></video><div class=vjs-control-bar>{}</div></div>",
        "<div class='jwplayer jw-skin'><video src=/film.mp4></video><div class=jw-controls>{}</div></div>",
        "<div class=highcharts-container><div class=highcharts-axis-labels>{}</div><div>{}</div></div>",
    ],
)
def test_the_words_on_a_player_or_chart_are_no_text(player):
    labels = "<button>Play</button><span>0:00</span><div>Loaded: 0%</div><div role=slider>Volume</div>"
    draft = extract(f"<article>{paragraphs(3)}{player.replace('{}', labels)}{paragraphs(3, 3)}</article>")
    assert [text for text in texts(draft) if "the end of day" not in text] == []
    assert sum(isinstance(block, VideoRef) for block in draft.blocks) == ("film" in player)


def test_data_that_a_chart_shows_in_a_table_are_read():
    table = "<table><tr><th>Year<th>Sales<tr><td>2019<td>5</table>"
    draft = extract(
        f"<article>{paragraphs(3)}<div class=highcharts-container>{table}</div>{paragraphs(3, 3)}</article>"
    )
    assert "2019 | 5" in texts(draft)


def test_a_card_that_is_named_as_a_player_is_none_if_it_has_a_heading():
    card = "<li class='card vjs-highlight'><h2><a href=/jobs/{0}>Mechanic {0}</a></h2><div>Tillamook Cyclery</div></li>"
    cards = "".join(map(card.format, range(6)))
    assert "Mechanic 3" in texts(extract(f"<main><h1>Jobs</h1><ul>{cards}</ul></main>"))


@pytest.mark.parametrize("named", ["admonition tip", "callout", "note"])
def test_a_box_of_the_text_in_an_aside_is_text(named):
    tip = "A tip on how to do it better."
    assert tip in texts(
        extract(f"<article>{paragraphs(3)}<aside class='{named}'><p>{tip}</p></aside>{paragraphs(3, 3)}")
    )
    assert tip not in texts(
        extract(f"<article>{paragraphs(3)}<aside class=more><p>{tip}</p></aside>{paragraphs(3, 3)}")
    )


def test_a_quoted_post_stays_in_a_part_that_is_named_like_buttons_for_sharing():
    post = "<blockquote class=twitter-tweet><p>South Dakota: hold my beer.</p></blockquote>"
    assert "South Dakota: hold my beer." in texts(
        extract(f"{paragraphs(2)}<div class='embed media social'>{post}<p>Share this</p></div>{paragraphs(2, 2)}")
    )


def test_an_address_of_another_scheme_is_another_image():
    assert len(shown("<img src=http://a.example/cat.jpg><img src=https://a.example/cat.jpg>")) == 2


@pytest.mark.parametrize(
    "picture",
    [
        "<object data=/p.jpg type=image/jpeg>A ferry</object>",
        "<object data=/p.jpg><img src=/p.jpg></object>",
        "<lazy-img src=/p.jpg></lazy-img>",
        "<lazy-img data-src=/p.jpg><img src=/p.jpg></lazy-img>",
        "<span class=lazyload data-src=/p.jpg></span>",
        "<aside><figure><img src=/p.jpg width=700><figcaption>A ferry.</figcaption></figure></aside>",
    ],
)
def test_a_picture_is_one_whatever_element_shows_it(picture):
    found = extract(f"<article>{paragraphs(2)}{picture}{paragraphs(2, 2)}</article>").images
    assert [image.candidates[0] for image in found] == ["https://site.example/p.jpg"]


def test_a_figure_in_an_aside_that_leads_elsewhere_is_none():
    aside = "<aside><figure><a href=/other><img src=/p.jpg width=700></a></figure></aside>"
    assert not extract(f"<article>{paragraphs(2)}{aside}{paragraphs(2, 2)}</article>").images


# --- what scripts put in the place of previews and players


def test_the_blurred_preview_of_wix_is_asked_for_whole():
    whole = "https://static.wixstatic.com/media/1_a~mv2.jpg"
    preview = f"{whole}/v1/fill/w_147,h_98,al_c,q_80,usm_0.66_1.00_0.01,blur_2,enc_avif,quality_auto/1_a~mv2.jpg"
    sharp = f"{whole}/v1/fill/w_980,h_653,al_c,q_85/1_a~mv2.jpg"
    assert shown(f"<wow-image><img src='{preview}'></wow-image>") == [whole]
    assert shown(f"<img src='{sharp}'>") == [sharp]


def test_the_pictures_of_a_shop_and_their_thumbnails_are_one_image_each_the_largest_first():
    body = """<div><img src=/5-large_default/pump.jpg width=800></div><ul>
        <li><img data-image-medium-src=/5-medium_default/pump.jpg data-image-large-src=/5-large_default/pump.jpg
        src=/5-home_default/pump.jpg>
        <li><img data-image-medium-src=/6-medium_default/pump.jpg data-image-large-src=/6-large_default/pump.jpg
        src=/6-home_default/pump.jpg></ul>"""
    assert shown(body) == [f"https://site.example/{number}-large_default/pump.jpg" for number in (5, 6)]
    body = """<img src=/I/41a._AC_US40_.jpg><div class=imgTagWrapper>
        <img src=/I/41a._AC_SX425_.jpg data-old-hires=/I/41a._AC_SL1500_.jpg></div>"""
    assert shown(body) == ["https://site.example/I/41a._AC_SL1500_.jpg"]


def test_the_picture_on_the_card_of_another_page_goes_with_its_words():
    card = """<figure><a href="https://other.example/story"><div><div>The title of a story elsewhere</div>
        <div>What it says, in a sentence.</div><div class=metadata><span>Other</span></div></div>
        <div><img src="https://other.example/thumb.jpg"></div></a>{}</figure>"""
    assert shown(card.format("")) == []
    assert shown(card.format("<figcaption>The harbour in March</figcaption>")) == ["https://other.example/thumb.jpg"]


@pytest.mark.parametrize(
    ("player", "address"),
    [
        ("<amp-youtube data-videoid=lBTCB7yLs8Y></amp-youtube>", "https://www.youtube.com/embed/lBTCB7yLs8Y"),
        ("<lite-youtube videoid=lBTCB7yLs8Y><a>Play</a></lite-youtube>", "https://www.youtube.com/embed/lBTCB7yLs8Y"),
        ("<amp-iframe src=https://v.example/embed/1></amp-iframe>", "https://v.example/embed/1"),
        ("<amp-video poster=p.jpg><source src=/v.mp4></amp-video>", "https://site.example/v.mp4"),
    ],
)
def test_an_element_that_becomes_a_player_is_a_video(player, address):
    draft = extract(paragraphs(2) + player + paragraphs(2, 2))
    assert [block.candidates[0] for block in draft.blocks if isinstance(block, VideoRef)] == [address]
    assert not draft.images
    assert "Play" not in texts(draft)
