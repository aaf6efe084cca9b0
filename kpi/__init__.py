"""What is measured, against what, and what was found."""
