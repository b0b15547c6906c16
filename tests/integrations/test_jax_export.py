import jax
import numpy as np
import pytest

pytest.importorskip("flatbuffers")

import ae_jax
from ae_jax import InvalidInput
from ae_jax.export import export


@pytest.mark.parametrize("name", ["run", "convolutional"])
def test_jax_s_export_gives_what_the_run_does_for_any_number_of_examples(name, request, small, tmp_path):
    model = ae_jax.convolutional(channels=(4,), code=2)
    run = request.getfixturevalue("run") if name == "run" else ae_jax.training.untrained(model, small)
    encoder, decoder = (jax.export.deserialize(bytearray(path.read_bytes())) for path in export(run, tmp_path, "jax"))
    for count in (1, 5):
        codes = encoder.call(small.test.x[:count].astype(np.float32))
        np.testing.assert_allclose(codes, run.encode(small.test.x[:count]), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(decoder.call(codes), run.decode(codes), rtol=1e-5, atol=1e-4)


def test_an_export_that_cannot_be_made_is_refused(population, run, tmp_path):
    with pytest.raises(InvalidInput, match=r"a run of 4 members: expected one, such as run\[0\]"):
        export(population, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="which is a file: expected a folder"):
        export(run, tmp_path / "file")
