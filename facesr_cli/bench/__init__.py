"""Measuring: degradations, pairs, metrics, throughput, and the report people read."""
