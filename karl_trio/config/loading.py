"""Reading settings: a TOML file, overridden by the environment, overridden by the command line.

Every fault is told at once, each in one line that begins with the setting's path. Types are
strict, since the converters of cattrs would otherwise take the text "false" for True.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from attrs import frozen
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError

from karl_trio.errors import ConfigError
from karl_trio.escaping import escape

from .checks import Fault, check
from .interfaces import spell_section
from .settings import LogLevel, Settings, option_name

ENVIRONMENT_PREFIX = "KARL_TRIO_"

_SECTION_PREFIX = "interface-"

_BOOLEANS = {
    "yes": True,
    "true": True,
    "on": True,
    "1": True,
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}

_SYSLOG_LEVELS: dict[str, LogLevel] = {
    **dict.fromkeys("012", "critical"),
    "3": "error",
    "4": "warning",
    **dict.fromkeys("56", "info"),
    "7": "debug",
}
"""What the numbers of rtpengine's log-level mean (RFC 5424, 6.2.1)."""

_TYPES: dict[str, Any] = get_type_hints(Settings)


@frozen
class _Given:
    """A value as it was given.

    Attributes:
        origin: what a message has to say about where, when the path alone would mislead.
    """

    value: object
    origin: str = ""


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings that hold.

    Args:
        path: the TOML file, or None to do without one.
        environ: environment variables. KARL_TRIO_PORT_MIN is port-min, and so on; empty ones count
            as absent. Others that begin alike are left alone, since Kubernetes sets such variables
            for any service that is called karl-trio.
        overrides: values by name of the setting; None is as good as absent.

    Raises:
        ConfigError: with one line for each fault.
    """
    given = _from_file(path) if path is not None else {}
    given |= _from_environment(environ or {})
    given |= _from_overrides(overrides or {})
    settings, faults = _structure({name: it.value for name, it in given.items()})
    faulty = {name for fault in faults for name in fault.names}
    # A setting that could not be read fell back to its default, so checks of it would mislead.
    faults += [fault for fault in check(settings) if faulty.isdisjoint(fault.names)]
    if faults:
        raise ConfigError([_line(fault, given) for fault in faults])
    return settings


def _line(fault: Fault, given: Mapping[str, _Given]) -> str:
    origins = "".join(given[name].origin for name in fault.names if name in given)
    return escape(f"{option_name(fault.names[0])}: {fault.what}{origins}")


def _from_file(path: Path) -> dict[str, _Given]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text, at byte {error.start}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {error}"]) from None
    given: dict[str, _Given] = {}
    named = table.get("templates")
    if isinstance(named, str) and isinstance(table.get(named), dict):
        # rtpengine's way: the name of the section that has them.
        table["templates"] = table.pop(named)
    sections = {key: table.pop(key) for key in list(table) if _is_section(key, table[key])}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name in given:
            raise ConfigError(
                [f"{option_name(name)}: given twice, once with hyphens and once with underscores"]
            )
        given[name] = _Given(value)
    if "templates" in given and isinstance(given["templates"].value, dict):
        given["templates"] = _from_table(given["templates"].value)
    if sections:
        given["interface"] = _with_sections(given.get("interface"), sections)
    return given


def _from_table(table: Mapping[str, object]) -> _Given:
    """Write the table [templates] of a file as one line for each."""
    for name, flags in table.items():
        if not isinstance(flags, str):
            raise ConfigError([escape(f"templates: '{name}': {_expected('text', flags)}")])
        if "=" in name:
            raise ConfigError([escape(f"templates: '{name}': no name of a template")])
    return _Given([f"{name}={flags}" for name, flags in table.items()])


def _is_section(key: str, value: object) -> bool:
    return isinstance(value, dict) and key.replace("_", "-").startswith(_SECTION_PREFIX)


def _with_sections(given: _Given | None, sections: Mapping[str, Mapping[str, object]]) -> _Given:
    """Add the tables [interface-...] of a file to the interfaces that stand in one line."""
    try:
        texts = [] if given is None else list(_texts(given.value, None))
    except TypeError as error:
        raise ConfigError([f"interface: {error}"]) from None
    faults = []
    for key, section in sections.items():
        try:
            texts.append(spell_section(key[len(_SECTION_PREFIX) :], section))
        except ValueError as error:
            faults.append(escape(f"{key}: {error}"))
    if faults:
        raise ConfigError(faults)
    return _Given(texts)


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    given = {}
    for name in _TYPES:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if text := environ.get(variable):
            given[name] = _Given(_from_text(name, text), f" (from {variable})")
    return given


def _from_overrides(overrides: Mapping[str, object]) -> dict[str, _Given]:
    return {
        name: _Given(_from_text(name, value) if isinstance(value, str) else value)
        for name, value in overrides.items()
        if value is not None
    }


def _from_text(name: str, text: str) -> object:
    """Turn text into what the setting's type wants, or leave it for the strict hooks to refuse."""
    wanted = _TYPES.get(name)
    try:
        if wanted is bool:
            return _BOOLEANS.get(text.strip().lower(), text)
        if wanted is int or wanted is float:
            return wanted(text)
    except ValueError:
        pass
    return text


