import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.objectives import Reconstruction
from ae_jax.training import stack, unstack


def bound(run: Run, member: int = 0):
    return run.members[member].bind(run.shape, jax.tree.map(lambda leaf: leaf[member], run.params))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 17, size=(count, 8, 8)).astype(np.uint8)


def in_model_units(stored: np.ndarray) -> jax.Array:
    return jnp.asarray(stored, jnp.float32) / 16


def everything_in(folder) -> dict:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(run, tmp_path):
    return run.save(tmp_path / "run")


@pytest.mark.parametrize("count", [1, 17, 1025])
def test_codes_are_those_of_the_networks_whatever_the_padding(run, count):
    x = images(count)
    codes = run.encode(x)
    assert codes.shape == (count, 3)
    assert isinstance(codes, np.ndarray)
    np.testing.assert_allclose(codes, bound(run).encode(in_model_units(x)), rtol=1e-4, atol=1e-6)


def test_codes_of_a_stochastic_encoder_are_its_means(population):
    codes = population.encode(images(5))
    assert codes.shape == (4, 5, 3)
    for member in range(4):
        posterior = bound(population, member).encode(in_model_units(images(5)))
        np.testing.assert_allclose(codes[member], posterior.mean, rtol=1e-4, atol=1e-6)


def test_reconstructions_are_decoded_codes_in_the_units_of_the_data(run, population):
    x = images(5)
    expected = 16 * bound(run).decode(bound(run).encode(in_model_units(x)))
    np.testing.assert_allclose(run.reconstruct(x), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(run.decode(run.encode(x)), run.reconstruct(x), rtol=1e-4, atol=1e-4)
    # Bernoulli outputs are log-odds, reconstructions their probabilities times 16.
    reconstructions = population.reconstruct(x)
    assert reconstructions.shape == (4, 5, 8, 8)
    assert reconstructions.min() > 0
    assert reconstructions.max() < 16
    networks = bound(population, 2)
    logits = networks.decode(networks.encode(in_model_units(x)).mean)
    np.testing.assert_allclose(reconstructions[2], 16 / (1 + np.exp(-logits)), rtol=1e-4)


def test_data_may_come_in_any_type_of_number(run):
    x = images(5)
    for dtype in (float, np.int64, np.float32):
        np.testing.assert_array_equal(run.encode(x.astype(dtype)), run.encode(x))
    np.testing.assert_array_equal(run.encode(x.tolist()), run.encode(x))


def test_samples_are_decoded_draws_from_the_prior(population):
    samples = population.sample(7, seed=3)
    latents = jax.random.normal(jax.random.key(3), (7, 3))
    assert samples.shape == (4, 7, 8, 8)
    np.testing.assert_allclose(samples, population.decode(np.asarray(latents)), rtol=1e-6)
    assert not np.array_equal(samples, population.sample(7, seed=4))


@ae_jax.component
class UniformPrior(Reconstruction):
    def sample_prior(self, key, n, code):
        return jax.random.uniform(key, (n, code))


def test_any_objective_with_a_prior_can_be_sampled_from(run):
    objective = UniformPrior(likelihood=run.autoencoder.objective.likelihood)
    run = dataclasses.replace(run, autoencoder=dataclasses.replace(run.autoencoder, objective=objective))
    latents = jax.random.uniform(jax.random.key(3), (7, 3))
    np.testing.assert_allclose(run.sample(7, seed=3), run.decode(np.asarray(latents)), rtol=1e-6)


def test_a_function_applies_to_every_member_and_example(population):
    def double_code_and_number(autoencoder, networks, scaling, stored, numbers):
        return {"code": 2 * networks.encode(scaling(stored)).mean, "number": numbers + autoencoder.objective.beta}

    x, numbers = images(19), np.arange(19, dtype=np.float32)
    result = population.apply(double_code_and_number, x, numbers)
    np.testing.assert_allclose(result["code"], 2 * population.encode(x), rtol=1e-5)
    np.testing.assert_array_equal(result["number"], np.broadcast_to(numbers + 1, (4, 19)))


def test_a_function_gets_each_member_s_own_arrays(run, population):
    def moved(autoencoder, networks, scaling, own, stored):
        return own["factor"] * networks.encode(scaling(stored)).mean + own["shift"][None]

    own = {"factor": np.arange(1.0, 5.0, dtype=np.float32), "shift": np.arange(12, dtype=np.float32).reshape(4, 3)}
    # Two chunks, the second of which is padded.
    x = images(1030)
    result = population.apply(moved, x, per_member=own)
    expected = own["factor"][:, None, None] * population.encode(x) + own["shift"][:, None, :]
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    alone = population[2].apply(moved, x[:5], per_member=jax.tree.map(lambda leaf: leaf[2:3], own))
    np.testing.assert_allclose(alone, expected[2, :5], rtol=1e-5, atol=1e-5)


def test_a_member_is_a_single_run(population):
    x = images(5)
    for member in (0, 3, -1):
        one = population[member]
        assert len(one) == 1
        assert one.seeds[0] == population.seeds[member]
        assert one.single
        assert one.members == [population.members[member]]
        np.testing.assert_allclose(one.encode(x), population.encode(x)[member], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(one.history["train"]["kl"][0], population.history["train"]["kl"][member])
    for member in (4, -5):
        with pytest.raises(IndexError, match=f"the run has 4 members: there is no member {member}"):
            population[member]


def test_parameters_are_those_of_one_member(run, population):
    assert run.parameters == 64 * 12 + 12 + 12 * 3 + 3 + 3 * 12 + 12 + 12 * 64 + 64
    assert population.parameters == run.parameters + 12 * 3 + 3


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (
            lambda run: run.encode(np.ones((5, 64))),
            r"data has shape \(5, 64\): expected \[examples, 8, 8\], as the auto",
        ),
        (
            lambda run: run.reconstruct(np.ones((5, 8, 8, 1))),
            r"data has shape \(5, 8, 8, 1\): expected \[examples, 8, 8\]",
        ),
        (lambda run: run.encode(np.ones((8, 8))), r"data has shape \(8, 8\): expected \[examples, 8, 8\]"),
        (lambda run: run.encode(np.ones(8)), r"data has shape \(8,\): expected \[examples, \*features\]"),
        (lambda run: run.encode(np.ones((0, 8, 8))), "data is empty"),
        (lambda run: run.encode(np.full((2, 8, 8), np.nan)), r"data has 128 NaN .* first at index \(0, 0, 0\)"),
        (lambda run: run.encode([["a"]]), "data has type <U1: expected numbers"),
        (lambda run: run.decode(np.ones((5, 4))), r"codes has shape \(5, 4\): expected \[examples, 3\]"),
        (lambda run: run.sample(0), "sample was given n=0: expected a whole number above zero"),
        (lambda run: run.sample(3), "undercomplete has no prior to sample from: expected a variational autoencoder"),
    ],
)
def test_uses_that_do_not_fit_are_refused(run, use, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        use(run)


@pytest.mark.parametrize(("n", "given"), [(2.5, "2.5"), ("2", "'?2'?"), (None, "None")])
def test_samples_are_counted_in_whole_numbers(population, n, given, unchecked):
    with pytest.raises(InvalidInput, match=f"sample was given n={given}: expected a whole number above zero"):
        population.sample(n)


@pytest.mark.parametrize("name", ["run", "population"])
def test_a_saved_run_comes_back_bit_for_bit(name, request, tmp_path):
    run = request.getfixturevalue(name)
    back = ae_jax.load(run.save(tmp_path / "deep" / "er"))
    assert jax.tree.structure(back.params) == jax.tree.structure(run.params)
    for ours, theirs in zip(jax.tree.leaves(back.params), jax.tree.leaves(run.params), strict=True):
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
    assert back.members == run.members
    assert back.single == run.single
    assert back.shape == run.shape
    assert back.settings == run.settings
    assert back.record == run.record
    assert back.scaling == run.scaling
    for field in ("seeds", "best_epoch", "finite"):
        np.testing.assert_array_equal(getattr(back, field), getattr(run, field))
    jax.tree.map(np.testing.assert_array_equal, back.history, run.history)
    np.testing.assert_array_equal(back.reconstruct(images(5)), run.reconstruct(images(5)))


def test_a_history_with_gaps_comes_back(run, tmp_path):
    loss = run.history["train"]["loss"].copy()
    loss[:, 1:] = np.nan
    run.history["train"]["gap"] = loss
    try:
        back = ae_jax.load(run.save(tmp_path / "run"))
    finally:
        del run.history["train"]["gap"]
    np.testing.assert_array_equal(back.history["train"]["gap"], loss)


def test_a_saved_configuration_is_json_that_a_person_can_read(run, folder):
    configuration = json.loads((folder / "configuration.json").read_text())
    [member] = configuration["members"]
    assert member["seed"] == 5
    assert member["autoencoder"]["networks"]["hidden"] == [12]
    assert member["autoencoder"]["optimizer"]["learning_rate"] == 1e-3  # and not 0.0010000000474974513
    assert configuration["settings"]["batch_size"] == 16
    assert configuration["data"]["shape"] == [8, 8]
    assert configuration["record"]["versions"]["jax"] == jax.__version__
    strict = json.loads((folder / "history.json").read_text(), parse_constant=pytest.fail)
    assert len(strict["train"]["loss"][0]) == 3


def test_numbers_read_as_they_were_given_and_stack_to_the_same_bits():
    given = [0.1, 0.002, 1e-30, 1000, 16777215, 0.1 + 0.2, 3.4e38, 1e-45]
    stacked = stack([ae_jax.contractive(weight=weight) for weight in given])
    numbers = [unstack(stacked, member).objective.penalties[0].weight for member in range(len(given))]
    assert numbers[:5] == given[:5]
    again = stack([unstack(stacked, member) for member in range(len(given))])
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(stacked), strict=True):
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()


