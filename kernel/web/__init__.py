"""The web kit: layout, components, tables and their exports, rendering. It knows no domain."""
