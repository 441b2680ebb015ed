"""What the tests share: the command line, the S3 server, proxies, records and ways to look at what a run left."""
