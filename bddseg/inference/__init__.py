"""Running models: from an image to its label map, and runs over many images."""
