"""Pages that nobody here wrote, visits to them that a script makes, and what the snippet must say of each."""
