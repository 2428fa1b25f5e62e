"""The zoo: published models as data."""
