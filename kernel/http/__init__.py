"""What every HTTP answer shares: problems, headers, cursors, sessions and pages."""
