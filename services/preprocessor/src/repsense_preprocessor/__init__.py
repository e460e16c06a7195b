"""From samples on the broker to classifications, sets and workouts in the database.

Read in this order: `service` (the loop), `pipeline` (what happens to a batch of messages), `smoothing` and `sets`
(what a person is told), `store` and `broker` (the edges).
"""
