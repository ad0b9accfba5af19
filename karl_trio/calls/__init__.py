"""Calls: their legs, media and streams, and what offers, answers and timeouts do to them."""
