"""What is attached to versions: looked into first, named by its digest, read by right."""
