"""A media proxy for SIP that speaks the rtpengine-compatible NG protocol, on Trio."""

from __future__ import annotations

__version__ = "0.1.0"
