"""Text in, events out: a library that knows nothing of Kafka."""
