"""Tables written and read through buffers equal those that pyarrow writes and reads."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.jobs import UserError
from distillery.storage.parquet import read_parquet, read_rows, write_parquet

SCHEMA = pa.schema(
    [("source", pa.string()), ("row", pa.int32()), ("label", pa.int16()), ("logits", pa.list_(pa.float32(), 2))]
)
rows = st.lists(
    st.tuples(st.text(), st.integers(-(2**31), 2**31 - 1), st.integers(0, 9), st.tuples(*[st.floats(width=32)] * 2))
)


@given(rows)
def test_pyarrow_reads_what_is_written(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("tables") / "table.parquet"
    names, numbers, labels, logits = ([row[place] for row in table] for place in range(4))
    columns = {"source": np.array(names, object), "row": numbers, "label": np.array(labels, np.int64)}
    write_parquet(path, columns | {"logits": np.array(logits, np.float32).reshape(-1, 2)}, SCHEMA)
    back = pq.read_table(path)
    assert back.schema == SCHEMA
    assert back["source"].to_pylist() == names and back["row"].to_pylist() == numbers
    np.testing.assert_array_equal(np.reshape(back["logits"].to_pylist(), (-1, 2)), np.reshape(logits, (-1, 2)))
    ours = read_parquet(path, ["label", "source", "logits"])
    np.testing.assert_array_equal(ours["logits"], np.array(logits, np.float32).reshape(-1, 2))
    assert ours["logits"].dtype == np.float32
    assert ours["label"].tolist() == labels and ours["label"].dtype == np.int16 and ours["source"].tolist() == names


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_bools_and_columns_of_several_chunks_are_read(tmp_path, chunk):
    table = pa.table({"yes": [True, False, True, True, False] * 3, "row": pa.array(range(15), pa.int64())})
    pq.write_table(table, tmp_path / "table.parquet", row_group_size=chunk)
    found = read_parquet(tmp_path / "table.parquet", ["yes", "row"])
    assert found["yes"].tolist() == table["yes"].to_pylist() and found["yes"].dtype == bool
    assert found["row"].tolist() == list(range(15))


def test_a_damaged_table_is_reported_in_one_line(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"row": pa.array([1, None])}), path)
    for columns, message in (["other"], "other"), (["row"], "1 missing values"):
        with pytest.raises(UserError, match=rf"table\.parquet is damaged \(.*{message}.*\). Delete it"):
            read_parquet(path, columns)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"table\.parquet is damaged"):
        read_parquet(path, ["row"])


def test_a_table_larger_than_memory_is_named_without_advice_to_delete_it(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"row": [1]}), path)

    def no_room(*_, **__):
        raise pa.ArrowMemoryError("malloc of size 99 failed")

    monkeypatch.setattr(pq.ParquetFile, "read", no_room)
    with pytest.raises(UserError, match=r"table .*table\.parquet does not fit into the memory .*size 99") as error:
        read_parquet(path, ["row"])
    assert "Delete" not in str(error.value)


NUMBERS = {"yes": pa.bool_(), "small": pa.int16(), "large": pa.int64(), "hash": pa.uint64(), "fraction": pa.float32()}


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(-9, 9), st.integers(), st.integers(0, 2**64 - 1), st.floats(width=32)
        ).filter(lambda row: abs(row[2]) < 2**63)
    )
)
def test_every_kind_of_number_is_read_as_written(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("tables") / "table.parquet"
    schema = pa.schema(list(NUMBERS.items()))
    columns = {name: [row[place] for row in table] for place, name in enumerate(NUMBERS)}
    write_parquet(path, columns, schema)
    assert pq.read_table(path).schema == schema
    back = read_parquet(path, list(NUMBERS))
    for name, kind in NUMBERS.items():
        np.testing.assert_array_equal(back[name], np.array(columns[name], kind.to_pandas_dtype()))
        assert back[name].dtype == kind.to_pandas_dtype()


def test_rows_are_plain_values_and_a_column_of_another_version_is_one_line(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"row": [1, 2], "label": ["cat", "dog"], "suspicious": [True, False]}), path)
    rows = read_rows(path, ["label", "row", "suspicious"])
    assert rows == [{"label": "cat", "row": 1, "suspicious": True}, {"label": "dog", "row": 2, "suspicious": False}]
    assert type(rows[0]["row"]) is int and type(rows[0]["suspicious"]) is bool
    with pytest.raises(UserError, match=r"table\.parquet is damaged.*flagged.*Delete it"):
        read_rows(path, ["flagged"])


@given(st.integers(0, 10**9), st.integers(0, 7), st.booleans())
def test_a_flipped_bit_or_a_cut_is_one_line_or_changes_nothing(damaged_table, place, bit, cut):
    folder, good, columns = damaged_table
    data, at = bytearray(good), place % len(good)
    data[at] ^= 1 << bit
    (folder / "a.parquet").write_bytes(good[:at] if cut else data)
    try:
        found = read_parquet(folder / "a.parquet", list(columns))
    except UserError as error:
        assert "a.parquet is damaged" in str(error) and "\n" not in str(error)
        return
    assert all(np.array_equal(found[name], values) for name, values in columns.items()) and not cut


@pytest.fixture(scope="module")
def damaged_table(tmp_path_factory):
    """A folder, the bytes of an intact table, and its columns."""
    folder = tmp_path_factory.mktemp("damaged")
    columns = {"source": np.array([f"t{number % 7}" for number in range(300)], object), "row": np.arange(300)}
    columns |= {"label": np.arange(300) % 10, "logits": np.random.default_rng(0).random((300, 2), np.float32)}
    write_parquet(folder / "a.parquet", columns, SCHEMA)
    return folder, (folder / "a.parquet").read_bytes(), columns
