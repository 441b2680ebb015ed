"""A MapReduce job, by mrjob: in this process, in several, on Hadoop or on Elastic MapReduce."""
