"""Manifests and tags that spreadsheets and people have damaged: one line that says where."""

from pathlib import Path

import pytest

from isolde.core.errors import InputError
from isolde.datasets import Hints, find
from isolde.datasets.manifest import merge, read_manifest, write_manifest

HEAD = "track,stem,path,licence\n"


def manifest(folder: Path, data: str | bytes) -> Path:
    path = folder / "m.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "A,vocals,a.wav,CC0\nB,vocals,b, c.wav,CC0\n", "line 3: has 5 values for 4 col"),
        (HEAD + "A,vocals,a, b.wav,\n", "line 2: has 5 values .* with a comma in it"),
        (HEAD.replace(",", ";") + "A;vocals;a;b.wav;\n", "line 2: has 5 .* a semicolon in it"),
        (HEAD.replace(",", "\t") + "A\tvocals\ta\tb\twav\n", "line 2: has 5 .* a tab in it"),
        ("track,stem,path,track\nA,vocals,v.wav,B\n", "names the column 'track' twice: rename"),
        ("track,stem,path,note,note\nA,vocals,v.wav,,\n", "the column 'note' twice"),
        (HEAD + 'A,vocals,a.wav,\n"B,vocals,b.wav,\nC,vocals,c.wav,\n', "line 3: its quotation"),
        (HEAD + '"B,vocals,b.wav,\n"C",vocals,c.wav,\n', "line 2: its quotation marks are no"),
        (HEAD + 'The "B",vocals,"my "best".wav",\n', "line 2: its quotation marks are no pairs"),
        ('track,stem,"path\nA,vocals,a.wav\n', "line 1: its quotation marks are no pairs"),
        ("", "is empty: make it anew"),
        ("\ufeff \r\n\r\n", "is empty: make it anew"),
        (",,,\n,,,\n", "no column track or stem or path"),
        (HEAD, "has no rows: make it anew"),
        (HEAD + ",,,\n ,\n", "has no rows: make it anew"),
        ("A,vocals,a.wav\nA,vocals,b.wav\n", "no column track or stem or path"),
        (HEAD + "A,vocals\n", "line 2: has no path"),
        ("\n" + HEAD + "\nA,vocal,a.wav\n", "line 4: stem 'vocal' .* did you mean 'vocals'"),
        ("track,stem,path,split\nA,vocals,v.wav,trian\n", "line 2: .* did you mean 'train'"),
        ("track,stem,path,rate\nA,vocals,v.wav,fast\n", "line 2: rate 'fast' is no number"),
        ("track,stem,path,seconds\nA,vocals,v.wav,-1\n", "line 2: seconds '-1' is no number"),
        (HEAD + '"A\nB",vocals,a.wav,\nC,vocals,,\n', "line 4: has no path"),
    ],
)
def test_a_broken_table_is_one_line_with_its_place(tmp_path: Path, text: str, words: str):
    with pytest.raises(InputError, match=words) as caught:
        read_manifest(manifest(tmp_path, text))
    assert "\n" not in str(caught.value) and str(tmp_path / "m.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ((HEAD + "A,vocals,a.wav\n").encode("utf-16"), 1),
        ((HEAD + "A,vocals,a.wav\n").encode("utf-16-le"), 1),
        ((HEAD + "A,vocals,a.wav\nÄ,vocals,b.wav\n").encode("latin-1"), 3),
        (b"PK\x03\x04\xff\x00", 1),
    ],
)
def test_other_encodings_are_told_with_the_line(tmp_path: Path, data: bytes, line: int):
    with pytest.raises(InputError, match=rf"line {line}: is not UTF-8 text: save it as CSV in UTF"):
        read_manifest(manifest(tmp_path, data))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_other_programs_write_is_read(tmp_path: Path, separator: str, end: str):
    """Any line end and separator, blanks around names and values, columns without a name."""
    lines = "track| stem |path||", 'A| vocals| "a, b;\tc.wav"||', "B|vocals|b.wav|x|"
    text = end.join(lines).replace("|", separator)
    one, two = read_manifest(manifest(tmp_path, text))
    assert (one.track, one.stem, one.path.name) == ("A", "vocals", "a, b;\tc.wav")
    assert two.path == tmp_path / "b.wav" and two.further == ()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_columns_of_ones_own_are_kept(tmp_path: Path, ending: str):
    """What a later scan adds has nothing in them."""
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra 'parquet'")
    old = read_manifest(manifest(tmp_path, "genre,track,stem,path\nfolk,A,vocals,a.wav\n"))
    (tmp_path / "x.csv").write_text("track,stem,path\nB,vocals,b.wav\n")
    path = tmp_path / f"both.{ending}"
    write_manifest(merge(old, read_manifest(tmp_path / "x.csv")), path)
    one, two = read_manifest(path)
    assert (one.further, two.further) == ((("genre", "folk"),), (("genre", ""),))


def test_a_folder_is_no_manifest(tmp_path: Path):
    with pytest.raises(InputError, match="is a folder, and no manifest: make one with"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("song;artist\nA;Nina\n", ""),
        ("song,artist,split\nA,Nina,trian\n", "line 2: split 'trian' is unknown: did you mean"),
        ("song,artist\nA,Nina,test\n", "line 2: has 3 values for 2 columns"),
        ("name,artist\nA,Nina\n", "has no column song"),
    ],
)
def test_tags_that_cannot_be_understood_are_named(tmp_path: Path, text: str, words: str):
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "vocals.wav").touch()
    (tmp_path / "tags.csv").write_text(text)
    found = find([tmp_path], how=Hints())
    assert [row.artist for row in found.rows] == ["A" if words else "Nina"]
    told = " ".join(found.problems)
    assert (words in told and "nothing in it is used" in told) if words else not told
