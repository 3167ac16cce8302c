"""Tables with named columns as files, CSV in UTF-8 or Parquet; it knows no songs."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from isolde.core.errors import InputError, MissingExtraError

SUFFIXES = (".csv", ".parquet")
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}

Rows = Iterable[tuple[str, Mapping[str, str]]]


def read_table(path: Path, *, columns: Sequence[str], needed: Sequence[str]) -> Rows:
    """Read the rows of a table, each with its place, such as "line 7", for messages.

    CSV may be separated by commas, semicolons or tabs. Blanks around a value are left out, and so
    are empty rows and columns without a name.

    Args:
        path: A .parquet file, or text.
        columns: Names of all columns, for messages.
        needed: Names of those that must be there.

    Raises:
        InputError: The file cannot be read, lacks a column or names one twice, or, while the rows
            are taken, a line has too many values or an open quotation mark.
        MissingExtraError: Parquet without pyarrow.
    """
    names, rows = _read_parquet(path) if _is_parquet(path) else _read_csv(path)
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputError(
            f"{path}: has no column {' or '.join(missing)}: the first line must name the columns, "
            f"{','.join(columns)}"
        )
    for name in names:
        if name and names.count(name) > 1:
            raise InputError(f"{path}: names the column '{name}' twice: rename or delete one")
    return rows


def table_bytes(
    rows: Sequence[Mapping[str, Any]], path: Path, *, kinds: Mapping[str, type]
) -> bytes:
    """Serialise a table.

    Args:
        rows: Values by column.
        path: Name of the file, whose ending tells the format.
        kinds: Columns in their order, each with its kind: str, float or int.

    Raises:
        MissingExtraError: Parquet without pyarrow.
    """
    if _is_parquet(path):
        return _parquet(rows, kinds)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(kinds), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


def check_packages(path: Path) -> None:
    """Fail early where the package for a table is not installed.

    Raises:
        MissingExtraError: Parquet without pyarrow.
    """
    if not _is_parquet(path):
        return
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "pyarrow", extra="parquet", purpose="a manifest in Parquet"
        ) from None


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _read_csv(path: Path) -> tuple[list[str], Rows]:
    text = _text(path)
    head = text.strip().splitlines()[0]
    separator = max(_SEPARATORS, key=head.count)
    lines = _lines(text, path, separator)
    _, names = next(lines, (1, []))

    def rows() -> Iterator[tuple[str, Mapping[str, str]]]:
        for number, values in lines:
            if len(values) > len(names):
                raise InputError(
                    f"{path}, line {number}: has {len(values)} values for {len(names)} columns: "
                    f"put quotation marks around a value with a {_SEPARATORS[separator]} in it"
                )
            yield f"line {number}", dict(zip(names, values, strict=False))

    return names, rows()


def _text(path: Path) -> str:
    """The text of a file that is UTF-8 and not empty."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        text, wrong = data.decode("utf-8-sig"), data.find(b"\0")
    except UnicodeDecodeError as error:
        text, wrong = "", error.start
    if wrong >= 0:  # Latin-1, UTF-16, or no text at all
        line = data.count(b"\n", 0, wrong) + 1
        raise InputError(f"{path}, line {line}: is not UTF-8 text: save it as CSV in UTF-8")
    if not text.strip():
        raise InputError(f"{path}: is empty: make it anew")
    return text


def _lines(text: str, path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The values of each line that has some, with its number."""
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=separator, skipinitialspace=True, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            values = [value.strip() for value in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{path}, line {number}: its quotation marks are no pairs ({error}): close the "
                'value, and write "" for a mark inside of one'
            ) from None
        if any(values):
            yield number, values


def _read_parquet(path: Path) -> tuple[list[str], Rows]:
    check_packages(path)
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: is no Parquet file ({str(error).splitlines()[0]})") from None
    names = list(table.column_names)
    return names, ((f"row {i}", values) for i, values in enumerate(table.to_pylist(), 1))


def _parquet(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, type]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    arrow = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int32()}
    schema = pyarrow.schema([(name, arrow[kind]) for name, kind in kinds.items()])
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), sink)
    return bytes(sink.getvalue())
