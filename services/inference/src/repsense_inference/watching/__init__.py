"""Looking after RepSense as a whole: what is wrong, and since when.

watch ─┬─ preprocessors   do they live, and can they work?
├─ storing         does what sensors send reach the database?
├─ clocks          do server, gateways and samples agree on the time?
├─ labels          does the model know what it should?
└─ disk            is there room for models?
"""

from repsense_inference.watching.watch import Situation, StandingFault, Watch

__all__ = ["Situation", "StandingFault", "Watch"]
