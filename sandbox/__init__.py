"""The outside world on one machine: a stand-in Engage, a stand-in MoEngage and a demo shop."""
