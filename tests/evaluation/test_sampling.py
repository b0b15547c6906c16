from ae_jax.evaluation.sampling import subsample


def test_places_are_evenly_spaced_and_within():
    for count, limit in ((10, 3), (3, 10), (7, 7), (0, 5)):
        places = subsample(count, limit)
        assert len(set(places)) == len(places) == min(count, limit)
        assert all(0 <= place < count for place in places)


def test_a_sorted_split_is_taken_from_all_of_its_classes():
    assert subsample(100, 10).tolist() == list(range(0, 100, 10))
