"""One request under its canonical names, whatever way it was written in.

The same thing can be said in many ways: as a key of its own, in any spelling; as an entry of
`flags`, with an equals sign or a prefix; or within the string `rtpp-flags`. All of them come
together here, guided by the tables in `keys`, `flags` and `words`. Nothing unknown is an error, for SIP
proxies and media proxies are not upgraded on the same day: it is left out, with a warning that says what may
have been meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define, field

from karl_trio.errors import InvalidParameters, Malformed

from . import rtpp_flags
from .flags import BARE_TRANSPORTS, FLAGS, SET, TRANSPORTS
from .flags import NAMES as FLAG_NAMES
from .keys import KEYS, Kind, canonical
from .keys import NAMES as KEY_NAMES
from .nearest import nearest, quoted
from .values import Value
from .words import CODEC_OPERATIONS, EXTENSION_OPERATIONS, FAMILIES, FAMILY, WORDS, prefix_of
from .words import NAMES as WORD_NAMES

MAX_WARNINGS = 8
"""Warnings for one request: enough to see what is wrong, and looking for the nearest name takes up to a
millisecond each."""

_KNOWN = (*KEYS, *FLAGS, *FAMILIES)
_TRUE = frozenset({"", "yes", "on", "true", "1", "enable", "enabled"})
_FALSE = frozenset({"no", "off", "false", "0", "disable", "disabled", "none"})

_NOT_IN_RTPP_FLAGS = frozenset({"command", "rtpp-flags"})
_NOT_IN_FLAGS = _NOT_IN_RTPP_FLAGS | {"flags"}
# Keys that cannot be set from within there: both belong to one command, and flags hold no other flags.

_RTPP_IMPLIES = {"to-tag": "to-tag", "from-tag": "directional"}
# Flags that these keys bring with them within `rtpp-flags`, but not elsewhere.


DEFAULT_TEMPLATE = "default"
"""The template that is applied to every request."""

NO_TEMPLATES: Mapping[str, str] = {}


@define
class Parameters:
    """What a request says.

    Attributes:
        values: by canonical key; lists of strings where the key holds several.
        flags: canonical names of flags that are no value of a key.
        warnings: one line on everything that was not understood.
        templates: the templates that there are.
        has_rtpp_flags: there was a string `rtpp-flags`.
    """

    values: dict[str, object] = field(factory=dict)
    flags: set[str] = field(factory=set)
    warnings: list[str] = field(factory=list)
    templates: Mapping[str, str] = NO_TEMPLATES
    has_rtpp_flags: bool = field(default=False, eq=False)
    _transport: frozenset[str] = frozenset()

    def key(self, spelling: str, value: Value) -> None:
        """Take in one key.

        Raises:
            InvalidParameters: the value is of the wrong type for the key.
        """
        name = canonical(spelling)
        name = KEY_NAMES.get(name, name)
        if name in KEYS:
            _TAKE[KEYS[name].kind](self, name, value)
        elif name in FLAG_NAMES:
            self._flag_as_key(name, value)
        elif name in FAMILIES:
            for item in _strings(name, value):
                self._family(name, item)
        elif FAMILY.fullmatch(spelling) and _joined(spelling, value) in _TRUE:
            self.entry(spelling)
        else:
            self._unknown("key", spelling, _KNOWN)

    def entry(self, text: str) -> None:
        """Take in one entry of `flags`.

        Raises:
            InvalidParameters: as for `key`.
        """
        flag = SET.get(text)
        if flag is not None:
            self.flags.add(flag)
            return
        name = canonical(text)
        key, equals, value = text.partition("=")
        if name in FLAG_NAMES:
            self._flag(name)
        elif name in BARE_TRANSPORTS:
            self._bare_transport(name)
        elif match := FAMILY.fullmatch(text):
            self._family(canonical(match[1]), match[2])
        elif equals and canonical(key) not in _NOT_IN_FLAGS:
            self.key(key, value)
        elif " " in text and not equals:
            for word in text.split():
                self.entry(word)
        else:
            self._unknown("flag", text, _KNOWN)

    def _flag(self, name: str) -> None:
        flag = FLAGS[FLAG_NAMES[name]]
        if not flag.stands_for:
            self.flags.add(canonical(FLAG_NAMES[name]))
        for entry in flag.stands_for:
            self.entry(entry)

    def _flag_as_key(self, name: str, value: Value) -> None:
        said = _joined(name, value)
        if said in _FALSE:
            self.flags.discard(canonical(FLAG_NAMES[name]))
        elif said in _TRUE or canonical(said) == name:
            self._flag(name)
        else:
            self._warn(f"flag {quoted(FLAG_NAMES[name])} is neither yes nor no: {quoted(said)}")

    def _family(self, prefix: str, rest: str) -> None:
        family = FAMILIES[prefix]
        if family.operation is None:
            _TAKE[KEYS[family.key].kind](self, family.key, [rest])
        elif family.key == "codec":
            self._codec(family.key, {family.operation: [rest]})
        else:
            self._sdp_attr(family.operation, rest)

    def _bare_transport(self, name: str) -> None:
        adds, takes_away = BARE_TRANSPORTS[name]
        self._transport = (self._transport | adds) - takes_away
        self.values["transport-protocol"] = TRANSPORTS[self._transport]

    def _sdp_attr(self, command: str, rest: str) -> None:
        """Take in ``audio-ptime:20``: a section of the SDP and an attribute, escaped as in all flags."""
        section, _, text = rest.partition("-")
        text = text.replace("--", "=").replace("..", " ")
        attribute: Value = [*text.split(">", 1)] if command == "substitute" else text
        # Copies, for the dictionaries may be those of the request.
        sections = dict(_mapping("sdp-attr", self.values.get("sdp-attr", {})))
        commands = _mapping("sdp-attr", sections.get(section.lower(), {}))
        attributes = commands.get(command, [])
        if not isinstance(attributes, list):
            raise InvalidParameters(f"sdp-attr.{section}.{command}: not a list")
        sections[section.lower()] = {**commands, command: [*attributes, attribute]}
        self.values["sdp-attr"] = sections

    # One method for each kind of key

    def _plain(self, name: str, value: Value) -> None:
        self.values[name] = value

    def _word(self, name: str, value: Value) -> None:
        for item in _strings(name, value):
            word = self._known_word(name, item)
            if word is not None:
                self.values[name] = word

    def _words(self, name: str, value: Value) -> None:
        into = self._list(name)
        names = WORD_NAMES[name]
        for item in _strings(name, value):
            word = item if names.get(item) == item else self._known_word(name, item)
            if word is not None:
                into.append(word)

    def _known_word(self, name: str, item: str) -> str | None:
        word = WORD_NAMES[name].get(canonical(item))
        if word is not None:
            stands_for = WORDS[name][word].stands_for
            for entry in stands_for:
                self.entry(entry)
            return None if stands_for else word
        prefix = prefix_of(name, item)
        if prefix is not None:
            # Only names of crypto suites stand behind a prefix.
            return prefix + item[len(prefix) :].upper()
        self._unknown(f"{name} option", item, tuple(WORDS[name]))
        return None

    def _strings(self, name: str, value: Value) -> None:
        self._list(name).extend(_strings(name, value))

    def _codec(self, name: str, value: Value) -> None:
        codec = self.values.setdefault(name, {})
        assert isinstance(codec, dict), "nothing else is put there"
        for spelling, codecs in _mapping(name, value).items():
            operation = canonical(spelling)
            if operation in CODEC_OPERATIONS:
                items = _strings(f"{name}.{operation}", codecs)
                # In a flag, an equals sign would end the name of a key.
                codec.setdefault(operation, []).extend([item.replace("--", "=") for item in items])
            else:
                self._unknown("codec operation", spelling, tuple(CODEC_OPERATIONS))

    def _extensions(self, name: str, value: Value) -> None:
        extensions = self.values.setdefault(name, {})
        assert isinstance(extensions, dict), "nothing else is put there"
        for spelling, uris in _mapping(name, value).items():
            operation = canonical(spelling)
            if operation in EXTENSION_OPERATIONS:
                extensions.setdefault(operation, []).extend(_strings(f"{name}.{operation}", uris))
            else:
                self._unknown("extmap operation", spelling, tuple(EXTENSION_OPERATIONS))

    def _dictionary(self, name: str, value: Value) -> None:
        self.values[name] = _merged(self.values.get(name), _mapping(name, value))

    def _flags(self, name: str, value: Value) -> None:
        for item in _strings(name, value):
            if item:
                self.entry(item)

    def _rtpp_flags(self, name: str, value: Value) -> None:
        self.has_rtpp_flags = self.has_rtpp_flags or name == "rtpp-flags"
        for text in [value] if isinstance(value, str) else _strings(name, value):
            try:
                pieces = rtpp_flags.parse(text)
            except Malformed as error:
                raise InvalidParameters(f"{name}: {error}") from error
            for entry, inner in pieces:
                if inner is None:
                    self.entry(entry)
                elif canonical(entry) in _NOT_IN_RTPP_FLAGS:
                    self._unknown("key", entry, ())
                else:
                    self.key(entry, inner)
                key, equals, _ = entry.partition("=")
                if equals or inner is not None:
                    self.flags.update(_RTPP_IMPLIES.get(canonical(key), "").split())

    def _template(self, name: str, value: Value) -> None:
        for item in _strings(name, value):
            text = self.templates.get(canonical(item))
            if text is None:
                self._unknown("template", item, tuple(self.templates))
            else:
                self.apply_template(text)

    def apply_template(self, text: str) -> None:
        """Take in the entries of a template, which names no other one."""
        templates, self.templates = self.templates, NO_TEMPLATES
        self._rtpp_flags("template", text)
        self.templates = templates

    def _list(self, name: str) -> list[str]:
        into = self.values.setdefault(name, [])
        assert isinstance(into, list), "nothing else is put there"
        return into

    def _unknown(self, what: str, text: str, known: tuple[str, ...]) -> None:
        if len(self.warnings) < MAX_WARNINGS:
            meant = nearest(text, known)
            hint = f", did you mean {quoted(meant)}?" if meant else ""
            self._warn(f"unknown {what} {quoted(text)}{hint}")

    def _warn(self, line: str) -> None:
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(line)


_TAKE: dict[Kind, Callable[[Parameters, str, Value], None]] = {
    Kind.PLAIN: Parameters._plain,
    Kind.WORD: Parameters._word,
    Kind.WORDS: Parameters._words,
    Kind.LIST: Parameters._strings,
    Kind.CODEC: Parameters._codec,
    Kind.EXTENSIONS: Parameters._extensions,
    Kind.DICTIONARY: Parameters._dictionary,
    Kind.FLAGS: Parameters._flags,
    Kind.TEMPLATE: Parameters._template,
    Kind.RTPP_FLAGS: Parameters._rtpp_flags,
}

_SHORT = {
    spelling: (name, None if KEYS[name].kind is Kind.PLAIN else _TAKE[KEYS[name].kind])
    for other, name in KEY_NAMES.items()
    for spelling in (other, other.replace("-", " "), other.upper())
}
# The short way for nearly every key: spellings that need no `canonical`, each with its key and, unless
# the value is taken as it is, the method for it.


def _strings(name: str, value: Value) -> list[str]:
    """Return what a list of strings means, which may also be one string with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    if isinstance(value, int):
        return [str(value)]
    if not isinstance(value, list) or not all(isinstance(item, (str, int)) for item in value):
        raise InvalidParameters(f"{name}: not a list of strings")
    return [str(item) for item in value]


