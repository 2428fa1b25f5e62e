"""What is true of BDD100K alone: its label files, polygons and challenge server."""
