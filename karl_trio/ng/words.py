"""The words that keys with a vocabulary take, and the prefixes under which they pass as flags."""

from __future__ import annotations

import re

from attrs import frozen

from .flags import Flag
from .keys import canonical

_ON = ("yes", "true", "1", "enable", "enabled")
_OFF = ("no", "false", "0", "disable", "disabled", "none")
_FORWARD = ("fwd", "fw")
_BACKWARD = ("backwards", "reverse", "back", "bkw", "bk")

_DTMF_MODES = {
    "drop": Flag("Drops DTMF."),
    "silence": Flag("Replaces DTMF by silence."),
    "tone": Flag("Replaces DTMF by a tone."),
    "random": Flag("Replaces DTMF by random digits."),
    "zero": Flag("Replaces DTMF by the digit 0."),
    "dtmf": Flag("Replaces DTMF by the digit that was given."),
    "off": Flag("Lets DTMF pass."),
}

WORDS: dict[str, dict[str, Flag]] = {
    "ice": {
        "remove": Flag("Removes all ICE attributes."),
        "force": Flag("Replaces all ICE attributes by our own."),
        "force-relay": Flag("Adds us as a relay candidate and leaves everything else as it is."),
        "default": Flag("Offers ICE where it was offered to us; the default."),
        "optional": Flag("Adds our candidates with low priority to those that are there."),
        "trickle": Flag("Offers trickle ICE (RFC 8838).", ("trickle-ICE",)),
        "reject": Flag("Rejects ICE when it is offered.", ("ICE-reject",)),
    },
    "ice-lite": {
        "off": Flag("Is a full ICE agent towards both sides.", also=_OFF),
        "forward": Flag("Is an ICE lite agent towards the offer's receiver.", also=("offer", *_FORWARD)),
        "backward": Flag("Is an ICE lite agent towards the offer's sender.", also=("answer", *_BACKWARD)),
        "both": Flag("Is an ICE lite agent towards both sides."),
    },
    "dtls": {
        "off": Flag("Neither offers nor accepts DTLS-SRTP.", also=_OFF),
        "passive": Flag("Waits for the other side to begin the DTLS handshake."),
        "active": Flag("Begins the DTLS handshake."),
    },
    "dtls-reverse": {
        "passive": Flag("Waits for the sender of the offer to begin the DTLS handshake."),
        "active": Flag("Begins the DTLS handshake with the sender of the offer."),
    },
    "sdes": {
        "on": Flag("Offers SDES; the default.", also=_ON),
        "off": Flag("Does not offer SDES.", also=_OFF),
        "no-*": Flag("Leaves this crypto suite out."),
        "only-*": Flag("Offers this crypto suite, and others only if named likewise."),
        "order:*": Flag("Offers these crypto suites first, in this order."),
        "offerer-pref:*": Flag("Answers the offering side with the first of these suites that it has."),
        "nonew": Flag("Offers only crypto suites that were offered to us.", also=("no-new",)),
        "prefer": Flag("Prefers SDES when both SDES and DTLS are offered."),
        "static": Flag("Keeps the crypto suite of before in a later answer."),
        "pad": Flag("Keeps the padding of keys in a=crypto lines."),
        "lifetime": Flag("Adds the lifetime 2^31 to each key."),
        "unencrypted-srtp": Flag("Allows SRTP without encryption."),
        "unencrypted-srtcp": Flag("Allows SRTCP without encryption."),
        "unauthenticated-srtp": Flag("Allows SRTP without authentication."),
        "encrypted-srtp": Flag("Does not take over unencrypted SRTP from the other side."),
        "encrypted-srtcp": Flag("Does not take over unencrypted SRTCP from the other side."),
        "authenticated-srtp": Flag("Does not take over unauthenticated SRTP from the other side."),
    },
    "osrtp": {
        "offer": Flag("Offers SRTP on top of plain RTP (RFC 8643).", also=("offer-rfc",)),
        "offer-legacy": Flag("Offers each media twice, as RTP and as SRTP."),
        "accept": Flag("Accepts opportunistic SRTP of both kinds."),
        "accept-rfc": Flag("Accepts opportunistic SRTP (RFC 8643)."),
        "accept-legacy": Flag("Accepts media that is offered twice, as RTP and as SRTP."),
    },
    "transport-protocol": {
        "rtp/avp": Flag("Plain RTP."),
        "rtp/avpf": Flag("Plain RTP with early feedback (RFC 4585)."),
        "rtp/savp": Flag("SRTP with keys in the SDP."),
        "rtp/savpf": Flag("SRTP with keys in the SDP, and early feedback."),
        "udp/tls/rtp/savp": Flag("SRTP with keys from DTLS."),
        "udp/tls/rtp/savpf": Flag("SRTP with keys from DTLS, and early feedback."),
        "accept": Flag(
            "Passes on the protocol of an answer that differs from its offer.", ("transport-protocol-accept",)
        ),
    },
    "replace": {
        "origin": Flag("Puts our address into the o= line."),
        "origin-full": Flag("Replaces the whole o= line by our own."),
        "session-connection": Flag("Puts our address into the c= line; it always is."),
        "session-name": Flag("Keeps the s= line of the first SDP in all later ones."),
        "username": Flag("Keeps the user name in the o= line of the first SDP in all later ones."),
        "sdp-version": Flag("Raises the version in the o= line whenever the SDP changes, and only then."),
        "force-increment-sdp-ver": Flag("Raises the version in the o= line every time."),
        "zero-address": Flag("Writes our address where the SDP had a zero address for hold."),
    },
    "rtcp-mux": {
        "offer": Flag("Offers RTP and RTCP on one port."),
        "require": Flag("Offers RTP and RTCP on one port and nothing else."),
        "demux": Flag("Accepts one port for RTP and RTCP, and offers two."),
        "accept": Flag("Accepts one port for RTP and RTCP, and offers it on."),
        "reject": Flag("Refuses one port for RTP and RTCP."),
    },
    "bundle": {
        "accept": Flag("Accepts several media on one port."),
        "offer": Flag("Offers several media on one port."),
        "require": Flag("Offers several media on one port and nothing else."),
        "strict": Flag("The same, with port 0 for all media but the first (RFC 9143)."),
        "reject": Flag("Refuses several media on one port."),
    },
    "t38": {
        "decode": Flag("Converts T.38 into audio."),
        "force": Flag("Converts audio into T.38."),
        "stop": Flag("Stops converting."),
        "no-ecm": Flag("Does without error correction."),
        "no-v.17": Flag("Does without V.17."),
        "no-v.27ter": Flag("Does without V.27ter."),
        "no-v.29": Flag("Does without V.29."),
        "no-v.34": Flag("Does without V.34."),
        "no-iaf": Flag("Does without Internet-aware fax."),
        "fec": Flag("Uses forward error correction instead of redundancy."),
    },
    "endpoint-learning": {
        "off": Flag("Sends to the address in the SDP."),
        "immediate": Flag("Learns the address from the first packet."),
        "delayed": Flag("Learns the address three seconds after the last signalling."),
        "heuristic": Flag("Learns the address that fits the SDP best; the default."),
    },
    "address-family": {
        "ip4": Flag("Writes IPv4 addresses.", also=("ipv4",)),
        "ip6": Flag("Writes IPv6 addresses.", also=("ipv6",)),
    },
    "supports": {
        "load limit": Flag("Goes on to the next media proxy when told that this one is full."),
    },
    "all": {
        "all": Flag("Means all legs of the call."),
        "none": Flag("Means the leg that is named; the default."),
        "offer-answer": Flag("Means the flows that came from offer and answer."),
        "except-offer-answer": Flag(
            "Means the flows that did not come from offer and answer.",
            also=("not-offer-answer", "non-offer-answer"),
        ),
        "flows": Flag("Means all flows of the call, one by one."),
    },
    "alias-key": {
        "sdp": Flag("Takes a leg with the same SDP for the same leg."),
        "address": Flag("Takes a leg with the same first address for the same leg.", also=("endpoint",)),
    },
    "sip-message-type": {
        "request": Flag("The SDP came in a SIP request.", also=("sip-request",)),
        "reply": Flag("The SDP came in a SIP reply.", also=("sip-reply", "sip-response", "response")),
    },
    "drop-traffic": {
        "start": Flag("Discards all media of the call."),
        "stop": Flag("No longer discards the media of the call."),
    },
    "media-echo": {
        "blackhole": Flag("Discards the media of both sides.", also=("sinkhole",)),
        "forward": Flag("Sends its own media back to the receiver of this SDP.", also=_FORWARD),
        "backward": Flag("Sends its own media back to the sender of this SDP.", also=_BACKWARD),
        "both": Flag("Sends its own media back to each side."),
    },
    "generate-rtcp": {
        "on": Flag("Consumes RTCP and makes our own.", also=_ON),
        "off": Flag("Passes RTCP on.", also=_OFF),
    },
    "passthrough": {
        "on": Flag("Passes media on without any processing.", also=_ON),
        "off": Flag("Processes media as usual.", also=_OFF),
    },
    "audio-player": {
        "default": Flag("Does what the configuration says."),
        "transcoding": Flag(
            "Plays audio out from our own clock where it is transcoded.", also=("on", "transcode", *_ON)
        ),
        "off": Flag("Forwards audio as it comes.", also=_OFF),
        "always": Flag("Plays all audio out from our own clock.", also=("force", "forced", "everything")),
    },
    "record-call": {
        "on": Flag("Records the call.", also=_ON),
        "off": Flag("Does not record the call.", also=_OFF),
    },
    "dry-run": {
        "on": Flag("Answers with the rewritten SDP and changes nothing.", also=_ON),
        "off": Flag("Does what was asked for.", also=_OFF),
    },
    "dtmf-security": _DTMF_MODES,
    "dtmf-security-trigger": _DTMF_MODES,
    "dtmf-security-trigger-end": _DTMF_MODES,
}

