"""Everything that can go wrong, and what each of it says on the wire."""

from __future__ import annotations

from typing import ClassVar


class Malformed(ValueError):
    """Bytes from the network that are not what they should be; the one exception of every parser.

    Attributes:
        what: what is wrong, for a person.
        offset: where, in bytes (or characters, for text) from the start of what was parsed.
    """

    def __init__(self, what: str, offset: int = 0) -> None:
        super().__init__(f"{what} at offset {offset}")
        self.what = what
        self.offset = offset


class ConfigError(Exception):
    """Settings that cannot be used.

    Attributes:
        problems: one line for each fault, beginning with the path of the setting.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class NgError(Exception):
    """A request that is answered with an error instead of a result.

    Each subclass is one documented ``error-reason``. SIP proxies match on it, so it never varies;
    the detail is for our log.
    """

    reason: ClassVar[str] = "Internal error"

    def __init__(self, detail: str = "") -> None:
        super().__init__(f"{self.reason}: {detail}" if detail else self.reason)
        self.detail = detail

    def as_reply(self) -> dict[str, str]:
        """Return the reply that tells the client of this error."""
        return {"result": "error", "error-reason": self.reason}


class UnknownCall(NgError):
    reason = "Unknown call-id"


class InvalidSdp(NgError):
    reason = "Invalid SDP"


class InvalidParameters(NgError):
    reason = "Invalid parameters"


class InvalidSessionState(NgError):
    reason = "Invalid session state"


class CodecNegotiationFailed(NgError):
    reason = "Codec negotiation failed"


class UnrecognizedCommand(NgError):
    reason = "Unrecognized command"


class NotSupported(NgError):
    """A documented request that this version cannot carry out; never answered with an empty ok."""

    reason = "Not supported"

    def as_reply(self) -> dict[str, str]:
        return super().as_reply() | ({"warning": self.detail} if self.detail else {})


class ParseError(NgError):
    """A request that could not be decoded; here, and only here, the reason carries the detail."""

    reason = "Parse error"

    def as_reply(self) -> dict[str, str]:
        return {"result": "error", "error-reason": f"{self.reason}: {self.detail}"}


class CapacityError(NgError):
    """No room for a new call; worded so that each kind of SIP proxy tries its next media proxy.

    Attributes:
        opensips_reason: the text that OpenSIPS matches to fail over (it sends `received-from`
            and not `supports`).
    """

    opensips_reason: ClassVar[str]

    def as_reply(
        self, *, supports_load_limit: bool = False, has_received_from: bool = False
    ) -> dict[str, str]:
        """Return the reply for the dialect that the request was written in."""
        if supports_load_limit:
            return {"result": "load limit", "message": self.opensips_reason}
        if has_received_from:
            return {"result": "error", "error-reason": self.opensips_reason}
        return {"result": "error", "error-reason": self.reason}


class SessionLimitReached(CapacityError):
    reason = "Session limit reached"
    opensips_reason = "Parallel session limit reached"


class OutOfPorts(CapacityError):
    reason = "Port allocation failed"
    opensips_reason = "Ran out of ports"


class Overloaded(CapacityError):
    reason = "Load limit exceeded"
    opensips_reason = "Load limit exceeded"
