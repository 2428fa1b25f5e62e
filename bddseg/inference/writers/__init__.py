"""Writers: the formats of a run's results, one a file."""
