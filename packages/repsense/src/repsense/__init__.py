"""The domain of RepSense: what its services agree on, without any I/O of their own.

Read in this order: `channels` and `labels` (the vocabulary), `topics` and `messages` (what travels over MQTT),
`streams`, `resampling` and `windows` (from messages to the network's input), `manifest` and `classifiers`
(the network), `documents` and `database` (what is stored).
"""
