"""The handlers of NG commands; importing this package registers them all."""

from . import blocking, delete, direct, offer_answer, overview, query, unsupported

__all__ = ["blocking", "delete", "direct", "offer_answer", "overview", "query", "unsupported"]
