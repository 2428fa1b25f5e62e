"""Training: recipes, the loop that runs them, and what it writes."""
