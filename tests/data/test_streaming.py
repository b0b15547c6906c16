import sys

import numpy as np
import pandas
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import RawData, ReadOptions
from ae_jax.data.shards import ArrayRows, NpyRows, ParquetRows
from ae_jax.data.splits import from_rows
from ae_jax.data.streaming import Stream, survey

ROWS = np.arange(1000, dtype=np.float32)
X = np.stack([ROWS, 20 * (ROWS % 7), np.ones(1000, np.float32)], axis=1)
BUDGET = X.nbytes
READING = ReadOptions(budget=BUDGET)


@pytest.fixture
def shards(tmp_path):
    """The same rows in files of different lengths."""
    for place, part in enumerate(np.split(X, [10, 400, 401])):
        np.save(tmp_path / f"{place}.npy", part)
    return NpyRows(sorted(tmp_path.glob("*.npy")))


def stream_of(rows, **choice) -> Stream:
    return Stream(**{"rows": rows, "held_out": np.arange(5, 1000, 9), "budget": BUDGET} | choice)


def read(stream: Stream, epoch: int, batch_size: int = 8) -> list[np.ndarray]:
    chunks = stream.chunks(epoch, batch_size)
    try:
        return list(chunks)
    finally:
        chunks.close()


def numbers(chunks: list[np.ndarray]) -> list[int]:
    return np.concatenate(chunks)[:, 0].astype(int).tolist()


@pytest.mark.parametrize("batch_size", [8, 999])
def test_every_example_that_is_not_held_out_is_read_once_an_epoch(shards, batch_size):
    stream = stream_of(shards)
    trained = sorted(set(range(1000)) - set(stream.held_out.tolist()))
    for epoch in (1, 2):
        chunks = read(stream, epoch, batch_size)
        assert sorted(numbers(chunks)) == trained
        sizes = [len(chunk) for chunk in chunks]
        assert len(set(sizes[:-1])) <= 1  # one program for all but the last
        assert all(size % batch_size == 0 for size in sizes[:-1])
        assert sizes[-1] >= min(batch_size, len(stream))


def test_the_order_is_the_epoch_s_own_and_that_of_the_seed(shards):
    first = numbers(read(stream_of(shards), 1))
    assert first == numbers(read(stream_of(shards), 1))
    assert first != numbers(read(stream_of(shards), 2))
    assert first != numbers(read(stream_of(shards, seed=1), 1))


