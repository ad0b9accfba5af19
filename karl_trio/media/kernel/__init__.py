"""The kernel's road of a packet: eBPF, loaded without a compiler, a library or a kernel module."""
