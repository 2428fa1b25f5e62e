"""The command line: one command, one file. Only this package prints."""
