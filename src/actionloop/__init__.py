"""actionloop: personal action-network maps and stimulation targets for chronic pain (research use only)."""

__version__ = "0.1.0"
