"""Flags are made from the config and parsed back into one; each outcome has its exit status."""

import dataclasses
import io

import pytest
from absl import flags

from movierec_jax import cli
from movierec_jax.config import Config, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError, Interrupted
from movierec_jax.settings import as_flag

SECTIONS = [DataConfig, ModelConfig, TrainConfig, EvalConfig]


def parsed(*arguments: str) -> flags.FlagValues:
    """The flags of all sections after this command line."""
    values = flags.FlagValues()
    for section in SECTIONS:
        cli.define_flags(section, values)
    values(["train.py", *arguments])
    return values


def test_without_flags_all_settings_have_their_defaults():
    assert cli.config_from_flags(parsed()) == Config()


def test_a_config_written_as_flags_is_that_config():
    config = Config(
        data=DataConfig(ratings="a b.csv", rating_scale=(0.5, 5.0), split="time", user_features=("b.csv", "c.tsv")),
        model=ModelConfig(hidden_dims=(8, 4), dropout=0.0),
        train=TrainConfig(epochs=3, learning_rate=1e-4),
        evaluation=EvalConfig(eval_k=(1,), relevant_rating=4.0),
    )
    sections = [getattr(config, field.name) for field in dataclasses.fields(config)]
    settings = [setting for section in sections for setting in vars(section).items()]
    written = [f"--{name}={as_flag(value)}" for name, value in settings if value is not None]
    assert cli.config_from_flags(parsed(*written)) == config


@pytest.mark.parametrize(
    ("flag", "section", "value"),
    [("hidden_dims", ModelConfig, ()), ("content", DataConfig, ()), ("rating_scale", DataConfig, None)],
    ids=["no layers", "no content", "no scale"],
)
def test_an_empty_list_flag_is_an_empty_or_unset_setting(flag, section, value):
    assert getattr(cli.section_from_flags(section(), parsed(f"--{flag}=")), flag) == value


def test_a_word_in_a_list_of_numbers_is_refused():
    with pytest.raises(InputError, match=r"^--eval_k=10,many: must be comma-separated numbers$"):
        cli.section_from_flags(EvalConfig(), parsed("--eval_k=10,many"))


def raising(error: BaseException):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("a.csv: empty"), 1, "error: a.csv: empty\n"),
        (FileNotFoundError(2, "No such file", "a.csv"), 1, "error: a.csv: No such file\n"),
        (OSError(28, "No space left on device"), 1, "error: No space left on device\n"),
        (OSError("the archive is damaged"), 1, "error: the archive is damaged\n"),
        (MemoryError("Unable to allocate 7 TiB"), 1, "error: Unable to allocate 7 TiB\n"),
        (Interrupted("stopped by SIGTERM", 15), 128 + 15, "stopped by SIGTERM\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_expected_error_prints_one_message_and_has_a_status(error, status, message, capsys):
    assert cli.exit_status(raising(error)) == status
    assert capsys.readouterr() == ("", message)


def test_nothing_that_a_terminal_obeys_reaches_it_but_line_ends_and_tabs():
    stream = io.StringIO()
    printable = cli.Printable(stream, "\n\t")
    print("Él\x1b]0;title\x07 \x9b31m\u202e\r東京\t1\n", file=printable, end="")
    printable.writelines(["a\b"])
    assert stream.getvalue() == "Él�]0;title� �31m��東京\t1\na�"


def test_success_has_status_0_and_no_message(capsys):
    assert cli.exit_status(lambda: print("done")) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_a_bug_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.exit_status(lambda: 1 // 0)


@pytest.mark.parametrize(
    ("define", "default", "line"),
    [
        (flags.DEFINE_integer, 7, "  --name=7"),
        (flags.DEFINE_string, "a/b", "  --name=a/b"),
        (flags.DEFINE_string, None, "  --name=unset"),
        (flags.DEFINE_bool, False, "  --name=false"),
        (flags.DEFINE_list, ["64", "32"], "  --name=64,32"),
        (flags.DEFINE_multi_string, [], "  --name="),
        (flags.DEFINE_multi_string, "a/b", "  --name=a/b"),
    ],
)
def test_help_shows_a_flag_with_its_default_above_its_text(define, default, line):
    values = flags.FlagValues()
    define("name", default, "what it\n   means", flag_values=values)
    first, second, *_ = cli.flag_help(values["name"]).split("\n")
    assert first == line
    assert second.startswith(" " * 8 + "what it means")


def test_help_keeps_to_its_width():
    values = parsed()
    lines = [line for name in values for line in cli.flag_help(values[name]).split("\n")]
    assert max(map(len, lines)) <= cli.HELP_WIDTH


def test_flags_that_are_not_given_keep_the_sections_values():
    trained_with = EvalConfig(eval_k=(5,), relevant_rating=3.0)
    assert cli.section_from_flags(trained_with, parsed("--eval_k=7")) == EvalConfig(eval_k=(7,), relevant_rating=3.0)


@pytest.mark.parametrize("written", [["--ratings=a,b"], ["--ratings=a", "--ratings=b"]], ids=["commas", "repeated"])
def test_a_repeatable_flag_joins_its_values_with_commas(written):
    values = flags.FlagValues()
    cli.define_flags(DataConfig, values, repeatable=("ratings", "test_ratings"))
    assert cli.section_from_flags(DataConfig(), values) == DataConfig()
    values(["benchmark.py", *written])
    assert cli.section_from_flags(DataConfig(), values) == DataConfig(ratings="a,b")


def parsed_with_file(tmp_path, monkeypatch, text: str, *arguments: str) -> Config:
    """The config of a command line with the file run.toml."""
    values = parsed()
    flags.DEFINE_string("config", None, "", flag_values=values)
    flags.DEFINE_string("texts", None, "", flag_values=values)
    flags.mark_flag_as_required("texts", values)
    monkeypatch.setattr(flags, "FLAGS", values)
    (tmp_path / "run.toml").write_text(text)
    command = cli.Command("", SECTIONS, [values["texts"], values["config"]], max_words=0)
    cli.read_command_line(["movierec train", f"--config={tmp_path}/run.toml", *arguments], command)
    return cli.config_from_flags(values)


def test_a_flag_of_the_command_line_counts_more_than_one_of_the_file(tmp_path, monkeypatch):
    text = 'texts = "required"\nepochs = 3\nhidden_dims = [8, 4]\nlearning_rate = 1e-3\nrating_time = true\n'
    config = parsed_with_file(tmp_path, monkeypatch, text, "--epochs=5")
    assert config == Config().replace(epochs=5, hidden_dims=(8, 4), learning_rate=0.001, rating_time=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 'many'", r"run\.toml: --epochs=many: invalid literal"),
        ("epochs = [1, 2]", r"run\.toml: epochs is \[1, 2\]; it takes one value"),
        ("config = 'other.toml'", r"run\.toml: 'config' is no setting of movierec train"),
    ],
)
def test_a_value_of_the_file_that_does_not_fit_its_flag_names_both(tmp_path, monkeypatch, text, message):
    with pytest.raises(InputError, match=message):
        parsed_with_file(tmp_path, monkeypatch, text)
