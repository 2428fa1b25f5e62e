"""Tasks: which classes there are, and how they are drawn."""
