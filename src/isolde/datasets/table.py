"""Tables with named columns as files, CSV in UTF-8 or Parquet; it knows no songs."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from isolde.core.errors import InputError, MissingExtraError

SUFFIXES = (".csv", ".parquet")

Rows = Iterable[tuple[int, Mapping[str, str]]]


def read_table(path: Path, *, columns: Sequence[str], needed: Sequence[str]) -> Rows:
    """Read the rows of a table, each with its number for messages.

    CSV may be separated by commas, semicolons or tabs.

    Args:
        path: A .parquet file, or text.
        columns: Names of all columns, for messages.
        needed: Names of those that must be there.

    Raises:
        InputError: The file cannot be read, or lacks a column.
        MissingExtraError: Parquet without pyarrow.
    """
    names, rows = _read_parquet(path) if _is_parquet(path) else _read_csv(path)
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputError(
            f"{path}: has no column {' or '.join(missing)}: the first line must name the columns, "
            f"{','.join(columns)}"
        )
    return rows


def table_bytes(
    rows: Sequence[Mapping[str, Any]], path: Path, *, kinds: Mapping[str, type]
) -> bytes:
    """Give the bytes of a table's file.

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
    """Fail early where a table cannot be read or written for want of a package.

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


def _read_csv(path: Path) -> tuple[Sequence[str], Rows]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text: save it as CSV in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    head = text.partition("\n")[0]
    comma = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=comma)

    def rows() -> Iterator[tuple[int, Mapping[str, str]]]:
        try:
            for values in reader:
                if any(str(v).strip() for k, v in values.items() if k and v):
                    yield reader.line_num, values
        except csv.Error as error:
            raise InputError(f"{path}, row {reader.line_num}: {error}") from None

    return reader.fieldnames or (), rows()


def _read_parquet(path: Path) -> tuple[Sequence[str], Rows]:
    check_packages(path)
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: is no Parquet file ({str(error).splitlines()[0]})") from None
    return table.column_names, enumerate(table.to_pylist(), 1)


def _parquet(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, type]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    arrow = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int32()}
    schema = pyarrow.schema([(name, arrow[kind]) for name, kind in kinds.items()])
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), sink)
    return bytes(sink.getvalue())
