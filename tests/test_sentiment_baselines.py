import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from apps.sentiment.baselines import NaiveBayesSVM, evaluate_baselines, fit_baselines, log_count_ratio
from common.errors import UserError

TEXTS = [
    "a warm and lovely film",
    "lovely acting and a lovely end",
    "not dull at all but lovely",
    "a dull and empty film",
    "dull acting and an empty end",
    "not lovely at all but dull",
]
LABELS = [1, 1, 1, 0, 0, 0]


@pytest.fixture(scope="module")
def baselines():
    return fit_baselines(TEXTS, LABELS)


def features_and_labels(classes: int = 2):
    """Forty examples of eight features, of which the first ones go with the classes."""
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, 40)
    features = random.random((40, 8)) < 0.3
    features[np.arange(40), labels] |= random.random(40) < 0.8
    return csr_matrix(features.astype(float)), labels


def test_both_baselines_learn_what_they_were_shown(baselines):
    assert set(baselines) == {"tfidf_logistic", "nbsvm"}
    for baseline in baselines.values():
        np.testing.assert_array_equal(baseline.predict(["lovely and warm", "empty and dull"]), [1, 0])


def test_pairs_of_words_are_seen(baselines):
    words = baselines["nbsvm"].named_steps["count"].vocabulary_
    assert {"lovely", "not lovely", "not dull"} <= set(words)


def test_an_evaluation_says_which_examples_are_right(baselines):
    texts, labels = ["lovely and warm", "empty and dull", "empty and dull"], [1, 0, 1]
    for correct in evaluate_baselines(baselines, texts, labels).values():
        assert correct.dtype == bool
        np.testing.assert_array_equal(correct, [True, True, False])


def test_a_text_of_unknown_words_gets_a_class(baselines):
    for baseline in baselines.values():
        assert baseline.predict(["zzz", ""]).tolist() in ([0, 0], [1, 1])


def test_three_classes_are_told_apart():
    texts = ["red apple", "red cherry", "green leaf", "green grass", "blue sky", "blue sea"]
    baselines = fit_baselines(texts, [0, 0, 1, 1, 2, 2])
    for baseline in baselines.values():
        assert baseline.predict(["red", "green", "blue"]).tolist() == [0, 1, 2]


def test_a_heavy_example_outweighs_a_light_one():
    texts, labels = ["odd film", "odd film"], [0, 1]
    for heavy in (0, 1):
        weights = [10.0 if label == heavy else 0.1 for label in labels]
        for baseline in fit_baselines(texts, labels, weights).values():
            assert baseline.predict(["odd film"]).tolist() == [heavy]


def test_words_seen_once_are_dropped_only_where_texts_are_many():
    many = TEXTS * 200 + ["unique"]
    words = fit_baselines(many, LABELS * 200 + [1])["nbsvm"].named_steps["count"].vocabulary_
    assert "lovely" in words
    assert "unique" not in words


def test_labels_of_one_class_are_refused():
    with pytest.raises(UserError, match=r"two classes. Received: \[1\]"):
        fit_baselines(["good", "fine"], [1, 1])


def test_the_log_count_ratio_agrees_with_counting_by_hand():
    # Inside the class the features come 2 and 1 times, outside 0 and 1 times; each starts with a count of 1.
    features = csr_matrix([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = log_count_ratio(features, np.array([True, True, False]), np.ones(3))
    np.testing.assert_allclose(found, np.log([(3 / 5) / (1 / 3), (2 / 5) / (2 / 3)]))


def test_the_log_count_ratio_agrees_with_scikit_learns_naive_bayes():
    features, labels = features_and_labels()
    bayes = MultinomialNB().fit(features, labels)
    expected = bayes.feature_log_prob_[1] - bayes.feature_log_prob_[0]
    np.testing.assert_allclose(log_count_ratio(features, labels == 1, np.ones(40)), expected)


def test_a_weight_of_two_counts_as_an_example_given_twice():
    features, labels = features_and_labels()
    weighted = log_count_ratio(features[:2], labels[:2] == labels[0], np.array([2.0, 1.0]))
    repeated = log_count_ratio(features[[0, 0, 1]], labels[[0, 0, 1]] == labels[0], np.ones(3))
    np.testing.assert_allclose(weighted, repeated)


def test_with_full_trust_the_decision_is_that_of_an_svm_on_scaled_features():
    features, labels = features_and_labels()
    scaled = features.multiply(log_count_ratio(features, labels == 1, np.ones(40))).tocsr()
    svm = LinearSVC(C=0.1, random_state=0).fit(scaled, labels)
    found = NaiveBayesSVM(trust=1.0).fit(features, labels).decision_function(features)
    np.testing.assert_allclose(found[:, 1], svm.decision_function(scaled))
    np.testing.assert_allclose(found[:, 0], -found[:, 1])


def test_without_trust_the_weights_are_those_of_naive_bayes_up_to_scale():
    features, labels = features_and_labels()
    ratio = log_count_ratio(features, labels == 1, np.ones(40))
    quotient = NaiveBayesSVM(trust=0.0).fit(features, labels).coef_[0] / ratio
    np.testing.assert_allclose(quotient, quotient[0])
    assert quotient[0] > 0


def test_more_classes_are_one_against_the_rest():
    features, labels = features_and_labels(classes=3)
    scores = NaiveBayesSVM().fit(features, labels).decision_function(features)
    for k in range(3):
        alone = NaiveBayesSVM().fit(features, labels == k).decision_function(features)
        np.testing.assert_allclose(scores[:, k], alone[:, 1])


def test_classes_keep_their_names_and_a_copy_its_settings():
    features, labels = features_and_labels()
    named = clone(NaiveBayesSVM(C=0.5)).fit(features, np.array(["no", "yes"])[labels])
    assert named.C == 0.5
    assert set(named.predict(features)) == {"no", "yes"}
