"""Sets a deployment up and keeps it: secrets, database users and schema, backup and restore."""