def test_nothing_is_pickled(folder):
    files = everything_in(folder)
    assert len(files) > 3
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


def test_what_the_command_line_writes_beside_a_run_is_replaced_with_it(run, folder):
    (folder / "results.json").write_text("{}")
    (folder / "report.html").write_text("<!doctype html>")
    names = {path.name for path in run.save(folder).iterdir()}
    assert names == {"configuration.json", "history.json", "params"}


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
    with pytest.raises(ZeroDivisionError):
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


def truncate(folder):
    path = folder / "configuration.json"
    path.write_text(path.read_text()[:100])


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
            lambda folder: (folder / "configuration.json").unlink(),
            "is no run: expected a folder with configuration.json",
        ),
        (truncate, r"the run in .* is damaged \(.*\): train it anew"),
        (lambda folder: (folder / "history.json").unlink(), r"the run in .* is damaged \(.*\): train it anew"),
        (lambda folder: shutil.rmtree(folder / "params"), "the arrays in .* cannot be read .*: the folder is damaged"),
        (
            edit(lambda c: c.update(format=99)),
            "the run in .* has format 99: this version reads format 2; use the version",
        ),
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
        (of_run(autoencoder={"type": []}), r"is damaged \(.*\): train it anew"),
        (edit(lambda c: c.update(record=[])), r"is damaged \(record is \[\]: expected an object\)"),
        (edit(lambda c: c.update(settings=None)), r"is damaged \(settings is None: expected an object\)"),
        (edit(lambda c: c.update(single="yes")), r"is damaged \(single is 'yes': expected true of one member only\)"),
        (edit(lambda c: c.update(data=2.0)), r"is damaged \(data is 2.0: expected an object\)"),
        (of_data(likelihood="Poisson"), r"is damaged \(.*\): train it anew"),
        (of_data(type="Scaling"), r"unknown key of Scaling"),
        (of_data(columns=["a"]), r"is damaged \(columns is \['a'\]: expected a name for each feature of \[8, 8\]\)"),
        (of_data(high="x"), r"is damaged \(.*\): train it anew"),
        (of_data(low=float("nan")), r"is damaged \(low is nan: expected a finite number\)"),
        (of_data(dtype="no type"), r"is damaged \(.*\): train it anew"),
        (of_data(shape=[8, -8]), r"is damaged \(shape is \[8, -8\]: expected integers above zero\)"),
        (of_data(shape=[8.0, 8]), r"is damaged \(shape is \[8.0, 8\]: expected integers above zero"),
        (of_data(shape=[]), r"is damaged \(shape is \[\]: expected integers above zero\)"),
        (of_data(shape=64), r"is damaged \(shape is 64: expected integers above zero\)"),
    ],
)
def test_a_damaged_run_is_refused(folder, damage, sentence):
    damage(folder)
    with pytest.raises(InvalidInput, match=sentence):
        ae_jax.load(folder)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (of_data(scaling=2.0), r"is damaged \(scaling is 2.0: expected a Scaling\)"),
        (of_data(reading="x"), r"is damaged \(reading is 'x': expected of type Reading\)"),
    ],
)
def test_a_description_of_other_parts_is_refused(folder, damage, sentence, unchecked):
    damage(folder)
    with pytest.raises(InvalidInput, match=sentence):
        ae_jax.load(folder)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"nothing is no run: expected a folder with configuration.json"):
        ae_jax.load(tmp_path / "nothing")
