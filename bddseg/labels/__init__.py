"""Label maps as others write them: recognised, and converted to masks."""
