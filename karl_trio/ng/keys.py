"""The keys of requests: how they may be spelled, what they hold, and what they mean."""

from __future__ import annotations

from enum import Enum, auto

from attrs import frozen


def canonical(spelling: str) -> str:
    """Return the one spelling of a key or a flag: lower case, with hyphens."""
    return spelling.replace("_", "-").replace(" ", "-").lower()


class Kind(Enum):
    """What a key holds, apart from its type, which the request classes know."""

    PLAIN = auto()
    """One value, taken as it is."""

    WORD = auto()
    """One word of a vocabulary (`words.WORDS`)."""

    WORDS = auto()
    """Several words of a vocabulary: a list, or a string with commas."""

    LIST = auto()
    """Several strings: a list, or a string with commas."""

    CODEC = auto()
    """A dictionary of lists of codecs, one list for each operation."""

    EXTENSIONS = auto()
    """A dictionary of lists of header extensions, one list for each operation."""

    DICTIONARY = auto()
    """A dictionary of the key's own shape."""

    FLAGS = auto()
    """A list of flags, or a string of them with commas or spaces."""

    TEMPLATE = auto()
    """The name of a set of flags in the configuration."""

    RTPP_FLAGS = auto()
    """A whole request in one string (`rtpp_flags`)."""


@frozen
class Key:
    """What there is to know of a key.

    Attributes:
        meaning: one sentence for a person.
        also: other names of the same key, beyond what `canonical` makes equal.
    """

    meaning: str
    kind: Kind = Kind.PLAIN
    also: tuple[str, ...] = ()


_RECORDING_FILE = (
    *("output-file", "output-destination", "output-dest"),
    *("recording-destination", "recording-dest"),
)
_RECORDING_DIR = (
    *("output-dir", "output-directory", "output-path", "output-folder"),
    *("recording-directory", "recording-path", "recording-folder"),
)

