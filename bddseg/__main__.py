"""`python -m bddseg`."""

from bddseg.cli.app import main

main()
