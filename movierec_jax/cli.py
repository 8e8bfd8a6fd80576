"""What the scripts share: flags made from the config, help text, and how a run ends.

Exit status: 0 done; 1 input that cannot be used, with one message on standard error; 128 + n after signal n, with
everything saved. Anything else is a bug of ours and keeps its traceback.
"""

import dataclasses
import os
import signal
import sys
import textwrap
import types
import typing
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar, cast

from absl import app, flags, logging

from movierec_jax.compile_cache import enable_compile_cache
from movierec_jax.config import Config
from movierec_jax.errors import InputError, Interrupted
from movierec_jax.settings import as_flag

T = TypeVar("T")

HELP_WIDTH = 100

# Flags that absl defines for every program.
ABSL_FLAGS = ("help", "helpshort", "helpfull", "helpxml", "only_check_args", "pdb_post_mortem", "run_with_pdb")

# How a flag is defined whose field has values of this type.
DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


def define_flags(section: type, values: flags.FlagValues = flags.FLAGS, repeatable: Collection[str] = ()) -> None:
    """Defines a flag for each field of a config section, with its default and help.

    repeatable: fields of text whose flag may be given many times; their values are joined with commas.
    """
    for field in dataclasses.fields(section):
        define = flags.DEFINE_multi_string if field.name in repeatable else DEFINE[plain_type(field.type)]
        default = [str(item) for item in field.default] if isinstance(field.default, tuple) else field.default
        define(field.name, default, field.metadata["help"], flag_values=values, module_name=section.__doc__)


def section_from_flags(base: T, values: flags.FlagValues = flags.FLAGS) -> T:
    """A config section with the settings whose flags are given. Raises InputError for a value that is not allowed."""
    settings = {}
    for field in dataclasses.fields(cast(Any, base)):
        flag = values[field.name]
        if flag.present:
            settings[field.name] = parse_list(field, flag.value) if isinstance(flag.value, list) else flag.value
    return dataclasses.replace(cast(Any, base), **settings)


def config_from_flags(values: flags.FlagValues = flags.FLAGS) -> Config:
    """The whole config that the flags ask for."""
    base = Config()
    sections = (field.name for field in dataclasses.fields(base))
    return Config(**{name: section_from_flags(getattr(base, name), values) for name in sections})


def plain_type(hint: Any) -> type:
    """The type of a setting's value: `int` of `int`, `tuple` of `tuple[int, ...]`, `str` of `str | None`."""
    if isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    return typing.get_origin(hint) or hint


def parse_list(field: dataclasses.Field, items: list[str]) -> tuple | str | None:
    """The items of a list flag as its field has them; None where the field allows none and no item is given."""
    if plain_type(field.type) is str:
        return ",".join(items)
    hint, *others = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else (field.type,)
    if others and not items:
        return None
    return numbers(field.name, items, typing.get_args(hint)[0])


def numbers(flag: str, items: list[str], kind: type = float) -> tuple:
    """The items of a list flag. Raises InputError where one is not of the kind."""
    try:
        return tuple(kind(item) for item in items)
    except ValueError:
        raise InputError(f"--{flag}={','.join(items)}: must be numbers with commas between") from None


def run(main: Callable[[], Any], sections: Sequence[type], doc: str, repeatable: Collection[str] = ()) -> None:
    """Parses flags and calls main; ends the process with the status that fits the outcome.

    sections: config sections whose flags the script takes besides its own; doc: its docstring, for --help; repeatable:
    flags of text that may be given many times.
    """
    for section in sections:
        define_flags(section, repeatable=repeatable)

    def start(argv: list[str]) -> None:
        calm_libraries()
        enable_compile_cache()
        status = exit_status(main)
        if status and is_among_many():
            # JAX would wait for the other processes, which wait for this one.
            sys.stdout.flush()
            os._exit(status)
        sys.exit(status)

    app.run(start, flags_parser=lambda argv: parse_flags(argv, sections, doc))


def is_among_many() -> bool:
    """Whether JAX, if it is loaded, has met other processes."""
    return "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized()


def calm_libraries() -> None:
    """Keeps standard error for what people can use: warnings of ours in one line, and one message at the end."""
    warnings.formatwarning = lambda message, *place: f"warning: {message}\n"
    # Orbax logs every file, and every error besides raising it; after one, what it had begun to do ends noisily.
    logging.set_verbosity(logging.FATAL)
    sys.unraisablehook = lambda unraisable: None


def silence_stdout() -> None:
    """Has what this process prints go nowhere, where another prints the same."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, it is open as long as the process


def parse_flags(argv: list[str], sections: Sequence[type], doc: str) -> list[str]:
    """Parses the command line; --help and mistakes end the process here."""
    if any(word in ("--help", "-help", "-h", "--h") for word in argv[1:]):
        sys.exit(exit_status(lambda: print(help_text(sections, doc))))
    try:
        rest = flags.FLAGS(argv)[1:]
        if rest:
            raise flags.Error(f"{rest[0]!r} is not a flag; flags are written --name=value")
    except flags.Error as error:
        print(f"error: {error}\n--help lists all flags", file=sys.stderr)
        sys.exit(1)
    return argv[:1]


def exit_status(main: Callable[[], Any]) -> int:
    """Calls main and returns the exit status, with one message on standard error where it went wrong."""
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read our output, such as `head`, has closed it; what Python still holds back for it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (InputError, OSError, MemoryError) as error:
        print(f"error: {describe(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped by SIGINT", file=sys.stderr)
        return 128 + signal.SIGINT
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        return 128 + stop.signal_number
    return 0


def describe(error: Exception) -> str:
    """An error in one line; for one of the operating system, the file first."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def help_text(sections: Sequence[type], doc: str) -> str:
    """The script's docstring, then its own flags, then those of each section under the section's heading."""
    own = [flag for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0]) if flag.name not in ABSL_FLAGS]
    groups = [("This script", own)] if own else []
    for section in sections:
        members = [flags.FLAGS[field.name] for field in dataclasses.fields(section)]
        groups.append((section.__doc__ or section.__name__, members))
    parts = [doc.strip()]
    for heading, members in groups:
        parts.append("\n".join([heading.strip(), *(flag_help(flag) for flag in members)]))
    return "\n\n".join(parts)


def flag_help(flag: flags.Flag) -> str:
    """A flag with its default and help, wrapped."""
    default = "none"
    if isinstance(flag.default, list):
        default = ",".join(flag.default) or default
    elif flag.default is not None:
        default = as_flag(flag.default)
    text = textwrap.wrap(" ".join(flag.help.split()), HELP_WIDTH - 8)
    return "\n".join([f"  --{flag.name}={default}", *(f"        {line}" for line in text)])
