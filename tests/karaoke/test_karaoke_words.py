"""Words of a text file: breaks, syllables, languages, and bad files of words."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isolde.core.errors import InputError
from isolde.karaoke import WordLine, parse_words, read_words
from isolde.karaoke.syllables import count_syllables, is_english, split_syllables


def test_blank_lines_and_headings_are_breaks():
    lines = parse_words("[Verse 1]\n la  la \n\n\n[Chorus]\nlo\t(ooh)\nlu\n\n")
    assert lines == (WordLine("la la"), WordLine("lo (ooh)", True), WordLine("lu"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0646\u0645",) * 2,  # Persian, with a joiner
        ("wan\u00adder \u200erow\u200f", "wander row"),
        ("la\u00a0la\u3000lu\x07li", "la la lu li"),
    ],
)
def test_hidden_characters_split_no_words(text: str, words: str):
    assert [line.text for line in parse_words(text)] == [words]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "holds no words"),
        (b"\n\n[Chorus]\n  \n", "holds no words"),
        ("Über".encode("latin-1"), "is not text in UTF-8 (byte 0)"),
        ("word".encode("utf-16"), "is not text in UTF-8"),
        (b"PK\0\0abc", "is not text (it holds a zero byte)"),
        (b"la " * 400_000, "more than 1000000 bytes"),
    ],
)
def test_a_bad_file_of_words_is_one_clear_line(content: bytes | None, said: str, tmp_path: Path):
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as fault:
        read_words(path)
    assert str(fault.value).startswith(str(path)) and said in str(fault.value)
    assert "\n" not in str(fault.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_words(tmp_path)


def test_a_mark_of_the_byte_order_is_no_word(tmp_path: Path):
    (tmp_path / "words.txt").write_bytes(b"\xef\xbb\xbfla la\r\nlo\r\n")
    assert read_words(tmp_path / "words.txt") == (WordLine("la la"), WordLine("lo"))


@pytest.mark.parametrize(
    ("text", "english", "expected"),
    [
        ("Gently down the stream", True, "Gent|ly| down| the| stream"),
        ("Life is but a dream", True, "Life| is| but| a| dream"),
        ("you loved yellow tables", True, "you| loved| yel|low| ta|bles"),
        ("Wann wir schreiten", False, "Wann| wir| schrei|ten"),
        ("Volare, oh oh", False, "Vo|la|re,| oh| oh"),
        ("Über quelques étoiles", False, "Ü|ber| quel|ques| é|toi|les"),
        ("Во поле береза", False, "Во| по|ле| бе|ре|за"),  # noqa: RUF001
        ("きょうは 天気", False, "きょ|う|は| 天|気"),
        ("rock - roll 99", False, "rock -| roll| 99"),
        ("... ♪", False, "... ♪"),
    ],
)
def test_syllables(text: str, english: bool, expected: str):
    parts = split_syllables(text, english=english)
    assert "|".join(parts) == expected
    assert "".join(parts) == text


def test_scripts_without_written_vowels_count_by_letters():
    assert count_syllables("שלום עליכם") == pytest.approx(4 / 2.5 + 5 / 2.5)
    assert count_syllables("hmm") == count_syllables("♪") == 1


@settings(max_examples=50)
@given(
    st.lists(
        st.text(min_size=1, max_size=12).map(lambda s: "".join(s.split())).filter(bool),
        min_size=1,
        max_size=4,
    )
)
def test_syllables_of_any_text_are_the_text(words):
    text = " ".join(words)
    assert "".join(split_syllables(text)) == text
    assert count_syllables(text) >= 1


def test_english_is_known_by_its_commonest_words():
    assert is_english(["Row, row, row your boat,", "gently down the stream"])
    assert not is_english(["Freude, schöner Götterfunken,", "Tochter aus Elysium"])
    assert not is_english([])
