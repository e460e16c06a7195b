"""The parts that pages are made of: pure functions from what the API says to HTML, and one chart in JavaScript."""
