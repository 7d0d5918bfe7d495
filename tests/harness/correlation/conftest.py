"""What tests of correlation share: files of scores in every format."""

import pytest


@pytest.fixture
def write(tmp_path):
    """Write a frame in one of the formats and return its path."""

    def write(frame, suffix=".csv"):
        path = tmp_path / f"scores{suffix}"
        match suffix:
            case ".csv":
                frame.to_csv(path, index=False)
            case ".json":
                frame.to_json(path, orient="records")
            case ".parquet":
                frame.to_parquet(path)
        return path

    return write
