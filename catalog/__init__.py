"""What is listed: resources of vendors and teachers, their versions, prices and admission."""
