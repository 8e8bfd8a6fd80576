"""What all commands share: flags made from settings, help texts, and exit statuses.

Exit status: 0 done; 1 bad input, with one message on standard error; 128 + n after signal n, with everything saved.
Anything else is a bug of ours and keeps its traceback.
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import sys
import textwrap
import threading
import types
import typing
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from absl import app, flags, logging

from movierec_jax.compile_cache import enable_compile_cache
from movierec_jax.config import Config
from movierec_jax.config_file import read_config_file
from movierec_jax.errors import InputError, Interrupted
from movierec_jax.settings import Settings, as_flag

S = TypeVar("S", bound=Settings)

# Code points of control characters, and of those that turn the direction of text.
OBEYED = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))

HELP_WIDTH = 100
SHORT_HELP = {"-h", "--h", "-help", "--help", "-helpshort", "--helpshort"}
FULL_HELP = {"-helpfull", "--helpfull"}

CONFIG_FLAG = "config"

DEFAULTS = Config()

# How a flag is defined for a field with values of this type.
DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


@dataclasses.dataclass(frozen=True)
class Command:
    """What a command says of itself, and what it takes: sections as flags, flags of its own, and words."""

    doc: str
    sections: Sequence[type[Settings]]
    own: Sequence[flags.Flag]
    max_words: int


def run(
    main: Callable[..., Any],
    sections: Sequence[type[Settings]],
    doc: str,
    repeatable: Collection[str] = (),
    max_words: int = 0,
) -> None:
    """Parses the flags, calls main, and ends the process with the exit status that fits the outcome.

    sections: settings that the command takes as flags besides those of main's module; doc: the module's docstring,
    shown by --help; repeatable: text flags that may be given several times; max_words: how many words that are no
    flags main takes.
    """
    own = flags.FLAGS.get_flags_for_module(main.__module__)
    for section in sections:
        define_flags(section, repeatable=repeatable)
    flags.DEFINE_string(
        CONFIG_FLAG,
        None,
        'TOML or JSON file with values of these flags, such as workdir = "runs/default". Flags on the command line win',
    )
    command = Command(doc, sections, [*own, flags.FLAGS[CONFIG_FLAG]], max_words)

    def start(argv: list[str]) -> None:
        sys.stdout, sys.stderr = Printable(sys.stdout, "\n\t"), Printable(sys.stderr, "\n\t\r")
        quiet_libraries()
        enable_compile_cache()
        status = exit_status(lambda: main(*argv[1:]))
        if status and has_joined_processes():
            # At exit JAX would wait for the other processes, which wait for this one.
            sys.stdout.flush()
            os._exit(status)
        sys.exit(status)

    app.run(start, flags_parser=lambda argv: parse_flags(argv, command))


def define_flags(
    section: type[Settings], values: flags.FlagValues = flags.FLAGS, repeatable: Collection[str] = ()
) -> None:
    """Defines a flag for each field of a section, with its default and help.

    repeatable: text fields whose flag may be given several times; the values are joined with commas.
    """
    for field in dataclasses.fields(section):
        define = flags.DEFINE_multi_string if field.name in repeatable else DEFINE[plain_type(field.type)]
        default = [str(item) for item in field.default] if isinstance(field.default, tuple) else field.default
        define(field.name, default, field.metadata["help"], flag_values=values, module_name=section.__doc__)


def section_from_flags(base: S, values: flags.FlagValues = flags.FLAGS) -> S:
    """Returns the section with the values of the flags that are given. Raises InputError for a bad value."""
    settings = {}
    for field in dataclasses.fields(base):
        flag = values[field.name]
        if flag.present:
            settings[field.name] = parse_list(field, flag.value) if isinstance(flag.value, list) else flag.value
    return dataclasses.replace(base, **settings)


def config_from_flags(values: flags.FlagValues = flags.FLAGS, base: Config = DEFAULTS) -> Config:
    """Returns the whole config that the flags ask for; without a flag, a setting has its value in the base."""
    sections = (field.name for field in dataclasses.fields(base))
    return Config(**{name: section_from_flags(getattr(base, name), values) for name in sections})


def plain_type(hint: Any) -> type:
    """Returns the type of a setting's value: `int` for `int | None`, `tuple` for `tuple[int, ...]`."""
    if isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    return typing.get_origin(hint) or hint


def parse_list(field: dataclasses.Field, items: list[str]) -> tuple | str | None:
    """Converts the items of a list flag to the field's type; no items to None where the field allows it."""
    if plain_type(field.type) is str:
        return ",".join(items)
    hint, *others = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else (field.type,)
    if others and not items:
        return None
    return parse_numbers(field.name, items, typing.get_args(hint)[0])


def parse_numbers(flag: str, items: list[str], kind: type = float) -> tuple:
    """Converts the items of a list flag. Raises InputError for one that is not of the kind."""
    try:
        return tuple(kind(item) for item in items)
    except ValueError:
        raise InputError(f"--{flag}={','.join(items)}: must be comma-separated numbers") from None


def has_joined_processes() -> bool:
    """Whether JAX is loaded and this process has joined others."""
    return "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized()


