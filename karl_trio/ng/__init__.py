"""The NG protocol: its two encodings, its cookie, and requests and replies as typed values."""