def _structure(raw: Mapping[str, object]) -> tuple[Settings, list[Fault]]:
    try:
        return _converter.structure(raw, Settings), []
    except ClassValidationError as error:
        faults = list(_faults(error))
    faulty = {name for fault in faults for name in fault.names}
    usable = {name: value for name, value in raw.items() if name not in faulty}
    return _converter.structure(usable, Settings), faults


def _faults(error: ClassValidationError) -> Iterator[Fault]:
    of_settings, of_the_whole = error.group_exceptions()
    for problem, note in of_settings:
        yield Fault((note.name,), str(problem))
    for problem in of_the_whole:
        assert isinstance(problem, ForbiddenExtraKeysError)
        for name in sorted(problem.extra_fields):
            close = difflib.get_close_matches(name, _TYPES, n=1)
            hint = f", did you mean {option_name(close[0])}?" if close else ""
            yield Fault((name,), f"unknown setting{hint}")


def _expected(what: str, value: object) -> TypeError:
    return TypeError(f"expected {what}, got {json.dumps(value, default=str)}")


def _text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise _expected("text", value)
    return value


def _whole(value: object, _: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _expected("a whole number", value)
    return value


def _number(value: object, _: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _expected("a number", value)
    return float(value)


def _truth(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise _expected("true or false", value)
    return value


def _texts(value: object, _: object) -> tuple[str, ...]:
    if isinstance(value, str):
        # rtpengine's configuration repeats a value with semicolons.
        value = [part for part in value.replace(",", ";").split(";") if part.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise _expected("text or a list of texts", value)
    return tuple(part.strip() for part in value)


def _choice(value: object, wanted: Any) -> str:
    choices = get_args(wanted)
    if isinstance(value, str) and value.strip().lower() in choices:
        return value.strip().lower()
    raise _expected(f"one of {', '.join(choices)}", value)


def _log_level(value: object, wanted: Any) -> str:
    digit = str(value)
    if digit in _SYSLOG_LEVELS:
        return _SYSLOG_LEVELS[digit]
    return _choice(value, wanted)


def _is_choice(wanted: Any) -> bool:
    return get_origin(wanted) is Literal


_converter = Converter(forbid_extra_keys=True)
_converter.register_structure_hook(str, _text)
_converter.register_structure_hook(int, _whole)
_converter.register_structure_hook(float, _number)
_converter.register_structure_hook(bool, _truth)
_converter.register_structure_hook_func(lambda wanted: wanted == tuple[str, ...], _texts)
_converter.register_structure_hook_func(_is_choice, _choice)
_converter.register_structure_hook_func(lambda wanted: wanted == LogLevel, _log_level)
