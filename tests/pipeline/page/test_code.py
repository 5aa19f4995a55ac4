"""Code keeps its lines, its indentation and the name of its language, and nothing that highlighters add."""

import pytest

from pipeline.interleave import lay_out
from pipeline.page.code import is_gutter
from tests.pipeline.makers import extract, paragraphs, walked_texts

LINES = "def f(x):\n    if x:\n\n        return 1"


def draft(body):
    return extract(f"<article>{paragraphs(2)}{body}{paragraphs(2, 2)}</article>")


def code(body):
    return [block.text for block in draft(body).texts if block.role == "code"]


def marks(body):
    return [block.mark for block in draft(body).texts if block.role == "code"]


@pytest.mark.parametrize(
    "body",
    [
        f"<pre><code>{LINES}\n</code></pre>",
        f"<div class=wrapper><button>Copy</button><pre>\n{LINES}</pre></div>",
        "<pre>def f(x):<br>    if x:<br><br>        return 1</pre>",
        "<pre><code><div>def f(x):</div><div>    if x:</div><div>\n</div><div>        return 1</div></code></pre>",
        "<pre><ol><li>def f(x):</li><li>    if x:\n</li><li>\n</li><li>        return 1</li></ol></pre>",
        "<pre><i class=line>def f(x):</i>\n<i class=line>    if x:</i>\n\n<i>        return 1</i></pre>",
        f"<table><tr><td class=linenos><pre>1\n2\n3\n4</pre><td class=code><pre>{LINES}</pre></table>",
        "<figure class='highlight'><table><tr><td class=gutter><pre><span>1</span><br><span>2</span><br></pre>"
        f"<td class=code><pre>{LINES.replace(chr(10), '<br>')}</pre></table></figure>",
        "<pre><span class=lineno>1</span>def f(x):\n<span class=lineno>2</span>    if x:\n"
        "<span class='line-number'>3</span>\n<span class='hljs-ln-n'>4</span>        return 1</pre>",
        f"<pre>{LINES}<div class=copied hidden>Copied!</div></pre>",
        "<pre><code><span class=line>def f(x):</span><span class='line hl'>    if <b>x</b>:</span>"
        "<span class=line></span><span class=line>        return 1</span></code></pre>",
        "<pre><code><span class=highlight-line><span class=highlight-line-content>def f(x):</span></span>"
        "<span class=highlight-line>    if x:</span>\n\n<span data-line=''>        return 1</span></code></pre>",
        "<table class=lntable><tr><td class=lntd><pre><code><span class=lnt>1\n</span><span class=lnt>2\n</span></pre>"
        f"<td class=lntd><pre><i class=line>{LINES.replace(chr(10), chr(10) + '</i><i class=line>')}</i></pre></table>",
        "<figure class=highlight><pre><code><table><tr><td class='gutter gl'><pre class=lineno>1\n2\n3\n4\n</pre>"
        f"<td class=code><pre>{LINES}\n</pre></table></code></pre></figure>",
        "<pre><code><table class=hljs-ln><tr><td class=hljs-ln-numbers><div data-line-number=1></div><td>def f(x):"
        "<tr><td><div></div><td>    if x:\n\n<tr><td><div></div><td>        return 1</table></code></pre>",
        "<table class='highlight js-file-line-container'><tr><td class=blob-num data-line-number=1><td class=blob-code>"
        + LINES.replace("\n", "<tr><td class=blob-num><td class='blob-code js-file-line'>") + "</table>",
        "<table class=crayon-table><tr><td><div class=crayon-num>1</div><td><div class=crayon-line>"
        + LINES.replace("\n", "</div><div class=crayon-line>").replace("    ", "&nbsp; &nbsp; ") + "</div></table>",
    ],
)  # fmt: skip
def test_lines_and_indentation_stay_whatever_draws_them(body):
    assert code(body) == [LINES]


def test_numbers_with_no_code_beside_them_are_what_a_program_wrote():
    assert code("<p>It prints:</p><pre>1\n2\n3</pre>") == ["1\n2\n3"]
    assert code("<pre class=lineno>1\n2\n3</pre><div>x = 7</div>") == []
    assert code("<div><pre>1\n2\n3</pre></div><div><pre>x\ny\nz</pre></div>") == ["x\ny\nz"]


