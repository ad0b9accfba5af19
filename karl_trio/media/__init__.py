"""Moving packets: interfaces, ports, endpoint learning and the relay."""