def _joined(name: str, value: Value) -> str:
    return ",".join(_strings(name, value)).lower()


def _mapping(name: str, value: object) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise InvalidParameters(f"{name}: not a dictionary")
    return value


def _merged(before: object, value: Value) -> Value:
    """Return what two values for the same key mean together: of single ones, the later counts."""
    if isinstance(before, dict) and isinstance(value, dict):
        return {**before, **{key: _merged(before.get(key), item) for key, item in value.items()}}
    if isinstance(before, list) and isinstance(value, list):
        return [*before, *value]
    return value


def collect(body: Mapping[str, Value], templates: Mapping[str, str] = NO_TEMPLATES) -> Parameters:
    """Bring a request together under canonical names.

    Args:
        templates: flags by the canonical name of the template. Those called like the command and `default`
            are applied first, for what comes later counts where only one thing can be meant.

    Raises:
        InvalidParameters: a value is of the wrong type; the detail names the key.
    """
    parameters = Parameters(templates=templates)
    values = parameters.values
    if templates:
        for name in (DEFAULT_TEMPLATE, canonical(str(body.get("command", "")))):
            if name in templates:
                parameters.apply_template(templates[name])
    for spelling, value in body.items():
        short = _SHORT.get(spelling)
        if short is None:
            parameters.key(spelling, value)
            continue
        name, take = short
        if take is None:
            values[name] = value
        else:
            take(parameters, name, value)
    return parameters
