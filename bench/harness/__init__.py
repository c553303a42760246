"""What bench/run is made of: one module a section, and what they share."""
