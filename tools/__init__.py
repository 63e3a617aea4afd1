"""What the project is made with and does not ship: the renderer of people."""
