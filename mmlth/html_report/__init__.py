"""A study or a job as one HTML file that needs no network: findings, figures, tables, records."""
