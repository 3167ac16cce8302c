"""Curves from tables: what is in the table is in the picture."""

from pathlib import Path

import pytest

from isolde.core.errors import InputError

pytest.importorskip("matplotlib", reason="needs the extra 'figures'")

from isolde.figures import curves
from isolde.figures.style import new_axes, new_figure

TABLE = "share | dB,one,two\n0.25,1.0,1.5\n0.5,2.0,\n1,3.0,2.5\n"


def test_every_column_is_a_curve_and_a_gap_a_point_less(tmp_path: Path):
    table = tmp_path / "growth.csv"
    table.write_text(TABLE)
    names, columns = curves._read(table)
    axes = new_axes(new_figure(4, 3), 1, 1)[0][0]
    curves._curves(axes, names, columns)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert drawn == {"one": [[0.25, 1], [0.5, 2], [1, 3]], "two": [[0.25, 1.5], [1, 2.5]]}
    assert axes.get_xscale() == "log"


def test_pictures_repeat_byte_for_byte(tmp_path: Path):
    tables = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for table in tables:
        table.write_text(TABLE)
    first, second = (curves.draw_curves(tmp_path / n, tables) for n in ("x.png", "y.png"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "text", ["", "a,b\n", "a,b\n1,two\n", "a\n1\n", "a,b\n1,2,3\n", "a,b\n,2\n"]
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, text: str):
    table = tmp_path / "table.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=r"table\.csv"):
        curves.draw_curves(tmp_path / "x.png", [table])
