"""Text to token ids and back, and where each sub-word stands."""

import random
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.text import END, PADDING, START, UNKNOWN, Tokeniser, fit_tokeniser, normalise

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'()-éüñß"
# Each of these is written with letters of the alphabet by Unicode's compatibility normalisation.
COMPATIBLE = "ﬁＡ２①…\u00a0"
TEXTS = st.text(ALPHABET + COMPATIBLE + "   ", max_size=40)


def made_up_texts() -> list[str]:
    rng = random.Random(0)
    words = ["".join(rng.choices(ALPHABET, k=rng.randint(1, 8))) for _ in range(400)]
    return [" ".join(rng.choices(words, k=10)) for _ in range(200)]


@pytest.fixture(scope="module", params=[False, True], ids=["as written", "case folded"])
def fold_case(request) -> bool:
    return request.param


@pytest.fixture(scope="module")
def tokeniser(fold_case) -> Tokeniser:
    return fit_tokeniser(made_up_texts(), 400, fold_case)


def folded(text: str, fold_case: bool) -> str:
    """What the tokeniser's normalisation makes of a text, by the standard library; it folds ß to itself, not to ss."""
    text = unicodedata.normalize("NFKC", text)
    return " ".join((text.lower() if fold_case else text).split())


@properties
@given(TEXTS)
def test_decoding_gives_back_the_normalised_text(tokeniser, fold_case, text):
    [token_ids] = tokeniser.encode([text])
    assert tokeniser.decode(token_ids) == folded(text, fold_case)


@properties
@given(st.lists(TEXTS, max_size=4))
def test_texts_become_ids_between_start_and_end(tokeniser, texts):
    rows = tokeniser.encode(texts)
    assert len(rows) == len(texts)
    for row in rows:
        assert row.dtype == np.int32
        assert (row[0], row[-1]) == (START, END)
        inside = row[1:-1]
        assert not np.isin(inside, (PADDING, UNKNOWN, START, END)).any()
        assert (inside < tokeniser.vocabulary_size).all()


@properties
@given(TEXTS)
def test_pieces_are_those_of_encode_and_tell_where_they_stand(tokeniser, text):
    [token_ids] = tokeniser.encode([text])
    pieces = tokeniser.pieces(text)
    assert [piece.token_id for piece in pieces] == list(token_ids[1:-1])
    places = [place for piece in pieces for place in (piece.start, piece.end)]
    assert places == sorted(places)
    covered = {place for piece in pieces for place in range(piece.start, piece.end)}
    assert {place for place, character in enumerate(text) if not character.isspace()} <= covered
    assert covered <= set(range(len(text)))


@pytest.mark.parametrize("text", ["good wine", "Grüße: good wine", "日本 good 🙂 wine", "ﬁne, good wine"])
def test_a_piece_stands_where_its_letters_stand_after_any_other_letters(tokeniser, text):
    """Decoding the pieces of one word gives that word, wherever letters of several bytes have moved it to."""
    for word in ("good", "wine"):
        start = text.index(word)
        inside = [p.token_id for p in tokeniser.pieces(text) if p.start < start + len(word) and p.end > start]
        assert tokeniser.decode(inside) == word


def test_a_letter_never_seen_is_unknown_and_spoils_no_other(tokeniser):
    [row] = tokeniser.encode(["go 日 go"])
    assert list(row).count(UNKNOWN) == 1
    assert tokeniser.decode(token for token in row if token != UNKNOWN).replace(" ", "") == "gogo"


def test_special_tokens_leave_no_trace(tokeniser):
    [row] = tokeniser.encode(["go on"])
    assert tokeniser.decode([*row, PADDING, PADDING]) == "go on"


def test_case_is_folded_only_if_asked(tokeniser, fold_case):
    small, large = tokeniser.encode(["go on", "GO ON"])
    assert (list(small) == list(large)) == fold_case


def test_the_bytes_of_the_model_are_all_of_it(tokeniser):
    texts = made_up_texts()[:5]
    again = Tokeniser(tokeniser.model)
    assert again.vocabulary_size == tokeniser.vocabulary_size <= 400
    assert [list(row) for row in again.encode(texts)] == [list(row) for row in tokeniser.encode(texts)]


def test_a_small_corpus_gets_fewer_pieces_than_allowed():
    assert fit_tokeniser(["good", "bad"], 8000, fold_case=True).vocabulary_size < 50


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "there is no text"),
        (["", ""], "there is no text"),
        ([chr(place) for place in range(0x4E00, 0x4E00 + 500)], "Vocabulary size is smaller"),
    ],
)
def test_texts_that_no_tokeniser_can_be_learnt_from_are_refused(texts, message):
    with pytest.raises(UserError, match=message):
        fit_tokeniser(texts, 300, fold_case=True)


@pytest.mark.parametrize(
    ("corpus", "plain"),
    [
        ("A film.<br /><br />Dull.", "A film. Dull."),
        ("it 's a film that does n't end .", "it's a film that doesn't end."),
        ("IT 'S OVER , DO N'T STAY !", "IT'S OVER, DON'T STAY!"),
        ("we 'd say they 'll come , I 'm sure : they 've paid", "we'd say they'll come, I'm sure: they've paid"),
        ("a -lrb- long -rrb- film", "a (long) film"),
        ("a -LRB- long -RRB- film", "a (long) film"),
        ("``fine,'' he said", '"fine," he said'),
        ("  two\t\nlines  ", "two lines"),
        ("the '70s and rock 'n' roll", "the '70s and rock 'n' roll"),
        ("<broken>", "<broken>"),
        (" <br/> ", ""),
    ],
)
def test_what_corpora_do_to_text_is_undone(corpus, plain):
    assert normalise(corpus) == plain


@properties
@given(st.text(), st.text())
def test_normalised_text_has_single_spaces_and_no_line_ends(left, right):
    text = normalise(f"{left} \n{right}")
    assert text == re.sub(r"\s+", " ", text).strip()


@properties
@given(st.lists(st.text("abcXYZ", min_size=1), min_size=1).map(" ".join))
def test_words_alone_are_left_as_they_are(text):
    assert normalise(text) == text
