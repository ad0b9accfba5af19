"""What karl-trio costs and carries, measured; run by scripts/bench and scripts/fuzz."""
