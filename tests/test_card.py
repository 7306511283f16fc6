"""The model card that stands in a model folder as its README."""

from common.card import build_card, section, with_figures

ENTRIES = [
    {"data": "imdb", "split": "test", "examples": 25000, "accuracy": 0.91256, "auc": None, "command": "evaluate a"},
    {"data": "sst2", "split": "test", "examples": 1821, "accuracy": 0.875, "ece": 0.0301, "command": "evaluate a"},
]
CARD = build_card("A classifier", "Says what it is.", ["imdb", "sst2"], {"units": 3}, ENTRIES, ["English."])


def test_a_card_says_what_for_of_what_how_good_and_where_not():
    sections = [line for line in CARD.splitlines() if line.startswith("#")]
    assert sections == ["# A classifier", "## Data", "## Figures", "## Limits", "## Settings"]
    for line in ("Says what it is.", "- imdb", "- sst2", "- English.", "units = 3"):
        assert line in CARD.splitlines()


def test_figures_stand_in_a_table_of_those_that_are_known():
    table = [line for line in CARD.splitlines() if line.startswith("|")]
    assert table == [
        "| data | split | examples | accuracy | ece |",
        "|---|---|---|---|---|",
        "| imdb | test | 25,000 | 0.9126 |  |",
        "| sst2 | test | 1,821 | 0.8750 | 0.0301 |",
    ]


def test_each_command_is_named_once():
    assert CARD.count("evaluate a") == 1


def test_new_figures_stand_in_place_of_the_old_ones_and_all_else_stays():
    others = [{**ENTRIES[0], "accuracy": 0.5, "command": "evaluate b"}]
    made = build_card("A classifier", "Says what it is.", ["imdb", "sst2"], {"units": 3}, others, ["English."])
    assert with_figures(CARD, others) == made
    assert with_figures("# Written by hand\n", others) == "# Written by hand\n"


def test_a_section_is_found_by_its_title():
    assert section(CARD, "Limits") == "- English."
    assert section(CARD, "Settings") == "```\nunits = 3\n```"
    assert section("# Written by hand\n", "Limits") == ""
