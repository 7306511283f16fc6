"""The grammar of `--data`, files read line by line, and who is held out."""

import gzip
import lzma
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.sources import Source, checksum, find_file, is_held_out, read_lines

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
LINES = ["label\ttext", "pos\tA warm film.", "neg\tSchön, und wahr."]
CONTENT = ("\n".join(LINES) + "\n").encode()
PACKERS = {".txt": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


@pytest.mark.parametrize(
    ("text", "kind", "name", "weight"),
    [
        ("sample", "sample", "sample", 1),
        ("sample:iris@2", "sample", "iris", 2),
        ("tfds:imdb_reviews", "tfds", "imdb_reviews", 1),
        ("tfds:glue/sst2@0.5", "tfds", "glue/sst2", 0.5),
        ("data/imdb", "path", "data/imdb", 1),
        ("data/imdb@3", "path", "data/imdb", 3),
        ("me@home/data.tsv@1e-3", "path", "me@home/data.tsv", 0.001),
        ("samples.tsv", "path", "samples.tsv", 1),
    ],
)
def test_a_source_is_read_with_its_weight(text, kind, name, weight):
    assert Source.parse(text) == Source(kind, name, weight)


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "1e999", "", "heavy"])
def test_a_weight_that_is_not_a_positive_number_is_refused(weight):
    with pytest.raises(UserError, match=f"--data a.tsv@{weight}: .*weight"):
        Source.parse(f"a.tsv@{weight}")


@pytest.mark.parametrize("text", ["", "@2", "tfds:", "tfds:@2", "sample:"])
def test_a_source_without_a_name_is_refused(text):
    with pytest.raises(UserError, match="--data"):
        Source.parse(text)


def test_an_at_sign_in_the_name_of_a_file_that_is_there_is_no_weight(tmp_path):
    (tmp_path / "a@2").touch()
    assert Source.parse(f"{tmp_path}/a@2") == Source("path", f"{tmp_path}/a@2", 1)
    assert Source.parse(f"{tmp_path}/a@2@3") == Source("path", f"{tmp_path}/a@2", 3)


def test_a_name_longer_than_any_file_can_have_is_still_read():
    assert Source.parse("long" * 2000).name == "long" * 2000


NAMES = st.text("ab/_.@-é 1", min_size=1, max_size=12)
SOURCES = st.one_of(
    st.builds(Source, st.just("tfds"), NAMES, st.floats(1e-6, 1e6)),
    st.builds(Source, st.just("sample"), NAMES, st.floats(1e-6, 1e6)),
    st.builds(Source, st.just("path"), NAMES.map("no/such/{}".format), st.floats(1e-6, 1e6)),
    st.builds(Source, st.just("sample"), st.just("sample"), st.floats(1e-6, 1e6)),
)


@properties
@given(SOURCES)
def test_a_source_written_out_is_read_back(source):
    assert Source.parse(f"{source}@{source.weight!r}") == source


@pytest.mark.parametrize(
    ("text", "label"),
    [("data/imdb", "imdb"), ("my/train.tsv.gz", "train"), ("tfds:glue/sst2", "tfds:glue/sst2"), ("sample@2", "sample")],
)
def test_a_label_is_short_and_names_the_source(text, label):
    assert Source.parse(text).label == label


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte-order mark"])
def test_lines_are_the_same_however_the_file_is_packed(tmp_path, ending, line_end, mark):
    path = tmp_path / f"a{ending}"
    path.write_bytes(PACKERS[ending]((mark + line_end.join(LINES)).encode()))
    assert list(read_lines(path)) == LINES


def test_only_line_feeds_end_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("a\u2028b\x0cc\x85d\n\ne".encode())
    assert list(read_lines(path)) == ["a\u2028b\x0cc\x85d", "", "e"]


@pytest.mark.parametrize("ending", PACKERS)
def test_a_byte_that_is_not_utf_8_is_named_with_its_line(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(PACKERS[ending](b"fine\nfine\nna\xefve\nfine\n"))
    lines = read_lines(path)
    assert [next(lines), next(lines)] == ["fine", "fine"]
    with pytest.raises(UserError, match=rf"a\{ending}, line 3: not UTF-8"):
        next(lines)


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_an_archive_cut_anywhere_is_called_damaged(tmp_path, ending):
    path, whole = tmp_path / f"a{ending}", PACKERS[ending](CONTENT)
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=rf"a\{ending}, after line \d+: damaged or truncated"):
            list(read_lines(path))


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_an_archive_altered_anywhere_never_gives_other_lines(tmp_path, ending):
    path, whole = tmp_path / f"a{ending}", PACKERS[ending](CONTENT)
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            assert list(read_lines(path)) == LINES
        except UserError:
            refused += 1
    assert refused > len(whole) / 2


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_a_plain_file_with_the_name_of_an_archive_is_called_damaged(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(CONTENT)
    with pytest.raises(UserError, match=rf"a\{ending}, after line 0: damaged"):
        list(read_lines(path))


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.tsv: no such file"):
        list(read_lines(tmp_path / "nowhere.tsv"))
    with pytest.raises(UserError, match=f"{tmp_path}: is a directory"):
        list(read_lines(tmp_path))


def test_the_first_ending_that_is_there_is_taken_and_plain_before_packed(tmp_path):
    endings = (".tsv", ".csv")
    assert find_file(tmp_path, "train", endings) is None
    for name in ("train.csv", "train.tsv.xz", "train.tsv.gz", "train.tsv"):
        (tmp_path / name).touch()
        assert find_file(tmp_path, "train", endings) == tmp_path / name
    (tmp_path / "test.tsv").mkdir()
    assert find_file(tmp_path, "test", endings) is None


def test_the_checksum_is_the_sha_256_of_the_standard():
    """The first example of FIPS 180-2, appendix B."""
    expected = "ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad"
    assert checksum(b"abc") == expected.replace(" ", "")


@properties
@given(st.floats(0.01, 0.99), st.text(max_size=5))
def test_the_share_held_out_is_close_to_the_one_asked(share, start):
    """Within five standard deviations of a binomial count."""
    held_out = sum(is_held_out(f"{start}{number}", share) for number in range(1000))
    assert abs(held_out - 1000 * share) < 5 * math.sqrt(1000 * share * (1 - share))


@properties
@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_what_a_small_share_holds_out_a_larger_one_does_too(text, share, other):
    small, large = sorted((share, other))
    assert is_held_out(text, small) <= is_held_out(text, large)
