"""The daemon: transports, the dispatcher of NG requests, and the root nursery."""
