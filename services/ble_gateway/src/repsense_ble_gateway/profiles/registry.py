"""All profiles."""

from collections.abc import Mapping
from types import MappingProxyType

from repsense_ble_gateway.profiles import Advertised, Link, Profile, ProfileError
from repsense_ble_gateway.profiles.movesense import MOVESENSE
from repsense_ble_gateway.profiles.polar import POLAR
from repsense_ble_gateway.profiles.prototype import PROTOTYPE
from repsense_ble_gateway.profiles.repsense import REPSENSE
from repsense_ble_gateway.profiles.witmotion import WITMOTION

__all__ = ["PROFILES", "profile_named", "profile_of", "recognised"]

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (REPSENSE, MOVESENSE, POLAR, WITMOTION, PROTOTYPE)}
)
"""By name, in order of preference for a sensor that is of several kinds: the more a packet tells, the better."""


def profile_named(name: str) -> Profile:
    """Find a profile by the name that it has in the configuration.

    Raises:
        ProfileError: If there is none; it lists those that there are.
    """
    profile = PROFILES.get(name)
    if profile is None:
        msg = f'there is no profile "{name}"; use one of {", ".join(PROFILES)}'
        raise ProfileError(msg)
    return profile


def profile_of(link: Link) -> Profile | None:
    """Which kind a connected sensor is, by its characteristics; None if RepSense does not know it."""
    return next((profile for profile in PROFILES.values() if link.properties(profile.characteristic)), None)


def recognised(advertised: Advertised) -> Profile | None:
    """Which kind a sensor that advertises is likely to be; None if nothing tells."""
    return next((profile for profile in PROFILES.values() if profile.recognises(advertised)), None)
