"""Pages of one shape repeated, at which something takes too long that looks at all of a page for each of its parts."""

from collections.abc import Callable

_PROSE = "Some words of prose that stand here and say nothing at all, again and again. " * 5
_LD = '<script type="application/ld+json">'


def _many(form: str, n: int) -> str:
    return "".join(form.format(i=i) for i in range(n))


#: By name: the page with so many parts.
SHAPES: dict[str, Callable[[int], str]] = {
    "nested lists": lambda n: "<ul><li>x" * n,
    "styles left open": lambda n: _many("<p><b id={i}>x", n),
    "styles left open, then blocks": lambda n: _many("<b id={i}>", n) + "<p>x</p>" * n,
    "styles closed at the end": lambda n: _many("<p><i id={i}>x", n) + "</i>" * n,
    "links in a table": lambda n: "<table><a>x" * n,
    "nested tables": lambda n: "<table><tr><td>x" * n,
    "nested tables of code": lambda n: "<table class=highlight><tr><td class=blob-code>x" * n,
    "nested lines of code": lambda n: "<table class=crayon-table><tr><td>" + "<div class=crayon-line>x" * n,
    "lead images": lambda n: (
        _many("<meta property=og:image content=/{i}.jpg>", n) + _many("<img src=/x{i}.png>", n) + _PROSE
    ),
    "images in one long link": lambda n: f"<a href=/{'a' * n * 5}>" + "<img src=/a.jpg>" * n + "</a>",
    "a long base": lambda n: f"<base href=http://a.example/{'a' * n * 5}/>" + _many("<img src={i}.jpg>", n),
    "captions of one figure": lambda n: "<figure><img src=a.jpg>" + "<figcaption>two words</figcaption>" * n,
    "images under one caption": lambda n: (
        "<figure>" + _many("<img src={i}.jpg>", n) + f"<figcaption>{'a caption ' * n}</figcaption></figure>"
    ),
    "figures": lambda n: _PROSE + _many("<figure><img src={i}.jpg><figcaption>cap {i}</figcaption></figure>", n),
    "pictures that lead away": lambda n: (
        _PROSE + f"<div>{_many('<a href=/p{i}><img src={i}.jpg></a>', n)}</div>" + "<p>x</p>" * n
    ),
    "pictures that lead away, nested": lambda n: _PROSE + _many("<div><a href=/p{i}><img src={i}.jpg></a>", n),
    "videos": lambda n: _many("<video src={i}.mp4></video><br>", n) + f"<p>{_PROSE * (n // 10)}</p>",
    "videos of one figure": lambda n: (
        "<figure>" + _many("<video src={i}.mp4></video>", n) + f"<figcaption>{_PROSE * (n // 10)}</figcaption></figure>"
    ),
    "nested videos": lambda n: "<video src=a.mp4><source src=b.mp4>" * min(n, 1900) + "<source>" * n,
    "videos far down": lambda n: "<div>" * 1900 + "<video src=a.mp4></video>" * n,
    "headers far down": lambda n: "<div>" * 1900 + "<header></header>" * n,
    "chrome in chrome": lambda n: "<div class=nav>" * min(n, 1900) + "<p>x</p>" * n,
    "captions in captions": lambda n: "<div class=caption>" * min(n, 1900) + "<p>x</p>" * n,
    "deep JSON lists": lambda n: _LD + "[" * n * 5 + "]" * n * 5 + "</script>" + _PROSE,
    "deep JSON objects": lambda n: _LD + '{"@graph":' * n + "1" + "}" * n + "</script>" + _PROSE,
    "captions of one image": lambda n: (
        _LD
        + "["
        + "".join(f'{{"@type":"ImageObject","url":"a.jpg","caption":"c {i}"}},' for i in range(n))
        + "{}]</script>"
        + _PROSE
        + "<img src=a.jpg>" * n
    ),
    "JSON scripts": lambda n: f"{_LD}{{}}</script>" * n + _PROSE,
    "microdata in microdata": lambda n: "<div itemscope itemtype=//schema.org/ImageObject>" * n + _PROSE,
    "a long srcset": lambda n: f"<img srcset='{'a 1w,' * n}'>",
    "sizes of one image": lambda n: (
        _PROSE + _many(f"<p>x</p><img srcset='{_many('a.jpg?h={{i}}&amp;w={i} 1w, ', 20)}'>", n)
    ),
    "brackets in a srcset": lambda n: f"<img srcset='a {'(' * n * 5}'>",
    "sources of one picture": lambda n: f"<picture>{'<source srcset=a.jpg>' * n}{'<img src=b.jpg>' * n}</picture>",
    "classes": lambda n: f"<p class='{_many('c{i} ', n)}'>{_PROSE}",
    "words of one class": lambda n: f"<p class='{'aB1-' * n * 3}'>{_PROSE}",
    "attributes": lambda n: f"<p {_many('a{i} ', n)}>{_PROSE}",
    "references": lambda n: "<p>" + "&amp;&lt;" * n,
    "phones": lambda n: "<p>" + "+44 20 7946 0958 " * (n // 4),
    "comments left open": lambda n: "<!--" * n,
    "comments in an example": lambda n: "<xmp>" + "<!--" * n + "</xmp>" + _PROSE,
    "angles": lambda n: "<" * n * 10,
    "tags left open": lambda n: "<a" * n * 5,
    "declarations left open": lambda n: "<xmp>" + "<?" * n + "<!doctype" * n + "</xmp>",
    "charsets": lambda n: "<metaxcharset=" * n,
    "options": lambda n: "<select><option>" * n,
    "templates": lambda n: "<template>" * n,
    "drawings": lambda n: "<svg><foreignObject>" * n,
    "formulas": lambda n: "<math><mi><p>" * n,
    "cells": lambda n: "<table><tr>" + "<td><p>x</p>" * n,
    "headings": lambda n: "<h1>a heading of words</h1>" * n + _PROSE,
    "images for no script": lambda n: "<noscript><img src=a.jpg></noscript>" * n,
    "twins of one image": lambda n: "<img src=a.jpg><noscript>" + "<img src=b.jpg>" * n + "</noscript>",
    "line breaks": lambda n: "<p>" + "<br>" * n * 2 + _PROSE,
    "lists of links": lambda n: _PROSE + "<ul>" + "<li><a href=/x>link words</a>" * n,
    "index files": lambda n: f"<link rel=canonical href=http://a.example{'/index.html' * n}>" + _PROSE,
    "words": lambda n: "<p>" + "word " * n * 3,
    "blank lines": lambda n: "<pre>" + "\n" * n * 10 + "x",
    "spaces": lambda n: "<p>a" + " " * n * 10 + "b",
}
