"""Settings for every test of the repository."""

import hypothesis

# Timings never fail a test: what takes 200 ms on a quiet machine takes a second on a busy one.
hypothesis.settings.register_profile("repsense", deadline=None)
hypothesis.settings.load_profile("repsense")
