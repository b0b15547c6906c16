import pickle

import pytest

from ae_jax.errors import InvalidInput, first_line, require_known, unknown


def test_a_sentence_stays_on_its_line_and_steers_no_terminal():
    sentence = str(InvalidInput("there is no 'a\n\x1b[2J\u202eb\r' in Zoë's ☃: expected one."))
    assert sentence == r"there is no 'a\n\x1b[2J\u202eb\r' in Zoë's ☃: expected one."
    assert str(pickle.loads(pickle.dumps(InvalidInput(sentence)))) == sentence


@pytest.mark.parametrize("given", [3, None, [], {"a": 1}, ("adam",), b"adam", "Adam"])
def test_what_is_no_name_is_not_known(given):
    require_known("rule", "adam", ["adam", "sgd"])
    with pytest.raises(InvalidInput, match=r"unknown rule .*Known are adam, sgd"):
        require_known("rule", given, ["adam", "sgd"])


def test_the_nearest_name_is_asked_for():
    assert (
        str(unknown("rule", "adm", ["sgd", "adam"])) == "unknown rule 'adm': did you mean 'adam'? Known are adam, sgd."
    )


def test_a_foreign_error_is_said_in_one_line():
    assert first_line(ValueError("one.\ntwo")) == "one"
    assert first_line(ValueError("a" * 1000)) == "a" * 200
    assert first_line(KeyError()) == "KeyError"
