"""The handlers of NG commands; importing this package registers them all."""

from . import blocking, delete, direct, listening, offer_answer, overview, query, unsupported

__all__ = ["blocking", "delete", "direct", "listening", "offer_answer", "overview", "query", "unsupported"]
