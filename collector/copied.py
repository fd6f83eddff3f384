"""Rows of fixed width that Postgres copied out in its binary format, as numpy reads them. Pure.

Apart from `pgcopy`, which each command needs and which is imported in a tenth of the time that numpy takes.
"""

import numpy as np
from numpy.typing import NDArray

from collector.errors import StorageError
from collector.pgcopy import HEADER, TRAILER, Columns


def read_rows(data: bytes, columns: Columns) -> NDArray[np.void]:
    """Return the rows of a COPY TO stream as a structured array, one field per column, without copying them.

    Fields are big-endian; `.astype(np.int64)` gives native ones.

    Raises:
        StorageError: the stream does not consist of such rows.
    """
    dtype = np.dtype(_row_fields(columns))
    n, rest = divmod(len(data) - len(HEADER) - len(TRAILER), dtype.itemsize)
    if n < 0 or rest or not data.startswith(HEADER) or not data.endswith(TRAILER):
        raise StorageError(f"a COPY stream of {len(data)} bytes does not hold rows of {dtype.itemsize} bytes")
    rows = np.frombuffer(data, dtype=dtype, count=n, offset=len(HEADER))
    if n and (rows["_columns"] != len(columns)).any():
        raise StorageError(f"a COPY stream holds rows of other than {len(columns)} columns")
    return rows


def _row_fields(columns: Columns) -> list[tuple[str, str]]:
    fields = [("_columns", ">i2")]
    for name, kind in columns:
        fields += [(f"_{name}_length", ">i4"), (name, kind)]
    return fields
