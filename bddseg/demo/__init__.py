"""The demo: rendered scenes, and a small network that was trained on others like them."""
