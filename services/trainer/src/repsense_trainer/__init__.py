"""Trains the network from labelled recordings and writes it as a version of a model.

Read in this order: `dataset` (labelled recordings, groups, windows), `augmentation`, `network`, `evaluation`,
`training` (puts these together), `export` (the version's directory), `cli`.
"""
