"""Session descriptions (RFC 8866): reading them without loss, and writing the ones that go out."""
