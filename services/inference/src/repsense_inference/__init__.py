"""The REST API of RepSense: classification, live events and history.

`app` puts the parts together; `routes` are the resources, `schemas` what they return, `ports` what they need and
`repositories` where it is read from. `live` follows the broker, `model` keeps the network open.
"""