NAMES: dict[str, dict[str, str]] = {
    key: {canonical(spelling): word for word, flag in words.items() for spelling in (word, *flag.also)}
    for key, words in WORDS.items()
}
"""For every key with a vocabulary, the word for each canonical spelling."""

CODEC_OPERATIONS: dict[str, str] = {
    "strip": "Removes this codec (all: every codec) as if it had never been offered.",
    "offer": "Offers this codec if it is there, in this order.",
    "except": "Keeps this codec while all others are stripped or masked.",
    "ignore": "Takes no notice of this codec in the SDP that came.",
    "mask": "Does not offer this codec on; a transcoder would still accept it.",
    "accept": "Offers this codec on as it is; a transcoder would accept it even if the other side does not.",
    "consume": "Does not offer this codec on, as `mask`.",
    "set": "Sets options, such as the bitrate, that a transcoder would use for this codec.",
    "transcode": "Offers this codec on if it was offered; any other is refused while there is no transcoder.",
}
"""The lists within the key `codec`."""

EXTENSION_OPERATIONS: dict[str, str] = {
    "strip": "Removes this header extension (all: every one) from the SDP and from the packets.",
    "mask": "Does not offer this header extension on, but accepts it and removes it from the packets.",
}
"""The lists within the key `extmap`."""


