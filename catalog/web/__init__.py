"""What the storefront's pages show, whoever looks. Routes are wired by the program above."""
