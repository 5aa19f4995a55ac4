"""The parse cases of the web platform tests, and what sites write besides."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.image.srcset import parse_srcset

# Value, and the address that a browser shows of it (-: none), as the web platform tests have it. One is not theirs:
# `1\x01w` shows nothing to them, as a width that is none; here the address stays, as beside any other unknown word.
_CASES = """
''                                        -
','                                       -
',,,'                                     -
'  data:,a  1x  '                         data:,a
'\\t\\tdata:,a\\t\\t1x\\t\\t'             data:,a
'\\n\\ndata:,a\\n\\n1x\\n\\n'             data:,a
'\\f\\fdata:,a\\f\\f1x\\f\\f'             data:,a
'\\r\\rdata:,a\\r\\r1x\\r\\r'             data:,a
'data:,a'                                 data:,a
'data:,a '                                data:,a
'data:,a ,'                               data:,a
'data:,a,'                                data:,a
'data:,a, '                               data:,a
'data:,a,,,'                              data:,a
'data:,a,, , '                            data:,a
' data:,a'                                data:,a
',,,data:,a'                              data:,a
' , ,,data:,a'                            data:,a
'data:,a 1x'                              data:,a
'data:,a 1x '                             data:,a
'data:,a 1x,'                             data:,a
'data:,a 1x 1x ( , data:,b 1x, ), data:,c'    data:,c
'data:,a 1x 1x ((( , data:,b 1x, ), data:,c'  data:,c
'data:,a 1x 1x [ , data:,b 1x, ], data:,c'    data:,b
'data:,a 1x 1x { , data:,b 1x, }, data:,c'    data:,b
'data:,a 1x 1x " , data:,b 1x, ", data:,c'    data:,b
'data:,a 1x 1x \\\\,data:;\\\\,b, data:,c'    data:;\\\\,b
'data:,a, data:,b ('                      data:,a
'data:,a, data:,b (  '                    data:,a
'data:,a, data:,b (,'                     data:,a
'data:,a, data:,b (x'                     data:,a
'data:,a, data:,b ()'                     data:,a
'data:,a 1x 1x (, data:,b'                -
'data:,a 1x 1x /*, data:,b, data:,c */'   data:,b
'data:,a 1x 1x //, data:,b'               data:,b
'data:,a foo'                             data:,a
'data:,a foo foo'                         data:,a
'data:,a foo 1x'                          data:,a
'data:,a foo 1x foo'                      data:,a
'data:,a foo 1w'                          data:,a
'data:,a foo 1w foo'                      data:,a
'data:,a 1w 1w'                           -
'data:,a 1w 1x'                           -
'data:,a 1x 1w'                           -
'data:,a 1w 1h'                           data:,a
'data:,a 1h 1w'                           data:,a
'data:,a 1h 1h'                           -
'data:,a 1h 1x'                           -
'data:,a 1h 1w 1x'                        -
'data:,a 1x 1w 1h'                        -
'data:,a 1h'                              -
'data:,a 1h foo'                          -
'data:,a foo 1h'                          -
'data:,a 0w'                              -
'data:,a -1w'                             data:,a
'data:,a 1w -1w'                          data:,a
'data:,a 1.0w'                            data:,a
'data:,a 1w 1.0w'                         data:,a
'data:,a 1e0w'                            data:,a
'data:,a 1w 1e0w'                         data:,a
'data:,a 1www'                            data:,a
'data:,a 1w 1www'                         data:,a
'data:,a +1w'                             data:,a
'data:,a 1w +1w'                          data:,a
'data:,a 1W'                              data:,a
'data:,a 1w 1W'                           data:,a
'data:,a Infinityw'                       data:,a
'data:,a 1w Infinityw'                    data:,a
'data:,a NaNw'                            data:,a
'data:,a 1w NaNw'                         data:,a
'data:,a 0x'                              data:,a
'data:,a -0x'                             data:,a
'data:,a 1x -0x'                          -
'data:,a -1x'                             data:,a
'data:,a 1x -1x'                          data:,a
'data:,a 1e0x'                            data:,a
'data:,a 1E0x'                            data:,a
'data:,a 1e-1x'                           data:,a
'data:,a 1.5e1x'                          data:,a
'data:,a 1x 1.5e1x'                       -
'data:,a 1x 1e1.5x'                       data:,a
'data:,a 1.0x'                            data:,a
'data:,a 1x 1.0x'                         -
'data:,a 1x +1x'                          data:,a
'data:,a 1x 1X'                           data:,a
'data:,a 1x Infinityx'                    data:,a
'data:,a 1x NaNx'                         data:,a
'data:,a 1x 1\\x01x'                      data:,a
'data:,a 1w 0h'                           -
'data:,a 1w 1h -1h'                       data:,a
'data:,a 1w 1h 1.0h'                      data:,a
'data:,a 1w 1h 1e0h'                      data:,a
'data:,a 1w 1h 1hhh'                      data:,a
'data:,a 1w 1h +1h'                       data:,a
'data:,a 1w 1h 1H'                        data:,a
'data:,a 1w 1h Infinityh'                 data:,a
'data:,a 1w 1h NaNh'                      data:,a
'data:,a 1w 1h 1\\x01h'                   data:,a
"""
_ODD_SPACES = [
    "\v\vdata:,a\v\v1x\v\v",
    "\x0e\x0edata:,a",
    "\x0f\x0fdata:,a\x0f",
    "\x10data:,a",
    "\xa0data:,a",
    "data:,a\xa0",
]


def _read(line: str) -> tuple[str, str]:
    value, _, expected = line.rpartition(" ")
    unquoted = value.strip()[1:-1].encode().decode("unicode_escape")
    return unquoted, "" if expected == "-" else expected.encode().decode("unicode_escape")


@pytest.mark.parametrize(("value", "expected"), [_read(line) for line in _CASES.strip().splitlines()])
def test_the_first_of_equals_is_what_browsers_show(value: str, expected: str) -> None:
    assert next((url for url, _ in parse_srcset(value)), "") == expected


@pytest.mark.parametrize("value", _ODD_SPACES)
def test_only_the_five_spaces_of_html_are_some(value: str) -> None:
    assert parse_srcset(value) == [(value, "")]


@pytest.mark.parametrize(
    ("value", "candidates"),
    [
        ("a.jpg", [("a.jpg", "")]),
        ("a.jpg 2x,b.jpg 1.50x", [("a.jpg", "2x"), ("b.jpg", "1.5x")]),
        (" a.jpg  400w , b.jpg 0800w, ", [("a.jpg", "400w"), ("b.jpg", "800w")]),
        ("a,b.jpg, c.jpg 1x", [("a,b.jpg", ""), ("c.jpg", "1x")]),
        ("a.jpg 400w 300h, b.jpg ..x", [("a.jpg", "400w"), ("b.jpg", "")]),
        ("a_(1).jpg 1x, b_(2.jpg 2x", [("a_(1).jpg", "1x"), ("b_(2.jpg", "2x")]),
        ("https://c.example/w_480,h_320/a.jpg 480w, b.jpg 9e9x", [
            ("https://c.example/w_480,h_320/a.jpg", "480w"), ("b.jpg", "100000x"),
        ]),
        ("a.jpg " + "9" * 300 + "w", [("a.jpg", "100000w")]),
    ],
)  # fmt: skip
def test_every_candidate_has_its_descriptor(value: str, candidates: list[tuple[str, str]]) -> None:
    assert parse_srcset(value) == candidates


@given(st.one_of(st.text(max_size=200), st.text(alphabet="a,() \t1wx.:/eE-h", max_size=200)))
def test_any_text_can_stand_in_a_srcset(value: str) -> None:
    for url, descriptor in parse_srcset(value):
        assert url.strip(" \t\n\f\r,")
        assert url[0] != "," != url[-1]
        assert descriptor == "" or (descriptor[-1] in "wx" and float(descriptor[:-1]) >= 0)


@pytest.mark.parametrize("unit", ["a", "a ", ",", "1x ", "(", "( ", ")", "a,", "a (", "1", "1e", ".", "9w,", "a 1x, "])
def test_it_takes_time_in_proportion(unit: str) -> None:
    began = time.process_time()
    parse_srcset(unit * (1_000_000 // len(unit)))
    parse_srcset("a " + unit * (1_000_000 // len(unit)) + "x")
    assert time.process_time() - began < 3