class Printable:
    """A stream of text that replaces what a terminal would obey, such as an escape sequence in a title.

    kept: control characters that are written as they are.
    """

    def __init__(self, stream: Any, kept: str):
        self.stream = stream
        self.table = {code: "\N{REPLACEMENT CHARACTER}" for code in OBEYED if chr(code) not in kept}

    def write(self, text: str) -> int:
        return self.stream.write(text.translate(self.table))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def quiet_libraries() -> None:
    """Keeps standard error for messages that people can act on: one line per warning, one message at the end."""
    warnings.formatwarning = lambda message, *details: f"warning: {message}\n"
    # Orbax logs every file, and every error that it also raises; work it had begun then ends with noise.
    logging.set_verbosity(logging.FATAL)
    sys.unraisablehook = lambda unraisable: None
    # Such as the one that writes TensorBoard's events, on a full disk.
    threading.excepthook = lambda failed: warnings.warn(
        f"a thread has failed ({failed.exc_type.__name__}: {failed.exc_value})", stacklevel=1
    )


def silence_stdout() -> None:
    """Silences the standard output of this process; process 0 prints the same."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, it stays open as long as the process


def parse_flags(argv: list[str], command: Command) -> list[str]:
    """Parses the command line and returns its words that are no flags. Help and mistakes end the process here."""
    given = set(argv[1:])
    if given & (SHORT_HELP | FULL_HELP):
        is_full = bool(given & FULL_HELP)
        sys.exit(exit_status(lambda: print(help_text(command, is_full=is_full))))
    words: list[str] = []
    status = exit_status(lambda: words.extend(read_command_line(argv, command)))
    if status:
        sys.exit(status)
    return words


def read_command_line(argv: list[str], command: Command) -> list[str]:
    """Sets the flags from the command line and the file of --config; returns the words that are no flags.

    Raises InputError for flags, values and words that the command does not take.
    """
    flags.FLAGS.set_gnu_getopt(command.max_words > 0)
    from_file = set_defaults_from_file(argv, command)
    try:
        words = flags.FLAGS(argv)
        if len(words) > 1 + command.max_words:
            raise flags.Error(f"{words[-1]!r} is not a flag; flags are written --name=value")
    except flags.Error as error:
        raise InputError(f"{error}\n--helpfull lists all flags") from None
    for name in from_file:
        flags.FLAGS[name].present += 1
    return words


def set_defaults_from_file(argv: list[str], command: Command) -> list[str]:
    """Makes the values in the file of --config the defaults of their flags, and returns the names of these flags.

    Raises InputError for a file that cannot be read, and for a name or value that does not fit.
    """
    path = config_path(argv)
    if not path:
        return []
    fields = [field.name for section in command.sections for field in dataclasses.fields(section)]
    known = [flag.name for flag in command.own if flag.name != CONFIG_FLAG] + fields
    settings = read_config_file(pathlib.Path(path), known, pathlib.Path(argv[0]).name)
    for name, value in settings.items():
        flag, is_list = flags.FLAGS[name], isinstance(value, list)
        if is_list and not (isinstance(flag, flags.MultiFlag) or isinstance(flag.parser, flags.ListParser)):
            raise InputError(f"{path}: {name} is {value!r}; it takes one value")
        try:
            flags.FLAGS.set_default(name, [as_flag(item) for item in value] if is_list else as_flag(value))
        except flags.Error as error:
            raise InputError(f"{path}: {str(error).removeprefix('flag ')}") from None
    return list(settings)


def config_path(argv: list[str]) -> str | None:
    """Returns the value of --config on a command line, which must be known before all other flags."""
    values = flags.FlagValues()
    values.set_gnu_getopt()
    flags.DEFINE_string(CONFIG_FLAG, None, "", flag_values=values)
    with contextlib.suppress(flags.Error):
        values(argv, known_only=True)
    return values[CONFIG_FLAG].value


def exit_status(main: Callable[[], Any]) -> int:
    """Calls main and returns the exit status; prints one message on standard error if main fails."""
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output, such as `head`, has closed it. Python's unwritten output must go somewhere.
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
    """Describes an error in one line; an operating system's error begins with its file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def help_text(command: Command, *, is_full: bool) -> str:
    """Returns the command's docstring, then its own flags and those of its sections: all, or the common ones."""
    own, sections = list(command.own), command.sections
    fields = [field for section in sections for field in dataclasses.fields(section)]
    if is_full:
        groups = {"This command": own} | {
            heading: [flags.FLAGS[field.name] for field in members] for heading, members in by_heading(sections).items()
        }
    else:
        groups = {"Flags": own + [flags.FLAGS[field.name] for field in fields if field.metadata["is_common"]]}
    parts = ["\n".join([heading, *map(flag_help, members)]) for heading, members in groups.items() if members]
    num_more = len(own) + len(fields) - sum(map(len, groups.values()))
    end = [f"--helpfull also shows the other {num_more} flags."] if num_more else []
    return "\n\n".join([command.doc.strip(), *parts, *end])


def by_heading(sections: Sequence[type[Settings]]) -> dict[str, list[dataclasses.Field]]:
    """Groups the fields of sections by the headings of their flags; a section's docstring is its first heading."""
    groups: dict[str, list[dataclasses.Field]] = {}
    for section in sections:
        heading = (section.__doc__ or section.__name__).rstrip(".")
        for field in dataclasses.fields(section):
            heading = field.metadata["heading"] or heading
            groups.setdefault(heading, []).append(field)
    return groups


def flag_help(flag: flags.Flag) -> str:
    """Returns a flag with its default, and its help text wrapped below."""
    default = as_flag(tuple(flag.default) if isinstance(flag.default, list) else flag.default)
    text = textwrap.wrap(" ".join(flag.help.split()), HELP_WIDTH - 8)
    return "\n".join([f"  --{flag.name}={default}", *(f"        {line}" for line in text)])
