import subprocess
import sys

import matplotlib.image
import matplotlib.text
import numpy as np
import pytest
from matplotlib.figure import Figure

from common.metrics import softmax
from common.plots import plot_confusion, plot_curves, plot_predictions, plot_reliability

ROWS = [
    {"epoch": 1, "loss": 1.2, "val_loss": 0.9, "accuracy": 0.5, "gradient_norm": 12.0, "learning_rate": 0.001},
    {"epoch": 2, "loss": 0.8, "val_loss": 0.7, "accuracy": 0.8, "gradient_norm": 3.0, "learning_rate": 0.002},
    {"epoch": 3, "loss": 0.6, "val_loss": 0.8, "accuracy": 0.9, "gradient_norm": 0.5, "learning_rate": 0.001},
]


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that were saved."""
    figures, save = [], Figure.savefig

    def keep(figure: Figure, *arguments, **options):
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def texts_of(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


def assert_picture(path):
    """The file is a PNG with something on a white ground."""
    pixels = matplotlib.image.imread(path)
    assert min(pixels.shape[:2]) > 200
    assert pixels[0, 0, :3].min() == 1
    assert pixels[..., :3].min() < 0.5


def test_curves_go_to_a_panel_of_their_kind(tmp_path, drawn):
    plot_curves(ROWS, tmp_path / "curves.png")
    assert_picture(tmp_path / "curves.png")
    loss, share, norm = drawn[0].axes
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["loss", "validation loss"]
    np.testing.assert_array_equal(share.lines[0].get_xydata(), [[1, 0.5], [2, 0.8], [3, 0.9]])
    np.testing.assert_array_equal(norm.lines[0].get_ydata(), [12, 3, 0.5])
    assert [axes.get_yscale() for axes in drawn[0].axes] == ["linear", "linear", "log"]


def test_the_learning_rate_is_not_drawn_as_a_share(tmp_path, drawn):
    plot_curves(ROWS, tmp_path / "curves.png")
    assert len(drawn[0].axes[1].lines) == 1


def test_the_lowest_validation_loss_is_marked(tmp_path, drawn):
    plot_curves(ROWS, tmp_path / "curves.png")
    np.testing.assert_array_equal(drawn[0].axes[0].lines[-1].get_xydata(), [[2, 0.7]])
    assert "0.7" in texts_of(drawn[0])


def test_panels_without_data_are_left_out(tmp_path, drawn):
    plot_curves([{"epoch": 1, "loss": 2.0, "perplexity": 7.4}], tmp_path / "curves.png")
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == ["Loss"]


def test_missing_and_infinite_values_leave_no_trace(tmp_path, drawn):
    rows = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": float("nan")}, {"epoch": 3, "loss": 1.0, "val_loss": 2.0}]
    plot_curves(rows, tmp_path / "curves.png")
    np.testing.assert_array_equal(drawn[0].axes[0].lines[0].get_xydata(), [[1, 3], [3, 1]])
    np.testing.assert_array_equal(drawn[0].axes[0].lines[1].get_xydata(), [[3, 2]])


@pytest.mark.parametrize("rows", [[], [{"epoch": 1}], [{"epoch": 1, "loss": float("inf")}]])
def test_a_log_with_nothing_to_draw_is_refused(tmp_path, rows):
    with pytest.raises(ValueError, match="Received"):
        plot_curves(rows, tmp_path / "curves.png")


def test_cells_of_the_confusion_hold_counts_and_shares_of_the_row(tmp_path, drawn):
    plot_confusion([[1500, 500], [0, 3]], ["negative", "positive"], tmp_path / "confusion.png")
    assert_picture(tmp_path / "confusion.png")
    expected = {"1,500\n75.0%", "500\n25.0%", "0\n0.0%", "3\n100.0%", "negative", "positive", "1,503 of 2,003 right"}
    assert expected <= texts_of(drawn[0])


def test_the_first_true_class_is_at_the_top(tmp_path, drawn):
    plot_confusion([[7, 1], [2, 8]], ["negative", "positive"], tmp_path / "confusion.png")
    axes = drawn[0].axes[0]
    where = {text.get_text().split("\n")[0]: text.get_position() for text in axes.texts}
    assert where == {"7": (0.5, 0.5), "1": (1.5, 0.5), "2": (0.5, 1.5), "8": (1.5, 1.5)}
    assert axes.yaxis_inverted()


def test_a_class_that_never_occurs_has_shares_of_zero(tmp_path, drawn):
    plot_confusion([[0, 0], [1, 1]], ["a", "b"], tmp_path / "confusion.png")
    assert "0\n0.0%" in texts_of(drawn[0])


@pytest.mark.parametrize("matrix", [[[1, 2]], [[1]], [1, 2]])
def test_a_matrix_that_does_not_fit_the_names_is_refused(tmp_path, matrix):
    with pytest.raises(ValueError, match="Received shape"):
        plot_confusion(matrix, ["a", "b"], tmp_path / "confusion.png")


def test_bars_of_the_reliability_add_up_to_accuracy_and_confidence(tmp_path, drawn):
    # One bin each: confidence 0.7 with half of it right, confidence 0.9 with all of it right.
    probabilities = np.array([[0.7, 0.3], [0.3, 0.7], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    plot_reliability(np.array([0, 0, 0, 0, 1, 1]), probabilities, tmp_path / "reliability.png")
    assert_picture(tmp_path / "reliability.png")
    upper, lower = drawn[0].axes
    both, overconfident, underconfident = ([bar.get_height() for bar in bars] for bars in upper.containers)
    np.testing.assert_allclose([both[10], overconfident[10], underconfident[10]], [0.5, 0.2, 0])
    np.testing.assert_allclose([both[13], overconfident[13], underconfident[13]], [0.9, 0, 0.1])
    np.testing.assert_allclose([lower.patches[k].get_height() for k in (9, 10, 13)], [0, 1 / 3, 2 / 3])
    assert f"Expected calibration error {(2 * 0.2 + 4 * 0.1) / 6:.1%}" in texts_of(drawn[0])


@pytest.mark.parametrize(("classes", "lowest"), [(2, 7 / 15), (5, 3 / 15), (20, 0)])
def test_the_reliability_begins_at_the_lowest_confidence_there_can_be(tmp_path, drawn, classes, lowest):
    random = np.random.default_rng(0)
    probabilities = softmax(random.normal(size=(30, classes)))
    plot_reliability(random.integers(0, classes, 30), probabilities, tmp_path / "reliability.png")
    assert drawn[0].axes[0].get_xlim() == (lowest, 1)


def test_drawing_needs_no_pyplot():
    code = "import sys, common.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_predictions_stand_over_true_values_beside_the_line_of_equality(tmp_path, drawn):
    plot_predictions([1.0, 2.0, 4.0], [1.5, 2.0, 3.0], tmp_path / "predictions.png")
    assert_picture(tmp_path / "predictions.png")
    [axes] = drawn[0].axes
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), [[1, 1.5], [2, 2], [4, 3]])
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 1], [4, 4]])
    assert "Mean absolute error 0.5" in texts_of(drawn[0])