def test_code_of_one_line_has_no_number():
    assert code("<table><tr><td class=gutter><pre>1<br></pre><td class=code><pre>x = 7<br></pre></table>") == ["x = 7"]


def test_the_name_of_a_language_above_its_code_is_no_text():
    shown = draft("<div class=language-js><button>Copy</button><span class=lang>js</span><pre>x()</pre></div>")
    assert [(block.mark, block.text) for block in shown.texts if block.text in ("js", "x()")] == [("```js\n", "x()")]


@pytest.mark.parametrize("text", ["1\n2\n3", "10\n11", "9 10 11"])
def test_numbers_that_count_up_are_a_gutter(text):
    assert is_gutter(text)


@pytest.mark.parametrize("text", ["7", "1\n3", "1\n2\nx", "2020\n2019", "1 2 3\n4 5 6", ""])
def test_other_numbers_are_code(text):
    assert not is_gutter(text)


@pytest.mark.parametrize(
    "body",
    [
        "<pre><code class='hljs language-python'>x</code></pre>",
        "<pre><code class='hljs python'>x</code></pre>",
        "<pre class=EnlighterJSRAW data-enlighter-language=python>x</pre>",
        "<pre class='lang:python decode:true'>x</pre>",
        "<pre class='src src-python'>x</pre>",
        "<figure class='highlight python'><table><tr><td class=gutter><pre>1<br>2</pre>"
        "<td class=code><pre>x</pre></table>",
        "<div class=language-python><pre><table><tr><td><pre>1\n2</pre><td><pre>x\ny</pre></table></pre></div>",
        "<div class='syntaxhighlighter python'><table><tr><td>1<td class=code>"
        "<div class=container><div class='line number1'>x</div></div></table></div>",
        "<div class='highlight-python notranslate'><div class=highlight><pre>x</pre></div></div>",
        "<div class='highlight highlight-source-python'><pre>x</pre></div>",
        "<pre class='brush: python; toolbar: false'>x</pre>",
        "<div class=sourceCode><pre class='sourceCode python'><code>x</code></pre></div>",
        "<pre data-lang=python>x</pre>",
        "<figure class='highlight python'><pre>x</pre></figure>",
        "<pre><code data-language='Python'>x</code></pre>",
    ],
)
def test_the_language_that_the_page_names_is_kept(body):
    assert marks(body) == ["```python\n"]


@pytest.mark.parametrize(
    "body",
    [
        "<pre>x</pre>",
        "<pre class=language-none>x</pre>",
        "<pre class='wp-block-code'><code class=language-plaintext>x</code></pre>",
        "<p class=language-python>Words of the page on its languages, which are many.</p><pre>x</pre>",
    ],
)
def test_no_language_is_made_up(body):
    assert marks(body) == [""]


def test_each_code_has_its_own_language():
    assert marks("<pre class=lang-js>x</pre><pre>y</pre><pre class=lang-c++>z</pre>") == ["```js\n", "", "```c++\n"]


def test_a_sample_fences_code_of_a_known_language():
    found = draft("<pre class=lang-js>let x\n  = 1;</pre><p>So it is, and that is all there is to say about it.</p>")
    (text,), _ = lay_out(found, {})
    assert "\n\n```js\nlet x\n  = 1;\n```\n\nSo it is" in text


@pytest.mark.parametrize(
    "body",
    [
        "<div class='w3-code notranslate'>\ndef f(x):<br>\n&nbsp; &nbsp; return x<br>\n<br>\nprint( f )</div>",
        "<p><code>def f(x):<br>&nbsp;&nbsp;&nbsp; return x<br>&nbsp;<br>print( f )</code></p>",
    ],
)
def test_code_outside_pre_keeps_its_indents(body):
    assert walked_texts(body) == ["def f(x):\n    return x\nprint( f )"]


def test_verse_is_not_indented():
    assert walked_texts("<p>A line<br>&nbsp;&nbsp;and another</p>") == ["A line\nand another"]
