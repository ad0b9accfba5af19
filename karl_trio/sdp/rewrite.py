"""Writing the SDP that one side gets, from the one that the other side sent.

Nothing is edited in place: the description is written anew, section by section. A section is a
tuple of stages, each of which appends its lines, so the order of the stages is the order of the
output, and what a later feature writes is one more stage, or one more field that a stage looks at.

Attributes that stages write from the model are *consumed*; all others are copied in their order.
There is no session-level c= in the output, every line ends in CRLF, and k=, r= and z= are gone.
What a request changes of the text itself is done to each section last of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from karl_trio.endpoint import family_of
from karl_trio.errors import InvalidSdp

from .addresses import zero_address
from .attributes import CONSUMED, CONSUMED_BUT_DIRECTION, ICE_ATTRIBUTES, RTCP_ATTRIBUTES, SECURITY_ATTRIBUTES
from .changes import MediaChanges, SessionChanges
from .codecs import STATIC_ENCODINGS, by_payload_type, parse_encoding
from .description import MAX_LENGTH, Description
from .section import BANDWIDTH_TYPES, Fields, MediaSection, bandwidths

__all__ = ["MediaChanges", "SessionChanges", "rewrite"]


Lines = list[str]
SessionStage = Callable[[Description, SessionChanges, Lines], None]
MediaStage = Callable[[MediaSection, MediaChanges, Lines], None]


def rewrite(description: Description, session: SessionChanges, media: Sequence[MediaChanges]) -> str:
    """Write the SDP for the other side.

    Args:
        description: what the sender wrote.
        session: the changes in the session section.
        media: the changes in each media section, as many as there are.

    Raises:
        InvalidSdp: it would become longer than any SDP may be, which only one made for that does:
            what is said once for the session is written into each media.
    """
    lines: Lines = []
    for session_stage in SESSION_STAGES:
        session_stage(description, session, lines)
    if session.attributes is not None:
        lines[:] = session.attributes.apply(lines)
    for section, changes in zip(description.media, media, strict=True):
        start = len(lines)
        for media_stage in _stages(section, changes):
            media_stage(section, changes, lines)
        if changes.attributes is not None:
            lines[start:] = changes.attributes.apply(lines[start:])
    lines.append("")
    text = "\r\n".join(lines)
    if len(text) > MAX_LENGTH:
        raise InvalidSdp(f"{len(text)} characters long when rewritten")
    return text


def _stages(section: MediaSection, changes: MediaChanges) -> tuple[MediaStage, ...]:
    if changes.untouched:
        return UNTOUCHED_STAGES
    if not changes.port and not changes.is_bundle_only:
        return REJECTED_STAGES
    return RTP_STAGES if section.is_rtp else PASSED_STAGES


def _copy_fields(letters: str, fields: Fields, lines: Lines) -> None:
    for letter in letters:
        for value in fields.get(letter, ()):
            lines.append(f"{letter}={value}")


def _copy_bandwidths(fields: Fields, lines: Lines) -> None:
    if "b" in fields:
        amounts = bandwidths(fields)
        lines.extend(f"b={kind}:{amounts[kind]}" for kind in BANDWIDTH_TYPES if kind in amounts)


# Session stages.


def _origin(description: Description, changes: SessionChanges, lines: Lines) -> None:
    origin = description.origin
    username = origin.username if changes.origin_username is None else changes.origin_username
    session_id = origin.session_id if changes.origin_session_id is None else changes.origin_session_id
    version = origin.version_text if changes.origin_version is None else changes.origin_version
    family, address = origin.family, origin.address
    if changes.origin_address is not None:
        family, address = family_of(changes.origin_address), changes.origin_address
    lines.append("v=0")
    lines.append(f"o={username} {session_id} {version} IN {family} {address}")


def _session_name(description: Description, changes: SessionChanges, lines: Lines) -> None:
    lines.append(f"s={description.name if changes.session_name is None else changes.session_name}")


def _session_information(description: Description, _changes: SessionChanges, lines: Lines) -> None:
    _copy_fields("iuep", description.fields, lines)


def _session_bandwidth(description: Description, _changes: SessionChanges, lines: Lines) -> None:
    _copy_bandwidths(description.fields, lines)


def _timing(description: Description, _changes: SessionChanges, lines: Lines) -> None:
    lines.extend(f"t={value}" for value in description.fields.get("t", ("0 0",)))


def _loop_mark(_description: Description, changes: SessionChanges, lines: Lines) -> None:
    if changes.loop_mark is not None:
        lines.append(f"a=rtpengine:{changes.loop_mark}")


def _bundle(_description: Description, changes: SessionChanges, lines: Lines) -> None:
    if changes.bundle:
        lines.append(f"a=group:BUNDLE {' '.join(changes.bundle)}")


def _session_attributes(description: Description, _changes: SessionChanges, lines: Lines) -> None:
    lines.extend([line for name, line in description.attributes.entries if name not in CONSUMED])


SESSION_STAGES: tuple[SessionStage, ...] = (
    _origin,
    _session_name,
    _session_information,
    _session_bandwidth,
    _timing,
    _loop_mark,
    _bundle,
    _session_attributes,
)


# Media stages.


def _media_line(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    formats = section.formats if changes.formats is None else changes.formats
    lines.append(_media_value(section, str(changes.port), changes.protocol, formats))


def _rejected_media_line(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    lines.append(_media_value(section, "0", changes.protocol, section.formats))


def _untouched_media_line(section: MediaSection, _changes: MediaChanges, lines: Lines) -> None:
    port = str(section.port) if section.port_count == 1 else f"{section.port}/{section.port_count}"
    lines.append(_media_value(section, port, section.protocol, section.formats))


def _media_value(section: MediaSection, port: str, protocol: str | None, formats: Sequence[str]) -> str:
    # The grammar wants a format even where none is left.
    return f"m={section.kind} {port} {protocol or section.protocol} {' '.join(formats) or '0'}"


def _information(section: MediaSection, _changes: MediaChanges, lines: Lines) -> None:
    _copy_fields("i", section.fields, lines)


def _connection(_section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    family = family_of(changes.address)
    address = zero_address(family) if changes.on_hold else changes.address
    lines.append(f"c=IN {family} {address}")


def _zero_connection(_section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    family = family_of(changes.address)
    lines.append(f"c=IN {family} {zero_address(family)}")


def _untouched_connection(section: MediaSection, _changes: MediaChanges, lines: Lines) -> None:
    if section.address is not None:
        lines.append(f"c=IN {family_of(section.address)} {section.address}")


def _bandwidth(section: MediaSection, _changes: MediaChanges, lines: Lines) -> None:
    _copy_bandwidths(section.fields, lines)


def _identification(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    mid = section.mid if changes.mid is None else changes.mid
    if mid:
        lines.append(f"a=mid:{mid}")
    lines.extend(f"a=label:{label}" for label in section.attributes.every("label"))
    if changes.is_bundle_only:
        lines.append("a=bundle-only")


def _codecs(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    attributes = section.attributes
    rtpmaps = by_payload_type(attributes.every("rtpmap"))
    fmtps = by_payload_type(attributes.every("fmtp"))
    feedbacks = by_payload_type(attributes.every("rtcp-fb"))
    for payload_type in section.formats if changes.formats is None else changes.formats:
        encoding = rtpmaps[payload_type][0] if payload_type in rtpmaps else None
        if encoding is None or parse_encoding(encoding) is None:
            encoding = STATIC_ENCODINGS.get(payload_type)
        if encoding is not None:
            lines.append(f"a=rtpmap:{payload_type} {encoding}")
        if payload_type in fmtps:
            lines.extend([f"a=fmtp:{payload_type} {value}" for value in fmtps[payload_type]])
        if payload_type in feedbacks:
            lines.extend([f"a=rtcp-fb:{payload_type} {value}" for value in feedbacks[payload_type]])
    if "*" in feedbacks:  # for every payload type (RFC 4585, 4.2)
        lines.extend([f"a=rtcp-fb:* {value}" for value in feedbacks["*"]])


def _extensions(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    extensions = section.extensions if changes.extensions is None else changes.extensions
    is_mixed = "extmap-allow-mixed" in section.attributes or "extmap-allow-mixed" in section.session
    if is_mixed and (extensions or changes.extensions is None):
        lines.append("a=extmap-allow-mixed")
    lines.extend([f"a=extmap:{extension}" for extension in extensions])


def _other_attributes(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    consumed = CONSUMED_BUT_DIRECTION if changes.keep_direction else CONSUMED
    lines.extend([line for name, line in section.attributes.entries if name not in consumed])


def _direction(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    if not changes.keep_direction:
        direction = section.effective_direction if changes.direction is None else changes.direction
        lines.append(f"a={direction.value}")
    elif section.attributes.direction is None and section.session.direction is not None:
        # It was said once for all media; the others may have been changed, so it is said here.
        lines.append(f"a={section.session.direction.value}")


def _rtcp(_section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    if changes.rtcp_port is not None:
        address = changes.rtcp_address
        full = "" if address is None else f" IN {family_of(address)} {address}"
        lines.append(f"a=rtcp:{changes.rtcp_port}{full}")
    if changes.rtcp_mux:
        lines.append("a=rtcp-mux")


def _security(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    if not changes.keep_security:
        return
    for name in SECURITY_ATTRIBUTES:
        values = section.attributes.every(name) or section.session.every(name)
        lines.extend(f"a={name}:{value}" for value in values)


def _packet_times(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    ptime = section.attributes.first("ptime") if changes.ptime is None else changes.ptime
    if ptime is not None:
        lines.append(f"a=ptime:{ptime}")
    maxptime = section.attributes.first("maxptime")
    if maxptime is not None:
        lines.append(f"a=maxptime:{maxptime}")


def _passed_attributes(section: MediaSection, changes: MediaChanges, lines: Lines) -> None:
    # We relay what is not RTP without a look inside, so all that the two sides tell each other
    # about it holds, except for where to send it.
    dropped = ICE_ATTRIBUTES | RTCP_ATTRIBUTES
    if changes.mid is not None:
        dropped |= {"mid"}
    if changes.mid:
        lines.append(f"a=mid:{changes.mid}")
    lines.extend([line for name, line in section.attributes.entries if name not in dropped])


def _untouched_attributes(section: MediaSection, _changes: MediaChanges, lines: Lines) -> None:
    lines.extend([line for _, line in section.attributes.entries])


def _inherited_attributes(section: MediaSection, _changes: MediaChanges, lines: Lines) -> None:
    # The session section loses these, because the media that we understand have their own by now.
    own, session = section.attributes, section.session
    for name in SECURITY_ATTRIBUTES:
        if name not in own:
            lines.extend(f"a={name}:{value}" for value in session.every(name))
    if own.direction is None and session.direction is not None:
        lines.append(f"a={session.direction.value}")


RTP_STAGES: tuple[MediaStage, ...] = (
    _media_line,
    _information,
    _connection,
    _bandwidth,
    _identification,
    _codecs,
    _extensions,
    _other_attributes,
    _direction,
    _rtcp,
    _security,
    _packet_times,
)

REJECTED_STAGES: tuple[MediaStage, ...] = (
    _rejected_media_line,
    _information,
    _zero_connection,
    _bandwidth,
    _identification,
)

PASSED_STAGES: tuple[MediaStage, ...] = (
    _media_line,
    _information,
    _connection,
    _bandwidth,
    _passed_attributes,
    _inherited_attributes,
)
"""For media that is not RTP: fax, data channels, shared desks."""

UNTOUCHED_STAGES: tuple[MediaStage, ...] = (
    _untouched_media_line,
    _information,
    _untouched_connection,
    _bandwidth,
    _untouched_attributes,
    _inherited_attributes,
)
