"""Apache Beam: one pipeline for Dataflow, Flink, Spark and one machine."""
