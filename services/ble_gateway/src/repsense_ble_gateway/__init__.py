"""The gateway: brings the samples of Bluetooth, simulated and recorded sensors to the MQTT broker.

    source -> notification -> packet -> sample times -> batch -> outbox -> broker
    `sources`                 `packets` `sample_clock`  `batcher` `outbox` `broker_connection`

`sensor_stream` joins the middle part, without I/O; `gateway` runs one task per sensor and the connection.
"""
