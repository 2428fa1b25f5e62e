"""Files and folders: atomic writes, walking, PNG."""
