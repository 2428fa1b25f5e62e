"""What is true of BDD100K alone: its label encodings, polygons and challenge server."""