KEYS: dict[str, Key] = {
    # The call and its legs
    "command": Key("What is to be done."),
    "call-id": Key("The SIP Call-ID."),
    "from-tag": Key("The From tag of the SIP message that this request comes from."),
    "to-tag": Key("The To tag of that SIP message."),
    "via-branch": Key("The branch of its topmost Via; tells forked calls apart."),
    "sdp": Key("The SDP body to rewrite."),
    "flags": Key("What is to be done differently, one word for each.", Kind.FLAGS),
    "rtpp-flags": Key("Keys and flags of this request in one string.", Kind.RTPP_FLAGS),
    "from-tags": Key("Tags of several legs to select.", Kind.LIST),
    "label": Key("A name of our choice for the leg, or the leg of that name.", also=("from-label",)),
    "set-label": Key("A name for the leg, where `label` selects one."),
    "to-label": Key("The other leg, by its label."),
    "address": Key("The leg with this address in its SDP."),
    "all": Key("Which legs or flows of the call are meant.", Kind.WORD),
    "alias-key": Key("What makes an unknown from-tag another name of a known leg.", Kind.WORD),
    "to-call-id": Key("The call to connect this one with."),
    "source-tag": Key("The leg whose media is injected."),
    "source-call-id": Key("The call whose media is injected."),
    "sip-message-type": Key("Whether the SIP message was a request or a reply.", Kind.WORD),
    "sip-code": Key("The status code of the SIP reply.", also=("sip-response-code",)),
    "supports": Key("What the SIP proxy understands beyond the first protocol.", Kind.WORDS),
    "template": Key("A named set of flags from the configuration.", Kind.TEMPLATE),
    "instance": Key("The identity of the SIP proxy's media proxy set entry."),
    "dry-run": Key("Answers with the rewritten SDP and changes nothing.", Kind.WORD),
    "limit": Key("How many calls to list at most; 32 if absent."),
    "body": Key("A command line."),
    "metadata": Key("Free text that is kept with the call and its recordings."),
    "xmlrpc-callback": Key("The address to tell when the call times out."),
    # SDP
    "replace": Key("Which parts of the SDP become ours.", Kind.WORDS),
    "sdp-attr": Key("Attribute lines to add, remove or substitute.", Kind.DICTIONARY),
    "sdp-media-remove": Key("Kinds of media to remove from the SDP.", Kind.LIST),
    "extmap": Key("RTP header extensions to strip or mask.", Kind.EXTENSIONS),
    "bundle": Key("How several media share a port (RFC 9143).", Kind.WORDS),
    "rtcp-mux": Key("How RTP and RTCP share a port (RFC 5761).", Kind.WORDS),
    "transport-protocol": Key("The transport protocol of the outgoing SDP.", Kind.WORD),
    "codec": Key("Codecs to strip, offer, mask, transcode and so on.", Kind.CODEC),
    "ptime": Key("Milliseconds of audio in a packet towards the receiver of the offer."),
    "ptime-reverse": Key("The same towards the sender of the offer.", also=("reverse-ptime",)),
    "t38": Key("How fax is converted between T.38 and audio.", Kind.WORDS, also=("t.38",)),
    "t38-version": Key("The T.38 version to offer.", also=("t.38-version",)),
    # Addresses
    "direction": Key("The interfaces towards the sender and the receiver of this SDP.", Kind.LIST),
    "from-interface": Key("The interface towards the sender of this SDP."),
    "to-interface": Key("The interface towards the receiver of this SDP."),
    "interface": Key("The interface, where there is one side only."),
    "address-family": Key("IP4 or IP6 in the outgoing SDP.", Kind.WORD),
    "media-address": Key("The address to write into the outgoing SDP."),
    "received-from": Key("The address that the SIP message came from."),
    "inbound-peer": Key("The address whose route tells the interface towards the sender."),
    "outbound-peer": Key("The address whose route tells the interface towards the receiver."),
    "peer": Key("The same, where there is one side only."),
    # Encryption and ICE
    "ice": Key("Whether and how ICE is offered (RFC 8445).", Kind.WORD),
    "ice-lite": Key("Towards whom we are an ICE lite agent.", Kind.WORD),
    "dtls": Key("Whether and how DTLS-SRTP is used (RFC 5764).", Kind.WORD),
    "dtls-reverse": Key("Our DTLS role towards the sender of the offer.", Kind.WORD),
    "dtls-fingerprint": Key("The hash of the certificate fingerprint."),
    "sdes": Key("Which SDES crypto suites and parameters are offered (RFC 4568).", Kind.WORDS),
    "osrtp": Key("How opportunistic SRTP is offered and accepted (RFC 8643).", Kind.WORDS),
    # Media
    "endpoint-learning": Key("How the address that media really comes from is learned.", Kind.WORD),
    "tos": Key("The type-of-service byte of outgoing packets, 0 to 255."),
    "media-timeout": Key("Seconds without media after which the call ends."),
    "delete-delay": Key("Seconds between the delete and the end of the call."),
    "drop-traffic": Key("Discards all media of the call, or no longer.", Kind.WORDS),
    "media-echo": Key("Sends media back to where it came from.", Kind.WORD),
    "generate-rtcp": Key("Consumes RTCP and makes our own.", Kind.WORD),
    "passthrough": Key("Passes media on without any processing.", Kind.WORD, also=("passthru",)),
    "audio-player": Key("Plays all audio out from our own clock.", Kind.WORD, also=("player",)),
    "delay-buffer": Key("Milliseconds by which all audio is delayed."),
    # Recording
    "record-call": Key("Records the call.", Kind.WORD),
    "recording-file": Key("The file to record into.", also=_RECORDING_FILE),
    "recording-dir": Key("The directory to record into.", also=_RECORDING_DIR),
    "recording-pattern": Key("The pattern of the recording's file name.", also=("output-pattern",)),
    "recording-media-slots": Key("How many media slots the recording has."),
    "recording-media-slot-offer": Key("The slot of the offering side in the recording."),
    "recording-media-slot-answer": Key("The slot of the answering side in the recording."),
    **{
        f"vsc-{action}-rec": Key(f"The DTMF code to {action.replace('-', ' or ')} recording.")
        for action in ("start", "stop", "pause", "start-stop", "pause-resume", "start-pause-resume")
    },
    # Playback and DTMF
    "file": Key("The media file to play."),
    "blob": Key("The media to play, in the request itself."),
    "blob64": Key("The media to play, in the request itself, as base64."),
    "db-id": Key("The media to play, by its number in the database."),
    "repeat-times": Key("How often to play it."),
    "repeat-duration": Key("Milliseconds after which to stop repeating it."),
    "start-pos": Key("Where in the file to start."),
    "moh": Key("What a leg on hold hears.", Kind.DICTIONARY, also=("music-on-hold",)),
    "dtmf": Key("DTMF digits to send."),
    "code": Key("One DTMF digit, as a character or a number from 0 to 15.", also=("digit",)),
    "duration": Key("Milliseconds that a DTMF digit lasts."),
    "pause": Key("Milliseconds between DTMF digits; with `stop recording`, yes pauses it."),
    "volume": Key("The volume of a tone in negative decibels."),
    "frequencies": Key("The frequencies of replacement tones in hertz.", Kind.LIST, also=("frequency",)),
    "dtmf-security": Key("What becomes of DTMF while it is blocked.", Kind.WORD),
    "dtmf-security-trigger": Key("The same after the trigger.", Kind.WORD),
    "dtmf-security-trigger-end": Key("The same after the end trigger.", Kind.WORD),
    "dtmf-delay": Key("Milliseconds by which DTMF is delayed."),
    "dtmf-log-dest": Key("Where to report DTMF digits to.", also=("dtmf-log-destination",)),
    "trigger": Key("The DTMF digits that start blocking."),
    "trigger-end": Key("The DTMF digits that end blocking.", also=("end-trigger",)),
    "trigger-end-time": Key("Milliseconds after which blocking ends."),
    "trigger-end-digits": Key("How many DTMF digits end blocking."),
    # Parties other than by offer and answer
    "medias": Key("The media of an SDP that we make."),
    "media": Key("The media to transform."),
    "calls": Key("The calls to mesh.", Kind.LIST),
    "tags": Key("Which legs of a mesh hear which."),
}

NAMES: dict[str, str] = {
    **{name: name for name in KEYS},
    **{other: name for name, key in KEYS.items() for other in key.also},
}
"""The key for every canonical spelling, aliases included."""
