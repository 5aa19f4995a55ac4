"""One asset is one key, however a resizer or content delivery network writes its address; two assets are two."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.image.assets import asset_of, look_of, told_width

NAMES = st.from_regex(r"[a-z]{4,9}(-[a-z]{3,8}){0,2}[0-9]{0,3}", fullmatch=True)
WIDTHS = st.sampled_from([60, 150, 320, 480, 640, 750, 828, 1024, 1080, 1200, 1600, 1920, 2048, 3840])

#: How each serves an image of the site, by its name and a width; the others are the same picture in another size.
STYLES = {
    "query": lambda n, w: f"https://img.site.example/up/{n}.jpg?w={w}&h={w}&fit=crop&auto=format&q=70",
    "wordpress": lambda n, w: f"https://site.example/wp-content/uploads/2024/05/{n}-{w}x{w * 2 // 3}.jpg",
    "photon": lambda n, w: f"https://i{w % 3}.wp.com/site.example/up/{n}.jpg?resize={w}%2C{w}&ssl=1",
    "retina": lambda n, w: f"https://site.example/up/{n}@{2 + w % 2}x.png",
    "cloudflare": lambda n, w: f"https://site.example/cdn-cgi/image/width={w},quality=75,format=auto/up/{n}.jpg",
    "cloudflare of another": lambda n, w: f"https://a.example/cdn-cgi/image/w={w},f=auto/https://site.example/{n}.jpg",
    "next": lambda n, w: f"https://site.example/_next/image?url=%2Fup%2F{n}.jpg&w={w}&q=75",
    "next of another": lambda n, w: (
        f"https://site.example/_next/image?url={quote(f'https://b.example/{n}.png?x=1', safe='')}&w={w}&q=75"
    ),
    "vercel": lambda n, w: f"https://site.example/_vercel/image?url=/up/{n}.jpg&w={w}&q=80",
    "cloudinary": lambda n, w: f"https://res.cloudinary.com/demo/image/upload/c_fill,w_{w},h_{w}/f_auto/v16123/{n}.jpg",
    "fetch": lambda n, w: (
        f"https://cdn.example/image/fetch/$s_!x{w}!,w_{w},c_limit,f_auto,q_auto:good/"
        f"{quote(f'https://b.example/public/{n}.png', safe='')}"
    ),
    "wikimedia": lambda n, w: f"https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/{n}.jpg/{w}px-{n}.jpg",
    "wikimedia drawing": lambda n, w: f"https://upload.wikimedia.org/wikipedia/thumb/a/ab/{n}.svg/{w}px-{n}.svg.png",
    "shopify": lambda n, w: f"https://cdn.shopify.com/s/files/1/0/products/{n}_{w}x.jpg?v={w}77",
    "shopify crop": lambda n, w: f"https://cdn.shopify.com/s/files/1/0/products/{n}_{w}x{w}_crop_center@2x.jpg?v={w}",
    "medium": lambda n, w: f"https://miro.medium.com/max/{w}/1*{n}.png?q={w % 90}",
    "resize folder": lambda n, w: f"https://img.example/v2/resize:fit:{w}/{n}.png",
    "folder of a size": lambda n, w: f"https://img.example/c/{w}x{w + 10}/{n}.jpg",
    "folder of a width": lambda n, w: f"https://cdn.example/stencil/{w}px/products/266/{n}.jpg?c=1",
    "amazon": lambda n, w: f"https://m.media-amazon.com/images/I/{n}._AC_SX{w}_.jpg",
    "wix": lambda n, w: f"https://static.wixstatic.com/media/{n}~mv2.jpg/v1/fill/w_{w},h_{w},al_c,q_80/{n}.jpg",
    "blogger": lambda n, w: f"https://1.bp.blogspot.com/-x/Y/AAA/w{w}-h{w // 2}/{n}.jpg",
    "google": lambda n, w: f"https://lh3.googleusercontent.com/{n}=w{w}-h{w}-p",
    "thumbor": lambda n, w: f"https://t.example/unsafe/fit-in/{w}x0/filters:quality({w % 90})/site.example/{n}.jpg",
    "iiif": lambda n, w: f"https://i.example/iiif/2/{n}/full/!{w},{w}/0/default.jpg",
    "drupal": lambda n, w: f"https://d.example/sites/default/files/styles/w{w}/public/2020-01/{n}.jpg?itok=a{w}",
    "wikia": lambda n, w: f"https://static.wikia.nocookie.net/a/b/{n}.png/revision/latest/scale-to-width-down/{w}?cb=1",
    "storyblok": lambda n, w: f"https://a.storyblok.com/f/1/1080x1080/06185f9395/{n}.jpg/m/{w}x0/filters:quality(90)",
    "script": lambda n, w: f"https://site.example/timthumb.php?src=/up/{n}.jpg&w={w}&h={w}",
    "style behind": lambda n, w: f"https://site.example/up/{n}.jpg!w{w}",
    "oss": lambda n, w: f"https://site.example/up/{n}.jpg?x-oss-process=image/resize,w_{w}",
    "twitter": lambda n, w: f"https://pbs.twimg.com/media/{n}?format=jpg&name={['small', 'large'][w % 2]}",
    "ebay": lambda n, w: f"https://i.ebayimg.com/images/g/{n}/s-l{w}.jpg",
    "etsy": lambda n, w: f"https://i.etsystatic.com/1/r/il/a/il_{w}xN.{n}.jpg",
    "magento": lambda n, w: f"https://site.example/media/catalog/product/cache/{w:032x}/w/r/{n}.jpg",
    "magento 1": lambda n, w: (
        f"https://site.example/media/catalog/product/cache/1/image/{w}x{w}/9df78eab33525d08d6e5fb8d27136e95/w/r/{n}.jpg"
    ),
    "scene7": lambda n, w: f"https://s7.example/is/image/Brand/{n}?wid={w}&hei={w}&fmt=webp&qlt=80",
}


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=25)
@given(name=NAMES, other=NAMES, width=WIDTHS, width_of_other=WIDTHS)
def test_sizes_of_one_picture_are_one_asset_and_other_pictures_are_others(style, name, other, width, width_of_other):
    address = STYLES[style]
    assert asset_of(address(name, width)) == asset_of(address(name, width_of_other))
    assert (asset_of(address(name, width)) == asset_of(address(other, width_of_other))) == (name == other)


@pytest.mark.parametrize(
    ("copy", "original"),
    [
        ("https://i0.wp.com/a.example/up/cat-300x200.jpg?ssl=1", "https://a.example/up/cat.jpg"),
        ("https://a.example/up/cat-480-0.webp", "https://a.example/up/cat-1024-1024.jpg"),
        ("https://a.example/files/99/85x85x2/cat.jpg", "https://a.example/files/99/650x650x2/cat.jpg"),
        ("https://a.example/up/cat-scaled.jpg.webp", "http://www.a.example/up/cat.jpg"),
        ("https://cdn2.a.example/up/cat.avif?v=3", "https://a.example/up/cat.jpg"),
        ("https://upload.example/thumb/a/ab/N.svg/220px-N.svg.png", "https://upload.example/a/ab/N.svg"),
        ("https://a.example/_next/image?url=%2Fcat.png&w=640&q=75", "https://a.example/cat.png"),
        ("https://a.example/cdn-cgi/image/w=80/https://b.example/cat.png", "https://b.example/cat.png"),
        ("https://a.example/cdn-cgi/image/w=80/cat.png", "https://a.example/cat.png"),
        (
            "https://ichef.example/news/320/prod/_103330503_musk.jpg",
            "https://ichef.example/news/660/prod/_103330503_musk.jpg",
        ),
        (
            "https://d.example/eyJidWNrZXQiOiJiIiwia2V5IjoiYS9jYXQuanBnIiwiZWRpdHMiOnt9fQ==",
            "https://d.example/a/cat.jpg",
        ),
        (
            "https://camo.example/2b5ea0c7/68747470733a2f2f622e6578616d706c652f6361742e737667",
            "https://b.example/cat.svg",
        ),
        ("https://camo.example/2b5ea0c7/68747470zz", "https://www.camo.example/2b5ea0c7/68747470zz"),
        (
            "https://i.etsystatic.com/1/c/2000/2000/0/206/il/6a1e0c/369/il_75x75.369_k8zq.jpg",
            "https://i.etsystatic.com/1/r/il/6a1e0c/369/il_794xN.369_k8zq.jpg",
        ),
        ("https://i.ytimg.com/vi/dQw4w9WgXcQ/hqdefault.jpg", "https://i.ytimg.com/vi/dQw4w9WgXcQ/maxresdefault.jpg"),
        ("https://a.example/seo/A_1.jpeg?odnHeight=573&odnWidth=573&odnBg=FFFFFF", "https://a.example/seo/A_1.jpeg"),
        (
            "https://wwwcache.a.example/b/9112/c-640x360.jpg",
            "https://images.a.example/b/9112/c-1280x720.jpg?w=640&height=3",
        ),
        ("https://img-eu2.a.example/b/c.jpg?maxHeight=80", "https://a.example/b/c.jpg"),
        ("https://a.example/products/shelf__108_s5.jpg?f=u", "https://a.example/products/shelf__108_s5.jpg?f=xl"),
        ("https://a.example/b/cat.webp?rule=ad-image", "https://a.example/b/cat.jpg?rule=classified-1200x800"),
        ("https://a.example/b/cat.jpg?_ex=64x64", "https://thumbnail.a.example/b/cat.jpg?_ex=350x350"),
        (f"https://a.example/{'3f9ac1d0' * 4}.jpg?of=list", f"https://a.example/{'3f9ac1d0' * 4}.jpg?of=page"),
        ("https://a.example/v1/files/eyJmbiI6.k9Xw/image;s=644x461", "https://a.example/v1/files/eyJmbiI6.k9Xw/image"),
        ("https://a.example/igi/aV3kdNp5UrY1jXcL.thumbnail", "https://a.example/igi/aV3kdNp5UrY1jXcL.huge"),
        ("https://a.example/b/image;s=148x110;q=80", "https://a.example/b/image;s=1080x720"),
    ],
)
def test_a_copy_is_the_asset_it_was_made_of(copy, original):
    assert asset_of(copy) == asset_of(original)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("https://a.example/photos/123/image.jpg", "https://a.example/photos/124/image.jpg"),
        ("https://a.example/2019/05/a.jpg", "https://a.example/2019/06/a.jpg"),
        ("https://a.example/figure-2x3.jpg", "https://a.example/figure-2x4.jpg"),
        ("https://a.example/cat-2024-10.jpg", "https://a.example/cat-2024-11.jpg"),
        ("https://a.example/IMG_1024.jpg", "https://a.example/IMG_2048.jpg"),
        ("https://a.example/s01/a.jpg", "https://a.example/s02/a.jpg"),
        ("https://a.example/t_1/a.jpg", "https://a.example/t_2/a.jpg"),
        ("https://a.example/image.php?id=1", "https://a.example/image.php?id=2"),
        ("https://a.example/image.php?file=a.jpg", "https://a.example/image.php?file=b.jpg"),
        ("https://a.example/cat-small.jpg", "https://a.example/cat-large.jpg"),
        ("https://a.example/300x250.png", "https://a.example/728x90.png"),
        ("https://a.example/crop-circles/a.jpg", "https://a.example/crop-rotation/a.jpg"),
        ("https://a.example/docsz/AD_4nXd2?key=a", "https://a.example/docsz/AD_4nXd3?key=b"),
        ("https://a.example/ours/000123456.png", "https://a.example/theirs/000123456.png"),
        ("https://a.example/map.png?lat=1&lon=2", "https://a.example/map.png?lat=1&lon=3"),
        ("https://a.example/0123456789abcdef/101.jpg", "https://a.example/0123456789abcdef/102.jpg"),
        ("https://a.example/cat.jpg", "https://b.example/cat.jpg"),
        ("https://a.example/boot.jpg?color=red", "https://a.example/boot.jpg?color=blue"),
        ("https://a.example/boot-12345678.jpg?color=red", "https://a.example/boot-12345678.jpg?color=blue"),
        ("https://a.example/b/image;id=644", "https://a.example/b/image;id=645"),
        ("https://a.example/draw?plan=100x200", "https://a.example/draw?plan=200x100"),
        ("https://a.example/render/boot?colour=0a0&view=1", "https://a.example/render/boot?colour=00a&view=1"),
    ],
)
def test_what_resembles_a_size_tells_pictures_apart_all_the_same(one, another):
    assert asset_of(one) != asset_of(another)


def test_names_that_may_be_of_sizes_look_alike_and_are_two_assets():
    one, another = asset_of("https://a.example/cat-mobile.jpg"), asset_of("https://a.example/cat-desktop.jpg")
    assert one != another
    assert look_of(one) == look_of(another)
    dark, light = asset_of("https://a.example/flow-min-dark.svg"), asset_of("https://a.example/flow-min.svg")
    assert dark != light
    assert look_of(dark) == look_of(light)


def test_a_bundler_writes_a_hash_behind_what_tells_copies_apart():
    dark, light = (
        asset_of(f"https://a.example/flow-{look}-{look[0].encode().hex() * 16}.png") for look in ("dark", "light")
    )
    assert dark != light
    assert look_of(dark) == look_of(light)
    one, another = (asset_of(f"https://a.example/image-{digit * 32}.png") for digit in "ab")
    assert look_of(one) != look_of(another)


@pytest.mark.parametrize(
    ("url", "width"),
    [
        ("https://a.example/max/60/1*a.png?q=20", 60),
        ("https://a.example/a-300x200.jpg", 300),
        ("https://a.example/_next/image?url=%2Fa-1920x1080.png&w=640", 640),
        ("https://a.example/thumb/220px-A.jpg", 220),
        ("https://a.example/image/upload/c_fill,w_480,h_320/a.jpg", 480),
        ("https://a.example/2024/05/a.jpg", 0),
    ],
)
def test_the_width_that_an_address_tells_is_the_least_it_names(url, width):
    assert told_width(url) == width


@given(
    st.one_of(
        st.text(max_size=200), st.text(alphabet="ab1/?&=%._-x:@!,h", max_size=200).map("https://a.example/{}".format)
    )
)
def test_any_address_has_an_asset_and_a_width(url):
    assert isinstance(asset_of(url), str)
    assert told_width(url) >= 0
