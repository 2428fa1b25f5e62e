"""Images, masks and labels: from files to arrays and back; NumPy only, no torch."""
