"""What the service knows of itself: one look, its sentence, its document, what needs a person."""
