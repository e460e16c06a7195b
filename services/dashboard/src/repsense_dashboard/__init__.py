"""What people look at while they exercise: pages in the browser, over the REST API alone."""
