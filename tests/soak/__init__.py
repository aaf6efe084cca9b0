"""Long rehearsals: minutes of trouble on purpose, and the figures they leave."""
