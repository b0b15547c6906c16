"""What several trainings took, added up."""

from ae_jax.training.record import added


def test_each_kind_of_value_is_added_as_it_must_be():
    records = [
        {
            "wall_s": 0.1,
            "programs": 2,
            "interrupted": False,
            "versions": {"jax": "1"},
            "device": "cpu",
            "rollbacks": [1],
        },
        {
            "wall_s": 0.2,
            "programs": 3,
            "interrupted": True,
            "versions": {"jax": "1"},
            "device": "gpu",
            "rollbacks": [0],
        },
    ]
    expected = {"wall_s": 0.3, "programs": 5, "interrupted": True, "versions": {"jax": "1"}, "device": "cpu; gpu"}
    assert added(records) == expected | {"rollbacks": [1, 0]}
    assert added(records[:1]) == records[0]


def test_what_one_record_lacks_is_taken_from_the_others():
    assert added([{"wall_s": 1.0}, {"wall_s": 1.0, "divergence": "one"}, {"divergence": "two"}]) == {
        "wall_s": 2.0,
        "divergence": "one; two",
    }
    assert added([{"versions": {"jax": "1"}}, {"versions": {"jax": "2"}}]) == {"versions": {"jax": "1; 2"}}
