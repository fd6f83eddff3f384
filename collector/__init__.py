"""Facts in: decodes, judges and stores what the snippet sends; a 204 leaves only when the facts are durable."""

__version__ = "0.1.0"
