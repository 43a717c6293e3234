"""Kafka, files, HTTP and the command line: everything around the coder."""
