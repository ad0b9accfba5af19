"""The `karl-trio` command; see docs/cli.md."""
