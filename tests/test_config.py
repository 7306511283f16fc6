"""Settings: from declarations to flags, recipes and `config.json`, and what is refused on the way."""

import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from common.config import Settings, TrainingSettings, parse_settings
from common.errors import UserError

# A loaded machine would break the deadline, which says nothing of the code.
properties = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


class CakeSettings(Settings):
    """Bakes a cake."""

    names: tuple[str, ...] = Field((), description="who it is for", json_schema_extra={"positional": True})
    eggs: int = Field(3, gt=0, le=12, description="eggs, of which 50 % are beaten")
    kind: Literal["sponge", "fruit"] = Field("sponge", description="what it is made of")
    top_layers: tuple[str, ...] = Field(("cream",), description="what lies on it; may be given several times")
    oven: float = Field(180.0, gt=0, description="degrees")
    iced: bool = Field(True, description="whether it is iced")
    tin: Path | None = Field(None, description="where it is baked")
    as_json: bool = Field(False, alias="json", description="the cake as JSON")
    config: Path | None = Field(None, description="a recipe")


def bake(*arguments: str) -> CakeSettings:
    return parse_settings(CakeSettings, list(arguments), "bake")


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "cake.toml"
    path.write_text('eggs = 5\nkind = "fruit"\n', encoding="utf-8")
    return path


def test_without_flags_every_setting_has_its_default():
    assert bake().model_dump() == {
        "names": (),
        "eggs": 3,
        "kind": "sponge",
        "top_layers": ("cream",),
        "oven": 180.0,
        "iced": True,
        "tin": None,
        "as_json": False,
        "config": None,
    }


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--eggs", "4"], "eggs", 4),
        (["--kind=fruit"], "kind", "fruit"),
        (["--top-layers", "jam", "--top-layers", "nuts"], "top_layers", ("jam", "nuts")),
        (["--no-iced"], "iced", False),
        (["--tin", "round/tin"], "tin", Path("round/tin")),
        (["--json"], "as_json", True),
        (["Ann", "Bob", "--iced"], "names", ("Ann", "Bob")),
        (["--iced", "Ann"], "names", ("Ann",)),
        (["--", "--Ann"], "names", ("--Ann",)),
    ],
)
def test_a_flag_sets_its_setting(arguments, name, value):
    assert getattr(bake(*arguments), name) == value


class OvenSettings(Settings):
    """Heats an oven."""

    cake: Path = Field(Path("cake"), description="what is baked", json_schema_extra={"positional": True})
    hot: bool = Field(False, description="as hot as it gets")


@pytest.mark.parametrize(
    ("arguments", "cake"),
    [([], "cake"), (["bread"], "bread"), (["bread", "--hot"], "bread"), (["--hot", "a b"], "a b")],
)
def test_one_value_may_stand_without_its_flag(arguments, cake):
    assert parse_settings(OvenSettings, arguments, "heat").cake == Path(cake)


def test_a_value_too_many_is_refused():
    with pytest.raises(UserError, match=r"heat: .*soup"):
        parse_settings(OvenSettings, ["bread", "soup"], "heat")


def test_flags_override_the_recipe_and_the_recipe_the_defaults(recipe):
    cake = bake("--config", str(recipe), "--eggs", "7")
    assert (cake.eggs, cake.kind, cake.oven) == (7, "fruit", 180.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--eggs", "0"], r"`eggs`.*greater than 0.*Received: '0'"),
        (["--eggs", "2.5"], r"`eggs`.*integer.*Received: '2.5'"),
        (["--eggs", "many"], r"`eggs`.*Received: 'many'"),
        (["--oven", "inf"], r"`oven`.*finite.*Received: 'inf'"),
        (["--oven", "nan"], r"`oven`.*Received: 'nan'"),
        (["--kind", "rye"], r"`kind`.*'sponge' or 'fruit'.*Received: 'rye'"),
        (["--candles", "3"], r"--candles.*bake --help"),
        (["--egg", "3"], r"--egg.*bake --help"),
        (["--eggs"], r"--eggs.*expected one argument"),
    ],
)
def test_a_wrong_flag_is_named_with_what_came(arguments, message):
    with pytest.raises(UserError, match=message):
        bake(*arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"candles = 3\n", "`candles`"),
        (b"eggs = 0\n", "`eggs`.*Received: 0"),
        (b"eggs three\n", "not a TOML file"),
        (b'kind = "fr\xfcit"\n', "not a TOML file"),
    ],
)
def test_a_wrong_recipe_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"wrong\.toml.*{message}"):
        bake("--config", str(path))


def test_a_wrong_recipe_is_refused_even_where_a_flag_would_mend_it(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("eggs = 0\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"wrong\.toml"):
        bake("--config", str(path), "--eggs", "3")


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--config .*nowhere\.toml: No such file"):
        bake("--config", str(tmp_path / "nowhere.toml"))


def test_help_shows_every_flag_with_its_values_and_default(capsys):
    with pytest.raises(SystemExit) as ended:
        bake("--help")
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Bakes a cake." in shown
    assert "--eggs INT eggs, of which 50 % are beaten (default: 3)" in shown
    assert "--kind sponge|fruit what it is made of (default: sponge)" in shown
    assert "--top-layers STR what lies on it; may be given several times (default: cream)" in shown
    assert "--tin PATH where it is baked" in shown
    assert "--iced, --no-iced" in shown
    assert "--json" in shown


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        bake().eggs = 4


def test_values_from_a_file_are_refused_with_the_place_named():
    with pytest.raises(UserError, match=r"old/config\.json: `eggs`.*Received: None"):
        CakeSettings.from_values({"eggs": None}, "old/config.json")


@properties
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "out": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(Path),
            "resume": st.booleans(),
            "epochs": st.integers(1, 10**9),
            "learning_rate": st.floats(0, 1e9, exclude_min=True),
            "warmup": st.floats(0, 1, exclude_max=True),
            "clip": st.sampled_from(["global_norm", "norm", "value", "adaptive", "none"]),
        },
    )
)
def test_settings_survive_json(values):
    given_settings = TrainingSettings(**values)
    plain = json.loads(json.dumps(given_settings.model_dump(mode="json")))
    assert TrainingSettings.from_values(plain, "config.json") == given_settings
