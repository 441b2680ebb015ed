"""MapReduce: Hadoop, Amazon EMR and one machine, by mrjob."""
