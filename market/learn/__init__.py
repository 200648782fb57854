"""What learners and teachers do: open resources, and the ticket's way to vendors."""
