"""A damaged file is found by its seal; a file that was changed and sealed again, by what it says."""

import json
import random
import shutil
from pathlib import Path

import pytest

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.training.integrity import seal

BESIDE = ("results.json", "report.html")


def everything_in(folder) -> dict:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def saved(run: Run, tmp_path_factory) -> Path:
    """A run that is saved once; never changed."""
    return run.save(tmp_path_factory.mktemp("saved") / "run")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of a saved run, to be damaged."""
    return shutil.copytree(saved, tmp_path / "run")


def test_nothing_is_pickled(folder):
    files = everything_in(folder)
    assert len(files) > 4
    for name, content in files.items():
        assert not name.endswith((".pkl", ".pickle", ".npy"))
        assert not content.startswith(b"\x80")  # how every pickle since protocol 2 begins


def test_an_older_run_is_replaced_and_nothing_is_left_beside_it(run, population, folder):
    population.save(folder)
    assert len(ae_jax.load(folder)) == 4
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_that_is_no_run_is_left_alone(run, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidInput, match="exists and is no run: expected a new folder or one to replace"):
        run.save(tmp_path)
    with pytest.raises(InvalidInput, match=r"thesis.tex exists and is no run"):
        run.save(tmp_path / "thesis.tex")
    assert everything_in(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("name", ["thesis.tex", ".hidden", "params2/a", "results.json/a", "report.html.bak"])
def test_a_run_with_something_else_beside_it_is_left_alone(run, folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("years of work")
    before = everything_in(folder)
    with pytest.raises(InvalidInput, match="exists and is no run: expected a new folder or one to replace"):
        run.save(folder)
    assert everything_in(folder) == before


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"members": []}', '"format members"', "[" * 100_000])
def test_a_folder_with_another_configuration_is_left_alone(run, tmp_path, text):
    (tmp_path / "configuration.json").write_text(text)
    with pytest.raises(InvalidInput, match="exists and is no run: expected a new folder or one to replace"):
        run.save(tmp_path)
    assert everything_in(tmp_path) == {"configuration.json": text.encode()}


def test_where_a_process_was_killed_between_its_moves_the_run_is_named(folder, tmp_path):
    scratch = tmp_path / ".run-abc"
    scratch.mkdir()
    shutil.copytree(folder, scratch / "run")
    folder.rename(scratch / "replaced")
    with pytest.raises(
        InvalidInput,
        match=rf"{folder} is no run: .*; what a killed process did not come to move there is in {scratch}/run\.$",
    ):
        ae_jax.load(folder)
    (scratch / "run").rename(folder)
    assert len(ae_jax.load(folder)) == 1


def test_what_the_command_line_writes_beside_a_run_is_replaced_with_it(run, folder):
    (folder / "results.json").write_text("{}")
    (folder / "report.html").write_text("<!doctype html>")
    names = {path.name for path in run.save(folder).iterdir()}
    assert names == {"configuration.json", "history.json", "digests.json", "params"}


def test_an_empty_folder_may_be_written_into(run, tmp_path):
    (tmp_path / "new").mkdir()
    assert len(ae_jax.load(run.save(tmp_path / "new"))) == 1


def test_the_current_folder_is_left_alone(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(InvalidInput, match="is the current folder or holds it: expected a folder that may be replaced"):
        run.save(folder)


def test_a_folder_that_cannot_be_written_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=r"cannot be written \(.*\): choose another folder"):
        run.save(tmp_path / "file" / "run")


def test_a_save_that_fails_leaves_the_older_run(run, folder, monkeypatch):
    before = everything_in(folder)
    monkeypatch.setattr(json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(InvalidInput, match="division by zero"):
        run.save(folder)
    assert everything_in(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def refusing_moves(monkeypatch, refused):
    """Lets moves to a path fail, the given ones of them, counted from 1."""
    move, count = Path.replace, {}

    def replace(path, target):
        count[target] = count.get(target, 0) + 1
        if count[target] in refused.get(target, ()):
            raise OSError(5, "Input/output error")
        return move(path, target)

    monkeypatch.setattr(Path, "replace", replace)


def test_a_run_that_cannot_be_moved_into_place_leaves_the_older_one(run, folder, monkeypatch):
    before = everything_in(folder)
    refusing_moves(monkeypatch, {folder: (1,)})
    with pytest.raises(InvalidInput, match=r"run cannot be written \(Input/output error\): choose another folder"):
        run.save(folder)
    assert everything_in(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_an_older_run_that_cannot_be_put_back_is_not_deleted(run, folder, monkeypatch):
    before = everything_in(folder)
    refusing_moves(monkeypatch, {folder: (1, 2)})
    with pytest.raises(InvalidInput, match=r"cannot be written \(Input/output error\)"):
        run.save(folder)
    [scratch] = folder.parent.iterdir()
    assert everything_in(scratch / "replaced") == before


# Of a file that is empty, as one of Orbax's is, there is nothing to lose: those damages leave it out.
DAMAGES = {
    "halved": lambda raw: raw[: len(raw) // 2],
    "emptied": lambda _: b"",
    "flipped at the start": lambda raw: flipped(raw, 0),
    "flipped in the middle": lambda raw: flipped(raw, len(raw) // 2),
    "flipped at the end": lambda raw: flipped(raw, len(raw) - 1),
    "with a byte more": lambda raw: raw + b"\n",
    "of other bytes": lambda raw: bytes(len(raw)),
}


def flipped(raw: bytes, place: int, bit: int = 0) -> bytes:
    return raw[:place] + bytes([raw[place] ^ (1 << bit)]) + raw[place + 1 :]


def refused(folder: Path) -> str:
    """The one sentence that loading a run gives."""
    with pytest.raises(InvalidInput) as caught:
        ae_jax.load(folder)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    return sentence


def damaged(folder: Path, name: str, what: str) -> str:
    return (
        f"{folder} is damaged ({name} {what}): expected the files that digests.json lists, as they were written; "
        "restore them from a copy, or train anew."
    )


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_whichever_it_is(folder, damage):
    files = everything_in(folder)
    assert {"configuration.json", "history.json", "digests.json"} < files.keys()
    for name, raw in files.items():
        if not raw and damage != "with a byte more":
            continue
        changed = DAMAGES[damage](raw)
        assert changed != raw, name
        (folder / name).write_bytes(changed)
        assert refused(folder).startswith(f"{folder} is damaged ({name} ")
        (folder / name).write_bytes(raw)
    assert len(ae_jax.load(folder)) == 1


def test_any_flipped_bit_is_found_in_whatever_file(folder):
    generator = random.Random(0)
    for name, raw in everything_in(folder).items():
        for _ in range(40 if raw else 0):
            (folder / name).write_bytes(flipped(raw, generator.randrange(len(raw)), generator.randrange(8)))
            assert refused(folder).startswith(f"{folder} is damaged ({name} ")
        (folder / name).write_bytes(raw)


def test_a_missing_file_is_named_whichever_it_is(folder):
    for name, raw in everything_in(folder).items():
        (folder / name).unlink()
        assert refused(folder) == damaged(folder, name, "is missing")
        (folder / name).write_bytes(raw)


def test_missing_arrays_are_named(folder):
    shutil.rmtree(folder / "params")
    assert "is damaged (params/" in refused(folder)
    assert "is missing" in refused(folder)


@pytest.mark.parametrize("name", ["notes.txt", "params/more", "params/state/d/0", "params/results.json", ".hidden"])
def test_an_added_file_is_named(folder, name):
    (folder / name).write_bytes(b"added")
    assert refused(folder) == damaged(folder, name, "was added")


def test_what_lies_beside_a_run_may_be_written_anew(folder):
    (folder / "results.json").write_text("{}")
    (folder / "report.html").write_text("<!doctype html>")
    assert len(ae_jax.load(folder)) == 1


def test_a_file_of_another_run_is_named(population, folder, tmp_path):
    other = population.save(tmp_path / "other")
    shutil.copy(other / "history.json", folder)
    assert refused(folder) == damaged(folder, "history.json", "is not what was written")


@pytest.mark.parametrize("version", [1, 2])
def test_runs_that_were_not_sealed_are_of_an_earlier_format(folder, version):
    (folder / "digests.json").unlink()
    edit(lambda configuration: configuration.update(format=version))(folder)
    assert refused(folder) == (
        f"the run in {folder} has format {version}, which was written before runs were sealed: expected format 3; "
        "use the version that wrote it, or train anew."
    )


def test_a_format_that_is_damaged_into_an_earlier_one_is_damage(folder):
    path = folder / "configuration.json"
    path.write_bytes(path.read_bytes().replace(b'"format": 3', b'"format": 2'))
    assert refused(folder) == damaged(folder, "configuration.json", "is not what was written")


def edit(change):
    def damage(folder):
        path = folder / "configuration.json"
        configuration = json.loads(path.read_text())
        change(configuration)
        path.write_text(json.dumps(configuration))

    return damage


def edit_history(change):
    def damage(folder):
        path = folder / "history.json"
        history = json.loads(path.read_text())
        change(history)
        path.write_text(json.dumps(history))

    return damage


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def of_member(change):
    return edit(lambda configuration: change(configuration["members"][0]["autoencoder"]))


def of_run(**changes):
    return edit(lambda configuration: configuration["members"][0].update(changes))


def of_data(**changes):
    return edit(lambda configuration: configuration["data"].update(changes))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            edit(lambda c: c.update(format=99)),
            "the run in .* has format 99, which is another version's: expected format 3; use the version that wrote",
        ),
        (edit(lambda c: c.update(format="3")), "the run in .* has format '3', which is another version's"),
        (edit(lambda c: c.pop("format")), r"the run in .* is damaged \('format'\): train it anew"),
        (edit(lambda c: c.pop("members")), r"the run in .* is damaged \(.*members.*\): train it anew"),
        (edit(lambda c: c["members"][0].pop("seed")), r"the run in .* is damaged \(.*seed.*\): train it anew"),
        (edit(lambda c: c.update(members=[])), "a population was given no autoencoder"),
        (of_member(lambda a: a["networks"].update(code=9)), "arrays do not fit its configuration .*encoder.1.kernel"),
        (of_member(lambda a: a["networks"].update(type="MPL")), "unknown component 'MPL': did you mean 'MLP'"),
        (of_member(lambda a: a["networks"].update(width=3)), "unknown key of MLP 'width'"),
        (of_member(lambda a: a.pop("objective")), "the configuration of Autoencoder has no objective"),
        (
            write("configuration.json", "[]"),
            r"the run in .* is damaged \(the configuration is \[\]: expected an object",
        ),
        (write("configuration.json", "[" * 100_000), r"the run in .* is damaged \(.*recursion.*\): train it anew"),
        (write("history.json", '{"a":' * 100_000), r"the run in .* is damaged \(.*recursion.*\): train it anew"),
        (write("history.json", "[]"), r"is damaged \(the history is \[\]: expected an object\)"),
        (edit_history(lambda h: h.update(train=3)), r"damaged \(the history of train is 3: expected an object\)"),
        (
            edit_history(lambda h: h["train"]["loss"].append([1.0, 2.0, 3.0])),
            r"damaged \(the history of loss \(train\) is .*: expected a row of each of 1\)",
        ),
        (edit_history(lambda h: h["train"].update(loss=[1.0])), r"is \[1.0\]: expected a row of each of 1\)"),
        (edit_history(lambda h: h["train"].update(loss=[["a"]])), r"is damaged \(could not convert .*\): train it"),
        (edit(lambda c: c.update(members={})), r"is damaged \(members is {}: expected a list\)"),
        (edit(lambda c: c.update(members=[3])), r"is damaged \(a member is 3: expected an object\)"),
        (of_run(seed=-1), r"is damaged \(seed is -1: expected an integer from 0 to 2\*\*32 - 1\): train it anew"),
        (of_run(seed=2**32), r"is damaged \(seed is 4294967296: expected an integer from 0"),
        (of_run(seed=1.5), r"is damaged \(seed is 1.5: expected an integer from 0"),
        (of_run(best_epoch="3"), r"is damaged \(best_epoch is '3': expected an integer from 0 on\)"),
        (of_run(best_epoch=-1), r"is damaged \(best_epoch is -1: expected an integer from 0 on\)"),
        (of_run(finite=1), r"is damaged \(finite is 1: expected true or false\)"),
        (of_run(autoencoder=3), r"is damaged \(a member's autoencoder is 3: expected an Autoencoder\)"),
        (of_run(autoencoder={"type": "L1"}), r"a member's autoencoder is L1\(.*\): expected an Autoencoder\)"),
        (of_run(autoencoder={"type": "os.system"}), r"unknown component 'os.system'"),
        (of_run(autoencoder={"type": []}), r"unknown component .\[\].: Known are Autoencoder"),
        (edit(lambda c: c.update(record=[])), r"is damaged \(record is \[\]: expected an object\)"),
        (edit(lambda c: c.update(settings=None)), r"is damaged \(settings is None: expected an object\)"),
        (edit(lambda c: c.update(single="yes")), r"is damaged \(single is 'yes': expected true of one member only\)"),
        (edit(lambda c: c.update(data=2.0)), r"is damaged \(data is 2.0: expected an object\)"),
        (of_data(likelihood="Poisson"), r"is damaged \(.*\): train it anew"),
        (of_data(type="Scaling"), r"unknown key of Scaling"),
        (of_data(columns=["a"]), r"is damaged \(columns is \['a'\]: expected a name for each feature of \[8, 8\]\)"),
        (of_data(high="x"), r"is damaged \(.*\): train it anew"),
        (of_data(low=float("nan")), r"is damaged \(NaN is no finite number\): train it anew"),
        (of_data(dtype="no type"), r"is damaged \(.*\): train it anew"),
        (of_data(shape=[8, -8]), r"is damaged \(shape is \[8, -8\]: expected integers above zero\)"),
        (of_data(shape=[8.0, 8]), r"is damaged \(shape is \[8.0, 8\]: expected integers above zero"),
        (of_data(shape=[]), r"is damaged \(shape is \[\]: expected integers above zero\)"),
        (of_data(shape=64), r"is damaged \(shape is 64: expected integers above zero\)"),
    ],
)
def test_what_a_changed_run_says_is_refused_though_it_is_sealed(folder, damage, sentence):
    damage(folder)
    seal(folder, apart=BESIDE)
    with pytest.raises(InvalidInput, match=sentence):
        ae_jax.load(folder)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (of_data(scaling=2.0), r"is damaged \(scaling is 2.0: expected a Scaling\)"),
        (of_data(reading="x"), r"is damaged \(reading is 'x': expected of type ReadOptions\)"),
    ],
)
def test_a_description_of_other_parts_is_refused(folder, damage, sentence, unchecked):
    damage(folder)
    seal(folder, apart=BESIDE)
    with pytest.raises(InvalidInput, match=sentence):
        ae_jax.load(folder)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"nothing is no run: expected a folder with configuration.json"):
        ae_jax.load(tmp_path / "nothing")