@frozen
class Family:
    """Flags that share a prefix and pass the rest to a key."""

    key: str
    operation: str | None = None


FAMILIES: dict[str, Family] = {
    **{f"codec-{operation}": Family("codec", operation) for operation in CODEC_OPERATIONS},
    "transcode": Family("codec", "transcode"),
    "sdes": Family("sdes"),
    "osrtp": Family("osrtp"),
    "replace": Family("replace"),
    "rtcp-mux": Family("rtcp-mux"),
    "bundle": Family("bundle"),
    "t38": Family("t38"),
    "t.38": Family("t38"),
    "endpoint-learning": Family("endpoint-learning"),
    "from-tags": Family("from-tags"),
    **{f"sdp-attr-{command}": Family("sdp-attr", command) for command in ("add", "remove", "substitute")},
}

FAMILY = re.compile(
    "({})[-=_ ](.+)".format("|".join(re.escape(name).replace(r"\-", "[-_ ]") for name in FAMILIES)),
    re.IGNORECASE | re.DOTALL,
)
"""A flag of such a family, and what comes after the prefix."""


def prefix_of(key: str, spelling: str) -> str | None:
    """Return the word ending in ``*`` that fits, without the star: ``no-`` for ``no-NULL_HMAC_SHA1_80``."""
    name = canonical(spelling)
    for word in WORDS[key]:
        if word.endswith("*") and name.startswith(word[:-1]) and len(name) >= len(word):
            return word[:-1]
    return None
