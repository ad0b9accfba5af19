"""RTP and RTCP without I/O (RFC 3550)."""
