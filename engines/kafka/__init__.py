"""Kafka: a stream processor that scores messages as they arrive."""
