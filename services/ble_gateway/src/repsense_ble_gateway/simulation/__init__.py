"""A simulated person who exercises with a sensor on: movement first, then what a sensor would measure of it.

`exercises`  what is moved, how far and how fast     `rotations`  three-dimensional turning
`motion`     orientation and acceleration over time  `imu`        what an MPU-9250 makes of that
`person`     a workout: sets, rests and the moves between them
"""
