"""The library behind Parquet, which is an extra: loaded when a Parquet file is at hand, not before.

The one hard idea: whoever lacks it is told what to install, in a sentence, wherever it was needed.
"""

from types import ModuleType


class ParquetMissingError(Exception):
    """Parquet was asked for and the extra is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Parquet needs a library that is not installed: install pointmaster[parquet] "
            "(pyarrow), or use CSV"
        )


def load_pyarrow() -> ModuleType:
    """The library.

    Raises:
        ParquetMissingError: it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - see above
        import pyarrow.parquet  # noqa: PLC0415 - likewise
    except ImportError:
        raise ParquetMissingError from None
    loaded: ModuleType = pa
    return loaded
