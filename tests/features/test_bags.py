"""FeatureBags of features: sorted, without repeated entries, and joined side by side."""

from helpers.content import as_dicts

from movierec_jax.features.bags import build_bags, join_bags


def test_bags_keep_the_first_of_a_pair_and_sort_names():
    bags = build_bags([1, 0, 1], ["b", "a", "b"], [0.5, 1.0, 9.0])
    assert (bags.row.tolist(), bags.feature.tolist(), bags.value.tolist()) == ([0, 1], [0, 1], [1.0, 0.5])
    assert bags.names == ("a", "b")


def test_groups_joined_keep_their_features_apart():
    one, other = build_bags([0, 2], ["a", "b"]), build_bags([0, 1], ["a", "c"])
    assert as_dicts(join_bags([one, other]), 3) == [{"a": 1.0}, {"c": 1.0}, {"b": 1.0}]
    assert join_bags([one, other]).feature.tolist() == [0, 2, 3, 1]
    assert join_bags([one, other]).names == ("a", "b", "a", "c")
