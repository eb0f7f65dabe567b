"""The soak: hours of ordinary trade on real processes, watched for what only time shows."""
