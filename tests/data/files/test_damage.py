from pathlib import Path

import pytest

from ae_jax import InvalidInput
from ae_jax.data.files.damage import reading


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EOFError(), "EOFError"),
        (ValueError("no header.\nSee the manual."), "no header"),
        (OSError(13, "Permission denied"), r"\[Errno 13\] Permission denied"),
        (KeyError("x" * 900), "'x{199}"),
    ],
)
def test_the_first_line_of_what_went_wrong_is_said(error, reason):
    sentence = rf"^mine.bin cannot be read \({reason}\): expected a file\.$"
    with pytest.raises(InvalidInput, match=sentence) as raised, reading(Path("mine.bin"), "a file"):
        raise error
    assert raised.value.__cause__ is error


def test_a_sentence_passes_as_it_is():
    with pytest.raises(InvalidInput, match=r"^it is so\.$"), reading(Path("mine.bin"), "a file"):
        raise InvalidInput("it is so.")