@pytest.mark.parametrize("whole", [False, True])
def test_shares_of_every_chunk_join_to_it_wherever_reading_begins(shards, tmp_path, whole):
    if whole:
        pandas.DataFrame(X, columns=list("abc")).to_parquet(tmp_path / "many.parquet", row_group_size=30)
        shards = ParquetRows([tmp_path / "many.parquet"])
    stream = stream_of(shards)
    chunks, joined = read(stream, 3), []
    for part in range(3):
        share = lambda count, part=part: (count * part // 3, count * (part + 1) // 3)
        joined.append(list(stream.chunks(3, 8, first=2, share=share)))
    assert len(chunks) > 4
    for chunk, *shares in zip(chunks[2:], *joined, strict=True):
        np.testing.assert_array_equal(np.concatenate(shares), chunk)


def test_a_share_reads_little_more_than_its_rows(shards):
    stream, asked = stream_of(shards), []
    read_rows = shards.read
    shards.read = lambda shard, start, stop: asked.append(stop - start) or read_rows(shard, start, stop)
    rows = [len(chunk) for chunk in stream.chunks(1, 8, share=lambda count: (0, count // 4))]
    assert sum(asked) < 1.5 * sum(rows) < 0.5 * len(stream)


def test_row_groups_are_read_once_shuffled_and_few_at_a_time(tmp_path):
    frame = pandas.DataFrame(X, columns=list("abc"))
    frame.to_parquet(tmp_path / "many.parquet", row_group_size=100)
    rows, asked = ParquetRows([tmp_path / "many.parquet"]), []
    read_group = rows.read
    rows.read = lambda *place: asked.append(place) or read_group(*place)
    stream = stream_of(rows, budget=4 * 100 * 12)
    chunks = stream.chunks(1, 5)
    first = next(chunks)
    assert len(asked) <= 6
    assert not (np.diff(first[:, 0]) > 0).all()
    assert sorted(numbers([first, *chunks])) == sorted(set(range(1000)) - set(stream.held_out.tolist()))
    chunks.close()
    assert len(asked) == 10


def test_the_last_chunk_has_a_batch():
    rows = ArrayRows(np.zeros((103, 4), np.uint8))
    for batch_size in range(1, 60):
        stream = Stream(rows=rows, held_out=np.arange(0), budget=16 * 4 * 32)
        size = stream.chunk_size(batch_size)
        assert size % batch_size == 0 or size == 103
        assert (103 % size or size) >= batch_size


def test_a_survey_checks_every_example_and_takes_what_it_is_asked_for(shards):
    stream = stream_of(shards)
    taken = {"few": np.array([0, 9, 10, 400, 999]), "none": np.arange(0)}
    statistics, found, _ = survey(stream, taken, moments=True)
    trained = np.delete(X, stream.held_out, axis=0)
    np.testing.assert_allclose(statistics.mean, trained.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics.deviation, trained.std(axis=0), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(found["few"].x, X[taken["few"]])
    assert found["none"].x.shape == (0, 3)


def test_what_is_not_finite_is_named_by_shard_and_row(tmp_path):
    np.save(tmp_path / "0.npy", X)
    np.save(tmp_path / "1.npy", np.where(X == 3.0, np.nan, X))
    rows = NpyRows([tmp_path / "0.npy", tmp_path / "1.npy"])
    with pytest.raises(InvalidInput, match=r"1.npy, counted from row 0, has .* NaN or infinite values, the first at"):
        survey(stream_of(rows), {}, moments=False)


def test_a_streamed_data_set_holds_out_and_samples(shards):
    data = from_rows(shards, name="mine", reading=READING, seed=3)
    held_out = np.concatenate([data.validation.x, data.test.x])[:, 0].astype(int).tolist()
    few = BUDGET // 16 // 12
    assert (len(data.validation.x), len(data.test.x), data.training_examples) == (few, few, 1000 - 2 * few)
    assert data.spec.examples == {"train": 1000 - 2 * few, "validation": few, "test": few}
    assert not set(held_out) & set(numbers(read(data.stream, 1)))
    assert set(data.train.x[:, 0].astype(int)) <= set(numbers(read(data.stream, 1)))
    assert sorted(held_out) == data.stream.held_out.tolist()
    assert data.columns is None


def test_a_source_with_splits_keeps_them(shards):
    data = from_rows(shards, {"test": RawData(X[:5]), "more": RawData(X[:9])}, name="mine", reading=READING)
    assert len(data.test.x) == 5
    assert data.training_examples == 1000 - len(data.validation.x)


def test_without_grain_the_extra_is_named(shards, monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(InvalidInput, match=r'needs grain, .*: run pip install "ae_jax\[streaming\]"'):
        next(stream_of(shards).chunks(1, 8))


def test_a_row_group_larger_than_a_quarter_of_the_budget_is_refused(tmp_path):
    pandas.DataFrame(X, columns=list("abc")).to_parquet(tmp_path / "one.parquet")
    with pytest.raises(
        InvalidInput, match=r"one.parquet has a row group of 12,000 bytes: expected at most a quarter of"
    ):
        stream_of(ParquetRows([tmp_path / "one.parquet"]))


def test_chunks_mix_places_of_all_shards(shards):
    for chunk in read(stream_of(shards), 1)[:4]:
        assert chunk[:, 0].min() < 300
        assert chunk[:, 0].max() > 700


def test_values_that_turn_into_nan_in_the_file_are_named(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((640, 4), np.float32))
    data = from_rows(
        NpyRows([tmp_path / "x.npy"]), name="x", scaling="none", reading=ReadOptions(budget=16 * 4 * 4 * 32)
    )
    np.save(tmp_path / "x.npy", np.full((640, 4), np.nan, np.float32))
    with pytest.raises(InvalidInput, match=r"x.npy was changed while it was trained on: it has .* NaN or infinite"):
        ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), data, epochs=1)
