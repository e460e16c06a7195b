"""What the REST API returns and takes, a module per resource; OpenAPI is made from these."""
