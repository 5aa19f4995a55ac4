"""Formulas become their LaTeX where they stand, as images and as MathML."""

import pytest

from tests.pipeline.makers import extract, paragraphs, prose, texts, walked_images, walked_texts

RENDER = "https://wikimedia.example/api/rest_v1/media/math/render/svg/28a0"


@pytest.mark.parametrize(
    ("img", "formula"),
    [
        (f'<img src="{RENDER}" class="mwe-math-fallback-image-inline" alt="{{\\displaystyle x^{{2}}}}">', "$x^{2}$"),
        (f'<img src="{RENDER}" alt="n">', "$n$"),
        ('<img class="latex" src="/l.png" alt="\\frac{a}{b}">', "$\\frac{a}{b}$"),
        ('<img class="tex" src="/l.png" alt="$a &lt; b$">', "$a < b$"),
        ('<img src="/l.png" alt="$$a_1 &amp; b$$">', "$a_1 & b$"),
        ('<img src="https://latex.codecogs.com/gif.latex?a%5E2+b">', "$a^2 b$"),
        ('<img src="https://s0.wp.com/latex.php?latex=e%5E%7Bx%7D&bg=fff">', "$e^{x}$"),
        ('<img src="https://chart.example/chart?cht=tx&chl=%5Cpi">', "$\\pi$"),
    ],
)
def test_an_image_of_a_formula_is_its_latex_in_the_sentence(img, formula):
    body = f"<p>Let {img} be given.</p>"
    assert walked_texts(body) == [f"Let {formula} be given."]
    assert walked_images(body) == []


@pytest.mark.parametrize(
    "alt",
    ["|Gx| = |G| / |G_x|", "E = mc^2", "a_n", "x_{n+1}", "f(x) = sin(x)/x", "lim x->0", "2 <= n", "e^{i pi} + 1 = 0"],
)
def test_an_image_that_is_called_a_formula_in_plain_characters_is_one(alt):
    assert walked_texts(f'<p>So <img src=img7.gif height=40 alt="{alt}"> holds.</p>') == [f"So ${alt}$ holds."]


def test_a_formula_that_is_hidden_beside_its_image_is_read_once():
    """As Wikipedia has those that stand by themselves."""
    math = "<math display=block alttext='{\\displaystyle x^{2}}'><mi>x</mi></math>"
    image = f'<img src="{RENDER}" class=mwe-math-fallback-image aria-hidden=true alt="{{\\displaystyle x^{{2}}}}">'
    formula = f"<div><div class=mwe-math-mathml-a11y style='display: none'>{math}</div>{image}</div>"
    draft = extract(f"<div>{paragraphs(3)}{formula}{paragraphs(3, 3)}</div>")
    assert texts(draft) == [*map(prose, range(3)), "$x^{2}$", *map(prose, range(3, 6))]


@pytest.mark.parametrize(
    "img",
    [
        '<img src=/a.jpg alt="A cat">',
        '<img class="math" src=/class.jpg alt="Our maths class">',
        "<img class=latex src=/gloves.jpg>",
        '<img src=a.png alt="size=10">',
        '<img src=a.png alt="MG_0031">',
        '<img src=a.png alt="P_20200101">',
        '<img src=a.png alt="a-b">',
        '<img src=a.png alt="Home > Shop">',
        '<img src=a.png alt="C++">',
        '<img src=a.jpg alt="E = mc^2">',
        '<img src=a.png height=480 alt="E = mc^2">',
        r'<img src=img7.png alt="$\includegraphics[width=9cm]{three.eps}$">',
        r'<img src=img6.png alt="\begin{figure}\begin{center} \epsfig{file=wobble.eps} \end{center} \end{figure}">',
    ],
)
def test_other_images_are_no_formulas(img):
    assert len(walked_images(f"<p>{img}</p>")) == 1


MATH = '<math alttext="x^2"><semantics><msup><mi>x</mi><mn>2</mn></msup>{}</semantics></math>'
TEX = '<annotation encoding="application/x-tex">x^{2}</annotation>'


def test_mathml_is_the_latex_that_annotates_it():
    assert walked_texts(f"<p>So {MATH.format(TEX)} holds.</p>") == ["So $x^{2}$ holds."]


def test_mathml_without_annotation_is_its_alternative_text():
    assert walked_texts(f"<p>So {MATH.format('')} holds.</p>") == ["So $x^2$ holds."]


def test_mathml_that_says_nothing_of_its_source_keeps_its_symbols():
    assert walked_texts("<p>So <math><mi>x</mi><mo>=</mo><mn>2</mn></math> holds.</p>") == ["So x = 2 holds."]


def test_mathml_and_the_image_beside_it_are_one_formula():
    image = f'<img src="{RENDER}" class="mwe-math-fallback-image" alt="{{\\displaystyle x^{{2}}}}">'
    assert walked_texts(f"<p>So <span>{MATH.format(TEX)}</span> {image} holds.</p>") == ["So $x^{2}$ holds."]
    hidden = f'<span style="display: none">{MATH.format(TEX)}</span>'
    assert walked_texts(f"<p>So {hidden}{image} holds.</p>") == ["So $x^{2}$ holds."]


def test_katex_writes_each_formula_once():
    body = f"<p>So <span class=katex><span>{MATH.format(TEX)}</span><span aria-hidden=true>x2</span></span> holds.</p>"
    assert walked_texts(body) == ["So $x^{2}$ holds."]


# --- drawings


@pytest.mark.parametrize("line", ["Rated {} by all.", "{} 60 min.", "Time: {}", "<b>{}</b> 60 <i>min</i>"])
def test_an_svg_of_no_size_between_words_is_an_icon_and_cuts_no_sentence(line):
    body = f"<p>{line.format('<img src=/d/x.svg alt=x>')}</p>"
    assert len(walked_texts(body)) == 1
    assert walked_images(body)[0].decoration == "a drawing between words"


@pytest.mark.parametrize(
    "body",
    [
        "<p>Words.</p><p><img src=/d/flow.svg></p><p>Words.</p>",
        "<p>Words <img src=/d/flow.svg width=400 height=300> and more.</p>",
        "<figure><img src=/d/flow.svg><figcaption>The flow</figcaption></figure>",
        "<p>Words <img src=/d/flow.png> and more.</p>",
    ],
)
def test_a_drawing_by_itself_with_a_size_or_a_caption_is_a_picture(body):
    assert walked_images(body)[0].decoration == ""


def test_a_formula_in_a_script_for_mathjax_is_read_where_it_stands():
    inline = '<script type="math/tex">a < b</script>'
    assert walked_texts(f"<p>So {inline} holds.</p>") == ["So $a < b$ holds."]
    wrapped = '<script type="math/tex; mode=display">% <![CDATA[\nx & y %]]></script>'
    assert walked_texts(f"<p>So</p>{wrapped}<p>holds.</p>") == ["So", "$x & y$", "holds."]


def test_what_mathjax_drew_of_a_script_is_not_read_again():
    drawn = '<span class="MathJax_Preview">a</span><span class="MathJax" id="M-1-Frame"><nobr>a</nobr></span>'
    assert walked_texts(f'<p>So {drawn}<script type="math/tex" id="M-1">a</script> holds.</p>') == ["So $a$ holds."]
